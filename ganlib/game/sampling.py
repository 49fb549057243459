"""What `GAN.sample` gives its generator: latents and labels."""

import numpy as np

from ganlib.game.players import conditional


def latents(n, dim, seed=0, truncation=None):
    """Standard normal numbers (n, dim), float32; see `GAN.latents`."""
    if not (isinstance(n, int | np.integer) and n >= 1):
        raise ValueError(f"The number of samples is a whole number of at least 1, not {n!r}.")
    if truncation is not None and not 0 < truncation <= 1:
        raise ValueError(
            "truncation bounds the size of each latent, above 0 and at most 1, not "
            f"{truncation!r}; leave it out for the whole normal distribution."
        )
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((n, dim), dtype="float32")
    if truncation is not None:
        beyond = np.abs(drawn) > truncation
        # One draw from the law that drawing again and again has: the normal's within the bound.
        from scipy.special import ndtr, ndtri

        share = rng.uniform(ndtr(-truncation), ndtr(truncation), beyond.sum())
        drawn[beyond] = ndtri(share).clip(-truncation, truncation)
    return drawn


def checked(given, dim):
    """Latents as float32 numpy, or a ValueError unless they are (n, dim) and some."""
    given = np.asarray(given, "float32")
    if given.ndim != 2 or given.shape[1] != dim or not len(given):
        raise ValueError(
            f"The generator takes latents of shape (n, {dim}), not {given.shape}: gan.latents(n) "
            "draws such."
        )
    return given


def labels_for(gan, labels, n):
    """Labels (n,), int32, checked."""
    if not conditional(gan.generator):
        if labels is not None:
            raise ValueError("The generator takes no labels: sample without them.")
        return np.zeros(n, "int32")  # unused
    known = f" from 0 to {gan.classes - 1}" if gan.classes else ""
    if labels is None:
        raise ValueError(
            f"The generator takes labels: sample(labels=...) needs whole numbers{known}, one "
            "for each image or one for all."
        )
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer) or (
        gan.classes and ((labels < 0) | (labels >= gan.classes)).any()
    ):
        raise ValueError(
            f"Labels are whole numbers{known} for this generator, not {np.unique(labels).tolist()}."
        )
    if labels.ndim and labels.shape != (n,):
        raise ValueError(
            f"{n} samples need labels of shape ({n},), or one label for all, not of shape "
            f"{labels.shape}."
        )
    return np.broadcast_to(labels, (n,)).astype("int32")
