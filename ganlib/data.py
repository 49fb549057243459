"""Data sets of images and densities in the plane, each one call away.

`load("glyphs")` needs no network, nor does `load("digits")`. MNIST, Fashion-MNIST and CIFAR-10 come
through `keras.datasets` and are kept as NAME.npz in the data folder (`$GANLIB_DATA`, or the user's
cache folder). `load("path/to/folder")` reads the user's own images as they are needed.

Images are uint8 (N, H, W, C) here; `Dataset.batches` gives what `fit` takes: float32 in [-1, 1].
"""

import difflib
import functools
import hashlib
import inspect
import os
import socket
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from ganlib import batches, cache, glyphs
from ganlib.densities import Density, Mixture, SwissRoll, grid, ring, swiss_roll

__all__ = [
    "Dataset",
    "Density",
    "ImageFolder",
    "Mixture",
    "SwissRoll",
    "grid",
    "load",
    "ring",
    "scale",
    "swiss_roll",
    "to_uint8",
]

# ------------------------------------------------------------------------------------ images


def scale(images) -> np.ndarray:
    """Turn uint8 images 0..255 into float32 in [-1, 1], any shape."""
    scaled = np.asarray(images).astype(np.float32)
    scaled /= 127.5
    scaled -= 1
    return scaled


