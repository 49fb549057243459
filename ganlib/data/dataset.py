"""A data set of images, `Dataset`, and how to come by one: `load`."""

import difflib
import functools
import inspect
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ganlib import checks
from ganlib.data import batches, cache, folders, glyphs, stored
from ganlib.data.folders import ImageFolder
from ganlib.pixels import scale
from ganlib.types import Size


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with what is known about them.

    Attributes:
        name: what `load` was given.
        images: uint8 (N, H, W, C). For a folder, an `ImageFolder`, which reads when indexed.
        labels: int64 (N,), the class of each image, or None.
        class_names: the name of each class.
        typefaces: int64 (N,), the typeface of each image of "glyphs" and "letters", otherwise None.
        typeface_names: the name of each typeface.
    """

    name: str
    images: "np.ndarray | ImageFolder"
    labels: np.ndarray | None = None
    class_names: tuple[str, ...] = ()
    typefaces: np.ndarray | None = None
    typeface_names: tuple[str, ...] = ()

    def __post_init__(self):
        """Reject images or labels of another form, which would otherwise surface far away."""
        if self.images.dtype != np.uint8 or len(self.images.shape) != 4:
            raise ValueError(
                f"The images of {self.name!r} must be uint8 of shape (N, H, W, C), not "
                f"{self.images.dtype} of shape {self.images.shape}: to_uint8 converts from [-1, 1]."
            )
        if self.labels is not None:
            object.__setattr__(self, "labels", self._checked(np.asarray(self.labels)))

    def _checked(self, labels) -> np.ndarray:
        """Labels as int64. Raises ValueError unless they fit the images and the class names."""
        many = len(self.class_names)
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(
                f"The labels of {self.name!r} are whole numbers (N,), one for each image, not "
                f"{labels.dtype} of shape {labels.shape}."
            )
        if len(labels) != len(self.images):
            raise ValueError(
                f"{self.name!r} has {len(self.images)} images but {len(labels)} labels."
            )
        if len(labels) and (labels.min() < 0 or (many and labels.max() >= many)):
            named = (
                f"are from 0 to {many - 1}, as it has {many} class names" if many else "begin at 0"
            )
            raise ValueError(
                f"The labels of {self.name!r} {named}; these go from {labels.min()} to "
                f"{labels.max()}."
            )
        return labels.astype(np.int64, copy=False)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one image."""
        return tuple(self.images.shape[1:])

    def take(self, n: int) -> "Dataset":
        """The first `n` images. Raises ValueError when there are fewer."""
        if not 1 <= n <= len(self):
            raise ValueError(f"take({n}) needs a number from 1 to {len(self)}, the size of {self}.")
        return self.subset(np.arange(n))

    def split(self, fraction: float, seed: int = 0) -> "tuple[Dataset, Dataset]":
        """Set a random `fraction` (0 to 1) of the images apart: (the others, the held-out ones).

        Both keep the order that the images have here.
        """
        held_out = round(fraction * len(self))
        if not 0 < held_out < len(self):
            raise ValueError(f"split({fraction}) leaves one part of {self} without an image.")
        order = batches.permutation(len(self), seed)
        return self.subset(np.sort(order[held_out:])), self.subset(np.sort(order[:held_out]))

    def subset(self, rows: ArrayLike) -> "Dataset":
        """The images at `rows`, numbers or a truth value for each image, with what is known."""
        rows = np.asarray(rows)
        rows = rows if rows.size else rows.astype(np.int64 if rows.dtype != bool else bool)
        images = self.images
        return replace(
            self,
            images=images.subset(rows) if isinstance(images, ImageFolder) else images[rows],
            labels=None if self.labels is None else self.labels[rows],
            typefaces=None if self.typefaces is None else self.typefaces[rows],
        )

    def resize(self, size: Size) -> "Dataset":
        """Crop the images in the middle and resize them: `size` as for `load`.

        Returns self where nothing changes.
        """
        from ganlib.data import pictures  # Pillow is not loaded before it is used

        size = pictures.size_of(size)
        if size is None or size == self.image_shape[:2]:
            return self
        if isinstance(self.images, ImageFolder):
            return replace(self, images=self.images.resize(size))
        return replace(self, images=pictures.resize(self.images, size))

    def fitted(self, nearest: Callable[[tuple[int, int]], tuple[int, int]]) -> "Dataset":
        """In a size that a model can make, which is printed if it is another one.

        Args:
            nearest: a function from (height, width) to the nearest one that can be made, such as
                `models.dcgan.nearest`.
        """
        there, here = self.image_shape[:2], tuple(nearest(self.image_shape[:2]))
        if here != there:
            one, other = ("x".join(map(str, size)) for size in (there, here))
            checks.say(f"{self}: resized from {one} to {other} pixels, which the model can make.")
        return self.resize(here)

    def require(self, classes: int = 0, images: int = 0) -> "Dataset":
        """Raise ValueError unless there are so many images, and labels of so many classes."""
        found = 0 if self.labels is None else len(np.unique(self.labels))
        if found < classes:
            raise ValueError(
                f"This needs images of {_or_more(classes, 'class', 'classes')}, and {self} has "
                f"{f'only {found}' if found else 'no labels'}: use a data set with labels, or "
                "a folder with a subfolder of images for each class."
            )
        if len(self) < images:
            raise ValueError(
                f"This needs {_or_more(images, 'image', 'images')}, and {self} has fewer."
            )
        return self

    def batches(
        self, batch_size: int, seed: int = 0, repeat: bool = False, labels: bool = False
    ) -> Any:
        """What `fit` takes: batches of float32 (batch_size, H, W, C) in [-1, 1].

        Every epoch is a new random order of all images, the same on every backend for the same
        `seed`; what is left over at its end, less than a batch, is dropped.

        Args:
            batch_size: images in a batch.
            repeat: go on for ever, epoch after epoch; use it with `steps_per_epoch`.
            labels: pairs (images, labels), labels int32 (batch_size,), for a conditional GAN.

        Returns:
            A `tf.data.Dataset` when Keras runs on TensorFlow, else a `keras.utils.PyDataset`.

        Raises:
            ValueError: a batch holds less than one image, or more than there are; or there are no
                labels.
        """
        if not 1 <= batch_size <= len(self):
            raise ValueError(
                f"batch_size is {batch_size}, but {self} allows 1 to {len(self)}: "
                "choose a batch that the data can fill."
            )
        if labels and self.labels is None:
            raise ValueError(f"{self} has no labels: use batches without them.")
        steps = len(self) // batch_size

        def order(epoch):
            rows = batches.permutation(len(self), seed, epoch)[: steps * batch_size]
            return rows.reshape(steps, batch_size)

        def read(rows):
            images = scaled(self.images, rows)
            return (images, self.labels[rows].astype(np.int32)) if labels else images

        made = batches.stream(order, read, steps, repeat, at_a_time(batch_size, self.images))
        made.of = self._known_again()
        return made

    def _known_again(self) -> str:
        """What tells other images from these: how many there are, and a digest of the labels and of
        the names of a folder's files, else of about a hundred images."""
        if isinstance(self.images, ImageFolder):
            some = np.array([os.path.basename(path) for path in self.images.paths])
        else:
            some = self.images[np.arange(0, len(self), 1 + len(self) // 100)]
        labels = () if self.labels is None else (self.labels,)
        return f"{len(self):,} images of digest {cache.digest(some, *labels)[:8]}"

    def __str__(self) -> str:
        return f"{self.name!r} ({len(self):,} images)"

    def __repr__(self) -> str:
        many = len(self.class_names)
        classes = f", {many} class{'es' if many > 1 else ''}" if many else ""
        shape = "x".join(str(side) for side in self.image_shape)
        return f"<Dataset {self.name!r}: {len(self):,} images of {shape}{classes}>"


def scaled(images: np.ndarray | ImageFolder, rows: np.ndarray) -> np.ndarray:
    """The images at `rows`, of any shape, float32 (*rows.shape, H, W, C) in [-1, 1]."""
    return scale(images[rows.ravel()]).reshape(*rows.shape, *images.shape[1:])


def at_a_time(batch_size: int, *images: np.ndarray | ImageFolder) -> int:
    """How many batches of these to make together: 4 MB of them, but one if files are read."""
    if any(isinstance(one, ImageFolder) for one in images):
        return 1
    return max(1, 2**20 // (batch_size * sum(math.prod(one.shape[1:]) for one in images)))


def _or_more(n, one, many) -> str:
    return f"at least {n:,} {one if n == 1 else many}"


def load(name: str | os.PathLike[str], seed: int = 0, size: Size = None, **options: Any) -> Dataset:
    """Load a data set by its name, or a folder of images by its path.

    Args:
        name: "glyphs" (digits drawn from 18 typefaces, 28x28x1), "letters" (A to Z, as drawn),
            "digits" (handwriting, 8x8x1), "mnist", "fashion_mnist" (28x28x1), "cifar10" (32x32x3),
            or the path of a folder with images in it, or with one subfolder of images for each
            class; in random order, the same whenever there are as many.
        seed: which draw of "glyphs" or "letters"; the others are what they are.
        size: what the images are cropped and resized to: a side (64 or "64") or height x width
            ("32x64" or (32, 64)). By default, or with 0 or "", they stay as they are; those of a
            folder too if all have one size of at most 64 pixels a side, else they become squares
            of 64, or of a smaller power of two where that is enough for half of them.
        **options: `n=10000`, the number of "glyphs" or "letters"; `split="train"` or `"test"`, the
            part of "mnist", "fashion_mnist" and "cifar10"; `channels=1` (grey) or `3`, what a
            folder's images are converted to, by default grey if all the files are.

    Raises:
        ValueError: an unknown name, size or option, a corrupt file, a folder without images.
        FileNotFoundError: no such folder, or a data set that is not here and cannot be fetched.
    """
    if not isinstance(name, str | os.PathLike) or not (text := os.fspath(name)):
        raise ValueError(
            f"load needs the name of a data set ({', '.join(_LOADERS)}) or the path of a folder of "
            f"images, not {name!r}."
        )
    from ganlib.data import pictures

    size = pictures.size_of(size)
    if text in _LOADERS:
        loader = _LOADERS[text]
    elif os.sep in text or "/" in text or os.path.exists(os.path.expanduser(text)):
        loader = functools.partial(_folder, size=size)
    else:
        near = difflib.get_close_matches(text.lower(), _LOADERS, n=2, cutoff=0.5)
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise ValueError(
            f"There is no data set {text!r}{hint}: the names are {', '.join(_LOADERS)}, "
            f"or give the path of a folder of images, which {os.path.abspath(text)} is not."
        )
    allowed = [p for p in inspect.signature(loader).parameters if p not in ("name", "seed", "size")]
    for option in options:
        if option not in allowed:
            raise ValueError(
                f"load({text!r}) has no option {option!r}: its options are "
                + ", ".join(["size", *allowed])
                + ("; .split(0.2) sets images apart." if option == "split" else ".")
            )
    return loader(text, seed, **options).resize(size)


# ------------------------------------------------------------------------ drawn from typefaces


def _drawn(name, seed, n=10_000) -> Dataset:
    if n < 1:
        raise ValueError(f"{name} needs n of at least 1, not {n}.")
    characters = {"glyphs": glyphs.DIGITS, "letters": glyphs.LETTERS}[name]
    key = f"{name}-v{glyphs.VERSION}-seed{seed}-n{n}"
    arrays = cache.kept(key)
    if arrays is None:
        arrays = glyphs.draw(n, seed, characters)
        cache.keep(key, arrays)
    images, labels, typefaces = arrays
    return Dataset(name, images, labels, characters, typefaces, glyphs.TYPEFACES)


# ------------------------------------------------------------------------------- the others


def _digits(name, seed) -> Dataset:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    return Dataset(name, images, bunch.target.astype(np.int64), glyphs.DIGITS)


def _from_file(name, seed, split="train") -> Dataset:
    if split not in ("train", "test"):
        raise ValueError(f"load({name!r}) has no split {split!r}: use 'train' or 'test'.")
    arrays = stored.read(name)
    x, y = (arrays[f"{axis}_{split}"] for axis in "xy")
    known = stored.STORED[name]
    return Dataset(name, x.reshape(-1, *known.shape), y.astype(np.int64), known.class_names)


def _folder(name, seed, size=None, channels=None) -> Dataset:
    folder = os.path.abspath(os.path.expanduser(name))
    if os.path.isfile(folder):
        raise ValueError(f"{folder} is a file: give the folder that holds the images.")
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"There is no folder {folder}: give the path of a folder of images."
        )
    return Dataset(name, *folders.read(folder, size, channels))


_LOADERS = {
    "glyphs": _drawn,
    "letters": _drawn,
    "digits": _digits,
    "mnist": _from_file,
    "fashion_mnist": _from_file,
    "cifar10": _from_file,
}
