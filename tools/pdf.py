"""Print the built book as one PDF.

python tools/pdf.py [SITE]

The pages of the site, `_build/html`, become one page, `book.html` in the folder `pdf` beside it,
and Chromium prints that. The numbers of theorems, equations and figures are therefore those of the
site, and a link from page to page becomes a link inside the PDF. No style sheet can say on which
sheet a heading will stand, so the book is printed twice: the second time with the page numbers of
its contents filled in, and once more where these have moved a heading.

Beautiful Soup and Tornado come with what builds the book.
"""

import asyncio
import base64
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup
from tornado.websocket import websocket_connect

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

# For the first print, which is about pages: what is not painted takes its room, and half the time.
UNPAINTED = '<style id="unpainted">article * { visibility: hidden !important }</style>'
UNPAINT = f"document.head.insertAdjacentHTML('beforeend', {json.dumps(UNPAINTED)})"
NUMBER = """(numbers) => {
    document.getElementById("unpainted")?.remove();
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
    for widget in found.select("script, link, button, [hidden], .headerlink, .lab-set-up"):
        widget.decompose()
    for folded in found.select("details.hide"):
        if folded.find(class_="cell_output") and not folded.find("img"):
            folded.decompose()  # the log of a training
        else:
            folded.summary.decompose()
            folded.unwrap()
    for name in found.select(".highlight span:is(.n, .p, .w)"):
        name.unwrap()  # as black as the rest, and every element is bytes in the PDF
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
            for section in articles[name].select("section > section:has(> h2)"):
                lines.append(entry("section", section["id"], section.h2.decode_contents()))
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


async def connect(chromium, profile):
    """Start Chromium without a window and without a network; the process and a connection."""
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = await asyncio.create_subprocess_exec(chromium, *options, **quiet)
    said = Path(profile) / "DevToolsActivePort"
    for _ in range(600):
        if process.returncode is not None:
            break
        if said.exists() and said.read_text().count("\n"):
            port, path = said.read_text().splitlines()
            address = f"ws://127.0.0.1:{port}{path}"
            return process, await websocket_connect(address, max_message_size=1 << 30)
        await asyncio.sleep(0.1)
    else:
        process.kill()
    raise SystemExit(f"{chromium} does not start: try `{chromium} --headless --version`.")


class Tab:
    """A page in the browser."""

    def __init__(self, connection):
        self.connection, self.session, self.count = connection, {}, 0

    async def receive(self):
        """The next message."""
        message = await self.connection.read_message()
        if message is None:
            raise SystemExit("The browser stopped while it printed the book: is there memory left?")
        return json.loads(message)

    async def __call__(self, method, **parameters):
        """The result of a command of the DevTools protocol."""
        self.count += 1
        command = {"id": self.count, "method": method, "params": parameters, **self.session}
        await self.connection.write_message(json.dumps(command))
        while (message := await self.receive()).get("id") != self.count:
            pass
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']['message']}")
        return message["result"]

    async def open(self, url):
        """Open a page and wait until its scripts have run."""
        tab = await self("Target.createTarget", url="about:blank")
        session = await self("Target.attachToTarget", targetId=tab["targetId"], flatten=True)
        self.session = {"sessionId": session["sessionId"]}
        await self("Emulation.setEmulatedMedia", media="print")
        size = {"width": TEXT_WIDTH, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        await self("Emulation.setDeviceMetricsOverride", **size)
        await self("Page.enable")
        await self("Page.navigate", url=url)
        while (await self.receive()).get("method") != "Page.loadEventFired":
            pass

    async def ask(self, expression):
        """The value of an expression, awaited."""
        asked = {"expression": expression, "awaitPromise": True, "returnByValue": True}
        answer = await self("Runtime.evaluate", **asked)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    async def print(self, finished):
        """The page as a PDF, in bytes; with an outline and tags if it is finished."""
        wanted = {"printBackground": True, "preferCSSPageSize": True}
        more = {"generateDocumentOutline": finished, "generateTaggedPDF": finished}
        printed = await self("Page.printToPDF", **wanted, **more)
        return base64.b64decode(printed["data"])


def page_numbers(pdf):
    """The page of every place in the PDF that a link leads to.

    The browser writes the structure of the file as plain text: `/Type /Page` for every page, in
    order, and a table of places, `/math--summary [2940 0 R /XYZ 52 781 0]`.
    """
    pages = re.findall(rb"\n(\d+) 0 obj\n<</Type /Page\n", pdf)
    number = {page: i for i, page in enumerate(pages, 1)}
    places = re.findall(rb"/([\w.#-]+) \[(\d+) 0 R /XYZ", pdf)
    return {place.decode(): number[page] for place, page in places}


async def main(site):
    """Write the book beside the site and print it."""
    chromium = browser()
    if not chromium:
        raise SystemExit(
            f"The PDF needs one of {', '.join(BROWSERS)}: `sudo apt install chromium`."
        )
    if not (site / "book").is_dir():
        raise SystemExit(f"There is no book in {site} yet: `make pdf` builds it first.")
    folder = site.parent / "pdf"
    folder.mkdir(exist_ok=True)
    book = folder / "book.html"
    book.write_text(assemble(site), encoding="utf-8")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process, connection = await connect(chromium, profile)
        try:
            tab = Tab(connection)
            await tab.open(book.as_uri())
            lost = await tab.ask(READY)
            if lost:
                raise SystemExit(f"The browser could not show {lost}.")
            await tab.ask(UNPAINT)
            numbers = page_numbers(await tab.print(finished=False))
            for _ in range(3):  # the numbers themselves may move a heading to the next sheet
                await tab.ask(f"({NUMBER})({json.dumps(numbers)})")
                printed = await tab.print(finished=True)
                before, numbers = numbers, page_numbers(printed)
                if numbers == before:
                    break
        finally:
            process.terminate()
            await process.wait()
    (folder / "book.pdf").write_bytes(printed)
    print(f"The book is in {folder / 'book.pdf'}")


if __name__ == "__main__":
    asyncio.run(main(Path(*sys.argv[1:2] or [ROOT / "_build" / "html"]).resolve()))
