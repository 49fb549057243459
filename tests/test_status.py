"""The status page says what the records say."""

import base64
import datetime
import io
import json
import shutil

import execute
import nbformat
import numpy as np
import pytest
import status
from PIL import Image
from sources import CHAPTERS, ROOT


def test_the_page_is_up_to_date():
    written = (ROOT / "book" / "status.md").read_text(encoding="utf-8")
    assert written == status.render(), "run `make results`"


def test_every_chapter_is_on_it():
    page = status.render()
    for name in CHAPTERS:
        assert status.link(name) in page


FIGURE = """from IPython.display import display
from PIL import Image
display(Image.linear_gradient("L").convert("RGBA"))"""


def drawn(outputs):
    """The bytes of a figure, and its colours as numbers."""
    (figure,) = (base64.b64decode(output.data["image/png"]) for output in outputs)
    with Image.open(io.BytesIO(figure)) as image:
        return len(figure), np.asarray(image.convert("RGBA"), float)


def test_an_execution_is_recorded(tmp_path, monkeypatch):
    cells = [nbformat.v4.new_code_cell(code) for code in ("print(1)", FIGURE, FIGURE)]
    cells[2].metadata["tags"] = ["few-colours"]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=execute.METADATA)
    path = tmp_path / f"{CHAPTERS[0]}.ipynb"
    nbformat.write(notebook, path)
    record = execute.execute(path)
    (said,), *figures = [cell.outputs for cell in nbformat.read(path, 4).cells]
    assert said.text == "1\n"
    (many, few), (a, b) = zip(*(drawn(figure) for figure in figures), strict=True)
    assert few < many and a.shape == b.shape
    assert len(np.unique(b.reshape(-1, 4), axis=0)) <= 128 and np.abs(a - b).max() < 16
    assert 0 < record["seconds"] < 60
    assert 10 < record["peak_memory_mb"] < 1000
    assert datetime.date.fromisoformat(record["executed"]) <= datetime.date.today()

    for folder in ("BOOK", "ROOT"):
        monkeypatch.setattr(status, folder, tmp_path)
    for name in ("_toc.yml", "requirements.in", f"book/{CHAPTERS[0]}.ipynb"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    shutil.copy(ROOT / "book" / "intro.md", tmp_path)
    (tmp_path / "executed.json").write_text("{}")
    execute.note(CHAPTERS[0], record)
    assert json.loads((tmp_path / "executed.json").read_text()) == {CHAPTERS[0]: record}
    page = (tmp_path / "status.md").read_text(encoding="utf-8")
    day = record["executed"].replace("-", "\N{NON-BREAKING HYPHEN}")
    assert f"| {status.link(CHAPTERS[0])} | {day} |" in page
    first = (tmp_path / "intro.md").read_text(encoding="utf-8")
    assert f"\n| {{doc}}`{CHAPTERS[0]}` | {status.time_of(record)} |" in first


@pytest.mark.parametrize("name", ["seconds", "peak_memory_mb", "executed", "versions"])
def test_records_are_whole(name):
    records = json.loads((ROOT / "book" / "executed.json").read_text(encoding="utf-8"))
    assert set(records) <= set(CHAPTERS)
    assert all(name in record for record in records.values())
