"""A folder of pictures: what is in it, and an `ImageFolder` that reads them as they are needed."""

import functools
import os
import statistics
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ganlib import checks

# Put there by the operating system, so not worth reporting.
_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"}


class ImageFolder:
    """Image files that are read when they are indexed, as an array would be.

    By a number, a slice, an array of numbers or of truth values: `images[3]`, `images[:16]`,
    `images[rows]`; `images[...]` and `np.asarray(images)` read them all. Memory holds the paths and
    what was asked for: it does not grow with the pixels in the folder.
    """

    dtype = np.dtype(np.uint8)

    def __init__(
        self, paths: Sequence[str] | np.ndarray, size: tuple[int, int], channels: int
    ) -> None:
        self.paths = np.asarray(paths, dtype=object)
        self._size, self._channels = size, channels

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, height, width, channels)."""
        return len(self.paths), *self._size, self._channels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key) -> np.ndarray:
        """uint8 (height, width, channels) for a number, (n, height, width, channels) otherwise."""
        if isinstance(key, tuple):
            raise IndexError(
                "A folder of images can be indexed only by image: read them, images[...], "
                "and index the pixels of that array."
            )
        chosen = self.paths[key]
        if isinstance(chosen, str):
            return self._open(chosen)
        images = np.empty((chosen.size, *self.shape[1:]), np.uint8)
        for i, image in enumerate(_threads().map(self._open, chosen.flat)):
            images[i] = image
        return images.reshape(*chosen.shape, *self.shape[1:])

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """All of them, uint8 (N, height, width, channels) unless `dtype` says otherwise."""
        return self[:] if dtype is None else self[:].astype(dtype, copy=False)

    def subset(self, rows: np.ndarray) -> "ImageFolder":
        """The files at `rows`, unread."""
        return ImageFolder(self.paths[rows], self._size, self._channels)

    def resize(self, size: tuple[int, int]) -> "ImageFolder":
        """The same files, unread, at another (height, width)."""
        return ImageFolder(self.paths, size, self._channels)

    def _open(self, path) -> np.ndarray:
        from ganlib.data import pictures  # Pillow is not loaded before it is used

        return pictures.read(path, self._size, self._channels)


def read(
    folder: str, size: tuple[int, int] | None = None, channels: int | None = None
) -> tuple[ImageFolder, np.ndarray | None, tuple[str, ...]]:
    """What is in `folder`: images directly in it, or subfolders of images, a class each.

    They come in a random order, the same whenever there are as many files, so that the first few
    are of every class. What is left out is printed, in one line.

    Args:
        size: (height, width) of the images; its default, and `channels`, are as for `data.load`.

    Returns:
        an `ImageFolder`; labels int64 (N,), or None without subfolders; the names of the classes.
    """
    if channels not in (None, 1, 3):
        raise ValueError(
            f"channels is 1 (grey), 3 (colour) or None (as the files are), not {channels!r}."
        )
    from ganlib.data import pictures

    # Pillow warns about large pictures and odd metadata, again in every thread.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    loose, classes, unused = _list(folder)
    paths = loose or [path for files in classes.values() for path in files]
    headers = list(_threads().map(pictures.header, paths))
    size = size or _common_size([(height, width) for height, width, _ in headers])
    if channels is None:
        channels = 1 if all(grey for _, _, grey in headers) else 3
    if unused:
        checks.say(f"Left out of {folder}: {'; '.join(unused)}.")
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes.values()])
    order = np.random.default_rng(len(paths)).permutation(len(paths))
    images = ImageFolder(np.asarray(paths, object)[order], size, channels)
    labels = labels[order].astype(np.int64) if classes else None
    return images, labels, tuple(map(_printable, classes))


def _list(folder):
    """The images directly in `folder`, those of its subfolders by name, and what is left out."""
    loose, subfolders, others = _entries(folder)
    classes, empty, deep = {}, [], []
    for name in subfolders:
        images, below, more = _entries(os.path.join(folder, name))
        if images:
            classes[name] = images
            others += [f"{name}/{file}" for file in more]
        else:
            empty.append(name)
        deep += [f"{name}/{sub}" for sub in below]
    if loose and classes:
        raise ValueError(
            f"{folder} holds both images and subfolders of images: "
            "use one subfolder for each class, or none."
        )
    if not loose and not classes:
        below = f": perhaps you mean {_some(deep)}" if deep else ""
        raise ValueError(
            f"{folder} holds no image (.png, .jpg and whatever else Pillow reads), "
            f"and neither does any folder directly in it{below}."
        )
    unused = []
    if others:
        unused.append(f"{_count(others, 'file')} ({_some(others)})")
    if empty:
        unused.append(f"{_count(empty, 'folder')} without an image ({_some(empty)})")
    if deep:
        unused.append(f"{_count(deep, 'folder')} too deep in it ({_some(deep)})")
    return loose, classes, unused


def _entries(folder):
    """The paths of the images in a folder, and the names of its subfolders and other files."""
    from ganlib.data import pictures

    images, subfolders, others = [], [], []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise ValueError(f"{folder} cannot be read ({error.strerror}).") from None
    for entry in entries:
        if entry.name.startswith(".") or entry.name.lower() in _SYSTEM:
            continue
        if entry.is_dir():
            subfolders.append(entry.name)
        elif os.path.splitext(entry.name)[1].lower() in pictures.suffixes() and entry.is_file():
            images.append(entry.path)
        else:
            others.append(entry.name)
    return images, subfolders, others


def _count(names, what) -> str:
    return f"{len(names)} {what}{'s' if len(names) > 1 else ''}"


def _some(names) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _printable(name: str) -> str:
    """A name without the bytes that are no text, which a plot or a file would refuse."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _common_size(sizes) -> tuple[int, int]:
    """The size that `data.load` says is the default."""
    if len(set(sizes)) == 1 and max(sizes[0]) <= 64:
        return sizes[0]
    shorter = statistics.median_low(map(min, sizes))
    return (min(64, 1 << (shorter - 1).bit_length()),) * 2


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="ganlib-images")
