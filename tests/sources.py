"""What the tests of the book read: its configuration, its table of contents, its chapters."""

import ast
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parent.parent
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
URL = CONFIG["repository"]["url"]

PAGES = [TOC["root"]] + [chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]]
CHAPTERS = [Path(page).name for page in PAGES if (ROOT / f"{page}.ipynb").exists()]

# Why a test is skipped where something is not installed.
NEEDS = "needs {0}: `make test-all` installs what is missing"

# The first code cell of every chapter.
SETUP = f"""\
try:
    import ganlib
except ModuleNotFoundError:  # the notebook stands alone, as on Colab
    %pip install --quiet git+{URL}
    import ganlib

ganlib.repeatable()"""


def notebook(chapter):
    """The notebook of a chapter."""
    return nbformat.read(ROOT / "book" / f"{chapter}.ipynb", as_version=4)


def code_cells(chapter):
    """The code cells of a chapter, in order."""
    return [cell for cell in notebook(chapter).cells if cell.cell_type == "code"]


def parameters(chapter):
    """The statements of a chapter's parameters cell, as syntax trees."""
    (cell,) = [c for c in code_cells(chapter) if "parameters" in c.metadata.get("tags", [])]
    return ast.parse(cell.source).body
