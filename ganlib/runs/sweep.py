"""Run a chapter many times, over values of its parameters and over seeds, and tabulate the ends.

    python -m ganlib.sweep book/dcgan.ipynb -f book/runs/dcgan-mnist.yaml \\
        --vary learning_rate=1e-3,2e-3 --seeds 3 --output outputs/rates

Each run is one of `ganlib.run` and has a folder of its own; `--jobs` of them run at a time. Started
again, a sweep goes on: a run that completed with the same parameters is not repeated, any other
that is in its place is kept as `NAME.earlier`.
"""

import argparse
import contextlib
import csv
import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from ganlib.runs.environment import screens
from ganlib.runs.outputs import plain, read_json
from ganlib.runs.parameters import check_data, check_parameters, guess, parameters_of, read_values
from ganlib.runs.run import demand_text, reserved

# --- Which runs ---------------------------------------------------------------------------------


def grid(vary: list[str], seeds: int) -> list[dict[str, str]]:
    """Every combination of "NAME=VALUE,VALUE,..." and of the seeds 0, 1, ..., as text.

    Raises:
        ValueError: there is no `=`, no value, or a name twice.
    """
    if seeds < 0:
        raise ValueError(f"--seeds is a number of runs, not {seeds}.")
    axes = {}
    for text in [*vary, *(["seed=" + ",".join(map(str, range(seeds)))] if seeds else [])]:
        name, equals, values = text.partition("=")
        if not (name and equals and values) or name in axes:
            raise ValueError(f"--vary wants NAME=VALUE,VALUE,... once for each name, not {text!r}.")
        axes[name] = split(values)
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def split(text: str) -> list[str]:
    """The values between commas; those inside brackets belong to a list."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[({") - (letter in "])}")
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def plan(notebook: Path, file: Path | None, varied: list[dict[str, str]]) -> dict[str, dict]:
    """The runs: from the name of its folder to the parameters of each, checked.

    Raises:
        ValueError, FileNotFoundError: a name or a value is not one of the notebook's, or two runs
            are the same.
    """
    parameters = parameters_of(notebook)
    common = {name: parameter.default for name, parameter in parameters.items()}
    common |= check_parameters(parameters, read_values(file) if file else {})
    runs = {}
    for texts in varied:
        untyped = {n for n in texts if n in parameters and parameters[n].kind is None}
        values = check_parameters(
            parameters, {n: guess(text) if n in untyped else text for n, text in texts.items()}
        )
        label = ",".join(f"{name}={value}" for name, value in values.items())
        name = re.sub(r"[^\w.,=+-]", "_", label) or "run"
        if name in runs:
            raise ValueError(f"Two runs would be {name}: give every value once.")
        runs[name] = common | values
        check_data(notebook, runs[name])
    return runs


def finished(folder: Path, parameters: dict[str, Any]) -> bool:
    """Whether a folder holds a completed run with these parameters, `output_dir` aside."""
    record = read_json(folder / "run.json")
    made = record.get("parameters")
    if record.get("status") != "completed" or not isinstance(made, dict):
        return False
    return made | {"output_dir": None} == plain(parameters) | {"output_dir": None}


def make_way(folder: Path) -> None:
    """Give what is in a run's place another name: `NAME.earlier`, `NAME.earlier-2`, ..."""
    names = (f"{folder.name}.earlier{f'-{i}' if i > 1 else ''}" for i in itertools.count(1))
    free = (folder.with_name(name) for name in names)
    if folder.exists():
        folder.rename(next(path for path in free if not path.exists()))


# --- Running them -------------------------------------------------------------------------------


def start(arguments: list[str], log: Path) -> subprocess.Popen:
    """Start `python -m ganlib.run` with `arguments`; what it prints goes to `log`, if it can."""
    try:
        stream = open(log, "wb")  # noqa: SIM115
    except OSError:
        stream = open(os.devnull, "wb")  # noqa: SIM115
    with stream:
        return subprocess.Popen(
            [sys.executable, "-m", "ganlib.run", *arguments],
            env=os.environ | {"PYTHONIOENCODING": "utf-8:replace"},
            stdout=stream,
            stderr=stream,
            start_new_session=True,  # Ctrl-C comes from here alone
        )


def run_all(jobs: dict[str, tuple], most: int) -> Generator[str, None, None]:
    """`start` each job, `most` of them at a time; yield the name of each that has ended.

    Whatever ends this early interrupts the runs that are under way, and waits for them.
    """
    waiting, running = list(jobs), {}
    try:
        while waiting or running:
            while waiting and len(running) < most:
                name = waiting.pop(0)
                running[name] = start(*jobs[name])
            time.sleep(0.1)
            for name in [name for name, run in running.items() if run.poll() is not None]:
                del running[name]
                yield name
    finally:
        for run in running.values():
            with contextlib.suppress(ValueError):  # on Windows the run gets Ctrl-C itself
                run.send_signal(signal.SIGINT)
        for run in running.values():
            run.wait()


# --- What came of them --------------------------------------------------------------------------


