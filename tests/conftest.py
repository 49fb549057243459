"""What every test relies on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Set before anything imports Keras: the backend that the book teaches with, whatever the reader's
# own configuration says.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import matplotlib  # noqa: E402

matplotlib.use("Agg")  # not in the environment: a chapter executed by these tests shows its figures

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tools"))
import pdf  # noqa: E402


def pytest_collection_finish(session):
    """Train as the chapters do, where the tests that were collected train at all."""
    if "keras" in sys.modules:
        import ganlib

        ganlib.repeatable()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of HTML that a strict build leaves; the build is a test."""
    folder = tmp_path_factory.mktemp("site")
    command = Path(sys.executable).with_name("jupyter-book")
    strict = ["--all", "-W", "--keep-going", "-n", "--path-output", str(folder)]
    built = subprocess.run(
        [command, "build", ROOT, *strict], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr[-4000:]
    assert "WARNING" not in built.stderr
    return folder / "_build" / "html"


def do_without_browser(reason):
    """Skip a test, or fail it where a browser is required, as in continuous integration."""
    required = os.environ.get("GANBOOK_BROWSER") == "required"
    (pytest.fail if required else pytest.skip)(reason)


@pytest.fixture(scope="module")
def browser():
    """Chromium without a network, but for servers on this machine.

    Where it or Playwright is missing the tests are skipped, or fail if GANBOOK_BROWSER is
    "required". One a module: while it is there, nothing else in the process can use asyncio.
    """
    chromium = pdf.browser()
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        sync_playwright = None
    if not (chromium and sync_playwright):
        reason = "needs the system's chromium and `.venv/bin/pip install playwright`"
        do_without_browser(reason)
    offline = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", offline]
        )
        yield browser
        browser.close()
