"""Print the built book as one PDF.

python tools/pdf.py [SITE]

The pages of the site, `_build/html`, become one page, `book.html` in the folder `pdf` beside it,
and Chromium prints that. The numbers of theorems, equations and figures are therefore those of the
site, and a link from page to page becomes a link inside the PDF. No style sheet can say on which
sheet a heading will stand, so the book is printed twice: the second time with the page numbers of
its contents filled in, and once more where these have moved a heading.

Beautiful Soup comes with what builds the book.
"""

import json
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TEXT_WIDTH = 658  # px between the margins on the A4 sheet that pdf.css sets

PAGE = """\
<!DOCTYPE html>
<html lang="en" data-theme="light" data-mode="light">
<head>
<meta charset="utf-8">
<title>{title}</title>
{styles}
<style>
{style}
</style>
<script>
window.MathJax = {{options: {{
    enableMenu: false, enableAssistiveMml: false, processHtmlClass: "math", ignoreHtmlClass: "book",
}}}};
</script>
<script defer src="../html/_static/mathjax/tex-chtml.js"></script>
</head>
<body class="book">
<section class="title-page">
<img src="../html/_static/logo.svg" alt="">
<p class="title">{title}</p>
<p>{author}, {year}</p>
<p>{footer}<br><a href="{url}">{url}</a></p>
</section>
<nav class="book-contents">
<h1>Contents</h1>
{contents}
</nav>
{articles}
</body>
</html>
"""

# Everything a reader should see is there, and nothing is wider than the sheet. What could not be
# shown is what this returns.
READY = """(async () => {
    await MathJax.startup.promise;
    await Promise.allSettled([...document.images].map((image) => image.decode()));
    await document.fonts.ready;
    for (const box of document.querySelectorAll("mjx-container[display], table")) {
        const room = box.parentElement.getBoundingClientRect().width;
        const width = Math.max(box.scrollWidth, box.firstElementChild?.scrollWidth ?? 0);
        if (width > room) box.style.zoom = room / width;
    }
    return [
        ...[...document.images].filter((image) => !image.naturalWidth).map((image) => image.src),
        ...[...document.querySelectorAll(".math")]
            .filter((e) => !e.querySelector("mjx-container") || e.querySelector("mjx-merror"))
            .map((e) => e.textContent),
    ];
})()"""

NUMBER = """(numbers) => {
    for (const link of document.querySelectorAll(".book-contents a"))
        link.lastElementChild.textContent = numbers[link.hash.slice(1)];
}"""


def browser():
    """The path of Chromium or Chrome, None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


# ------------------------------------------------------------------------------- one page of all


def identifier(page, fragment=""):
    """The name in the book of a place on a page: different pages have places of the same name."""
    return f"{page}--{fragment}" if fragment else page


def target(page, reference, pages):
    """Where a reference on a page leads, seen from the book."""
    parts = urlsplit(reference)
    if parts.scheme or parts.netloc:
        return reference
    name = Path(unquote(parts.path)).stem if parts.path else page
    if name in pages:
        return "#" + identifier(name, unquote(parts.fragment))
    return reference.replace("../", "../html/", 1)


def article(site, page, pages):
    """The article of a page, as a part of the book: without what is there to be pressed."""
    html = BeautifulSoup(
        (site / "book" / f"{page}.html").read_text(encoding="utf-8"), "html.parser"
    )
    found = html.select_one("article.bd-article")
    for widget in found.select(
        "script, link, button, input, label, [hidden], .headerlink, .lab-set-up"
    ):
        widget.decompose()
    for folded in found.select("details.hide"):
        if folded.find(class_="cell_output") and not folded.find("img"):
            folded.decompose()  # the log of a training
        else:
            folded.summary.decompose()
            folded.unwrap()
    for ticks in found.select("details.ticks"):
        ticks.select_one(".cell_input").decompose()
        ticks.name = ticks.summary.name = "div"
    for name in found.select(".highlight span:is(.n, .p, .w)"):
        name.unwrap()  # as black as the rest, and every element is bytes in the PDF
    for heading in found.select("section[id] > :is(h1, h2, h3, h4)"):
        # A section may begin at the very end of a sheet, and its heading on the next one.
        heading["id"] = heading.parent.attrs.pop("id")
    for place in found.select("[id]"):
        place["id"] = identifier(page, place["id"])
    for link in found.select("a[href]"):
        link["href"] = target(page, link["href"], pages)
    for image in found.select("img[src]"):
        image["src"] = target(page, image["src"], pages)
        image.attrs.pop("loading", None)
    found["id"] = identifier(page)
    found["style"] = f"page: {page}"
    return found


def contents(articles, parts):
    """The list of chapters and their sections; the page numbers are filled in later."""

    def entry(kind, place, title):
        return (
            f'<p class="{kind}"><a href="#{place}"><span>{title}</span>'
            '<span class="page"></span></a></p>'
        )

    lines = []
    for caption, names in parts:
        lines.append(f"<h2>{caption}</h2>" if caption else "")
        for name in names:
            lines.append(entry("chapter", name, articles[name].h1.decode_contents()))
            for heading in articles[name].select("section > section > h2"):
                lines.append(entry("section", heading["id"], heading.decode_contents()))
    return "\n".join(lines)


def running_heads(articles):
    """A chapter's title at the head of its pages."""
    return "\n".join(
        f"@page {name} {{ @top-left {{ content: {json.dumps(found.h1.get_text())}; }} }}"
        for name, found in articles.items()
    )


