"""Densities in the plane that are known exactly: samples and the logarithm of the density."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ganlib.data import batches


class Density:
    """A density that is known exactly: `sample` draws from it, `log_density` evaluates it."""

    dim: int

    def sample(self, n: int, seed: int | Sequence[int] = 0) -> np.ndarray:
        """Draw `n` points, float32 (n, dim); the same ones for the same seed."""
        raise NotImplementedError

    def log_density(self, x: ArrayLike) -> np.ndarray:
        """The logarithm of the density (nats) at points (n, dim), float64 (n,)."""
        raise NotImplementedError

    def batches(self, batch_size: int, seed: int = 0) -> Any:
        """Endless batches of fresh samples, float32 (batch_size, dim), for `fit`.

        Use it with `steps_per_epoch`. The type is that of `Dataset.batches`; the points are not
        rescaled.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}, but a batch needs at least one point.")
        steps = max(1, min(64, 65_536 // batch_size))

        def chunk(number):
            points = self.sample(steps * batch_size, [seed, number])
            return points.reshape(steps, batch_size, self.dim)

        return batches.stream(chunk, lambda points: points, steps, repeat=True, group=steps)


class Mixture(Density):
    """A mixture of isotropic Gaussians, in any dimension.

    Args:
        means: (K, dim), or (K,) in one dimension.
        sigmas: standard deviations, one number or (K,), positive.
        weights: (K,), positive, scaled to sum to one; equal by default.
    """

    def __init__(
        self, means: ArrayLike, sigmas: ArrayLike = 1.0, weights: ArrayLike | None = None
    ) -> None:
        means = np.asarray(means, float)
        self.means = means[:, None] if means.ndim == 1 else means
        count, self.dim = self.means.shape
        self.sigmas = np.broadcast_to(np.asarray(sigmas, float), count)
        weights = np.broadcast_to(np.asarray(1.0 if weights is None else weights, float), count)
        self.weights = weights / weights.sum()
        if not (self.sigmas > 0).all() or not (weights > 0).all():
            raise ValueError("A mixture needs positive sigmas and positive weights.")

    def sample(self, n: int, seed: int | Sequence[int] = 0) -> np.ndarray:
        """Draw `n` points, float32 (n, dim); the same ones for the same seed."""
        rng = np.random.default_rng(seed)
        mode = rng.choice(len(self.means), n, p=self.weights)
        noise = rng.standard_normal((n, self.dim)) * self.sigmas[mode, None]
        return (self.means[mode] + noise).astype(np.float32)

    def log_density(self, x: ArrayLike) -> np.ndarray:
        """The logarithm of the density (nats) at points (n, dim), float64 (n,)."""
        x = _points(x, self.dim)
        constant = np.log(self.weights) - self.dim * np.log(self.sigmas * np.sqrt(2 * np.pi))
        result = np.empty(len(x))
        step = 1 + 2**20 // len(self.means)  # bounds the memory
        for start in range(0, len(x), step):
            part = x[start : start + step]
            squares = sum((part[:, i, None] - self.means[:, i]) ** 2 for i in range(self.dim))
            terms = constant - squares / (2 * self.sigmas**2)
            top = terms.max(axis=1, keepdims=True)  # far from every mode all terms underflow
            result[start : start + step] = top[:, 0] + np.log(np.exp(terms - top).sum(axis=1))
        return result


def ring(modes: int = 8, radius: float = 1.0, sigma: float = 0.01) -> Mixture:
    """Equal Gaussians evenly on a circle, the first on the x axis (PacGAN, section 4.1)."""
    angles = 2 * np.pi * np.arange(modes) / modes
    return Mixture(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), sigma)


def grid(side: int = 5, spacing: float = 2.0, sigma: float = 0.05) -> Mixture:
    """side x side equal Gaussians on a square grid around the origin (PacGAN, section 4.1)."""
    axis = spacing * (np.arange(side) - (side - 1) / 2)
    return Mixture(np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2), sigma)


class SwissRoll(Density):
    """Gaussian noise around the spiral c(t) = radius t / t1 (cos t, sin t), t uniform in [t0, t1].

    The spiral makes one and a half turns, t0 = 3 pi / 2 and t1 = 9 pi / 2. The density at x is the
    mean over t of N(x; c(t), sigma^2), here by the midpoint rule with nodes at most sigma / 4
    apart: exact to rounding along the spiral, to 0.3% at its two ends.
    """

    dim = 2

    def __init__(self, radius: float = 2.0, sigma: float = 0.04) -> None:
        if radius <= 0 or sigma <= 0:
            raise ValueError("A Swiss roll needs a positive radius and a positive sigma.")
        self.radius, self.sigma = radius, sigma
        # |c'(t)| is largest at the outer end: radius / t1 * sqrt(1 + t1^2).
        t0, t1 = self._interval
        length = (t1 - t0) * radius * np.sqrt(1 + t1**-2)
        nodes = int(np.ceil(4 * length / sigma))
        self._nodes = Mixture(self.curve((np.arange(nodes) + 0.5) / nodes), sigma)

    _interval = (1.5 * np.pi, 4.5 * np.pi)

    def curve(self, u: ArrayLike) -> np.ndarray:
        """The spiral at fractions `u` (n,) of its angle, 0 (inside) to 1 (outside): (n, 2)."""
        t0, t1 = self._interval
        t = t0 + (t1 - t0) * np.asarray(u, float)
        return self.radius * (t / t1)[:, None] * np.stack([np.cos(t), np.sin(t)], axis=1)

    def sample(self, n: int, seed: int | Sequence[int] = 0) -> np.ndarray:
        """Draw `n` points, float32 (n, 2); the same ones for the same seed."""
        rng = np.random.default_rng(seed)
        points = self.curve(rng.random(n)) + self.sigma * rng.standard_normal((n, 2))
        return points.astype(np.float32)

    def log_density(self, x: ArrayLike) -> np.ndarray:
        """The logarithm of the density (nats) at points (n, 2), float64 (n,)."""
        return self._nodes.log_density(x)


def swiss_roll(radius: float = 2.0, sigma: float = 0.04) -> SwissRoll:
    """A spiral of one and a half turns with Gaussian noise; see `SwissRoll`."""
    return SwissRoll(radius, sigma)


def _points(x, dim) -> np.ndarray:
    x = np.asarray(x, float)
    if x.ndim == 1 and dim == 1:
        x = x[:, None]
    if x.ndim != 2 or x.shape[1] != dim:
        raise ValueError(f"Points have shape (n, {dim}), not {x.shape}.")
    return x
