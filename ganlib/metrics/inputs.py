"""What the metrics demand of features, and how they walk through them."""

import numpy as np


def checked(features, least=1):
    """Return `features` as an array (N, F) of finite numbers with N at least `least`.

    Raises:
        ValueError: they are not that.
    """
    features = np.asarray(features)
    if features.ndim != 2:
        raise ValueError(
            f"Features form a table (N, F), a row for each sample: not {features.shape}."
        )
    if len(features) < least:
        raise ValueError(f"There are too few samples: {len(features)}, where {least} are needed.")
    if not np.isfinite(features).all():
        raise ValueError("The features are not all finite: look at the images they come from.")
    return features


def pair(real_features, fake_features, least=2):
    """Return both sets of features, checked, with rows of the same length."""
    real, fake = checked(real_features, least), checked(fake_features, least)
    same_length(real.shape, fake.shape)
    return real, fake


def same_length(real_shape, fake_shape):
    """Raise ValueError if features of these shapes (N, F) and (M, F) differ in F."""
    if real_shape[1] != fake_shape[1]:
        raise ValueError(
            "Features are compared with features of the same length (N, F) and (M, F), "
            f"not {real_shape} with {fake_shape}."
        )


def blocks(features, size=1024):
    """Yield the rows of `features` by blocks: (slice, float64 (size, F)).

    A table of all pairs of samples is then worked through in squares of `size` by `size`: the
    memory does not depend on how many samples there are.
    """
    for start in range(0, len(features), size):
        rows = slice(start, min(start + size, len(features)))
        yield rows, features[rows].astype(np.float64)
