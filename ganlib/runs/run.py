"""Run a chapter from the command line: papermill, with strict parameters and a record of the run.

    python -m ganlib.run book/dcgan.ipynb -f book/runs/dcgan-mnist.yaml -p steps 200

The values are checked before anything runs. Then one folder receives what the notebook saves in its
`output_dir`, the executed notebook, and `run.json`.
"""

import argparse
import contextlib
import datetime
import hashlib
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from ganlib.files import lock, try_writing, whole
from ganlib.runs.environment import ask, git_state, hardware, peak_memory, screens, versions
from ganlib.runs.outputs import plain
from ganlib.runs.parameters import (
    DATA_SETS,
    Parameter,
    check_data,
    check_parameters,
    guess,
    parameters_of,
    read_values,
)
from ganlib.start import quietly, to_install

# --- Folders ------------------------------------------------------------------------------------


def shown(path: Path) -> str:
    """The path from the current folder, or the whole one on another drive of Windows."""
    try:
        return os.path.relpath(path)
    except ValueError:
        return str(path)


@contextlib.contextmanager
def refusing(folder: Path | str) -> Iterator[None]:
    """Give an OSError the sentence that no run can be written to `folder`."""
    try:
        yield
    except OSError as error:
        raise OSError(
            f"No run can be written to {folder} ({error.strerror}): name another folder."
        ) from None


@contextlib.contextmanager
def reserved(folder: Path | None) -> Iterator[None]:
    """Make the folder of a run's results, and let no other run have the same one meanwhile.

    With None there is nothing to do: each run gets a new folder.

    Raises:
        ValueError: it is a file, or another run is writing to it.
        OSError: it cannot be made, or takes no files.
    """
    if folder is None:
        yield
        return
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; --output wants a folder.")
    with refusing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try_writing(folder)
    with lock(folder, f"Another run is writing to {folder}: wait for it, or name another folder."):
        yield


def claim_folder(folder: Path) -> Path:
    """Make and return the first of `folder`, `folder-2`, `folder-3`, ... that does not exist."""
    number, free = 1, folder
    while True:
        try:
            free.mkdir(parents=True)
            return free
        except FileExistsError:
            number += 1
            free = folder.with_name(f"{folder.name}-{number}")


def choose_folders(notebook: Path, name: str, output: Path | None) -> tuple[Path, Path]:
    """Return the folder to run in, which is made, and the one that gets the results in the end.

    They are the same unless `output` already holds something. That must survive a run that fails.

    Raises:
        ValueError: `output` is the notebook's own folder, where it would be replaced.
        OSError: a folder cannot be made, or takes no files.
    """
    target = Path(os.path.abspath(output or Path("outputs", name)))
    if target.resolve() == notebook.resolve().parent:
        raise ValueError(f"{output} is the notebook's own folder; name another for the results.")
    with refusing(shown(target)):
        if output is None:
            target = folder = claim_folder(target)
        elif any(target.iterdir()):
            folder = claim_folder(target.with_name(f"{target.name}.partial"))
        else:
            folder = target
        try_writing(folder)
    return folder, target


def move_into(folder: Path, target: Path) -> None:
    """Move every file of `folder` to its place in `target`, over older ones; remove `folder`."""
    shutil.copytree(folder, target, copy_function=os.replace, dirs_exist_ok=True)
    shutil.rmtree(folder)


# --- Execution ----------------------------------------------------------------------------------


def kernel_manager(memory: list[float]) -> type:
    """Return a kernel manager that starts this interpreter, whichever `python3` is registered.

    nbclient asks every second, and before it stops the kernel, whether the kernel is alive. The
    peak memory in MB is appended to `memory` then.
    """
    from ipykernel.kernelspec import get_kernel_dict
    from jupyter_client import AsyncKernelManager
    from jupyter_client.kernelspec import KernelSpec

    # The kernel runs in the notebook's folder, but a relative folder of data starts from here.
    data = os.environ.get("GANLIB_DATA")
    environment = {"GANLIB_DATA": os.path.abspath(data)} if data else {}
    quiet = [  # a kernel's own tracebacks, which it logs when it is interrupted or ends
        "--log-level=CRITICAL",
        "--IPKernelApp.exec_lines=__import__('logging').getLogger('tornado').setLevel('CRITICAL')",
    ]

    class ThisInterpreter(AsyncKernelManager):
        @property
        def kernel_spec(self):
            return KernelSpec(**get_kernel_dict(quiet), env=environment)

        async def is_alive(self):
            if pid := getattr(self.provisioner, "pid", None):
                memory.append(peak_memory(pid))
            return await super().is_alive()

    return ThisInterpreter


