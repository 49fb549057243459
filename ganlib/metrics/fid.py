"""The Frechet distance between feature sets (Heusel et al. 2017)."""

import numpy as np


def frechet_distance(real_features, fake_features):
    """Squared Frechet distance between two Gaussians with the moments of two sets of features.

    `|m - n|^2 + tr(C + D - 2 (C D)^(1/2))` for means m, n and covariances C, D (Heusel et al. 2017,
    equation 6; Dowson and Landau 1982). It is 0 for equal moments and grows without bound. A value
    means
    something only beside another one from the same feature extractor and the same number of
    samples: few samples
    bias it upwards.

    Args:
        real_features, fake_features: float (N, F) and (M, F), N and M at least 2.

    Returns:
        float.

    Raises:
        ValueError: the features differ in length, are not finite, or a set has fewer than two rows.
    """
    real, fake = (np.asarray(f, "float64") for f in (real_features, fake_features))
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(
            "Two feature sets (N, F) with the same F are compared, "
            f"not {real.shape} and {fake.shape}."
        )
    if min(len(real), len(fake)) < 2:
        raise ValueError("A covariance needs at least two samples.")
    if not (np.isfinite(real).all() and np.isfinite(fake).all()):
        raise ValueError("The features are not all finite: look at the images they come from.")
    c, d = np.cov(real, rowvar=False), np.cov(fake, rowvar=False)
    # tr (C D)^(1/2) is the sum of the square roots of the eigenvalues of the symmetric C^(1/2) D
    # C^(1/2).
    values, vectors = np.linalg.eigh(np.atleast_2d(c))
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ np.atleast_2d(d) @ root).clip(0)).sum()
    return float(
        ((real.mean(0) - fake.mean(0)) ** 2).sum() + np.trace(np.atleast_2d(c + d)) - 2 * cross
    )
