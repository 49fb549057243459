"""What the tests of the live pages share: asking a page's scripts, and opening it alone."""

import base64
import html
import io
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from sources import ROOT

STATIC = ROOT / "book" / "_static"


def script(name):
    """The text of a script of the book."""
    return (STATIC / f"{name}.js").read_text(encoding="utf-8")


def raw(page):
    """The HTML in a page's Markdown."""
    return re.findall(r"^```\{raw\} html\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def pixels(canvas):
    """What a canvas shows, uint8 (height, width, 4).

    As a PNG: its numbers as a list would take seconds.
    """
    url = canvas.evaluate("(canvas) => canvas.toDataURL()")
    file = io.BytesIO(base64.b64decode(url.partition(",")[2]))
    return np.asarray(Image.open(file).convert("RGBA"))


def set_ups(name, page):
    """The settings that the buttons of a page's text hold, by the names of these."""
    buttons = rf"""data-name="([\w-]+)" (?:data-part="\w+" )?data-{name}-set-up='([^']*)'"""
    found = re.findall(buttons, page)
    return {button: json.loads(html.unescape(settings)) for button, settings in found}


def asking(files, questions):
    """A fixture: a function that asks scripts one of the questions in a file of tests.

    They run in Node or, where there is none, in Chromium.
    """
    scripts = [script(name) for name in files]
    scripts.append((ROOT / "tests" / questions).read_text(encoding="utf-8"))

    def in_node(question, **details):
        task = json.dumps({"question": question, **details})
        # As scripts of a page: in the global scope, and without CommonJS.
        *first, last = scripts
        first = "".join(f"(0, eval)({json.dumps(text)});\n" for text in first)
        done = subprocess.run(
            [shutil.which("node"), "-"],
            input=f"delete globalThis.exports;\n{first}{last}\n"
            f"answer({task}).then((found) => console.log(JSON.stringify(found)));",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout.splitlines()[-1])

    @pytest.fixture(scope="module")
    def ask(request):
        if shutil.which("node"):
            return in_node
        page = request.getfixturevalue("browser").new_page()
        for content in scripts:
            page.add_script_tag(content=content)
        return lambda question, **details: page.evaluate(
            "(task) => answer(task)", {"question": question, **details}
        )

    return ask


def drawn(ask, latents, classes, shape, **details):
    """Images that the scripts make, float32."""
    found = ask("images", latents=latents.tolist(), classes=classes.tolist(), **details)
    assert found["left"] == 0  # tensors that nobody would ever free
    return np.frombuffer(base64.b64decode(found["images"]), "float32").reshape(-1, *shape)


def opening(page, own, still):
    """A fixture: a function that opens a page's HTML alone, as a file without a server.

    There may be no complaint. `own` is the name that the page's scripts have in JavaScript, `still`
    the id of the figure that stands in for the page.
    """
    text = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>A live page</title>"
        '<meta name=viewport content="width=device-width, initial-scale=1">'
        f"<figure id={still}>a still figure</figure>{''.join(raw(page))}"
    )

    @pytest.fixture
    def open_page(browser, tmp_path):
        shutil.copytree(STATIC, tmp_path / "_static")
        (tmp_path / "book").mkdir()
        path = tmp_path / "book" / "page.html"
        path.write_text(text, encoding="utf-8")
        opened = []

        def open_alone(width=1280, without_wasm=False, missing=(), **options):
            context = browser.new_context(viewport={"width": width, "height": 900}, **options)
            context.set_default_timeout(60_000)
            page = context.new_page()
            page.complaints = []
            if without_wasm:
                page.add_init_script("WebAssembly.validate = () => false")
            for name in missing:
                page.route(f"**/{name}", lambda route: route.abort())
            opened.append(page)
            page.on("pageerror", lambda error: page.complaints.append(str(error)))
            page.on("console", lambda m: m.type == "error" and page.complaints.append(m.text))
            page.goto(path.as_uri())
            if options.get("java_script_enabled", True):
                page.wait_for_function(f"{own}.page")
            return page

        yield open_alone
        for page in opened:
            assert page.complaints == []
            page.context.close()

    return open_page
