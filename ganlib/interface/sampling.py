"""How a GAN's generator is sampled, and with what: latents and conditions."""

import functools

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from ganlib.game.players import condition, made_of, takes_latents
from ganlib.interface.feed import check_range, fits
from ganlib.interface.networks import classes, of_classes
from ganlib.pixels import to_uint8
from ganlib.types import Tensor


class Sampled(keras.Model):
    """A GAN that one draws samples from; `ganlib.GAN` is the model.

    What it has is a `generator`, whose inputs are known, and an `ema_generator` or None.
    """

    @functools.cached_property
    def latent_dim(self) -> int | None:
        """How many latents the generator takes; None if it takes none."""
        latents = takes_latents(self.generator)
        return self.generator.inputs[0].shape[-1] if latents else None

    @property
    def condition(self) -> Tensor | None:
        """The input of the generator that is its condition, a Keras tensor, or None."""
        return condition(self.generator)

    @functools.cached_property
    def classes(self) -> int | None:
        """How many classes the generator knows, if its condition is a class and a layer says."""
        return classes(self.generator) if of_classes(self.generator) else None

    @property
    def sampler(self) -> keras.Model:
        """The generator that `sample` draws from: the average, if there is one."""
        return self.generator if self.ema_generator is None else self.ema_generator

    def latents(self, n: int, seed: int = 0, truncation: float | None = None) -> np.ndarray:
        """Standard normal latents (n, latent_dim), float32 numpy, the same on every backend.

        Args:
            truncation: in (0, 1]; numbers of a larger size are drawn again until they are within
                (Brock et al. 2019, section 3.1). Less is more typical, and more alike.

        Raises:
            ValueError: truncation is outside (0, 1], or the generator takes no latents.
        """
        return latents(n, _latents_taken(self), seed, truncation)

    def sample(
        self,
        n: int | None = None,
        seed: int = 0,
        latents: ArrayLike | None = None,
        labels: ArrayLike | None = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Draw from the generator, from its moving average if there is one, in inference mode.

        Args:
            n: how many; by default as many as there are latents or labels, or 16.
            seed: of the latents; the same seed gives the same images.
            latents: (n, latent_dim), instead of `n` and `seed`.
            labels: for a conditional generator, whole numbers (n,), or one for all; another
                condition likewise, vectors (n, d) or images (n, height, width, channels), float32.
            truncation: of the latents, in (0, 1]; none by default.

        Returns:
            numpy: images as uint8 (n, height, width, channels), other samples as float32.

        Raises:
            ValueError: labels are missing, not taken, or out of range; conditions of another
                shape, or images as such that are not in [-1, 1]; latents of another width, or not
                taken; truncation outside (0, 1] or given beside latents.
        """
        if latents is not None and truncation is not None:
            raise ValueError(
                "truncation is of the latents that sample draws, and it was given latents: draw "
                "them with gan.latents(n, seed, truncation)."
            )
        if n is None:
            n = _number(self, labels)
        if latents is not None or truncation is not None:
            _latents_taken(self)
        if self.latent_dim is not None:
            latents = self.latents(n, seed, truncation) if latents is None else latents
            latents = valid_latents(latents, self.latent_dim)
            n = len(latents)
        _check_number(n)
        given = latents, condition_for(self, labels, n)
        inputs = [None if x is None else np.asarray(x) for x in given]
        parts = []
        for i in range(0, n, 256):
            z, c = (None if x is None else x[i : i + 256] for x in inputs)
            made = made_of(self.sampler, z, c, training=False)
            parts.append(ops.convert_to_numpy(made))
        samples = np.concatenate(parts).astype("float32")
        return to_uint8(samples) if samples.ndim == 4 else samples


def latents(n: int, dim: int, seed: int = 0, truncation: float | None = None) -> np.ndarray:
    """Standard normal numbers (n, dim), float32; see `GAN.latents`."""
    _check_number(n)
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


def valid_latents(given: ArrayLike, dim: int) -> np.ndarray:
    """Latents as float32 numpy, or a ValueError unless they are (n, dim) and some."""
    given = np.asarray(given, "float32")
    if given.ndim != 2 or given.shape[1] != dim or not len(given):
        raise ValueError(
            f"The generator takes latents of shape (n, {dim}), not {given.shape}: gan.latents(n) "
            "draws such."
        )
    return given


def _latents_taken(gan) -> int:
    if gan.latent_dim is None:
        raise ValueError(
            "The generator takes a condition and no latents: call sample(labels=conditions)."
        )
    return gan.latent_dim


def _check_number(n):
    if not (isinstance(n, int | np.integer) and n >= 1):
        raise ValueError(f"The number of samples is a whole number of at least 1, not {n!r}.")


def _number(gan, labels):
    """How many samples a person wants who gives labels, or other conditions, and nothing else."""
    single = gan.condition is None or of_classes(gan.generator)
    rank_of_one = 0 if single else len(gan.condition.shape) - 1
    return len(labels) if np.ndim(labels) > rank_of_one else 16


def condition_for(gan: keras.Model, given: ArrayLike | None, n: int) -> np.ndarray | None:
    """What the generator takes beside n latents, checked; None if it takes nothing."""
    if gan.condition is None:
        if given is not None:
            raise ValueError("The generator takes no labels: sample without them.")
        return None
    if of_classes(gan.generator):
        return labels_for(gan, given, n)
    wanted = tuple(gan.condition.shape[1:])
    shape = None if given is None else np.shape(given)
    if shape is None or not (fits(shape, wanted) or fits(shape, (n, *wanted))):
        raise ValueError(
            f"The generator takes conditions of shape {wanted}: sample(labels=...) needs {n} of "
            f"them, or one for all, not {'none' if shape is None else f'shape {shape}'}."
        )
    check_range(gan.condition, np.asarray(given))
    return np.broadcast_to(
        np.asarray(given, gan.condition.dtype), (n, *shape[len(shape) - len(wanted) :])
    )


def labels_for(gan: keras.Model, labels: ArrayLike | None, n: int) -> np.ndarray:
    """Labels (n,), int32, checked."""
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