class WholeLines:
    """A stream that prints only whole lines, above the progress bar if there is one."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.rest = stream, ""

    def write(self, text: str) -> None:
        """Print the lines that `text` completes and keep the rest."""
        from tqdm.auto import tqdm

        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            tqdm.write(line, file=self.stream)
        self.stream.flush()  # a file or a pipe would keep it until the end

    def flush(self) -> None:
        """Do nothing: the bar would be drawn over half a line."""


class LoggedBar:
    """The stream of a progress bar in a log file: a line for each state."""

    def write(self, text: str) -> None:
        """Print a state without the carriage return before it."""
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Do nothing: every line is flushed."""


def execute(notebook: Path, copy: Path, values: dict[str, Any], memory: list[float]) -> None:
    """Run `notebook` in its own folder and keep it as `copy`; show its progress and what it prints.

    Raises:
        papermill.PapermillExecutionError: a cell raised.
    """
    import papermill

    logging.getLogger("papermill").setLevel(
        logging.ERROR
    )  # it warns about parameters, which are checked here
    logging.getLogger("asyncio").setLevel(
        logging.CRITICAL
    )  # it reports tasks that an interrupt left behind
    streams = WholeLines(sys.stdout), WholeLines(sys.stderr)
    try:
        papermill.execute_notebook(
            shown(notebook),
            shown(copy),
            values,
            kernel_name="python3",
            language="python",
            cwd=notebook.absolute().parent,
            progress_bar=sys.stderr.isatty() or {"file": LoggedBar(), "mininterval": 10},
            stdout_file=streams[0],
            stderr_file=streams[1],
            kernel_manager_class=kernel_manager(memory),
        )
    finally:
        for stream in streams:
            if stream.rest:
                stream.write("\n")


# --- The command --------------------------------------------------------------------------------


def arguments(argv: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ganlib.run",
        description="Run a notebook with other parameters and keep everything it makes.",
        epilog="A relative path given as a parameter starts at the notebook's folder; if nothing "
        "is there, at the current one.",
    )
    add = parser.add_argument
    add("notebook", type=Path, metavar="NOTEBOOK", help="such as book/dcgan.ipynb")
    add("-f", dest="file", type=Path, metavar="YAML", help="a file of parameters, `name: value`")
    add(
        "-p",
        dest="pair",
        nargs=2,
        metavar=("NAME", "VALUE"),
        help="one parameter, over the file's, such as -p lr -1e-3 or, where no type is declared, "
        '-p widths "[3, 4]"; may be repeated',
    )
    add(
        "--output",
        type=Path,
        metavar="DIR",
        help="where results go, over those of an earlier run once this one has succeeded "
        "(default: a new folder, outputs/NAME, named after YAML or NOTEBOOK)",
    )
    rest, values = [], []
    argv = list(argv)
    while argv:  # argparse would take a value such as -1e-3 for an option
        pair = len(argv) > 2 and argv[1][:1] != "-" and argv[2][:2] != "--" and argv[2] != "-p"
        if argv[0] == "-p" and pair:
            values.append((argv[1], argv[2]))
            del argv[:3]
        else:
            rest.append(argv.pop(0))
    args = parser.parse_args(rest)
    args.values = [*values, args.pair] if args.pair else values
    return args


def demand_text(*values: Any) -> None:
    """Refuse what no notebook can hold, since it is no text in the encoding of the locale.

    Raises:
        ValueError: one of the paths and values has such a character.
    """
    for value in values:
        try:
            str(value).encode()
        except UnicodeEncodeError:
            raise ValueError(
                f"{str(value)!r} cannot be written in this locale: rename it, or set PYTHONUTF8=1."
            ) from None


