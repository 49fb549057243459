"""The Frechet distance between feature sets (Heusel et al. 2017)."""

import warnings

import numpy as np
from numpy.typing import ArrayLike

from ganlib.metrics.inputs import blocks, checked, same_length


class Moments:
    """Mean and covariance of features that come in batches; none of the batches is kept.

    A batch with mean b and scatter B joins n samples with mean a and scatter A as
    `A + B + n m / (n + m) (b - a)(b - a)^T`, m being its size (Chan, Golub and LeVeque 1979). The
    sums of squares that cancel when the mean is large are never formed.

    Attributes:
        n: samples so far.
        mean: float64 (F,).
    """

    def __init__(self) -> None:
        self.n, self.mean, self._scatter = 0, np.zeros(0), np.zeros((0, 0))

    def update(self, features: ArrayLike) -> "Moments":
        """Add a batch (N, F), return self. Raises ValueError if it is not finite or F differs."""
        features = checked(features)
        if self.n == 0:
            self.mean = np.zeros(features.shape[1])
            self._scatter = np.zeros((features.shape[1],) * 2)
        same_length((self.n, len(self.mean)), features.shape)
        for _, block in blocks(features):
            m, mean = len(block), block.mean(axis=0)
            centred, shift = block - mean, mean - self.mean
            between = self.n * m / (self.n + m)
            self._scatter = self._scatter + centred.T @ centred + between * np.outer(shift, shift)
            self.mean = self.mean + m / (self.n + m) * shift
            self.n += m
        return self

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased, float64 (F, F). Raises ValueError if there are fewer than two samples."""
        if self.n < 2:
            raise ValueError("A covariance needs at least two samples.")
        return self._scatter / (self.n - 1)


def frechet_distance(
    real_features: ArrayLike | Moments, fake_features: ArrayLike | Moments
) -> float:
    """Squared Frechet distance between two Gaussians with the moments of two sets of features.

    `|a - b|^2 + tr(A + B - 2 (A B)^(1/2))` for means a, b and covariances A, B (Heusel et al. 2017,
    equation 6; Dowson and Landau 1982). It is 0 for equal moments and grows without bound. A value
    means something only beside another one from the same feature extractor and the same numbers of
    samples, for few samples bias it upwards: by `(1/N + 1/M) (tr C + sum_ij r_ij / 4)` to first
    order between sets from one Gaussian, `r_ij = 2 c_i c_j (1 + [i = j]) / (c_i + c_j)` for the
    eigenvalues c of its covariance C. `kernel_distance` has no such bias.

    Args:
        real_features, fake_features: float (N, F) and (M, F), N and M at least 2; or `Moments`.

    Returns:
        float, never negative.

    Warns:
        UserWarning: N or M is not above F, so that a covariance is singular.

    Raises:
        ValueError: the features differ in length, are not finite, or a set has fewer than two rows.
    """
    real, fake = (
        features if isinstance(features, Moments) else Moments().update(features)
        for features in (real_features, fake_features)
    )
    same_length((real.n, len(real.mean)), (fake.n, len(fake.mean)))
    a, b = real.covariance, fake.covariance
    if not np.isfinite(a + b).all():
        raise ValueError("The features are too large: their squares are infinite.")
    if min(real.n, fake.n) <= len(a):
        warnings.warn(
            f"{min(real.n, fake.n)} samples do not determine a covariance of {len(a)} features and "
            "the Frechet distance comes out too high: use more, or kernel_distance, which is "
            "unbiased.",
            stacklevel=2,
        )
    # tr (A B)^(1/2) is the sum of the square roots of the eigenvalues of A^(1/2) B A^(1/2), which
    # is symmetric. Rounding makes some that are zero negative.
    values, vectors = np.linalg.eigh(a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ b @ root).clip(0)).sum()
    distance = ((real.mean - fake.mean) ** 2).sum() + np.trace(a + b) - 2 * cross
    return float(np.maximum(distance, 0))  # rounding leaves it below zero for equal sets
