"""What every test relies on."""

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Set before anything imports Keras: the backend that the book teaches with, whatever the reader's
# own configuration says.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
if "PYTEST_XDIST_WORKER" in os.environ:  # one for each core
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = "1"

import matplotlib  # noqa: E402
from xdist.scheduler import LoadFileScheduling  # noqa: E402

matplotlib.use("Agg")  # not in the environment: a chapter executed by these tests shows its figures

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tools"))
import pdf  # noqa: E402
from sources import NEEDS  # noqa: E402

# The matrix, one piece of many minutes, goes first; last goes what comes in small pieces, so that
# the cores are done at the same time. "" are all the others.
ORDER = (
    "tests/matrix",
    "tests/mutations",
    "",
    "tests/test_pdf",
    "book",
    "tests/test_browser",
    "tests/test_backends",
)

# When to begin nothing more, in seconds since 1970: where time is limited and the machine slow.
UNTIL = float(os.environ.get("GANBOOK_UNTIL", "inf"))
NO_TIME = "no time was left"


def pytest_collection_modifyitems(items):
    def place(item):
        file = item.path.relative_to(ROOT).as_posix()
        return ORDER.index(max((name for name in ORDER if file.startswith(name)), key=len))

    items.sort(key=place)
    for item in items:
        if item.get_closest_marker("once") and os.environ["KERAS_BACKEND"] != "tensorflow":
            item.add_marker(pytest.mark.skip(reason="TensorFlow has run it"))
        if {"site", "browser"} & set(getattr(item, "fixturenames", ())):  # a cell has none
            item.add_marker(pytest.mark.slow)


class TogetherByFile(LoadFileScheduling):
    """A core takes a whole file, but one page of the browser's and one of the backends' groups."""

    def _split_scope(self, nodeid):
        page = re.match(r"tests/test_browser.py::.*\[[^-\]]*", nodeid)
        if page:
            return page[0].rpartition("[")[2]
        return nodeid if "::test_the_same_tests_pass[" in nodeid else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config, log):
    return TogetherByFile(config, log)


class Until:
    """A plugin of its own: the hooks of this file are not asked about cells of the book."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self):
        if time.time() > UNTIL:
            pytest.skip(NO_TIME)


def pytest_configure(config):
    config.pluginmanager.register(Until())


def pytest_terminal_summary(terminalreporter):
    """Name what was left out for lack of time."""
    skipped = terminalreporter.getreports("skipped")
    files = {report.nodeid.split("::")[0] for report in skipped if NO_TIME in str(report.longrepr)}
    if files:
        terminalreporter.section("not run, or not to the end: no time was left (GANBOOK_UNTIL)")
        terminalreporter.write_line(", ".join(sorted(files)))


@contextlib.contextmanager
def alone(file):
    """Wait until no other process is in here with this file."""
    import fcntl

    with open(file, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pytest_collection_finish(session):
    """Train as the chapters do, where the tests that were collected train at all."""
    if "keras" in sys.modules:
        import ganlib

        ganlib.repeatable()


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of HTML that a strict build leaves; the build is a test.

    The first of pytest-xdist's workers that needs it builds it for all, below the folder of theirs.
    GANBOOK_SITE names one that `make book` has just left, as in continuous integration.
    """
    if "GANBOOK_SITE" in os.environ:
        return ROOT / os.environ["GANBOOK_SITE"]
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = folder / "site"
    built = folder.with_suffix(".built")
    with alone(folder.with_suffix(".lock")):
        if not built.exists():
            build(folder)
            built.touch()
    return folder / "_build" / "html"


def build(folder):
    """Build the book there, with nothing to complain of."""
    command = Path(sys.executable).with_name("jupyter-book")
    strict = ["--all", "-W", "--keep-going", "-n", "--path-output", str(folder)]
    built = subprocess.run(
        [command, "build", ROOT, *strict], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr[-4000:]
    assert "WARNING" not in built.stderr


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
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        sync_playwright = None
    if not (pdf.browser() and sync_playwright):
        do_without_browser(NEEDS.format("Chromium and Playwright"))
    with sync_playwright() as playwright, pdf.launch(playwright) as browser:
        yield browser
