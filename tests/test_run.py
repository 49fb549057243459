"""python -m ganlib.run: what it refuses, what it leaves behind, how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from ganlib import run
from ganlib.environment import git_state
from ganlib.parameters import KINDS, convert

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


# --- Parameters ---------------------------------------------------------------------------------


def test_parameters_of_reads_types_and_defaults(tmp_path):
    more = "tags: list[int] = [1, 2]\nscale: float | None = None\n"
    more += "quoted: 'int' = 1\nhalf = steps // 2\n"
    found = run.parameters_of(notebook(tmp_path / "a.ipynb", parameters=PARAMETERS + more))
    assert found == {
        "steps": ("int", 4),
        "rate": ("float", 0.1),
        "dataset": ("str", "glyphs"),
        "fast": ("bool", False),
        "width": (None, 8),
        "loss": (None, None),
        "output_dir": ("str", ""),
        "tags": (None, [1, 2]),
        "scale": (None, None),
        "quoted": ("int", 1),
        "half": (None, "steps // 2"),
    }


def test_parameters_of_agrees_with_papermill(tmp_path):
    import papermill

    path = notebook(tmp_path / "a.ipynb", parameters=PARAMETERS.replace("0 = none", "0 is none"))
    theirs = papermill.inspect_notebook(path)
    ours = run.parameters_of(path)
    assert list(ours) == list(theirs)
    for name, parameter in ours.items():
        assert str(parameter.kind) == theirs[name]["inferred_type_name"]


@pytest.mark.parametrize(
    "value, kind, expected",
    [
        ("200", "int", 200),
        ("-3", "int", -3),
        ("1e5", "int", 100_000),
        (2.0, "int", 2),
        (7, "int", 7),
        ("1e-4", "float", 1e-4),  # YAML's trap
        ("2", "float", 2.0),
        (3, "float", 3.0),
        ("true", "bool", True),
        ("False", "bool", False),
        (True, "bool", True),
        ("8", "str", "8"),
        ("", "str", ""),
    ],
)
def test_convert_accepts(value, kind, expected):
    converted = convert(value, kind)
    assert converted == expected and type(converted) is type(expected)


@pytest.mark.parametrize(
    "value, kind",
    [
        ("many", "int"),
        ("2.5", "int"),
        (2.5, "int"),
        (True, "int"),
        (None, "int"),
        ("inf", "int"),
        ("", "float"),
        (False, "float"),
        ([1.0], "float"),
        (1, "bool"),
        ("yes", "bool"),
        (8, "str"),
        (None, "str"),
        (True, "str"),
    ],
)
def test_a_wrong_type_is_refused_by_name(value, kind):
    with pytest.raises(ValueError) as caught:
        run.check_parameters({"setting": run.Parameter(kind, None)}, {"setting": value})
    assert str(caught.value) == f"setting must be {KINDS[kind]} ({kind}), not {value!r}."


def test_an_unknown_name_is_refused_with_the_nearest_and_all_valid_ones():
    parameters = {"steps": run.Parameter("int", 4), "dataset": run.Parameter("str", "glyphs")}
    with pytest.raises(ValueError, match=r"stps \(did you mean steps\?\).*has: steps, dataset\."):
        run.check_parameters(parameters, {"stps": 1})
    with pytest.raises(ValueError, match="There is no parameter zzz; this notebook has"):
        run.check_parameters(parameters, {"zzz": 1})
    with pytest.raises(ValueError, match="There is no parameter 3; .* has: none"):
        run.check_parameters({}, {3: 1})


def test_a_parameter_without_a_type_takes_anything():
    parameters = {"width": run.Parameter(None, 8)}
    for value in (1, 2.5, "text", None, [1], {"a": 1}):
        assert run.check_parameters(parameters, {"width": value}) == {"width": value}


def test_guess_reads_as_papermill_does():
    from papermill.cli import _resolve_type

    for text in (
        "1",
        "-2",
        "0.5",
        "1e-4",
        "inf",
        "True",
        "False",
        "None",
        "true",
        "mnist",
        "",
        "[1]",
    ):
        assert run.guess(text) == _resolve_type(text)


def test_read_values(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("steps: 20\nrate: 1e-4\ndataset: mnist\n")
    assert run.read_values(file) == {"steps": 20, "rate": "1e-4", "dataset": "mnist"}
    file.write_text("# every value is the default\n")
    assert run.read_values(file) == {}


# --- Refusals: one sentence, status 2, nothing written ------------------------------------------


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["gone.ipynb"], "There is no notebook gone.ipynb."),
        (["text.ipynb"], "text.ipynb is not a notebook that Jupyter can read."),
        (["list.ipynb"], "list.ipynb is not a notebook that Jupyter can read."),
        (["bare.ipynb"], "bare.ipynb has no cell tagged `parameters`"),
        (["magic.ipynb"], "The parameters cell of magic.ipynb is not Python"),
        (["a.ipynb", "-f", "gone.yaml"], "There is no parameter file gone.yaml."),
        (["a.ipynb", "-f", "list.yaml"], "list.yaml must hold a mapping"),
        (["a.ipynb", "-f", "broken.yaml"], "broken.yaml is not YAML: "),
        (["a.ipynb", "-f", "typo.yaml"], "There is no parameter datset (did you mean dataset?)"),
        (["a.ipynb", "-f", "type.yaml"], "fast must be true or false (bool), not 1."),
        (["a.ipynb", "-p", "step", "9"], "There is no parameter step (did you mean steps?)"),
        (["a.ipynb", "-p", "steps", "many"], "steps must be a whole number (int), not 'many'."),
        (["a.ipynb", "--output", "list.yaml"], "list.yaml is a file; --output wants a folder."),
        (
            ["a.ipynb", "--output", "list.yaml/out"],
            "No run can be written to list.yaml/out (Not a directory): name another folder.",
        ),
        (["a.ipynb", "--output", "."], ". is the notebook's own folder"),
    ],
)
def test_refusals(here, capsys, arguments, sentence):
    notebook(here / "a.ipynb", "open('ran', 'w')")
    notebook(here / "magic.ipynb", parameters="%matplotlib inline")
    nbformat.write(nbformat.v4.new_notebook(), here / "bare.ipynb")
    (here / "text.ipynb").write_text("not a notebook")
    (here / "list.ipynb").write_text("[]")
    (here / "list.yaml").write_text("- steps\n- 20\n")
    (here / "broken.yaml").write_text("steps: [1,\nrate: 2")
    (here / "typo.yaml").write_text("datset: mnist")
    (here / "type.yaml").write_text("fast: 1")
    before = sorted(here.rglob("*"))
    assert run.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(sentence) and err.count("\n") == 1
    assert sorted(here.rglob("*")) == before


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
    path = os.pathsep.join([str(Path(run.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    given = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return given | {"PYTHONPATH": path.rstrip(os.pathsep)}


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
    assert git_state(tmp_path) == {"revision": None, "dirty": None}


def test_papermill_alone_runs_the_same_notebook(tmp_path):
    notebook(tmp_path / "chapter.ipynb", "print(steps, rate)")
    command = "-m papermill chapter.ipynb done.ipynb -p steps 7 --no-progress-bar"
    done = subprocess.run([sys.executable, *command.split()], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert outputs(tmp_path / "done.ipynb") == ("7 0.1\n", [])


# --- Folders: no run destroys another -----------------------------------------------------------


def test_each_run_gets_a_new_folder(tmp_path):
    names = [run.claim_folder(tmp_path / "outputs" / "a").name for _ in range(3)]
    assert names == ["a", "a-2", "a-3"]


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
    with run.alone(target):
        assert run.main([str(path), "--output", "results/chapter"]) == 2
    assert capsys.readouterr().err == (
        "Another run is writing to results/chapter: wait for it, or name another folder.\n"
    )
    assert list(target.iterdir()) == [] and not (here / "ran").exists()
    with run.alone(target):  # the end of the first one opened it again
        pass


def test_a_kernel_that_dies_is_a_failure(here, capsys):
    path = notebook(here / "chapter.ipynb", "import os; os._exit(9)")
    assert run.main([str(path), "-p", "output_dir", "elsewhere"]) == 1
    assert "Failed with DeadKernelError: Kernel died" in capsys.readouterr().err
    found = record("outputs/chapter")
    assert found["status"] == "failed" and "DeadKernelError" in found["error"]
    assert found["parameters"]["output_dir"] == "elsewhere"  # the person's own choice
    assert (here / "outputs" / "chapter" / "chapter.ipynb").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full disk to write to")
def test_a_full_disk_is_a_failure_and_earlier_results_stay(here, capsys):
    full = "import os\nos.remove(output_dir + '/run.json')\n"
    full += "os.symlink('/dev/full', output_dir + '/run.json')"
    path = notebook(here / "chapter.ipynb", full)
    (here / "results").mkdir()
    (here / "results" / "metrics.json").write_text("old")
    assert run.main([str(path), "--output", "results"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "No record could be written to results.partial (No space left on device)."
    )
    assert [file.name for file in (here / "results").iterdir()] == ["metrics.json"]


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
        _, err = process.communicate(timeout=30)
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
