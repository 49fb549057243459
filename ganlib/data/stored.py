"""Data sets kept as NAME.npz: read, or fetched through Keras, and known to be what they say."""

import contextlib
import hashlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from ganlib.checks import first_line
from ganlib.data import cache, glyphs


@dataclass(frozen=True)
class Stored:
    """A data set kept as NAME.npz, and what tells it from any other.

    The digest of the four arrays where they were at hand; otherwise the sum of the training pixels,
    from the means that are published to many digits, beside the shapes and the class counts. (Keras
    checks the archives of MNIST and CIFAR-10 by their hashes, but not that of Fashion-MNIST.)
    """

    class_names: tuple[str, ...]
    digest: str | None = None
    pixel_sum: int | None = None
    shape: tuple[int, int, int] = (28, 28, 1)  # those of MNIST, and of what replaces it
    counts: tuple[int, int] = (60_000, 10_000)  # training and test images


STORED = {
    "mnist": Stored(
        glyphs.DIGITS,
        digest="06d44f4dfd037acbaab6144b50605a8635690a91df33808fc13ac510e77361bc",
    ),
    "fashion_mnist": Stored(
        ("T-shirt", "trouser", "pullover", "dress", "coat")
        + ("sandal", "shirt", "sneaker", "bag", "ankle boot"),
        pixel_sum=3_431_114_169,
    ),
    "cifar10": Stored(
        ("airplane", "automobile", "bird", "cat", "deer")
        + ("dog", "frog", "horse", "ship", "truck"),
        pixel_sum=18_540_682_003,
        shape=(32, 32, 3),
        counts=(50_000, 10_000),
    ),
}
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def read(name: str) -> dict[str, np.ndarray]:
    """The arrays x_train, y_train, x_test and y_test of `name`, uint8, labels flat.

    From NAME.npz in the data folder, or fetched and kept there. Raises ValueError for a file with
    anything else, FileNotFoundError where there is none and none can be fetched.
    """
    folder = cache.folder()
    file = folder and folder / f"{name}.npz"
    return _read(name, file) if file and file.exists() else _fetch(name, file)


def _read(name, file) -> dict[str, np.ndarray]:
    advice = "move it away to have it fetched again, or put the right file there."
    try:
        with open(file, "rb") as stream, np.load(stream) as stored:
            arrays = _canonical({key: stored[key] for key in _ARRAYS})
    except PermissionError:
        raise ValueError(
            f"You have no permission to read {file}: give yourself that permission."
        ) from None
    except cache.UNREADABLE:
        expected = STORED[name].digest
        raise ValueError(
            f"{file} is damaged, the arrays {', '.join(_ARRAYS)} cannot be read from it "
            f"(digest of the arrays: {f'expected {expected}, ' if expected else ''}found none; "
            f"of the file: {hashlib.sha256(file.read_bytes()).hexdigest()}); {advice}"
        ) from None
    problem = _difference(name, arrays)
    if problem:
        raise ValueError(f"{file} does not hold {name}: {problem}; {advice}")
    return arrays


def _canonical(arrays) -> dict[str, np.ndarray]:
    """Labels flat and uint8, whichever way they were stored."""
    flat = {key: np.asarray(arrays[key]) for key in _ARRAYS}
    for key in ("y_train", "y_test"):
        flat[key] = flat[key].reshape(-1).astype(np.uint8)
    return flat


def _difference(name, arrays) -> str | None:
    """What shows that `arrays` are not the data set `name`, or None."""
    stored = STORED[name]
    found = cache.digest(*(arrays[key] for key in _ARRAYS))
    if stored.digest:
        return None if found == stored.digest else f"expected digest {stored.digest}, found {found}"
    for part, count in zip(("train", "test"), stored.counts, strict=True):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        flat = count, np.prod(stored.shape)
        if images.dtype != np.uint8 or images.reshape(len(images), -1).shape != flat:
            shape = (count, *stored.shape)
            return f"expected x_{part} to be uint8 {shape}, found {images.dtype} {images.shape}"
        classes = np.bincount(labels, minlength=10)
        if classes.tolist() != [count // 10] * 10:
            return f"expected {count // 10} of each label in y_{part}, found {classes.tolist()}"
    pixel_sum = int(arrays["x_train"].sum(dtype=np.int64))
    if pixel_sum != stored.pixel_sum:
        return (
            f"expected training pixels that sum to {stored.pixel_sum}, found {pixel_sum} "
            f"(digest {found})"
        )
    return None


def _fetch(name, file) -> dict[str, np.ndarray]:
    """Download through Keras, which verifies its archive, and keep the arrays in `file`, if any."""
    what, arrays = name, ", ".join(_ARRAYS)
    instead = f"set GANLIB_DATA to the folder that holds {name}.npz (arrays {arrays})."
    if file:
        what = f"{name} is not in {file.parent} and"
        instead = f"put {name}.npz there, or {instead}"
    with downloading(what, instead):
        (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    found = _canonical(dict(zip(_ARRAYS, (x_train, y_train, x_test, y_test), strict=True)))
    problem = _difference(name, found)
    if problem:
        raise ValueError(f"What Keras downloaded is not {name}: {problem}.")
    if file:
        cache.save(file, **found)
    return found


@contextlib.contextmanager
def downloading(what: str, instead: str) -> Iterator[None]:
    """While Keras fetches something: a network that does not answer is left after half a minute.

    Raises:
        FileNotFoundError: `what` could not be downloaded, why, and what to do `instead`.
    """
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)
    try:
        yield
    except Exception as error:  # Keras raises a bare Exception
        reason = first_line(error)
        raise FileNotFoundError(f"{what} could not be downloaded ({reason}): {instead}") from None
    finally:
        socket.setdefaulttimeout(timeout)
