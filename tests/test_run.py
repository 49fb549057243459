"""python -m ganlib.run: what it refuses, what it leaves behind, how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from ganlib import files
from ganlib.runs import run
from ganlib.runs.environment import git_state

PARAMETERS = """\
steps: int = 4  # generator updates
rate: float = 0.1  # 0 = none, so that a comment holds an equals sign
dataset: str = "glyphs"
fast: bool = False
width = 8
loss = None
output_dir: str = ""
"""


def notebook(path, *cells, parameters=PARAMETERS):
    """Write a notebook whose first code cell is tagged `parameters`."""
    v4 = nbformat.v4
    settings = v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    written = v4.new_notebook(
        cells=[v4.new_markdown_cell("# A chapter"), settings, *map(v4.new_code_cell, cells)],
        metadata={"kernelspec": kernel},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(written, path)
    return path


def record(folder):
    return json.loads((Path(folder) / "run.json").read_text())


def outputs(path):
    """Return what the code cells of a notebook printed, and the names of the errors they raised."""
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    found = [output for cell in cells for output in cell.outputs]
    text = "".join(o.text for o in found if o.output_type == "stream")
    return text, [o.ename for o in found if o.output_type == "error"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- Refusals: one sentence, status 2, nothing written ------------------------------------------


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["gone.ipynb"], "There is no notebook {here}gone.ipynb."),
        (["text.ipynb"], "text.ipynb is not a notebook that Jupyter can read."),
        (["list.ipynb"], "list.ipynb is not a notebook that Jupyter can read."),
        (["bare.ipynb"], "bare.ipynb has no cell tagged `parameters`"),
        (["magic.ipynb"], "The parameters cell of magic.ipynb is not Python"),
        (["a.ipynb", "-f", "gone.yaml"], "There is no parameter file {here}gone.yaml."),
        (["a.ipynb", "-f", "list.yaml"], "list.yaml must hold a mapping"),
        (["a.ipynb", "-f", "broken.yaml"], "broken.yaml is not YAML: "),
        (["a.ipynb", "-f", "typo.yaml"], "There is no parameter datset (did you mean dataset?)"),
        (["a.ipynb", "-f", "type.yaml"], "fast must be true or false (bool), not 1."),
        (["a.ipynb", "-p", "step", "9"], "There is no parameter step (did you mean steps?)"),
        (["a.ipynb", "-p", "steps", "many"], "steps must be a whole number (int), not 'many'."),
        (["a.ipynb", "-p", "steps", "0"], "steps must be at least 1, not 0."),
        (["a.ipynb", "-p", "rate", "-1e-3"], "rate must be at least 0.0, not -0.001."),
        (["a.ipynb", "-p", "rate", "nan"], "rate must be a number (float), not 'nan'."),
        (["a.ipynb", "-f", "wide.yaml"], "width must be at most 64, not 65."),
        (
            ["a.ipynb", "-p", "dataset", "caf\udce9"],
            "'caf\\udce9' cannot be written in this locale: ",
        ),
        (
            ["data.ipynb", "-p", "dataset", "photos"],
            "dataset='photos' is neither a data set (glyphs, ",
        ),
        (["data.ipynb", "-p", "dataset", ""], "dataset='' is neither a data set (glyphs, "),
        (["data.ipynb", "-p", "image_size", "big"], "size='big' is not the size of an image"),
        (["data.ipynb", "-p", "image_size", "99999"], "size='99999' is not the size of an image"),
        (["a.ipynb", "--output", "list.yaml"], "list.yaml is a file; --output wants a folder."),
        (
            ["a.ipynb", "--output", "list.yaml/out"],
            "No run can be written to list.yaml/out (Not a directory): name another folder.",
        ),
        (["a.ipynb", "--output", "."], ". is the notebook's own folder"),
    ],
)
def test_refusals(here, capsys, arguments, sentence):
    bounds = "checks.settings(globals(), tested={}, least={'steps': 1, 'rate': 0.0}, most={})"
    bounds = bounds.replace("most={}", "most={'width': 64}")
    notebook(here / "a.ipynb", "open('ran', 'w')", bounds)
    notebook(here / "magic.ipynb", parameters="%matplotlib inline")
    load, more = "images = data.load(dataset, size=image_size)", 'image_size: str = ""\n'
    notebook(here / "data.ipynb", load, parameters=PARAMETERS + more)
    nbformat.write(nbformat.v4.new_notebook(), here / "bare.ipynb")
    (here / "text.ipynb").write_text("not a notebook")
    (here / "list.ipynb").write_text("[]")
    (here / "list.yaml").write_text("- steps\n- 20\n")
    (here / "broken.yaml").write_text("steps: [1,\nrate: 2")
    (here / "typo.yaml").write_text("datset: mnist")
    (here / "type.yaml").write_text("fast: 1")
    (here / "wide.yaml").write_text("width: 65")
    before = sorted(here.rglob("*"))
    assert run.main(arguments) == 2
    out, err = capsys.readouterr()
    sentence = sentence.replace("{here}", f"{here}{os.sep}")
    assert out == "" and err.startswith(sentence) and err.count("\n") == 1
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("output", [[], ["--output", "old"], ["--output", "new"]])
def test_a_folder_that_takes_no_files_is_refused_before_the_start(
    here, capsys, monkeypatch, output
):
    def read_only(*_, **__):  # a test that runs as root may write anywhere
        raise PermissionError(13, "Permission denied")

    path = notebook(here / "a.ipynb", "open('ran', 'w')")
    (here / "old").mkdir()
    (here / "old" / "metrics.json").write_text("{}")
    monkeypatch.setattr(files.tempfile, "TemporaryFile", read_only)
    assert run.main([str(path), *output]) == 2
    place = output[-1] if output else os.path.join("outputs", "a")
    assert capsys.readouterr().err == (
        f"No run can be written to {place} (Permission denied): name another folder.\n"
    )
    assert not (here / "ran").exists()


def test_missing_packages_are_named(here, capsys, monkeypatch):
    path = notebook(here / "a.ipynb")
    monkeypatch.setitem(sys.modules, "nbformat", None)
    assert run.main([str(path)]) == 2
    assert "ganlib[run]" in capsys.readouterr().err


def test_help_is_short(capsys):
    with pytest.raises(SystemExit) as caught:
        run.main(["-h"])
    assert caught.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) < 25


# --- A run that succeeds ------------------------------------------------------------------------

CELLS = [
    "import os, sys\nprint('python', sys.executable)\nprint('folder', os.getcwd())",
    "print('data', os.environ['GANLIB_DATA'])",
    "filled = b'x' * 300_000_000; del filled",
    "print(steps, rate, dataset, fast, width, loss)",
    "open(os.path.join(output_dir, 'metrics.json'), 'w').write('{}')",
    "print('no end of line', end='')",
]


@pytest.fixture(scope="module")
def completed(tmp_path_factory):
    """Run a notebook from the command line, in a repository; a wrong kernel is registered first."""
    top = tmp_path_factory.mktemp("repository")
    notebook(top / "book" / "chapter.ipynb", *CELLS)
    (top / "book" / "runs").mkdir()
    (top / "book" / "results").mkdir()
    (top / "book" / "results" / "metrics.json").write_text("{}")
    (top / "book" / "runs" / "full.yaml").write_text("steps: 20\nrate: 1e-4\nloss: hinge\n")
    kernels = top / "jupyter" / "kernels" / "python3"
    kernels.mkdir(parents=True)
    wrong = {"argv": ["/bin/false"], "display_name": "Python 3", "language": "python"}
    (kernels / "kernel.json").write_text(json.dumps(wrong))
    git = ["git", "-C", top, "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    command = "-m ganlib.run book/chapter.ipynb -f book/runs/full.yaml -p steps 7 -p width 16"
    done = subprocess.run(
        [sys.executable, *command.split()],
        cwd=top,
        env=environment() | {"JUPYTER_PATH": str(top / "jupyter"), "GANLIB_DATA": "images"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return top, done


def environment():
    """Return an environment in which a subprocess elsewhere finds this ganlib.

    It buffers what it prints, as anybody's does: a line that is shown at once has been flushed.
    """
    path = os.pathsep.join([str(Path(run.__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    given = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return given | {"PYTHONPATH": path.rstrip(os.pathsep)}


@pytest.mark.slow
def test_results_are_in_a_folder_named_after_the_run(completed):
    top, done = completed
    assert done.returncode == 0, done.stderr
    files = sorted(path.name for path in (top / "outputs" / "full").iterdir())
    assert files == ["chapter.ipynb", "metrics.json", "run.json"]
    assert done.stdout.rstrip().endswith("see outputs/full.")


def test_the_notebook_ran_with_the_values_here_and_in_its_own_folder(completed):
    top, _ = completed
    text, errors = outputs(top / "outputs" / "full" / "chapter.ipynb")
    assert errors == []
    assert f"python {sys.executable}\n" in text  # not the wrong kernel
    assert f"folder {top / 'book'}\n" in text
    assert f"data {top / 'images'}\n" in text
    assert "7 0.0001 glyphs False 16 hinge\n" in text


def test_its_output_and_a_progress_bar_are_shown(completed):
    _, done = completed
    assert "7 0.0001 glyphs False 16 hinge\n" in done.stdout
    assert "no end of line\n" in done.stdout
    states = done.stderr.splitlines()
    assert states and all(state.startswith("Executing: ") for state in states)
    assert "100%" in states[-1] and "\r" not in done.stderr


def test_run_json(completed):
    top, _ = completed
    text = (top / "outputs" / "full" / "run.json").read_text()
    found = json.loads(text)
    assert list(found) == sorted(found) and text.startswith("{\n  ") and str(top) not in text
    assert found["status"] == "completed" and found["error"] is None
    assert (found["notebook"], found["file"]) == ("book/chapter.ipynb", "book/runs/full.yaml")
    assert found["parameters"] == {
        "steps": 7,
        "rate": 1e-4,
        "dataset": "glyphs",
        "fast": False,
        "width": 16,
        "loss": "hinge",
        "output_dir": "outputs/full",
    }
    assert found["started"].endswith("+00:00") and 0 < found["seconds"] < 100
    assert 300 < found["peak_memory_mb"] < 600
    assert set(found["versions"]) == {"python", "ganlib", "keras", "numpy", found["backend"]}
    assert found["hardware"]["cores"] >= 1 and found["hardware"]["memory_gb"] > 0
    assert found["hardware"]["cpu"] and isinstance(found["hardware"]["gpus"], list)
    assert len(found["git"]["revision"]) == 40 and found["git"]["dirty"] is False


def test_git_state(completed, tmp_path):
    top, _ = completed
    assert git_state(top / "book")["dirty"] is False  # outputs/ is not tracked
    file = top / "book" / "runs" / "full.yaml"
    before = file.read_text()
    file.write_text("steps: 9\n")
    assert git_state(top / "book")["dirty"] is True
    file.write_text(before)
    (top / "book" / "results" / "metrics.json").write_text('{"fid": 1}')  # what a run left
    assert git_state(top / "book")["dirty"] is False
    assert git_state(tmp_path) == {"revision": None, "dirty": None}


def test_papermill_alone_runs_the_same_notebook(tmp_path):
    notebook(tmp_path / "chapter.ipynb", "print(steps, rate)")
    command = "-m papermill chapter.ipynb done.ipynb -p steps 7 --no-progress-bar"
    done = subprocess.run([sys.executable, *command.split()], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert outputs(tmp_path / "done.ipynb") == ("7 0.1\n", [])


def test_a_value_of_any_kind_can_be_given():
    given = ["a.ipynb", "-p", "rate", "-1e-3", "--output", "out", "-p", "tag", "-fast"]
    args = run.arguments([*given, "-p", "widths", "[3, 4]", "-p", "empty", ""])
    assert args.values == [
        ("rate", "-1e-3"),
        ("tag", "-fast"),
        ("widths", "[3, 4]"),
        ("empty", ""),
    ]
    assert (args.notebook, args.output) == (Path("a.ipynb"), Path("out"))


@pytest.mark.parametrize(
    "wrong",
    [
        ["-p"],
        ["-p", "rate"],
        ["-p", "rate", "-p", "steps", "1"],
        ["-p", "rate", "--output", "out"],
        ["-p", "--output", "out"],
    ],
)
def test_a_parameter_without_a_value_is_refused(wrong, capsys):
    with pytest.raises(SystemExit) as caught:
        run.arguments(["a.ipynb", *wrong])
    assert caught.value.code == 2 and "-p" in capsys.readouterr().err


def test_a_path_from_here_is_meant_where_the_notebook_has_none(here, capsys):
    for folder in ("book/both", "both", "photos é", "mnist", "64"):
        (here / folder).mkdir(parents=True)
    given = {
        "dataset": "photos é",
        "samples": "both",
        "test": "mnist",  # a data set
        "gone": "nowhere",
        "none": "",
        "size": "64",
        "steps": 3,
    }
    assert run.from_here(given, here / "book") == given | {"dataset": str(here / "photos é")}
    assert capsys.readouterr().out == "dataset: photos é of the current folder.\n"


def test_the_names_of_data_sets_are_no_paths():
    from ganlib.data import dataset

    assert set(run.DATA_SETS) == set(dataset._LOADERS)


# --- Folders: no run destroys another -----------------------------------------------------------


def test_each_run_gets_a_new_folder(tmp_path):
    names = [run.claim_folder(tmp_path / "outputs" / "a").name for _ in range(3)]
    assert names == ["a", "a-2", "a-3"]


@pytest.mark.slow
def test_a_failed_run_leaves_earlier_results_alone_and_a_good_one_replaces_them(here, capsys):
    path = notebook(
        here / "chapter.ipynb",
        "import pathlib\npathlib.Path(output_dir, 'metrics.json').write_text(str(steps))",
        "pathlib.Path(output_dir, 'grids').mkdir()\n"
        "pathlib.Path(output_dir, 'grids', '1.txt').write_text('new')",
        "assert steps < 9, 'steps is too large.\\nAnd here is why.'",
    )
    results = here / "results" / "chapter"
    results.mkdir(parents=True)
    old = {"metrics.json": "old", "run.json": "{}", "README": "by hand"}
    for name, text in old.items():
        (results / name).write_text(text)

    assert run.main([str(path), "--output", "results/chapter", "-p", "steps", "9"]) == 1
    assert {p.name: p.read_text() for p in results.iterdir()} == old
    partial = here / "results" / "chapter.partial"
    assert (partial / "metrics.json").read_text() == "9"
    assert record(partial)["status"] == "failed"
    assert record(partial)["error"] == "AssertionError: steps is too large.\nAnd here is why."
    assert outputs(partial / "chapter.ipynb")[1] == ["AssertionError"]
    assert capsys.readouterr().err.splitlines()[-1] == (
        "Failed with AssertionError: steps is too large. The notebook so far is "
        "results/chapter.partial/chapter.ipynb, and results/chapter is as it was."
    )

    assert run.main([str(path), "--output", "results/chapter"]) == 0
    assert (results / "metrics.json").read_text() == "4"
    assert (results / "grids" / "1.txt").read_text() == "new"
    assert (results / "README").read_text() == "by hand"
    assert record(results)["status"] == "completed"
    assert record(results)["parameters"]["output_dir"] == "results/chapter"
    assert sorted(p.name for p in results.parent.iterdir()) == ["chapter", "chapter.partial"]


def test_two_runs_do_not_share_a_folder(here, capsys):
    pytest.importorskip("fcntl")
    path = notebook(here / "chapter.ipynb", "open('ran', 'w')")
    target = here / "results" / "chapter"
    with run.reserved(target):
        assert run.main([str(path), "--output", "results/chapter"]) == 2
    assert capsys.readouterr().err == (
        "Another run is writing to results/chapter: wait for it, or name another folder.\n"
    )
    assert list(target.iterdir()) == [] and not (here / "ran").exists()
    with run.reserved(target):  # the end of the first one opened it again
        pass


@pytest.mark.slow
def test_a_kernel_that_dies_is_a_failure(here, capsys):
    path = notebook(here / "chapter.ipynb", "import os; os._exit(9)")
    assert run.main([str(path), "-p", "output_dir", "elsewhere"]) == 1
    assert "Failed with DeadKernelError: Kernel died" in capsys.readouterr().err
    found = record("outputs/chapter")
    assert found["status"] == "failed" and "DeadKernelError" in found["error"]
    assert found["parameters"]["output_dir"] == "elsewhere"  # the person's own choice
    assert (here / "outputs" / "chapter" / "chapter.ipynb").exists()


def test_a_record_that_cannot_be_written_is_a_failure_and_earlier_results_stay(here, capsys):
    lost = "import os\nos.remove(output_dir + '/run.json')\nos.mkdir(output_dir + '/run.json')"
    path = notebook(here / "chapter.ipynb", lost)
    (here / "results").mkdir()
    (here / "results" / "metrics.json").write_text("old")
    assert run.main([str(path), "--output", "results"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "No record could be written to results.partial (Is a directory)."
    )
    assert [file.name for file in (here / "results").iterdir()] == ["metrics.json"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to one process")
def test_an_interrupt_keeps_the_notebook(tmp_path):
    notebook(tmp_path / "chapter.ipynb", "import time\nprint('under way')", "time.sleep(100)")
    process = subprocess.Popen(
        [sys.executable, "-m", "ganlib.run", "chapter.ipynb"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A background job of a shell inherits that interrupts are ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stdout.readline() == "under way\n"  # while the next cell sleeps: it is live
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)  # it may be a slow machine
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert err.splitlines()[-1].startswith("Interrupted. The notebook so far is outputs/chapter")
    assert "Traceback" not in err
    assert record(tmp_path / "outputs" / "chapter")["status"] == "interrupted"
    assert outputs(tmp_path / "outputs" / "chapter" / "chapter.ipynb")[0] == "under way\n"


def test_only_whole_lines_are_shown(capsys):
    lines = run.WholeLines(sys.stdout)
    lines.write("loss ")
    lines.flush()
    assert capsys.readouterr().out == ""
    lines.write("0.5\nnext")
    assert capsys.readouterr().out == "loss 0.5\n"