def from_here(given: dict[str, Any], home: Path) -> dict[str, Any]:
    """Make a text absolute that names something in the current folder, and nothing in `home`.

    The name of a data set is no path, nor is a number.
    """
    found = {}
    for name, value in given.items():
        if not isinstance(value, str) or value in DATA_SETS or value.isdecimal():
            continue
        if os.path.exists(value) and not os.path.exists(home / value):
            found[name] = os.path.abspath(value)
            print(f"{name}: {value} of the current folder.", flush=True)
    return given | found


def inside(root: Path, path: Path) -> str:
    """The path from `root`, or its last part: a record says nothing of this machine's folders."""
    path = path.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def weights(folder: Path) -> dict[str, str]:
    """The SHA-256 of each network that a run has left, by the name of its file."""
    files = sorted(folder.glob("*.keras"))
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def run(
    notebook: Path,
    file: Path | None,
    parameters: dict[str, Parameter],
    given: dict[str, Any],
    folder: Path,
    target: Path,
) -> int:
    """Execute `notebook` in `folder` with `given` and a record; on success move all to `target`.

    Returns the exit status: 0, 1 if the notebook failed, 130 if it was interrupted.
    """
    with quietly():
        from ganlib import backend

    home = notebook.absolute().parent
    root = Path(ask("git", "-C", home, "rev-parse", "--show-toplevel") or os.getcwd()).resolve()
    values = {name: parameter.default for name, parameter in parameters.items()} | given
    if "output_dir" in parameters and "output_dir" not in given:
        given = given | {"output_dir": str(folder)}
        values["output_dir"] = inside(root, target)
    given = from_here(given, home)
    record = {
        "notebook": inside(root, notebook),
        "file": inside(root, file) if file else None,
        "parameters": values,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "error": None,
        "backend": backend.NAME,
        "versions": versions(backend.NAME),
        "hardware": hardware(),
        "git": git_state(home),
    }
    copy, memory, start = folder / notebook.name, [0.0], time.monotonic()

    def save(**news) -> None:
        seconds = round(time.monotonic() - start, 1)
        record.update(news, seconds=seconds, peak_memory_mb=round(max(memory)))
        text = json.dumps(plain(record), indent=2, sort_keys=True, ensure_ascii=False)
        with whole(folder / "run.json") as part:  # \udce9, half a character, is JSON as well
            part.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")

    save(status="running")
    try:
        execute(notebook, copy, given, memory)
        save(status="completed", weights=weights(folder))
        if folder != target:
            move_into(folder, target)
        print(f"Finished in {record['seconds']:.0f} s: see {shown(target)}.")
        return 0
    except KeyboardInterrupt:
        save(status="interrupted")
        code, ending = 130, "Interrupted"
    except Exception as error:  # whatever it was, the folder records it
        kind = getattr(error, "ename", type(error).__name__)
        reason = str(getattr(error, "evalue", error)).strip()
        save(status="failed", error=f"{kind}: {reason}")
        code, ending = 1, f"Failed with {kind}: {reason.partition(chr(10))[0].rstrip('. ')}"
    kept = f", and {shown(target)} is as it was" if folder != target else ""
    print(f"{ending}. The notebook so far is {shown(copy)}{kept}.", file=sys.stderr)
    return code


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says and return the exit status, which is 2 if nothing could run."""
    with screens(), contextlib.ExitStack() as stack:
        args = arguments(sys.argv[1:] if argv is None else argv)
        try:
            parameters = parameters_of(args.notebook)
            given = read_values(args.file) if args.file else {}
            for name, text in args.values:
                untyped = name in parameters and parameters[name].kind is None
                given[name] = guess(text) if untyped else text
            given = check_parameters(parameters, given)
            check_data(args.notebook, given)
            demand_text(args.notebook.absolute(), args.output, Path.cwd(), *given.values())
            name = (args.file or args.notebook).stem
            stack.enter_context(reserved(args.output))
            folder, target = choose_folders(args.notebook, name, args.output)
        except ModuleNotFoundError as error:
            print(to_install(error), file=sys.stderr)
            return 2
        except (OSError, ValueError) as error:
            print(error, file=sys.stderr)
            return 2
        try:
            return run(args.notebook, args.file, parameters, given, folder, target)
        except ModuleNotFoundError as error:
            print(to_install(error), file=sys.stderr)
            return 2
        except OSError as error:
            place = shown(folder)
            print(f"No record could be written to {place} ({error.strerror}).", file=sys.stderr)
            return 1
