"""The table of results: read from what runs left, and refused where they do not say how."""

import hashlib
import importlib.util
import json
import subprocess
from pathlib import Path

import nbformat
import pytest
import results
from sources import ROOT

RECORD = {
    "file": "book/runs/dcgan-big.yaml",
    "git": {"dirty": False, "revision": "0123456789" * 4},
    "hardware": {"cores": 2, "cpu": "A CPU", "gpus": [], "memory_gb": 23.5},
    "parameters": {"dataset": "mnist", "steps": 900, "seed": 0, "output_dir": "dcgan-big"},
    "seconds": 1234.5,
    "status": "completed",
}
SCORES = {"n_real": 6000, "n_fake": 5000, "features": "ours", "fid": 4.0096, "kid": 8.5}


@pytest.fixture
def book(tmp_path):
    """A book with one chapter, one run and its result."""
    cell = nbformat.v4.new_code_cell(
        'dataset: str = "glyphs"\nsteps: int = 40\nseed: int = 0\noutput_dir: str = ""\n',
        metadata={"tags": ["parameters"]},
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "dcgan.ipynb")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/dcgan-big.yaml").write_text("dataset: mnist\nsteps: 900\n")
    leave(tmp_path, RECORD, SCORES)
    return tmp_path


def leave(book, record, metrics):
    folder = book / "results/dcgan-big"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "metrics.json").write_text(json.dumps(metrics))


def test_a_result_is_a_row(book):
    (row,) = results.table(book)
    assert row == results.Row(
        run="dcgan-big",
        chapter="dcgan",
        data="mnist",
        parameters={"steps": 900},
        scored="generator",
        n_real=6000,
        n_fake=5000,
        features="ours",
        fid=4.0096,
        kid=8.5,
        coverage=None,
        seconds=1234.5,
        hardware="2 cores of A CPU, 23.5 GB, no GPU",
        revision="0123456789" * 4,
        command="make run RUN=dcgan-big",
    )


def test_everything_that_was_scored_is_a_row(book):
    by_epoch = {"fid": [9.0, 8.0], "n_real": [1, 1]}
    real = {"fid": 1.0}
    leave(book, RECORD, SCORES | {"real": real, "scores": {"samples": SCORES}, "epochs": by_epoch})
    assert [(row.scored, row.fid) for row in results.table(book)] == [
        ("generator", 4.0096),
        ("real", 1.0),
        ("samples", 4.0096),
    ]


def test_what_was_scored_may_say_its_name(book):
    leave(book, RECORD, SCORES | {"scored": "projection", "real": {"fid": 1.0}})
    assert [row.scored for row in results.table(book)] == ["projection", "real"]


def test_a_gap_is_a_dash(book):
    leave(book, RECORD, {"frechet_distance": {"trained": 1.5}})
    (row,) = results.table(book)
    assert (row.n_real, row.n_fake, row.features, row.fid, row.kid, row.coverage) == (None,) * 6
    heads, _, cells = (line.split(" | ") for line in results.markdown([row]).splitlines())
    shown = dict(zip(heads, cells, strict=True))
    for name in ("real, generated", "features", "FID", "KID", "coverage"):
        assert shown[name] == "–"
    assert (shown["parameters"], shown["seconds"]) == ("`steps=900`", "1,234")


def test_a_score_of_zero_is_no_gap(book):
    leave(book, RECORD, SCORES | {"coverage": 0.0, "kid": 0.0})
    assert "| 4.01 | 0 | 0.000 |" in results.markdown(results.table(book))


def test_a_run_without_a_result_is_named(book):
    (book / "runs/dcgan-gpu.yaml").write_text("steps: 4\n")
    assert results.runs(book) == ["dcgan-big", "dcgan-gpu"]
    assert results.without_result(book) == ["dcgan-gpu"]


def test_a_parameter_that_the_chapter_got_later_is_no_reason_to_refuse(book):
    notebook = nbformat.read(book / "dcgan.ipynb", as_version=4)
    notebook.cells[0].source += "width: int = 3"
    nbformat.write(notebook, book / "dcgan.ipynb")
    assert len(results.table(book)) == 1


