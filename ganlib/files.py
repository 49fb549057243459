"""Files that are written whole or not at all, and folders that only one process holds."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing keeps a second process out there
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def whole(file: Path) -> Iterator[Path]:
    """Give a name to write to, and put what was written in the place of `file` if all went well."""
    part = file.with_name(f"part-{os.getpid()}-{file.name}")  # Keras wants the ending
    try:
        yield part
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def try_writing(folder: Path) -> None:
    """Write a little, which is gone at once; raises OSError if the folder does not take it."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(2**16))


@contextlib.contextmanager
def lock(path: Path, refusal: str) -> Iterator[None]:
    """Hold a folder, or a file that is made if it is missing, against other processes that lock it.

    On Windows, which opens no folder, nothing is held.

    Raises:
        ValueError: with `refusal`, when another holds it.
        OSError: the file cannot be opened or made.
    """
    if not fcntl and path.is_dir():
        yield
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_WRONLY | os.O_CREAT, 0o666)
    try:  # closing the handle ends the lock, and so does the end of the process
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
