"""What a run depends on besides its parameters: the code, the packages, the machine, its screen."""

import contextlib
import importlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO


class Screen:
    """A stream for what a run shows, which never stops the run.

    What the encoding lacks becomes a question mark; what can no longer be shown, since the reader
    of the pipe has gone, the disk of the log is full or there is no stream at all, is lost.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.stream: Any = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Show the text if that is possible."""
        encoding = getattr(self.stream, "encoding", None) or "utf-8"
        self._try("write", text.encode(encoding, "replace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        """Show what is still held back if that is possible."""
        self._try("flush")

    def isatty(self) -> bool:
        """Whether there is a terminal."""
        return bool(self._try("isatty"))

    def _try(self, method, *arguments):
        with contextlib.suppress(OSError, ValueError):  # ValueError: the stream has been closed
            return self.stream and getattr(self.stream, method)(*arguments)


@contextlib.contextmanager
def screens() -> Iterator[None]:
    """Let nothing that is printed meanwhile, or at the end of the process, raise an error."""
    for number in range(3):  # a file opened later must not become the standard output of a kernel
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    kept = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = map(Screen, kept)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = kept
        for stream in kept:
            try:
                if stream is not None:
                    stream.flush()
            except (OSError, ValueError):  # Python would try again at its end, and exit with 120
                with contextlib.suppress(OSError, ValueError):
                    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def ask(*command: str | Path) -> str | None:
    """Return what a program prints, or None if it is missing or fails."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(command, capture_output=True, check=True, timeout=30)
        return os.fsdecode(answer.stdout).strip()  # it may be a path
    return None


def git_state(folder: Path) -> dict[str, Any]:
    """Return the revision of `folder` and whether a tracked file differs; None outside git.

    What runs have left in book/results does not count: it is no code, and of several runs in a row
    the first would make the others look as if they were of changed code.
    """
    revision = ask("git", "-C", folder, "rev-parse", "HEAD")
    status = "status --porcelain --untracked-files=no -- :/ :(top,exclude)book/results"
    changes = ask("git", "-C", folder, *status.split())
    return {"revision": revision, "dirty": bool(changes) if revision else None}


def hardware() -> dict[str, Any]:
    """Return the processor's name, the number of cores, the memory in GB and NVIDIA's GPUs."""
    import psutil

    names = []
    with contextlib.suppress(OSError):
        cpuinfo = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        names = [line.split(": ", 1)[1] for line in cpuinfo if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "gpus": (ask("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") or "").splitlines(),
    }


def versions(backend: str) -> dict[str, str]:
    """Return the versions of Python, ganlib, Keras, NumPy and the backend, all imported already."""
    packages = ("ganlib", "keras", "numpy", backend)
    found = {name: importlib.import_module(name).__version__ for name in packages}
    return {"python": platform.python_version()} | found


def peak_memory(pid: int) -> float:
    """Return the most memory a process has held, in MB (what it holds now, if not on Linux)."""
    import psutil

    with contextlib.suppress(OSError, IndexError):
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).memory_info().rss / 2**20
    return 0.0
