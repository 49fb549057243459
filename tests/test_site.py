"""The book as it is built: no warning, nothing from another host, nothing missing."""

import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import mend
import nbformat
import numpy as np
import pytest
import slim
from PIL import Image
from sources import CHAPTERS, CONFIG, PAGES, ROOT, URL


class Page(HTMLParser):
    """What a page of the site refers to."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.ids, self.links, self.images, self.loads, self.inline = set(), [], [], [], []
        self.has_mathematics = False
        self._inside_script = False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.add(attrs["id"])
        if "math" in (attrs.get("class") or "").split():
            self.has_mathematics = True
        if tag == "a" and "href" in attrs:
            self.links.append(attrs["href"])
        elif tag == "img":
            self.images.append((attrs["src"], attrs.get("alt")))
        elif tag == "link":
            self.loads.append(attrs["href"])
        elif "src" in attrs:  # script, iframe, video, ...
            self.loads.append(attrs["src"])
        self._inside_script = tag == "script"

    def handle_endtag(self, tag):
        self._inside_script = False

    def handle_data(self, data):
        if self._inside_script:
            self.inline.append(data)

    def target(self, reference):
        """The file that a reference without a host means."""
        path = unquote(urlsplit(reference).path)
        return (self.path.parent / path).resolve() if path else self.path


@pytest.fixture(scope="module")
def pages(site):
    found = [Page(path) for path in site.rglob("*.html") if "_static" not in path.parts]
    return {str(page.path.relative_to(site).with_suffix("")): page for page in found}


def is_elsewhere(reference):
    parts = urlsplit(reference)
    return bool(parts.netloc) or parts.scheme not in ("", "data")


def test_every_page_of_the_contents_is_there(site, pages):
    assert set(PAGES) <= set(pages)
    assert (site / "index.html").exists()


def test_nothing_is_loaded_from_another_host(site, pages):
    for page in pages.values():
        loaded = page.loads + [source for source, _ in page.images]
        assert [reference for reference in loaded if is_elsewhere(reference)] == [], page.path
        for script in page.inline:
            assert not re.search(r"""["'](?:https?:)?//[^"']+\.(?:js|css)\b""", script), page.path
    elsewhere = re.compile(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')]+)")
    for sheet in site.rglob("*.css"):
        assert elsewhere.findall(sheet.read_text(encoding="utf-8")) == [], sheet


def test_the_site_is_small(site):
    sizes = [path.stat().st_size for path in site.rglob("*") if path.is_file()]
    assert sum(sizes) < 40e6


def test_a_notebook_to_download_is_the_chapter_without_its_figures(site):
    for chapter in CHAPTERS:
        here = nbformat.read(ROOT / "book" / f"{chapter}.ipynb", 4)
        there = nbformat.read(site / "_sources" / "book" / f"{chapter}.ipynb", 4)
        nbformat.validate(there)
        assert [cell.source for cell in there.cells] == [cell.source for cell in here.cells]
        assert "image/png" not in nbformat.writes(there)


def test_mathematics_is_rendered_from_local_files(site, pages):
    written = [name for name, page in pages.items() if page.has_mathematics]
    assert set(written) >= {f"book/{chapter}" for chapter in CHAPTERS}
    for name in set(pages) - set(written):
        assert not [load for load in pages[name].loads if "mathjax" in load], name
    for name in written:
        scripts = [load for load in pages[name].loads if "mathjax" in load]
        assert len(scripts) == 1
        renderer = pages[name].target(scripts[0])
        assert renderer.exists()
        assert list(renderer.parent.glob("output/chtml/fonts/woff-v2/*.woff"))


def test_every_file_that_a_page_loads_exists(pages):
    for page in pages.values():
        local = page.loads + [source for source, _ in page.images]
        for reference in local:
            if not reference.startswith("data:"):
                assert page.target(reference).exists(), f"{page.path} loads {reference}"


def test_a_default_is_written_as_in_the_code(pages):
    for name, page in pages.items():
        if "library" in name:
            text = page.path.read_text(encoding="utf-8")
            assert not re.search("=[^ ]*&lt;(built-in|function|object|class)", text), name


def test_tables_fold_where_they_can(pages):
    """On a phone a table of class `rows` is a list; those with the same columns all are or none."""
    for name, page in pages.items():
        tables = {}
        for kind, head, rows in mend.TABLE.findall(page.path.read_text(encoding="utf-8")):
            folds = "rows" in kind.split()
            tables.setdefault(mend.TAG.sub("", head), set()).add(folds)
            assert not (folds and r'data-name="\(' in rows), f"{name}: a formula names a column"
        assert all(len(folds) == 1 for folds in tables.values()), name


def test_every_image_is_described(pages):
    for page in pages.values():
        for source, alt in page.images:
            assert alt and alt != source, f"{page.path}: {source} has no alt text"


def test_internal_links_resolve(pages):
    by_path = {page.path.resolve(): page for page in pages.values()}
    for page in pages.values():
        for link in page.links:
            if is_elsewhere(link):
                continue
            target = page.target(link)
            assert target.exists(), f"{page.path} links to {link}"
            fragment = unquote(urlsplit(link).fragment)
            if fragment and target in by_path:
                assert fragment in by_path[target].ids, f"{page.path} links to {link}"


def test_every_chapter_opens_in_colab(pages):
    name = URL.removeprefix("https://github.com/")
    branch = CONFIG["repository"]["branch"]
    notebooks = f"https://colab.research.google.com/github/{name}/blob/{branch}/book"
    for chapter in CHAPTERS:
        assert f"{notebooks}/{chapter}.ipynb" in pages[f"book/{chapter}"].links


def test_set_up_cells_are_not_shown(site):
    for chapter in CHAPTERS:
        assert "%pip" not in (site / "book" / f"{chapter}.html").read_text(encoding="utf-8")


def test_a_large_picture_becomes_lighter_and_stays_the_same(tmp_path):
    (tmp_path / "_images").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 4), np.uint8)
    for name, high in (("large", 200), ("small", 20)):
        Image.fromarray(noise[:high]).save(tmp_path / "_images" / f"{name}.png")
    page = tmp_path / "page.html"
    page.write_text('<img src="_images/large.png"><img src="_images/small.png">', "utf-8")
    slim.lighter(tmp_path, [page])
    assert page.read_text("utf-8") == (
        '<img src="_images/large.webp"><img src="_images/small.png">'
    )
    left = {path.name for path in (tmp_path / "_images").iterdir()}
    assert left == {"large.webp", "small.png"}
    with Image.open(tmp_path / "_images" / "large.webp") as picture:
        assert (np.asarray(picture) == noise).all()
