"""Sphinx extension: the site carries what its pages use, and nothing else.

MathJax comes from the package sphinx-mathjax-offline, without its bundles for other formats of
input, and only to pages with mathematics; it reads formulas aloud in English, as the book is. The
theme's icons come in one script of which the book uses 1 in 100. Maps of minified scripts and
fonts for browsers of 2013 stay out.

Neither theme has an option for any of it: pydata's template always loads the whole script, 1.5 MB
on every page. The script is cut rather than replaced, since the theme draws its icons with it.

The notebooks that pages offer to download leave the figures to the pages, and to whoever runs them.
Large pictures become WebP without loss, smaller than as PNG by a fifth to three fifths.
"""

import importlib
import json
import re
import shutil
from pathlib import Path

from PIL import Image

MATHJAX = (
    "tex-chtml.js",
    "input/tex/extensions",
    "output",
    "ui",
    "a11y",
    "sre",
)

# "circle-xmark":[512,512,[61532,"times-circle"],"f057","M256 512..."]: size, aliases, code, paths.
ICON = re.compile(
    r'(?P<name>"[\w-]+"|\w+):\[\d+,\d+,\[(?P<aliases>[^\]]*)\],"[0-9a-f]+",(?:"[^"]*"|\[[^\]]*\])\],?'
)

# In style sheets, the same icons as letters of a font: .fa-close:before,.fa-xmark:before{...}
LETTER = re.compile(r'(?:\.fa-[\w-]+:before,?)+\{content:"[^"]*"\}')
# A font for the logos of firms, of which the script above draws the one that is used.
BRANDS = re.compile(r"@font-face\{[^}]*Font Awesome\\ 6 Brands[^}]*\}")


def keep_icons(script, used):
    """The script of Font Awesome without the icons that are not in `used`."""

    def kept(icon):
        names = {
            icon["name"].strip('"'),
            *re.findall(r'"([\w-]+)"', icon["aliases"]),
        }
        return icon[0] if names & used else ""

    return ICON.sub(kept, script)


def keep_letters(sheet, used):
    """A style sheet without the icons that are not in `used`."""

    def kept(rule):
        return rule[0] if set(re.findall(r"\.fa-([\w-]+):", rule[0])) & used else ""

    return LETTER.sub(kept, BRANDS.sub("", sheet))


def rewrite(path, function, used):
    """Apply a function of a text and of the names in use to a file."""
    path.write_text(function(path.read_text("utf-8"), used), "utf-8")


def copy_mathjax(static):
    """The parts of MathJax that a page, or its menu, may ask for."""
    package = Path(importlib.import_module("sphinx-mathjax-offline").__file__).parent
    for name in MATHJAX:
        source, target = (
            package / "static" / "mathjax" / name,
            static / "mathjax" / name,
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, target)
    for spoken in (static / "mathjax" / "sre" / "mathmaps").glob("*.json"):
        if spoken.stem not in ("base", "en", "nemeth"):
            spoken.unlink()


def without_figures(notebook):
    """A notebook's text without the figures among its outputs."""
    content = json.loads(notebook)
    for cell in content["cells"]:
        for output in cell.get("outputs", ()):
            output.get("data", {}).pop("image/png", None)
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


LARGE = 60_000  # bytes of a picture


def lighter(site, pages):
    """Write the large pictures of some pages as WebP, the same pixel for pixel."""
    large = [path for path in site.glob("_images/*.png") if path.stat().st_size > LARGE]
    for path in large:
        with Image.open(path) as picture:
            picture.save(path.with_suffix(".webp"), lossless=True, exact=True)
        path.unlink()
    names = {f"_images/{path.name}": f"_images/{path.stem}.webp" for path in large}
    for page in pages:
        text = page.read_text("utf-8")
        for old, new in names.items():
            text = text.replace(old, new)
        page.write_text(text, "utf-8")


def slim(app, exception):
    """Make the built site small."""
    if exception or app.builder.format != "html":
        return
    site = Path(app.outdir)
    static = site / "_static"
    copy_mathjax(static)
    for pattern in (
        "**/*.map",
        "vendor/**/*.ttf",
        "locales/*/LC_MESSAGES/*.po",
    ):
        for path in static.glob(pattern):
            path.unlink()
    for path in site.glob("_sources/book/*.ipynb"):
        path.write_text(without_figures(path.read_text("utf-8")), "utf-8")
    pages = [*site.glob("*.html"), *site.glob("book/*.html")]
    lighter(site, pages)
    places = [*pages, *static.glob("**/*theme.js")]
    used = {
        name
        for path in places
        for name in re.findall(r"\bfa-([a-z][\w-]*)", path.read_text("utf-8"))
    }
    rewrite(static / "scripts" / "fontawesome.js", keep_icons, used)
    rewrite(static / "styles" / "pydata-sphinx-theme.css", keep_letters, used)


def drop_mathjax(app, pagename, templatename, context, doctree):
    """Leave out MathJax where there is no mathematics."""
    if not app.env.domaindata["math"]["has_equations"].get(pagename):
        scripts = context["script_files"]
        scripts[:] = [script for script in scripts if "mathjax" not in str(script.filename)]


def setup(app):
    """Take part in a build."""
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    app.connect("html-page-context", drop_mathjax, priority=900)  # after Sphinx has added it
    app.connect("build-finished", slim)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