def to_uint8(images) -> np.ndarray:
    """Turn float images in [-1, 1] into uint8 0..255, rounded; what lies outside is clipped."""
    return np.clip(np.rint((np.asarray(images) + 1.0) * 127.5), 0, 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with what is known about them.

    Attributes:
        name: what `load` was given.
        images: uint8 (N, H, W, C). For a folder, an `ImageFolder`, which reads when indexed.
        labels: int64 (N,), the class of each image, or None.
        class_names: the name of each class.
        typefaces: int64 (N,), the typeface of each image of "glyphs", otherwise None.
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
                f"the images of {self.name!r} must be uint8 of shape (N, H, W, C), they are "
                f"{self.images.dtype} of shape {self.images.shape}: to_uint8 converts from [-1, 1]"
            )
        if self.labels is not None and len(self.labels) != len(self.images):
            raise ValueError(
                f"{self.name!r} has {len(self.images)} images but {len(self.labels)} labels"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one image."""
        return tuple(self.images.shape[1:])

    def take(self, n: int) -> "Dataset":
        """The first `n` images. Raises ValueError when there are fewer."""
        if not 1 <= n <= len(self):
            raise ValueError(f"take({n}) needs a number from 1 to {len(self)}, the size of {self}")
        return self._subset(np.arange(n))

    def split(self, fraction: float, seed: int = 0) -> "tuple[Dataset, Dataset]":
        """Set a random `fraction` (0 to 1) of the images apart: (the others, the held-out ones).

        Both keep the order that the images have here.
        """
        held_out = round(fraction * len(self))
        if not 0 < held_out < len(self):
            raise ValueError(f"split({fraction}) leaves one part of {self} with no image")
        order = batches.permutation(len(self), seed)
        return self._subset(np.sort(order[held_out:])), self._subset(np.sort(order[:held_out]))

    def batches(self, batch_size: int, seed: int = 0, repeat: bool = False, labels: bool = False):
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
                "choose a batch that the data can fill"
            )
        if labels and self.labels is None:
            raise ValueError(f"{self} has no labels: use batches without them")
        steps = len(self) // batch_size

        def order(epoch):
            rows = batches.permutation(len(self), seed, epoch)[: steps * batch_size]
            return rows.reshape(steps, batch_size)

        def read(rows):
            images = scale(self.images[rows.ravel()])
            images = images.reshape(*rows.shape, *self.image_shape)
            return (images, self.labels[rows].astype(np.int32)) if labels else images

        if isinstance(self.images, ImageFolder):
            group = 1
        else:
            group = max(1, 2**20 // (batch_size * int(np.prod(self.image_shape))))  # 4 MB
        return batches.stream(order, read, steps, repeat, group)

    def _subset(self, indices) -> "Dataset":
        images = self.images
        return replace(
            self,
            images=images.subset(indices) if isinstance(images, ImageFolder) else images[indices],
            labels=None if self.labels is None else self.labels[indices],
            typefaces=None if self.typefaces is None else self.typefaces[indices],
        )

    def __str__(self) -> str:
        return f"{self.name!r} ({len(self):,} images)"

    def __repr__(self) -> str:
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        shape = "x".join(str(side) for side in self.image_shape)
        return f"<Dataset {self.name!r}: {len(self):,} images of {shape}{classes}>"


def load(name, seed: int = 0, **options) -> Dataset:
    """Load a data set by its name, or a folder of images by its path.

    Args:
        name: "glyphs" (digits drawn from 18 typefaces, 28x28x1), "digits" (handwriting, 8x8x1),
            "mnist", "fashion_mnist" (28x28x1), "cifar10" (32x32x3), or the path of a folder with
            images in it, or with one subfolder of images for each class.
        seed: which draw of "glyphs"; the others are what they are.
        **options: `n=10000`, the number of "glyphs"; `split="train"` or `"test"`, the part of
            "mnist", "fashion_mnist" and "cifar10"; `size`, the side to which a folder's images are
            cropped and resized (by default 64, or a smaller power of two where that is enough for
            half of them), and `channels=3` (or 1, grey), what they are converted to.

    Raises:
        ValueError: an unknown name or option, a corrupt file, a folder without images.
        FileNotFoundError: no such folder, or a data set that is not here and cannot be fetched.
    """
    text = os.fspath(name)
    if text in _LOADERS:
        loader = _LOADERS[text]
    elif os.sep in text or "/" in text or Path(text).is_dir():
        loader = _folder
    else:
        near = difflib.get_close_matches(text.lower(), _LOADERS, n=2, cutoff=0.5)
        hint = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise ValueError(
            f"there is no data set {text!r}{hint}: the names are {', '.join(_LOADERS)}, "
            "or give the path of a folder of images"
        )
    allowed = [p for p in inspect.signature(loader).parameters if p not in ("name", "seed")]
    for option in options:
        if option not in allowed:
            raise ValueError(
                f"load({text!r}) has no option {option!r}: "
                + (f"its options are {', '.join(allowed)}" if allowed else "it has none")
                + ("; .split(0.2) sets images apart" if option == "split" else "")
            )
    return loader(text, seed, **options)


# ------------------------------------------------------------------------------------ glyphs


def _glyphs(name, seed, n=10_000) -> Dataset:
    if n < 1:
        raise ValueError(f"glyphs needs n >= 1, it was given {n}")
    key = f"glyphs-v{glyphs.VERSION}-seed{seed}-n{n}"
    arrays = cache.kept(key)
    if arrays is None:
        arrays = glyphs.draw(n, seed)
        cache.keep(key, arrays)
    images, labels, typefaces = arrays
    return Dataset(name, images, labels, glyphs.DIGITS, typefaces, glyphs.TYPEFACES)


# ------------------------------------------------------------------- data sets kept as files


@dataclass(frozen=True)
class _Stored:
    """A data set kept as NAME.npz, and what tells it from any other.

    The digest of the four arrays where they were at hand; otherwise the sum of the training pixels,
    from the means that are published to many digits, beside the shapes and the class counts. (Keras
    checks the archives of MNIST and CIFAR-10 by their hashes, but not that of Fashion-MNIST.)
    """

    shape: tuple[int, int, int]
    counts: tuple[int, int]  # training and test images
    class_names: tuple[str, ...]
    digest: str | None = None
    pixel_sum: int | None = None


_STORED = {
    "mnist": _Stored(
        (28, 28, 1),
        (60_000, 10_000),
        glyphs.DIGITS,
        digest="06d44f4dfd037acbaab6144b50605a8635690a91df33808fc13ac510e77361bc",
    ),
    "fashion_mnist": _Stored(
        (28, 28, 1),
        (60_000, 10_000),
        ("T-shirt", "trouser", "pullover", "dress", "coat")
        + ("sandal", "shirt", "sneaker", "bag", "ankle boot"),
        pixel_sum=3_431_114_169,
    ),
    "cifar10": _Stored(
        (32, 32, 3),
        (50_000, 10_000),
        ("airplane", "automobile", "bird", "cat", "deer")
        + ("dog", "frog", "horse", "ship", "truck"),
        pixel_sum=18_540_682_003,
    ),
}
_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def _digits(name, seed) -> Dataset:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    return Dataset(name, images, bunch.target.astype(np.int64), glyphs.DIGITS)


def _from_file(name, seed, split="train") -> Dataset:
    if split not in ("train", "test"):
        raise ValueError(f"load({name!r}) has no split {split!r}: use 'train' or 'test'")
    file = cache.folder() / f"{name}.npz"
    arrays = _read(name, file) if file.exists() else _fetch(name, file)
    x, y = (arrays[f"{axis}_{split}"] for axis in "xy")
    stored = _STORED[name]
    return Dataset(name, x.reshape(-1, *stored.shape), y.astype(np.int64), stored.class_names)


def _read(name, file) -> dict[str, np.ndarray]:
    advice = "move it away to have it fetched again, or put the right file there"
    try:
        with np.load(file) as stored:
            arrays = _canonical({key: stored[key] for key in _ARRAYS})
    except PermissionError:
        raise ValueError(f"{file} cannot be read: allow yourself to read it") from None
    except cache.UNREADABLE:
        expected = _STORED[name].digest
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
    stored = _STORED[name]
    found = cache.digest(*(arrays[key] for key in _ARRAYS))
    if stored.digest:
        return None if found == stored.digest else f"expected digest {stored.digest}, found {found}"
    for part, count in zip(("train", "test"), stored.counts, strict=True):
        images, labels = arrays[f"x_{part}"], arrays[f"y_{part}"]
        shape = (count, *stored.shape)
        if images.dtype != np.uint8 or images.reshape(len(images), -1).shape != (
            count,
            np.prod(shape[1:]),
        ):
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
    """Download through Keras, which verifies its archive, and keep the arrays in `file`."""
    timeout = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)  # a silent network would otherwise be waited for without end
    try:
        (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a bare Exception
        raise FileNotFoundError(
            f"{name} is not in {file.parent} and could not be downloaded ({first_line(error)}): "
            f"put {file.name} (arrays {', '.join(_ARRAYS)}) there, or set GANLIB_DATA to the "
            "folder that holds it"
        ) from None
    finally:
        socket.setdefaulttimeout(timeout)
    arrays = _canonical(dict(zip(_ARRAYS, (x_train, y_train, x_test, y_test), strict=True)))
    problem = _difference(name, arrays)
    if problem:
        raise ValueError(f"what Keras downloaded is not {name}: {problem}")
    cache.save(file, **arrays)
    return arrays


def first_line(error) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


# ------------------------------------------------------------------- a folder of images

_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}


class ImageFolder:
    """Image files that are read when they are indexed: `images[3]`, `images[:16]`, `images[rows]`.

    Memory holds the paths and what was asked for: it does not grow with the pixels in the folder.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, paths, size: int, channels: int):
        self.paths = np.asarray(paths, dtype=object)
        self._size, self._channels = size, channels

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, size, size, channels)."""
        return len(self.paths), self._size, self._size, self._channels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key) -> np.ndarray:
        """uint8 (size, size, channels) for a number, (n, size, size, channels) otherwise."""
        chosen = self.paths[key]
        if isinstance(chosen, str):
            return self._open(chosen)
        images = np.empty((len(chosen), *self.shape[1:]), np.uint8)
        for i, image in enumerate(_threads().map(self._open, chosen)):
            images[i] = image
        return images

    def subset(self, indices) -> "ImageFolder":
        """The files at `indices`, unread."""
        return ImageFolder(self.paths[indices], self._size, self._channels)

    def _open(self, path) -> np.ndarray:
        from PIL import Image, ImageOps

        try:
            with Image.open(path) as file:
                image = ImageOps.exif_transpose(file)
                if image.mode.startswith("I;16"):  # Pillow would clip it, not scale it
                    image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
                if image.has_transparency_data:
                    # Where it is transparent, the page would be seen: white.
                    image = image.convert("RGBA")
                    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
                image = image.convert("L" if self._channels == 1 else "RGB")
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            raise _unreadable(path) from None
        image = ImageOps.fit(image, (self._size, self._size), Image.Resampling.LANCZOS)
        return np.asarray(image).reshape(self.shape[1:])


def _folder(name, seed, size=None, channels=3) -> Dataset:
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}: give the path of a folder of images")
    if size is not None and size < 1 or channels not in (1, 3):
        raise ValueError(
            f"size={size} and channels={channels} do not make an image: "
            "size is its side in pixels, channels is 1 (grey) or 3 (colour)"
        )
    classes = {sub.name: _image_files(sub) for sub in sorted(folder.iterdir()) if sub.is_dir()}
    classes = {key: files for key, files in classes.items() if files and not key.startswith(".")}
    loose = _image_files(folder)
    if loose and classes:
        raise ValueError(
            f"{folder} holds both images and subfolders of images: "
            "use one subfolder for each class, or none"
        )
    paths = loose or [path for files in classes.values() for path in files]
    if not paths:
        raise ValueError(
            f"{folder} holds no image ({', '.join(sorted(_SUFFIXES))}), "
            "nor does any folder directly in it"
        )
    sides = list(_threads().map(_shorter_side, paths))
    if 0 in sides:
        raise _unreadable(paths[sides.index(0)])
    size = size or min(64, 1 << (statistics.median_low(sides) - 1).bit_length())
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in classes.values()])
    return Dataset(
        name,
        ImageFolder(paths, size, channels),
        labels.astype(np.int64) if classes else None,
        tuple(classes),
    )


def _image_files(folder) -> list[str]:
    return sorted(
        entry.path
        for entry in os.scandir(folder)
        if Path(entry.name).suffix.lower() in _SUFFIXES
        and entry.is_file()
        and not entry.name.startswith(".")
    )


def _shorter_side(path) -> int:
    """In pixels; 0 where the file does not start as an image does. Reading pixels would be slow."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return min(image.size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return 0


def _unreadable(path) -> ValueError:
    return ValueError(f"{path} is not an image that can be read: repair it or take it out")


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="ganlib-images")


_LOADERS = {
    "glyphs": _glyphs,
    "digits": _digits,
    "mnist": _from_file,
    "fashion_mnist": _from_file,
    "cifar10": _from_file,
}
