"""The Frechet distance between feature sets (Heusel et al. 2017)."""

import warnings

import numpy as np
from numpy.typing import ArrayLike

from ganlib.metrics.inputs import blocks, pair


def frechet_distance(real_features: ArrayLike, fake_features: ArrayLike) -> float:
    """Squared Frechet distance between two Gaussians with the moments of two sets of features.

    `|a - b|^2 + tr(A + B - 2 (A B)^(1/2))` for means a, b and covariances A, B (Heusel et al. 2017,
    equation 6; Dowson and Landau 1982). It is 0 for equal moments and grows without bound. A value
    means something only beside another one from the same feature extractor and the same numbers of
    samples, for few samples bias it upwards: by `(1/N + 1/M) (tr C + sum_ij r_ij / 4)` to first
    order between sets from one Gaussian, `r_ij = 2 c_i c_j (1 + [i = j]) / (c_i + c_j)` for the
    eigenvalues c of its covariance C. `kernel_distance` has no such bias.

    Args:
        real_features, fake_features: float (N, F) and (M, F), N and M at least 2.

    Returns:
        float, never negative.

    Warns:
        UserWarning: N or M is not above F, so that a covariance is singular.

    Raises:
        ValueError: the features differ in length, are not finite, or a set has fewer than two rows.
    """
    real, fake = pair(real_features, fake_features)
    (real_mean, a), (fake_mean, b) = _moments(real), _moments(fake)
    if not np.isfinite(a + b).all():
        raise ValueError("The features are too large: their squares are infinite.")
    fewest = min(len(real), len(fake))
    if fewest <= len(a):
        warnings.warn(
            f"{fewest} samples do not determine a covariance of {len(a)} features and "
            "the Frechet distance comes out too high: use more, or kernel_distance, which is "
            "unbiased.",
            stacklevel=2,
        )
    # tr (A B)^(1/2) is the sum of the square roots of the eigenvalues of A^(1/2) B A^(1/2), which
    # is symmetric. Rounding makes some that are zero negative.
    values, vectors = np.linalg.eigh(a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ b @ root).clip(0)).sum()
    distance = ((real_mean - fake_mean) ** 2).sum() + np.trace(a + b) - 2 * cross
    return float(np.maximum(distance, 0))  # rounding leaves it below zero for equal sets


def _moments(features):
    """Mean (F,) and unbiased covariance (F, F) of features (N, F), in float64.

    What is squared is centred: sums of squares that cancel where the mean is large do not occur.
    """
    mean = features.mean(axis=0, dtype=np.float64)
    centred = (block - mean for _, block in blocks(features))
    return mean, sum(part.T @ part for part in centred) / (len(features) - 1)
