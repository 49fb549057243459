"""Pixels are bytes in data, files and samples, and numbers in [-1, 1] where networks see them."""

import numpy as np
from numpy.typing import ArrayLike


def scale(images: ArrayLike) -> np.ndarray:
    """Turn uint8 images 0..255 into float32 in [-1, 1], any shape."""
    scaled = np.asarray(images).astype(np.float32)
    scaled /= 127.5
    scaled -= 1
    return scaled


def to_uint8(images: ArrayLike) -> np.ndarray:
    """Turn float images in [-1, 1] into uint8 0..255, rounded; what lies outside is clipped."""
    return np.clip(np.rint((np.asarray(images) + 1.0) * 127.5), 0, 255).astype(np.uint8)
