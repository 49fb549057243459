"""Every image chapter on other data than its own, with budgets as small as they can be.

A case passes if the notebook runs to its end and leaves all its files, or if, where that is allowed
(`cases.may_refuse`), it says in one sentence what it needs before it trains anything.

All of them take an hour: `make matrix`. `make test` runs those of `cases.QUICK`: every
chapter, both budgets, every kind of data, and each refusal.
"""

import itertools
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import cases
import pictures
import pytest
import run_case

RUNNER = Path(run_case.__file__)
matrix = pytest.mark.matrix
PARAMETERS = [
    pytest.param(
        case,
        id=" ".join(case),
        marks=pytest.mark.slow if case in cases.QUICK else matrix,
    )
    for case in cases.ALL
]


class Cases:
    """Runs cases in one process beside this one and hands out their results as they come.

    Two at a time, or one where pytest-xdist has other work for the other cores.
    """

    def __init__(self, chosen, folder):
        jobs = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
        command = [sys.executable, RUNNER, "--jobs", jobs, "--keep", folder / "cases", "--json"]
        command += ["/".join(case) for case in chosen]
        self.errors = folder / "stderr"
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8"
            )
        self.results, self.ended, self.news = {}, False, threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            case, result = json.loads(line)
            with self.news:
                self.results[tuple(case)] = result
                self.news.notify_all()
        with self.news:
            self.ended = True
            self.news.notify_all()

    def wait(self, case) -> dict:
        """What became of a case."""
        with self.news:
            self.news.wait_for(lambda: case in self.results or self.ended)
        assert case in self.results, self.errors.read_text("utf-8", "replace")[-4000:]
        return self.results[case]

    def pytest_terminal_summary(self, terminalreporter):
        """Print the table of all that ran."""
        terminalreporter.section("chapters on other data: the outcome, and seconds")
        terminalreporter.write_line(run_case.table(self.results))


@pytest.fixture(scope="session")
def under_way(request, tmp_path_factory):
    """All the cases that this session has chosen, under way."""
    params = [getattr(item, "callspec", None) for item in request.session.items]
    chosen = [each.params["case"] for each in params if each and "case" in each.params]
    running = Cases(chosen, tmp_path_factory.mktemp("matrix"))
    request.config.pluginmanager.register(running)
    yield running
    running.process.terminate()
    running.process.wait()


@pytest.mark.parametrize("case", PARAMETERS)
def test_a_chapter_away_from_its_own_data(case, under_way):
    result = under_way.wait(case)
    if result["status"] == "FAILED":
        pytest.fail(run_case.report(result), pytrace=False)


# ------------------------------------------------------------------ other ways, other terminals

NOT_UTF_8 = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
NOT_UTF_8 |= {"PYTHONIOENCODING": "ascii"}


def away(command, **kwargs):
    """Run a command with this interpreter, in a locale that is not UTF-8; return its end."""
    return subprocess.run(
        [sys.executable, *command],
        env=os.environ | NOT_UTF_8 | {"MPLBACKEND": "Agg"},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        **kwargs,
    )


@pytest.mark.slow
def test_a_locale_that_is_not_utf_8(tmp_path):
    case = ("dcgan", "three-classes", "few-steps")
    pictures.make(tmp_path, case[1])
    done = away([RUNNER, *case, "--data", tmp_path, "--json"])
    _, result = json.loads(done.stdout)
    assert result["status"] == "ok", run_case.report(result)


def by_command_line(case, folder, output, utf8):
    """`python -m ganlib.run` on a case, as a command for `away`."""
    given = cases.parameters(case, folder, output)
    del given["output_dir"]
    values = [text for name, value in given.items() for text in ("-p", name, str(value))]
    notebook = cases.BOOK / f"{case[0]}.ipynb"
    return ["-X", f"utf8={utf8}", "-m", "ganlib.run", notebook, *values, "--output", output]


# A terminal of ASCII where the paths are text all the same, and one where they had better be ASCII.
@pytest.mark.parametrize(
    ("utf8", "output"),
    [
        pytest.param(1, "Läufe, neue (größer)", marks=matrix),
        pytest.param(0, "runs, new", marks=pytest.mark.slow),
    ],
)
def test_the_command_line_in_a_locale_that_is_not_utf_8(utf8, output, tmp_path):
    case = ("dcgan", "two-classes", "max-seconds")
    folder = pictures.make(tmp_path, case[1])
    if not utf8:
        folder = folder.rename(tmp_path / "my pictures")  # its classes keep their accents
    done = away(by_command_line(case, folder, tmp_path / output, utf8), cwd=cases.BOOK.parent)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "Traceback" not in done.stderr
    assert not run_case.faults(case, tmp_path / output)


@pytest.mark.slow
def test_a_path_that_is_no_text_in_its_locale_is_refused(tmp_path):
    case = ("dcgan", "two-classes", "max-seconds")
    folder = pictures.make(tmp_path, case[1])
    done = away(by_command_line(case, folder, tmp_path / "runs", 0), cwd=cases.BOOK.parent)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "cannot be written in this locale" in done.stderr


BY_PAPERMILL = [
    pytest.param(chapter, kind, marks=pytest.mark.slow if chapter == "dcgan" else matrix)
    for chapter, kind in zip(
        cases.SMALL, itertools.cycle(["two-classes", "ten-classes", "30x45"]), strict=False
    )
]


@pytest.mark.parametrize(("chapter", "kind"), BY_PAPERMILL)
def test_papermill_alone(chapter, kind, tmp_path):
    case = (chapter, kind, "max-seconds")
    given = cases.parameters(case, pictures.make(tmp_path, kind), tmp_path / "Ausgabe für mich")
    command = ["-m", "papermill", cases.BOOK / f"{chapter}.ipynb", tmp_path / "done.ipynb"]
    command += ["-y", json.dumps(given), "-k", "python3", "--no-progress-bar"]
    done = subprocess.run(
        [sys.executable, *command], cwd=cases.BOOK, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert not run_case.faults(case, Path(given["output_dir"]))
