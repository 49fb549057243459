"""What a result depends on besides its parameters: the code, the packages and the machine."""

import contextlib
import importlib
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: there, nothing keeps a second process out
    fcntl = None


def ask(*command: str | Path) -> str | None:
    """Return what a program prints, or None if it is missing or fails."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
        return answer.stdout.strip()
    return None


@contextlib.contextmanager
def lock(path: Path, refusal: str) -> Iterator[None]:
    """Hold a folder, or a file that is made if it is missing, against other processes that lock it.

    Raises:
        ValueError: with `refusal`, when another holds it.
        OSError: the file cannot be opened or made.
    """
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_WRONLY | os.O_CREAT, 0o666)
    try:  # closing the handle ends the lock; so does any end of the process
        try:
            if fcntl:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(refusal) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


def git_state(folder: Path) -> dict[str, Any]:
    """Return the revision of `folder` and whether a tracked file differs; None outside git."""
    revision = ask("git", "-C", folder, "rev-parse", "HEAD")
    changes = ask("git", "-C", folder, "status", "--porcelain", "--untracked-files=no")
    return {"revision": revision, "dirty": bool(changes) if revision else None}


def hardware() -> dict[str, Any]:
    """Return the processor's name, the number of cores, the memory in GB and NVIDIA's GPUs."""
    import psutil

    names = []
    with contextlib.suppress(OSError):
        cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
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
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).memory_info().rss / 2**20
    return 0.0
