"""The book on paper: one page of all pages, and the PDF that a browser makes of it."""

import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys

import pdf
import pytest
from bs4 import BeautifulSoup
from conftest import do_without_browser
from sources import CHAPTERS, CONFIG, NEEDS, PAGES, ROOT

NAMES = [page.split("/")[1] for page in PAGES]
TOOL = ROOT / "tools" / "pdf.py"


def loaded(site, reference):
    """The file that the one page means."""
    return (site.parent / "pdf" / reference.split("?")[0]).resolve()


def packed(text):
    """A text without spaces and hyphens: the end of a line takes some away."""
    return re.sub(r"[\s-]+", "", text)


# ------------------------------------------------------------------------------- one page of all


@pytest.fixture(scope="module")
def page(site):
    return BeautifulSoup(pdf.assemble(site), "html.parser")


def test_every_page_is_a_part_in_the_order_of_the_book(page):
    assert [part["id"] for part in page.select("article")] == NAMES


def test_every_link_in_the_book_leads_somewhere(page, site):
    places = [place["id"] for place in page.select("[id]")]
    for link in page.select("a[href]"):
        if link["href"].startswith("#"):
            assert places.count(link["href"][1:]) == 1, link
        elif not re.match("https?://", link["href"]):
            assert loaded(site, link["href"]).exists(), link


def test_the_numbers_are_those_of_the_site(page, site):
    numbers = ".section-number, .eqno, .caption-number, .proof > p.admonition-title"
    for name in NAMES:
        one = BeautifulSoup((site / "book" / f"{name}.html").read_text("utf-8"), "html.parser")
        (part,) = page.select(f"article#{name}")
        seen, there = part.select(numbers), one.select_one("article").select(numbers)
        drop = re.compile("#$")  # the link at the end of an equation's number
        assert [it.get_text() for it in seen] == [drop.sub("", it.get_text()) for it in there]


def test_nothing_is_there_to_be_pressed_or_loaded_from_elsewhere(page, site):
    assert page.select("button, input, select, canvas, details, iframe") == []
    assert len(page.select("script[src]")) == 1
    for load in page.select("script[src], link[href], img[src]"):
        assert loaded(site, load.get("src") or load.get("href")).exists(), load


def test_a_training_log_is_left_out_and_long_code_is_not(page):
    text = page.get_text()
    assert "Epoch 1/" not in text
    assert "Show code cell" not in text
    assert page.select_one(".highlight .k")  # coloured still


def test_checks_are_their_claims(page):
    assert len(page.select("div.ticks")) > 100
    for ticks in page.select("div.ticks"):
        assert not ticks.select("pre")
        assert all(line.startswith("✓ ") for line in ticks.get_text().strip().splitlines())


