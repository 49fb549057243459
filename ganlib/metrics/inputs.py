"""What the metrics demand of features, and how they walk through them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike


def array(numbers: ArrayLike) -> np.ndarray:
    """A NumPy array of what is one, or a tensor of any backend, or nested lists.

    Raises:
        ValueError: it is none of them, or holds something else than real numbers.
    """
    if hasattr(numbers, "detach"):  # a PyTorch tensor that carries a gradient, or lies on a GPU
        numbers = numbers.detach().cpu()
        if numbers.is_floating_point() and numbers.itemsize < 4:
            numbers = numbers.float()  # NumPy has no bfloat16
    try:
        found = np.asarray(numbers)
    except (ValueError, TypeError, NotImplementedError):  # rows of unequal length, for one
        found = np.empty((), object)
    if not np.can_cast(found.dtype, np.float64, "same_kind") or found.dtype.kind == "m":
        raise ValueError(
            f"An array or a tensor of real numbers is needed, not {type(numbers).__name__}"
            f"{f' of {found.dtype}' if isinstance(numbers, np.ndarray) else ''}."
        )
    return found


def table(features: ArrayLike) -> np.ndarray:
    """Return `features` as an array (N, F). Raises ValueError if they are not that."""
    features = array(features)
    if features.ndim != 2:
        raise ValueError(
            f"Features form a table (N, F), a row for each sample: not {features.shape}."
        )
    return features


def checked(features: ArrayLike, least: int = 1) -> np.ndarray:
    """Return `features` as an array (N, F) of finite numbers with N at least `least`.

    Raises:
        ValueError: they are not that.
    """
    features = table(features)
    if len(features) < least:
        raise ValueError(f"There are too few samples: {len(features)}, where {least} are needed.")
    if not np.isfinite(features).all():
        raise ValueError("The features are not all finite: look at the images they come from.")
    return features


def pair(
    real_features: ArrayLike, fake_features: ArrayLike, least: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Return both sets of features, checked, with rows of the same length."""
    real, fake = checked(real_features, least), checked(fake_features, least)
    same_length(real.shape, fake.shape)
    return real, fake


def same_length(real_shape: tuple[int, ...], fake_shape: tuple[int, ...]) -> None:
    """Raise ValueError if features of these shapes (N, F) and (M, F) differ in F."""
    if real_shape[1] != fake_shape[1]:
        raise ValueError(
            "Features are compared with features of the same length (N, F) and (M, F), "
            f"not {real_shape} with {fake_shape}."
        )


def blocks(
    features: np.ndarray, start: int = 0, size: int = 512
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the rows of `features` from `start` on by blocks: (slice, float64 (size, F)).

    A table of all pairs of samples is then worked through in squares of `size` by `size`: the
    memory does not depend on how many samples there are, and a square fits a processor's cache.
    """
    for first in range(start, len(features), size):
        rows = slice(first, min(first + size, len(features)))
        yield rows, features[rows].astype(np.float64)