def numbers(metrics: dict[str, Any], prefix: str = "") -> dict[str, float]:
    """The numbers of nested dicts, such as {"real.fid": 1.2}; lists and texts are left out."""
    found = {}
    for name, value in metrics.items():
        if isinstance(value, dict):
            found |= numbers(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            found[prefix + name] = value
    return found


def row(folder: Path, parameters: dict[str, Any], varied: list[str]) -> dict[str, Any]:
    """A line of the table: the run, what was varied, how it ended, and what it measured."""
    record = read_json(folder / "run.json")
    status, error = record.get("status"), record.get("error")
    if status in (None, "running"):  # `ganlib.run` had no time, or no reason, to say more
        with contextlib.suppress(OSError, IndexError):
            log = folder.with_name(f"{folder.name}.log")
            error = log.read_text(encoding="utf-8", errors="replace").splitlines()[-1]
        status = "failed" if error or status else "not run"
    return {
        "run": folder.name,
        **{name: parameters[name] for name in varied},
        "status": status,
        "seconds": record.get("seconds"),
        "error": (error or "").partition("\n")[0],
        **(numbers(read_json(folder / "metrics.json")) if status == "completed" else {}),
    }


def write_table(file: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as CSV, an empty field where a run measured nothing."""
    with open(file, "w", newline="", encoding="utf-8", errors="replace") as stream:
        writer = csv.DictWriter(stream, list(dict.fromkeys(key for row in rows for key in row)))
        writer.writeheader()
        writer.writerows(rows)


def show(rows: list[dict[str, Any]], columns: list[str]) -> str:
    """Some columns of rows, aligned; those that no row has are left out."""
    columns = [name for name in columns if any(row.get(name) not in (None, "") for row in rows)]
    lines = [columns] + [[_text(row.get(name)) for name in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in lines
    )


def _text(value):
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


# --- The command --------------------------------------------------------------------------------


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ganlib.sweep",
        description="Run a notebook over values of its parameters and over seeds.",
        epilog="Started again with the same --output, it makes only the runs that are missing.",
    )
    add = parser.add_argument
    add("notebook", type=Path, metavar="NOTEBOOK", help="such as book/dcgan.ipynb")
    add("-f", dest="file", type=Path, metavar="YAML", help="parameters that all runs share")
    add("--vary", action="append", default=[], metavar="NAME=VALUE,...", help="may be repeated")
    add("--seeds", type=int, default=0, metavar="N", help="each with the seeds 0 to N - 1")
    add("--output", type=Path, required=True, metavar="DIR", help="a folder for the runs' folders")
    add("--show", default="fid,coverage", metavar="NAME,...", help="metrics to print (%(default)s)")
    add("--jobs", type=int, default=1, metavar="N", help="runs at a time (default: one)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says.

    Returns the exit status: 0, 1 if a run failed, 2 if nothing could run, 130 if interrupted.
    """
    with screens(), contextlib.ExitStack() as stack:
        args = arguments(argv)
        try:
            if args.jobs < 1:
                raise ValueError(f"--jobs is a number of runs, at least 1, not {args.jobs}.")
            varied = grid(args.vary, args.seeds)
            runs = plan(args.notebook, args.file, varied)
            demand_text(Path.cwd(), args.notebook, args.output, *runs)
            stack.enter_context(reserved(args.output))
        except (ImportError, OSError, ValueError) as error:
            print(error, file=sys.stderr)
            return 2
        return sweep(args, runs, list(varied[0]))


def sweep(args: argparse.Namespace, runs: dict[str, dict], varied: list[str]) -> int:
    """Make the runs that are missing, then the table of all; return the exit status."""
    folders = {name: args.output / name for name in runs}
    missing = [name for name, values in runs.items() if not finished(folders[name], values)]
    jobs, code = {}, 0
    for name in missing:
        try:
            make_way(folders[name])
        except OSError as error:
            print(f"{folders[name]} cannot be moved ({error.strerror}).", file=sys.stderr)
            return 2
        order = [str(args.notebook), *(["-f", str(args.file)] if args.file else [])]
        order += [part for key in varied for part in ("-p", key, str(runs[name][key]))]
        order += ["--output", str(folders[name])]
        jobs[name] = order, folders[name].with_name(f"{name}.log")
    print(f"{len(runs)} runs, of which {len(runs) - len(missing)} are there already.", flush=True)

    def line(name):
        return row(folders[name], runs[name], varied)

    try:
        with contextlib.closing(run_all(jobs, args.jobs)) as ended:
            for number, name in enumerate(ended, 1):
                end = line(name)
                print(f"{number} of {len(jobs)}: {name} {end['status']}", end["error"], flush=True)
    except KeyboardInterrupt:
        code = 130
    rows, table = [line(name) for name in runs], args.output / "table.csv"
    columns = [*varied, "status", "seconds", *args.show.split(","), "error"]
    print(f"\n{show(rows, columns)}")
    try:
        write_table(table, rows)
        print(f"All that was measured is in {table}.")
    except OSError as error:
        print(f"{table} cannot be written ({error.strerror}).", file=sys.stderr)
        return 1
    return code or int(any(row["status"] != "completed" for row in rows))