def refusal(site, **environment):
    """What the tool says in place of a PDF, one sentence."""
    command = [sys.executable, TOOL, site]
    alone = {**os.environ, **environment}
    refused = subprocess.run(command, env=alone, capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1, refused.stderr
    return refused.stderr


def test_without_a_browser_it_says_so_in_one_sentence(site):
    assert "apt install chromium" in refusal(site, PATH="")


def test_without_playwright_it_says_so_in_one_sentence(site, tmp_path):
    (tmp_path / "chromium").symlink_to(sys.executable)
    (tmp_path / "playwright.py").write_text("raise ModuleNotFoundError")
    without = {"PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    assert ".venv/bin/pip install playwright==" in refusal(site, **without)


def test_a_book_whose_numbers_do_not_settle_is_not_written(monkeypatch):
    sheets = itertools.count()
    monkeypatch.setattr(pdf, "print_once", lambda *_: next(sheets))
    monkeypatch.setattr(pdf, "page_numbers", lambda printed: {"dynamics": printed})
    with pytest.raises(SystemExit, match="No PDF"):
        pdf.print_numbered(None, None)


# ---------------------------------------------------------------------------------- on paper


@pytest.fixture(scope="module")
def printed(site):
    """The PDF, in bytes."""
    if not (pdf.browser() and importlib.util.find_spec("playwright")):
        do_without_browser(NEEDS.format("Chromium and Playwright"))
    subprocess.run([sys.executable, TOOL, site], check=True)
    return (site.parent / "pdf" / "book.pdf").read_bytes()


def text_of_sheets(site, *options):
    if not shutil.which("pdftotext"):
        do_without_browser(NEEDS.format("pdftotext"))
    command = ["pdftotext", *options, site.parent / "pdf" / "book.pdf", "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return text.split("\f")[:-1]


@pytest.fixture(scope="module")
def sheets(printed, site):
    """The text of every sheet."""
    return text_of_sheets(site)


def outline(printed):
    """The titles of the PDF's outline."""
    for title in re.findall(rb"/Title (\((?:\\.|[^\\)])*\)|<[0-9A-F]*>)\n/Dest", printed):
        if title.startswith(b"<"):
            yield bytes.fromhex(title[1:-1].decode()).decode("utf-16")
        else:
            yield re.sub(rb"\\(.)", rb"\1", title[1:-1]).decode("latin-1")


@pytest.mark.slow
def test_it_is_a_book_of_a_sane_size(printed, page):
    assert len(printed) < 3e6 * len(CHAPTERS)
    assert 150 < printed.count(b"/Type /Page\n") < 60 * len(CHAPTERS)
    assert printed.count(b"/Subtype /Image") >= len({image["src"] for image in page.select("img")})


@pytest.mark.slow
def test_its_outline_has_every_heading_once(printed, page):
    titles = sorted(map(packed, outline(printed)))
    mathematics = re.compile(r"\\\(.*?\\\)")
    plain = [it.get_text() for it in page.select("h1, h2, h3, h4") if not it.select(".math")]
    assert len(titles) == len(page.select("h1, h2, h3, h4, h5, h6"))
    assert set(map(packed, plain)) <= set(titles)
    assert not [title for title in titles if mathematics.search(title)]


@pytest.mark.slow
def test_links_lead_to_places_in_it(printed):
    places = pdf.page_numbers(printed)
    links = re.findall(rb"/Dest /([\w.#-]+)\n", printed)
    assert len(links) > 500
    assert {link.decode() for link in links} <= set(places)


@pytest.mark.slow
def test_every_chapter_starts_on_a_new_sheet_that_the_contents_name(sheets, page, printed, site):
    assert CONFIG["title"] in " ".join(sheets[0].split())
    starts = pdf.page_numbers(printed)
    assert len({starts[name] for name in NAMES}) == len(NAMES)
    # A long title and its number are one line on the sheet, but not always in a row in the text.
    contents = packed("".join(text_of_sheets(site, "-layout")[1 : starts[NAMES[0]] - 1]))
    for entry in page.select(".book-contents a"):
        place = entry["href"][1:]
        assert packed(entry.get_text()) + str(starts[place]) in contents
        assert packed(entry.get_text()) in packed(sheets[starts[place] - 1])
    for name in NAMES:
        title = packed(page.select_one(f"article#{name} h1").get_text())
        running_head = title
        assert packed(sheets[starts[name] - 1]).startswith(running_head + title)


@pytest.mark.slow
def test_mathematics_is_set_and_not_left_as_tex(sheets):
    tex = re.compile(r"\\[()\[\]]|\$\$|\\(?:mathcal|mathbb|frac|begin|operatorname)\b")
    assert [(i, sheet) for i, sheet in enumerate(sheets, 1) if tex.search(sheet)] == []


@pytest.mark.slow
def test_every_sheet_is_numbered_but_the_title(sheets):
    assert not re.search(r"^1$", sheets[0], re.MULTILINE)
    for number, sheet in enumerate(sheets[1:], 2):
        assert re.search(rf"^{number}$", sheet, re.MULTILINE), sheet