PARAMETERS = RECORD["parameters"]
WRONG = {
    "unfinished": ({"status": "interrupted"}, "is interrupted, not completed: run it again"),
    "no git": (
        {"git": {"dirty": None, "revision": None}},
        ".*big does not record which code made it: ",
    ),
    "no record of git": ({"git": None}, "does not record which code made"),
    "a short revision": ({"git": {"dirty": False, "revision": "01234"}}, "does not record which"),
    "changed code": (
        {"git": {**RECORD["git"], "dirty": True}},
        "code that was not committed: commit it",
    ),
    "another file": ({"file": "book/runs/dcgan-small.yaml"}, "was not run from dcgan-big.yaml"),
    "no file": ({"file": None}, "was not run from dcgan-big.yaml"),
    "another value": (
        {"parameters": {**PARAMETERS, "steps": 20}},
        "made with steps = 20, which in its run is 900: put the value in dcgan-big.yaml, or run",
    ),
    "another default": (
        {"parameters": {**PARAMETERS, "seed": 1}},
        "made with seed = 1, which in its run is 0",
    ),
    "a parameter that is gone": (
        {"parameters": {**PARAMETERS, "width": 1}},
        "made with width = 1, which in its run is no longer there",
    ),
    "a parameter that was not there": (
        {"parameters": {"steps": 900}},
        "made without dataset of dcgan-big.yaml",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_result_that_is_not_what_was_asked_for_is_refused(kind, book):
    change, sentence = WRONG[kind]
    leave(book, {**RECORD, **change}, SCORES)
    with pytest.raises(ValueError, match=sentence):
        results.table(book)


def test_weights_are_those_of_the_run_and_small(book):
    file = book / "results/dcgan-big/generator.keras"
    file.write_bytes(b"weights")
    with pytest.raises(ValueError, match=r"generator.keras is not what the run left: run it again"):
        results.table(book)
    left = {"generator.keras": hashlib.sha256(b"weights").hexdigest(), "judge.keras": "01"}
    leave(book, RECORD | {"weights": left}, SCORES)  # not all that it left has to be committed
    assert len(results.table(book)) == 1
    content = bytes(results.LARGEST + 1)
    file.write_bytes(content)
    left["generator.keras"] = hashlib.sha256(content).hexdigest()
    leave(book, RECORD | {"weights": left}, SCORES)
    with pytest.raises(ValueError, match=r"has 2,000,001 bytes, and 2,000,000 are allowed"):
        results.table(book)


def test_a_file_that_is_missing_or_no_json_is_named(book):
    file = book / "results/dcgan-big/metrics.json"
    file.write_text("{")
    with pytest.raises(ValueError, match=r"metrics.json is not JSON: run it again"):
        results.table(book)
    file.unlink()
    with pytest.raises(ValueError, match=r"dcgan-big has no metrics.json: run it again"):
        results.table(book)


def test_a_result_of_no_run_is_refused(book):
    (book / "runs/dcgan-big.yaml").unlink()
    with pytest.raises(ValueError, match=r"belongs to no run of book/runs: There is no parameter"):
        results.table(book)


# --- This book's own ----------------------------------------------------------------------------


def tool(name):
    spec = importlib.util.spec_from_file_location(f"{name}_page", ROOT / f"tools/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["results", "tricks"])
def test_the_page_is_what_the_committed_results_say(name):
    written = tool(name)
    assert written.PAGE.read_text(encoding="utf-8") == written.page(), "run `make results`"


def test_a_line_of_the_tricks_says_how_many_of_its_own_collapsed():
    fids = {"baseline": [4.0, 5.0, 6.0], "worse": [8.0, 9.0]}
    table = [
        {"variant": name, "fid": fid, "seconds": 1.0} for name, some in fids.items() for fid in some
    ]
    rows = {"worse": ("a trick", "someone2020")}
    line = "| a trick | {cite:t}`someone2020` | 1.70 (0.00 to inf)%s | 1.00 |\n"
    assert tool("tricks").lines(table, rows) == line % ""
    table[-1]["collapsed"] = True
    assert tool("tricks").lines(table, rows) == line % ", 1 of 2 collapsed"


def test_the_code_of_every_result_is_in_the_history():
    def git(*arguments):
        command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    top = git("rev-parse", "--show-toplevel", "--is-shallow-repository").stdout.split()
    if len(top) != 2 or Path(top[0]).resolve() != ROOT or top[1] == "true":
        pytest.skip("this is no clone with its whole history")
    for row in results.table(ROOT / "book"):
        done = git("merge-base", "--is-ancestor", row.revision, "HEAD")
        assert done.returncode == 0, f"{row.run} was made by {row.revision}, which is not here"
