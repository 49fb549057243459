"""The status page says what the records say."""

import datetime
import json
import shutil
import sys

import nbformat
import pytest
from sources import CHAPTERS, ROOT

sys.path.append(str(ROOT / "tools"))
import execute  # noqa: E402
import status  # noqa: E402


def test_the_page_is_up_to_date():
    written = (ROOT / "book" / "status.md").read_text(encoding="utf-8")
    assert written == status.render(), "run `make results`"


def test_every_chapter_is_on_it():
    page = status.render()
    for name in CHAPTERS:
        assert status.link(name) in page


def test_an_execution_is_recorded(tmp_path, monkeypatch):
    cell = nbformat.v4.new_code_cell("print(1)")
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata=execute.METADATA)
    path = tmp_path / f"{CHAPTERS[0]}.ipynb"
    nbformat.write(notebook, path)
    record = execute.execute(path)
    assert nbformat.read(path, 4).cells[0].outputs[0].text == "1\n"
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
