"""python -m ganlib.sweep: which runs, what came of them, what a second start repeats."""

import csv
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from test_run import environment, notebook, record

from ganlib.runs import run, sweep

PARAMETERS = """\
rate: float = 0.1
dataset: str = "glyphs"
width = 8
seed: int = 0
output_dir: str = ""
"""
CELLS = [
    "import json, pathlib, os\nopen('made', 'a').write(f'{rate} {seed}\\n')",
    "if rate > 1 and not os.path.exists('repaired'):\n"
    "    raise ArithmeticError('the rate is too high\\nby far')",
    "metrics = {'fid': 10 * rate + seed, 'real': {'fid': 1}, 'trail': [1, 2]}\n"
    "pathlib.Path(output_dir, 'metrics.json').write_text(json.dumps(metrics))",
]


def test_the_grid_is_every_combination_and_the_seeds():
    assert sweep.grid(["rate=0.1,1e-2", "dataset=mnist"], 2) == [
        {"rate": "0.1", "dataset": "mnist", "seed": "0"},
        {"rate": "0.1", "dataset": "mnist", "seed": "1"},
        {"rate": "1e-2", "dataset": "mnist", "seed": "0"},
        {"rate": "1e-2", "dataset": "mnist", "seed": "1"},
    ]
    assert sweep.grid([], 0) == [{}]


def test_values_in_brackets_are_one():
    assert sweep.split("[3, 4],[[5], 6],-1e-3,(7,") == ["[3, 4]", "[[5], 6]", "-1e-3", "(7,"]
    assert sweep.grid(["width=[3, 4],[5]"], 0) == [{"width": "[3, 4]"}, {"width": "[5]"}]


