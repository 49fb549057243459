"""Sphinx extension: the site carries what its pages use, and nothing else; its pages fit a phone.

MathJax comes from the package sphinx-mathjax-offline, without its bundles for other formats of
input, and only to pages with mathematics. The theme's icons come in one script of which the book
uses 1 in 100. Maps of minified scripts and fonts for browsers of 2013 stay out. Two labels that
contradict what a screen reader reads beside them go too.

Formulas keep the comma that follows them, and outputs and tables get what `book.css` needs to fold
them into a narrow page.
"""

import importlib
import itertools
import re
import shutil
from pathlib import Path

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

# Attributes that the builders write and a reader who listens is worse off with: a fixed name in
# place of the text "Show code cell output", and a list whose items are none.
LABELS = {
    '<summary aria-label="Toggle hidden content">': "<summary>",
    '<div role="list" class="citation-list">': '<div class="citation-list">',
}

# A link that begins with the space before it: "Solution to<a> Exercise 3.1</a>".
SPACED = re.compile(r"(<a [^>]*>) (?=\S)")

# A formula with what it must not be parted from: to a browser it is a picture, beside which any
# line may end, even before a comma.
FORMULA = re.compile(
    r"([(\[“‘]*)"
    r'(<span class="math notranslate nohighlight">[^<]*</span>)'
    r"((?:-\w+)?(?:’s\b)?[.,;:!?)\]”’]*)"
)

OUTPUT = re.compile(
    r'<div class="(output [^"]*)"(><div class="highlight"><pre>)(.*?)(?=</pre>)', re.DOTALL
)
COLUMNS = re.compile(r"\S {2,}\S")

TABLE = re.compile(r'<table class="([^"]*)"(.*?</thead>)(.*?)(?=</table>)', re.DOTALL)
TAG = re.compile(r"<[^>]*>")


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


def keep_together(formula):
    """A formula, in one piece with its punctuation."""
    before, _, after = formula.groups()
    return f'<span class="together">{formula[0]}</span>' if before or after else formula[0]


def name_prose(output):
    """An output, of class `prose` where nothing in it stands in columns: its lines may wrap."""
    kind, between, text = output.groups()
    if not COLUMNS.search(TAG.sub("", text)):
        kind += " prose"
    return f'<div class="{kind}"{between}{text}'


def name_cells(table):
    """A table whose cells know the name of their column; `rows` if it has more than three."""
    kind, head, rows = table.groups()
    names = [TAG.sub("", name).strip() for name in re.findall(r"<th[ >].*?</th>", head, re.DOTALL)]
    if len(names) > 3 and "rows" not in kind.split():
        kind += " rows"
    column = itertools.cycle(names)
    rows = re.sub(r"<td", lambda _: f'<td data-name="{next(column)}"', rows)
    return f'<table class="{kind}"{head}{rows}'


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
    places = [
        *site.glob("*.html"),
        *site.glob("book/*.html"),
        *static.glob("**/*theme.js"),
    ]
    used = {
        name
        for path in places
        for name in re.findall(r"\bfa-([a-z][\w-]*)", path.read_text("utf-8"))
    }
    rewrite(static / "scripts" / "fontawesome.js", keep_icons, used)
    rewrite(static / "styles" / "pydata-sphinx-theme.css", keep_letters, used)


def mend_page(app, pagename, templatename, context, doctree):
    """Leave out MathJax where there is no mathematics; mend the text of every page."""
    if not app.env.domaindata["math"]["has_equations"].get(pagename):
        scripts = context["script_files"]
        scripts[:] = [script for script in scripts if "mathjax" not in str(script.filename)]
    if "body" in context:
        for old, new in LABELS.items():
            context["body"] = context["body"].replace(old, new)
        for pattern, mended in (
            (SPACED, r" \1"),
            (FORMULA, keep_together),
            (OUTPUT, name_prose),
            (TABLE, name_cells),
        ):
            context["body"] = pattern.sub(mended, context["body"])


def setup(app):
    """Take part in a build."""
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    app.connect("html-page-context", mend_page, priority=900)  # after Sphinx has added MathJax
    app.connect("build-finished", slim)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
