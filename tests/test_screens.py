"""What a run or a sweep prints and logs never decides whether it lives."""

import errno
import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from test_run import environment, notebook, outputs, record

from ganlib import files
from ganlib.runs import run, sweep
from ganlib.runs.environment import Screen, screens

pytestmark = pytest.mark.slow  # all of them together

CELL = "print('\\u2713 \\u00e9 \\udce9')\nfor i in range(100): print(i, 400 * 'line ')"
LITTLE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


class Broken(io.StringIO):
    """A stream of which every use fails."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error

    flush = isatty = write


@pytest.mark.parametrize(
    "stream",
    [
        None,
        Broken(BrokenPipeError(errno.EPIPE, "Broken pipe")),
        Broken(OSError(errno.ENOSPC, "No space left on device")),
        Broken(ValueError("I/O operation on closed file.")),
    ],
)
def test_a_screen_takes_what_cannot_be_shown(stream, monkeypatch):
    if stream is not None:
        stream.flush = stream.isatty = lambda: stream.write("")
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    with screens():
        print("a line", flush=True)
        run.WholeLines(sys.stdout).write("a line\n")
        assert not sys.stdout.isatty()
        assert sys.stdout.write("text") == 4
    assert sys.stdout is stream


def test_what_an_encoding_lacks_becomes_a_question_mark():
    for encoding, shown in (("ascii", b"? ? ?"), ("latin-1", b"? \xe9 ?"), ("utf-8", None)):
        kept = io.BytesIO()
        stream = io.TextIOWrapper(kept, encoding=encoding)
        Screen(stream).write("\u2713 \u00e9 \udce9")
        stream.flush()
        assert kept.getvalue() == (shown or "\u2713 \u00e9 ?".encode())


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="the shell's words are those of POSIX")
@pytest.mark.parametrize(
    "how",
    [
        "{} 2>&1 | true; exit ${{PIPESTATUS[0]}}",
        "{} <&- >&- 2>&-",
    ],
)
def test_a_run_outlives_its_terminal(tmp_path, how):
    notebook(tmp_path / "a.ipynb", CELL, "open('done', 'w')")
    command = how.format(f"'{sys.executable}' -m ganlib.run a.ipynb")
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env=environment() | LITTLE,
        capture_output=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert record(tmp_path / "outputs" / "a")["status"] == "completed"
    assert outputs(tmp_path / "outputs" / "a" / "a.ipynb")[0].startswith("\u2713 \u00e9")
    assert (tmp_path / "done").exists() and b"Traceback" not in done.stderr + done.stdout


# --- Sweeps -------------------------------------------------------------------------------------


def test_the_log_of_a_run_is_utf8_whatever_the_locale(tmp_path, monkeypatch):
    script = "print('\\u2713 \\u00e9'); import sys; sys.exit(1)"
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda _, **given: popen([sys.executable, "-c", script], **given)
    )
    for name, value in LITTLE.items():
        monkeypatch.setenv(name, value)
    log = tmp_path / "rate=1.0.log"
    sweep.start([], log).wait()
    assert log.read_bytes().decode("utf-8").rstrip() == "\u2713 \u00e9"
    log.write_bytes(b"killed: \xe9\n")  # by a program that knows no UTF-8
    found = sweep.row(tmp_path / "rate=1.0", {"rate": 1.0}, ["rate"])
    assert (found["status"], found["error"]) == ("failed", "killed: \ufffd")


def test_a_log_that_cannot_be_written_stops_no_run(tmp_path, monkeypatch):
    popen = subprocess.Popen
    script = "open('ran', 'w'); print('lost')"
    monkeypatch.setattr(
        subprocess, "Popen", lambda _, **given: popen([sys.executable, "-c", script], **given)
    )
    (tmp_path / "a.log").mkdir()
    monkeypatch.chdir(tmp_path)
    sweep.start([], tmp_path / "a.log").wait()
    assert (tmp_path / "ran").exists()


def test_a_table_that_cannot_be_written_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sweep, "start", lambda *_: SimpleNamespace(poll=lambda: 1))
    path = notebook(tmp_path / "a.ipynb")
    (tmp_path / "out" / "table.csv").mkdir(parents=True)
    assert sweep.main([str(path), "--vary", "rate=0.5", "--output", str(tmp_path / "out")]) == 1
    out, err = capsys.readouterr()
    assert "0.5   not run" in out
    assert err.endswith("table.csv cannot be written (Is a directory).\n")


# --- Windows, as far as it can be had elsewhere --------------------------------------------------


def test_a_folder_on_another_drive_is_named_whole(tmp_path, monkeypatch):
    def other_drive(*_):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", other_drive)
    assert run.shown(tmp_path) == str(tmp_path)


def test_without_locks_a_folder_is_not_opened(tmp_path, monkeypatch):
    def no_folder(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files, "fcntl", None)
    monkeypatch.setattr(os, "open", no_folder)
    with files.lock(tmp_path, "held"):
        pass


def test_a_run_that_takes_no_signal_is_waited_for(monkeypatch):
    waited = []

    def interrupted(_):
        raise KeyboardInterrupt

    class Process:
        def poll(self):
            return None

        def wait(self):
            waited.append(1)

        def send_signal(self, number):
            raise ValueError(f"Unsupported signal: {number}")

    monkeypatch.setattr(sweep, "start", lambda: Process())
    monkeypatch.setattr(sweep, "time", SimpleNamespace(sleep=interrupted))
    with pytest.raises(KeyboardInterrupt):
        list(sweep.run_all({"a": ()}, 1))
    assert waited == [1]
