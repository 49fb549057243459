"""What can be taken from images: their colour, their resolution, a part, ...

Each is a function of images uint8 (N, H, W, C) and a NumPy generator, from which it draws what is
random, to images uint8 (N, H, W, channels).
"""

import functools
import os
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from ganlib.data.folders import ImageFolder

Degradation = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Degraded(ImageFolder):
    """What a function leaves of every image of a folder, each with numbers of its own.

    They are those of the last `parts` of its path, wherever the folder is: of its name, and of the
    class's before it where there are such, as both classes may have a "1.png".
    """

    def __init__(self, whole: ImageFolder, how: Degradation, seed: int, parts: int = 1) -> None:
        black = np.zeros((1, *whole.shape[1:]), np.uint8)
        like = applied(how, black, np.random.default_rng(seed))
        super().__init__(whole.paths, like.shape[1:3], like.shape[3])
        self.whole, self.how, self.seed, self.parts = whole, how, seed, parts

    def _open(self, path):
        name = "/".join(path.split(os.sep)[-self.parts :])
        own = zlib.crc32(name.encode("utf-8", "surrogateescape"))
        image = self.whole._open(path)[None]
        made = applied(self.how, image, np.random.default_rng([self.seed, own]))[0]
        if made.shape != self.shape[1:]:
            raise ValueError(
                f"A degradation makes as many channels of every image: of {path} it made "
                f"{made.shape[2]}, of a black one {self.shape[3]}."
            )
        return made

    def subset(self, rows: np.ndarray) -> "Degraded":
        return Degraded(self.whole.subset(rows), self.how, self.seed, self.parts)

    def resize(self, size: tuple[int, int]) -> "Degraded":
        return Degraded(self.whole.resize(size), self.how, self.seed, self.parts)


def applied(how: Degradation, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a function makes of images. Raises ValueError unless it is as many, of their height and
    width, uint8 (N, H, W, channels)."""
    made = np.asarray(how(images, rng))
    if made.dtype != np.uint8 or made.ndim != 4 or made.shape[:3] != images.shape[:3]:
        sizes = ", ".join(map(str, images.shape[:3]))
        raise ValueError(
            "A degradation makes as many images as it is given, of their height and width, uint8 "
            f"({sizes}, channels), not {made.dtype} of shape {made.shape}."
        )
    return made


def grey(images: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """Images without their colour, one channel: 0.299 red + 0.587 green + 0.114 blue (BT.601)."""
    if images.shape[-1] != 3:
        raise ValueError(
            f"Colour is taken from images of 3 channels, not of {images.shape[-1]}: load them with "
            "channels=3."
        )
    parts = images.astype(np.uint32) * np.array([299, 587, 114], np.uint32)
    return ((parts.sum(axis=-1, keepdims=True) + 500) // 1000).astype(np.uint8)


def smaller(
    images: np.ndarray, rng: np.random.Generator | None = None, factor: int = 4
) -> np.ndarray:
    """Images with 1 / factor of their rows and columns, in the size that they had: every block of
    pixels has its mean."""
    n, height, width, channels = images.shape
    if not (isinstance(factor, int) and factor >= 1):
        raise ValueError(f"factor is a whole number of pixels, at least 1, not {factor!r}.")
    if height % factor or width % factor:
        raise ValueError(
            f"Blocks of {factor}x{factor} pixels do not fill an image of {height}x{width}: resize "
            "the images to multiples."
        )
    blocks = (n, height // factor, factor, width // factor, factor, channels)
    total = images.reshape(blocks).sum(axis=(2, 4), keepdims=True, dtype=np.uint32)
    mean = ((total + factor**2 // 2) // factor**2).astype(np.uint8)
    return np.broadcast_to(mean, blocks).reshape(images.shape)


def holes(
    images: np.ndarray, rng: np.random.Generator, mask: ArrayLike | None = None
) -> np.ndarray:
    """Images with a hole in medium grey, and one more channel, 255 in the hole and 0 elsewhere.

    Args:
        mask: truth values (H, W), where the hole is in every image; by default a rectangle of half
            the height and half the width, anywhere.

    Raises:
        ValueError: the mask has another shape.
    """
    n, height, width, _ = images.shape
    if mask is None:
        inside = []
        for size in (height, width):
            start = rng.integers(0, size - size // 2 + 1, (n, 1))
            inside.append((np.arange(size) >= start) & (np.arange(size) < start + size // 2))
        missing = inside[0][:, :, None, None] & inside[1][:, None, :, None]
    elif np.shape(mask) != (height, width):
        raise ValueError(
            f"A mask has the shape of an image, ({height}, {width}), not {np.shape(mask)}."
        )
    else:
        missing = np.broadcast_to(np.asarray(mask, bool)[None, :, :, None], (n, height, width, 1))
    left = np.where(missing, np.uint8(128), images)
    return np.concatenate([left, np.where(missing, np.uint8(255), np.uint8(0))], axis=-1)


def noisy(images: np.ndarray, rng: np.random.Generator, deviation: float = 50.0) -> np.ndarray:
    """Images with normal noise of that standard deviation, out of 255, added, and clipped."""
    noise = rng.standard_normal(images.shape, dtype=np.float32) * np.float32(deviation)
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


def outline(images: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """How much the brightest and the darkest of a pixel and its four neighbours differ, in the
    channel where it is most: one channel, bright at edges."""
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="edge")
    near = [padded[:, 1:-1, 1:-1], padded[:, :-2, 1:-1], padded[:, 2:, 1:-1]]
    near += [padded[:, 1:-1, :-2], padded[:, 1:-1, 2:]]
    most, least = functools.reduce(np.maximum, near), functools.reduce(np.minimum, near)
    return (most - least).max(axis=-1, keepdims=True)
