"""How a GAN's generator is sampled, and with what: latents and labels."""

import keras
import numpy as np
from keras import ops

from ganlib.game.players import conditional, made_of
from ganlib.pixels import to_uint8


class Sampled(keras.Model):
    """A GAN that one draws samples from; `ganlib.GAN` is the model."""

    @property
    def sampler(self):
        """The generator that `sample` draws from: the average, if there is one."""
        return self.generator if self.ema_generator is None else self.ema_generator

    def latents(self, n, seed=0, truncation=None):
        """Standard normal latents (n, latent_dim), float32 numpy, the same on every backend.

        Args:
            truncation: in (0, 1]; numbers of a larger size are drawn again until they are within
                (Brock et al. 2019, section 3.1). Less is more typical, and more alike.

        Raises:
            ValueError: truncation is outside (0, 1].
        """
        return latents(n, self.latent_dim, seed, truncation)

    def sample(self, n=None, seed=0, latents=None, labels=None, truncation=None):
        """Draw from the generator, from its moving average if there is one, in inference mode.

        Args:
            n: how many; by default as many as there are labels, or 16.
            seed: of the latents; the same seed gives the same images.
            latents: (n, latent_dim), instead of `n` and `seed`.
            labels: for a conditional generator, whole numbers (n,), or one for all.
            truncation: of the latents, in (0, 1]; none by default.

        Returns:
            numpy: images as uint8 (n, height, width, channels), other samples as float32.

        Raises:
            ValueError: labels are missing, not taken, or out of range; latents of another width;
                truncation outside (0, 1] or given beside latents.
        """
        if latents is None:
            if n is None:
                n = len(labels) if np.ndim(labels) else 16
            latents = self.latents(n, seed, truncation)
        elif truncation is not None:
            raise ValueError(
                "truncation is of the latents that sample draws, and it was given latents: draw "
                "them with gan.latents(n, seed, truncation)."
            )
        latents = checked(latents, self.latent_dim)
        labels = labels_for(self, labels, len(latents))
        parts = [
            ops.convert_to_numpy(
                made_of(self.sampler, latents[i : i + 256], labels[i : i + 256], training=False)
            )
            for i in range(0, len(latents), 256)
        ]
        samples = np.concatenate(parts).astype("float32")
        return to_uint8(samples) if samples.ndim == 4 else samples


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