def test_the_plan_has_every_parameter_in_its_type(tmp_path):
    path = notebook(tmp_path / "a.ipynb", parameters=PARAMETERS)
    (tmp_path / "a.yaml").write_text("dataset: images/small\nrate: 3\n")
    varied = sweep.grid(["rate=1e-3,2", "width=wide"], 0)
    found = sweep.plan(path, tmp_path / "a.yaml", varied)
    assert list(found) == ["rate=0.001,width=wide", "rate=2.0,width=wide"]
    common = {"dataset": "images/small", "width": "wide", "seed": 0, "output_dir": ""}
    assert found["rate=2.0,width=wide"] == {"rate": 2.0, **common}


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["gone.ipynb"], "There is no notebook "),
        (["a.ipynb", "--vary", "rate"], "--vary wants NAME=VALUE,VALUE,..."),
        (["a.ipynb", "--vary", "seed=1", "--seeds", "2"], "--vary wants NAME=VALUE,VALUE,..."),
        (["a.ipynb", "--seeds", "-1"], "--seeds is a number of runs, not -1."),
        (["a.ipynb", "--jobs", "0"], "--jobs is a number of runs, at least 1, not 0."),
        (["a.ipynb", "--vary", "rat=1"], "There is no parameter rat (did you mean rate?)"),
        (["a.ipynb", "--vary", "rate=1,high"], "rate must be a number (float), not 'high'."),
        (["a.ipynb", "--vary", "rate=1,-1e-3"], "rate must be at least 0, not -0.001."),
        (["a.ipynb", "--vary", "rate=1e-1,0.1"], "Two runs would be rate=0.1"),
    ],
)
def test_refusals(arguments, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    bounds = "settings(globals(), tested={}, least={'rate': 0})"
    notebook(tmp_path / "a.ipynb", bounds, parameters=PARAMETERS)
    assert sweep.main([*arguments, "--output", "out"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(sentence) and err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_two_sweeps_do_not_share_a_folder(tmp_path, capsys):
    pytest.importorskip("fcntl")
    path = notebook(tmp_path / "a.ipynb", parameters=PARAMETERS)
    with run.reserved(tmp_path / "out"):
        assert sweep.main([str(path), "--output", str(tmp_path / "out")]) == 2
    assert "Another run is writing to" in capsys.readouterr().err


def rows(out):
    with open(out / "table.csv", newline="") as file:
        return list(csv.DictReader(file))


def in_this_process(order, log):
    code = run.main(order)
    return SimpleNamespace(poll=lambda: code)


@pytest.mark.slow
def test_a_sweep_keeps_what_failed_and_repeats_nothing_that_is_finished(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(sweep, "start", in_this_process)
    path, out = notebook(tmp_path / "a.ipynb", *CELLS, parameters=PARAMETERS), tmp_path / "out"
    command = [str(path), "--vary", "rate=0.5,2", "--seeds", "1", "--output", str(out)]

    assert sweep.main(command) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "2 runs, of which 0 are there already."
    first, second = rows(out)
    assert [first[k] for k in ("rate", "seed", "status", "fid", "real.fid")] == [
        *("0.5", "0", "completed", "5.0", "1")
    ]
    assert second["status"] == "failed" and second["fid"] == ""
    assert second["error"] == "ArithmeticError: the rate is too high"
    at = next(i for i, line in enumerate(printed) if line.startswith("rate "))
    assert printed[at].split() == ["rate", "seed", "status", "seconds", "fid", "error"]
    assert printed[at + 1].split()[:3] + printed[at + 1].split()[4:] == [
        *("0.5", "0", "completed", "5")
    ]

    (tmp_path / "repaired").touch()
    assert sweep.main(command) == 0
    assert "2 runs, of which 1 are there already.\n" in capsys.readouterr().out
    assert (tmp_path / "made").read_text() == "0.5 0\n2.0 0\n2.0 0\n"
    assert record(out / "rate=2.0,seed=0")["status"] == "completed"
    assert record(out / "rate=2.0,seed=0.earlier")["status"] == "failed"


@pytest.mark.slow
def test_runs_from_the_command_line(tmp_path):
    notebook(tmp_path / "a.ipynb", *CELLS, parameters=PARAMETERS)
    command = ["-m", "ganlib.sweep", "a.ipynb", "--vary", "rate=0.5,0.7", "--jobs", "2"]
    done = subprocess.run(
        [sys.executable, *command, "--output", "out"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["fid"] for row in rows(tmp_path / "out")] == ["5.0", "7.0"]
    assert "Finished in" in (tmp_path / "out" / "rate=0.5.log").read_text()


SCRIPT = """
import sys, time
try:
    open(sys.argv[1], 'w')
    time.sleep(60)
except KeyboardInterrupt:
    open(sys.argv[1] + '.stopped', 'w')
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to one process")
def test_as_many_run_as_are_asked_for_and_an_end_stops_them(tmp_path, monkeypatch):
    def started(name):
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, tmp_path / name],
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def interrupted(seconds):
        time.sleep(seconds)
        if (tmp_path / "a").exists() and (tmp_path / "b").exists():
            raise KeyboardInterrupt

    monkeypatch.setattr(sweep, "start", started)
    monkeypatch.setattr(sweep, "time", SimpleNamespace(sleep=interrupted))
    with pytest.raises(KeyboardInterrupt):
        list(sweep.run_all({name: (name,) for name in "abc"}, 2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.stopped", "b", "b.stopped"]


def test_a_killed_run_is_a_failure_with_the_last_line_of_its_log(tmp_path):
    folder = tmp_path / "rate=1.0"
    folder.mkdir()
    assert sweep.row(folder, {"rate": 1.0}, ["rate"])["status"] == "not run"
    (folder / "run.json").write_text('{"status": "running", "error": null, "seconds": 3.5}')
    (tmp_path / "rate=1.0.log").write_text("first\nout of memory\n")
    found = sweep.row(folder, {"rate": 1.0}, ["rate"])
    assert (found["status"], found["error"], found["rate"]) == ("failed", "out of memory", 1.0)


def test_only_the_same_parameters_count_as_finished(tmp_path):
    (tmp_path / "run.json").write_text(
        '{"status": "completed", "parameters": {"rate": 0.1, "output_dir": "out/a"}}'
    )
    assert sweep.finished(tmp_path, {"rate": 0.1, "output_dir": ""})
    assert not sweep.finished(tmp_path, {"rate": 0.2, "output_dir": ""})
    assert not sweep.finished(tmp_path / "gone", {"rate": 0.1, "output_dir": ""})
