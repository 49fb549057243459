"""How soon a page of the built book can be read, and how smoothly the GAN lab moves.

    make book && .venv/bin/python benchmarks/pages.py

Needs the system's chromium and playwright. Every page is opened in a fresh context from a file
server on this machine; what counts is the first contentful paint, the median of three visits. The
lab trains as fast as it can for ten seconds while frames are counted. Run it on a quiet machine:
the first line says whether it is.
"""

import functools
import os
import shutil
import statistics
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import sync_playwright

SITE = Path(__file__).resolve().parent.parent / "_build" / "html"
VISITS, SECONDS = 3, 10
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
FRAMES = """(seconds) => new Promise((resolve) => {
    let frames = 0;
    const start = performance.now();
    requestAnimationFrame(function next(now) {
        frames++;
        if (now - start < 1000 * seconds) requestAnimationFrame(next);
        else resolve(frames / seconds);
    });
})"""


class Quiet(SimpleHTTPRequestHandler):
    """A file server that logs nothing."""

    def log_message(self, *args):
        pass


def visit(browser, url):
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.wait_for_function(f"{PAINT} > 0")
    return page


def main():
    handler = functools.partial(Quiet, directory=SITE)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        print(f"{os.cpu_count()} cores, {os.getloadavg()[0]:.1f} processes want them")
        print("first contentful paint, ms")
        for path in sorted((SITE / "book").glob("*.html")):
            paints = []
            for _ in range(VISITS):
                page = visit(browser, f"{address}/book/{path.name}")
                paints.append(page.evaluate(PAINT))
                page.context.close()
            print(f"  {path.stem:<20}{statistics.median(paints):6.0f}")
        page = visit(browser, f"{address}/book/gan_lab.html")
        page.click('[data-lab="run"]')
        page.wait_for_function("ganlab.page.game().rounds >= 20")
        print(f"GAN lab: {page.evaluate(FRAMES, SECONDS):.0f} frames a second while it trains")
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main()
