"""Arrays kept in files: where, how to know them again, and how to lose nothing."""

import contextlib
import hashlib
import os
import sys
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganlib.files import whole

# What reading raises where a file is missing, cut short, or not an .npz at all.
UNREADABLE = (OSError, ValueError, TypeError, KeyError, EOFError, RuntimeError)
UNREADABLE += (zipfile.BadZipFile, zlib.error)


def folder() -> Path | None:
    """Where data sets are kept: `$GANLIB_DATA`, or the user's cache folder."""
    given = os.environ.get("GANLIB_DATA")
    return Path(os.path.expanduser(given)) if given else user()


def user() -> Path | None:
    """ "ganlib" in the user's cache folder, for what is made on the way; None without a home."""
    home = os.path.expanduser("~")  # unlike Path.home(), raises nothing where there is none
    if sys.platform == "win32":
        cache = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        cache = os.path.join(home, "Library", "Caches")
    else:
        cache = os.environ.get("XDG_CACHE_HOME", "")
        if not os.path.isabs(cache):  # its specification says to ignore a relative path
            cache = os.path.join(home, ".cache")
    return Path(cache, "ganlib") if os.path.isabs(cache) else None


def digest(*arrays: np.ndarray) -> str:
    """SHA-256 over the shape, dtype and bytes of each array, in hexadecimal."""
    total = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        # Little-endian, so that the digest is the same on every machine.
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        total.update(f"{array.shape}{array.dtype.str}".encode())
        total.update(array.data)
    return total.hexdigest()


def save(file: Path, **arrays: Any) -> None:
    """Write an .npz file whole or not at all; a folder that takes no files is no error."""
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as part:
            np.savez_compressed(part, **arrays)


def keep(name: str, arrays: Sequence[np.ndarray]) -> None:
    """Keep arrays that took long to make, under a name that says all that they depend on."""
    numbered = {f"array_{i}": array for i, array in enumerate(arrays)}
    if place := user():
        save(place / f"{name}.npz", **numbered, digest=np.array(digest(*arrays)))


def forget(name: str) -> None:
    """Keep no more what is kept under that name, nor what a process left that died as it wrote."""
    if place := user():
        with contextlib.suppress(OSError):
            for file in (place / f"{name}.npz", *place.glob(f"part-*-{name}.npz")):
                file.unlink(missing_ok=True)


def kept(name: str) -> list | None:
    """The arrays kept under that name, or None if they are not there or damaged."""
    if not (place := user()):
        return None
    try:
        with open(place / f"{name}.npz", "rb") as stream, np.load(stream) as stored:
            arrays = [stored[f"array_{i}"] for i in range(len(stored.files) - 1)]
            return arrays if str(stored["digest"]) == digest(*arrays) else None
    except UNREADABLE:
        return None