def assemble(site):
    """The text of the one page."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    parts = [("", [toc["root"]])]
    parts += [(part["caption"], [it["file"] for it in part["chapters"]]) for part in toc["parts"]]
    parts = [(caption, [Path(page).name for page in pages]) for caption, pages in parts]
    pages = [page for _, names in parts for page in names]
    articles = {page: article(site, page, pages) for page in pages}
    first = (site / "book" / f"{pages[0]}.html").read_text(encoding="utf-8")
    styles = re.findall(r'<link[^>]*rel="stylesheet"[^>]*>', first)
    style = (ROOT / "tools" / "pdf.css").read_text(encoding="utf-8")
    return PAGE.format(
        title=config["title"],
        author=config["author"],
        year=config["copyright"],
        footer=config["html"]["extra_footer"],
        url=config["repository"]["url"],
        styles="\n".join(styles).replace("../_static", "../html/_static"),
        style=style + running_heads(articles),
        contents=contents(articles, parts),
        articles="\n".join(map(str, articles.values())),
    )


# ------------------------------------------------------------------------------ what prints it


def launch(playwright):
    """The system's Chromium, without a window and without a network but for this machine."""
    offline = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    return playwright.chromium.launch(executable_path=browser(), args=["--no-sandbox", offline])


def page_numbers(pdf):
    """The page of every place in the PDF that a link leads to.

    The browser writes the structure of the file as plain text: `/Type /Page` for every page, in
    order, and a table of places, `/divergences--summary [29 0 R /XYZ 52 7 0]`. The outline's
    entries, `/Dest [...]`, have no name.
    """
    pages = re.findall(rb"\n(\d+) 0 obj\n<</Type /Page\n", pdf)
    number = {page: i for i, page in enumerate(pages, 1)}
    places = re.findall(rb"/(?!Dest )([\w.#-]+) \[(\d+) 0 R /XYZ", pdf)
    return {place.decode(): number[page] for place, page in places}


def print_once(chromium, book, numbers=None):
    """The book as a PDF, in bytes, with these page numbers in its contents; without, a draft.

    Always from a page just opened: Chromium divides one that it has printed before into other
    sheets. A draft is about sheets: what is not painted takes its room, and half the time.
    """
    page = chromium.new_page(viewport={"width": TEXT_WIDTH, "height": 1000})
    page.emulate_media(media="print")
    page.goto(book.as_uri(), timeout=0)
    if numbers:
        page.evaluate(NUMBER, numbers)
    else:
        page.add_style_tag(content="article * { visibility: hidden !important }")
    lost = page.evaluate(READY)
    if lost:
        raise SystemExit(f"The browser could not show {lost}.")
    more = {"outline": True, "tagged": True} if numbers else {}
    printed = page.pdf(prefer_css_page_size=True, print_background=True, **more)
    page.close()
    return printed


def print_numbered(chromium, book):
    """The book as a PDF whose contents name the sheets on which its places are."""
    numbers = page_numbers(print_once(chromium, book))
    for _ in range(3):  # the numbers themselves may move a heading to the next sheet
        printed = print_once(chromium, book, numbers)
        before, numbers = numbers, page_numbers(printed)
        if numbers == before:
            return printed
    raise SystemExit("No PDF: the numbers of the contents move a heading in every print.")


def main(site):
    """Write the book beside the site and print it."""
    if not browser():
        raise SystemExit(
            f"The PDF needs one of {', '.join(BROWSERS)}: `sudo apt install chromium`."
        )
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        raise SystemExit(
            "The PDF needs Playwright: `.venv/bin/pip install playwright==1.65.2`."
        ) from None
    if not (site / "book").is_dir():
        raise SystemExit(f"There is no book in {site} yet: `make pdf` builds it first.")
    folder = site.parent / "pdf"
    folder.mkdir(exist_ok=True)
    book = folder / "book.html"
    book.write_text(assemble(site), encoding="utf-8")
    with sync_playwright() as playwright, launch(playwright) as chromium:
        printed = print_numbered(chromium, book)
    (folder / "book.pdf").write_bytes(printed)
    print(f"The book is in {folder / 'book.pdf'}")


if __name__ == "__main__":
    main(Path(*sys.argv[1:2] or [ROOT / "_build" / "html"]).resolve())
