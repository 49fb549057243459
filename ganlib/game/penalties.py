"""Terms of the players' losses that hold down a gradient or keep filters apart; weight clipping.

A penalty is a function of (discriminator, real, fake) to a scalar. Below, `g(x)` is the gradient of
the logit with respect to the sample `x`, and expectations are means over a batch.

- `R1`, `R2`: `g` towards 0 at the real samples, at the fake ones.
- `GradientPenalty`, `ZeroCentred`: the norm of `g` towards 1, or towards 0, between real and fake.
- `DRAGAN`: the norm of `g` towards 1 around the real samples.
- `WeightClipping`: no penalty but a box for the weights.

For a discriminator that takes labels, the one that a penalty is given is closed over them: a
function of images alone. A penalty of the generator's is a function of (generator) to a scalar:
`Orthogonal`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras import ops

from ganlib import backend
from ganlib.game.names import known
from ganlib.internals import sublayers
from ganlib.models import layers
from ganlib.types import Tensor


def squared_gradient_norms(discriminator: Callable, images: Tensor) -> Tensor:
    """Squared norms (N,) of the logit's gradient at each image (N, ...), differentiable."""
    gradient = backend.input_gradient(lambda x: ops.sum(discriminator(x, training=True)), images)
    return ops.sum(ops.square(gradient), axis=tuple(range(1, len(images.shape))))


def gradient_norms(discriminator: Callable, images: Tensor) -> Tensor:
    """Norms (N,) of the logit's gradient at each image; where it is 0 their own gradient is 0."""
    # The slope of a square root at 0 is infinite; 1e-12 changes a norm of 1 by less than float32.
    return ops.sqrt(squared_gradient_norms(discriminator, images) + 1e-12)


class Penalty:
    """What a saved GAN needs of its penalties. Each is weighted and keeps its arguments' names."""

    of_gradient = True  # so that batch norm is refused

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "seed_generator"}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Penalty":
        return cls(**config)


@keras.saving.register_keras_serializable(package="ganlib")
class R1(Penalty):
    """Zero-centred, at the real samples: `weight / 2 * E[|g(x)|^2]` (Mescheder et al. 2018, eq. 9).

    It keeps the players from circling around the equilibrium.
    """

    def __init__(self, weight: float = 10.0) -> None:
        self.weight = weight

    def __call__(self, discriminator: Callable, real: Tensor, fake: Tensor) -> Tensor:
        return self.weight / 2 * ops.mean(squared_gradient_norms(discriminator, real))


@keras.saving.register_keras_serializable(package="ganlib")
class R2(R1):
    """`R1` at the fake samples: `weight / 2 * E[|g(G(z))|^2]` (Mescheder et al. 2018, eq. 10)."""

    def __call__(self, discriminator: Callable, real: Tensor, fake: Tensor) -> Tensor:
        return super().__call__(discriminator, fake, real)


class Random(Penalty):
    """A penalty that draws numbers, from a state that a training on JAX carries along.

    Args:
        weight: the factor of the penalty.
        seed: of the numbers.
    """

    def __init__(self, weight: float = 10.0, seed: int = 0) -> None:
        self.weight, self.seed = weight, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def uniform(self, real: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Numbers in [0, 1] of the given shape for each real sample."""
        return backend.own_rows(
            lambda n: keras.random.uniform((n, *shape), seed=self.seed_generator),
            ops.shape(real)[0],
        )

    def between(self, real: Tensor, fake: Tensor) -> Tensor:
        """A point (N, ...) of each line from fake to real, its place uniform in [0, 1]."""
        place = self.uniform(real, (1,) * (len(real.shape) - 1))
        return place * real + (1 - place) * fake


@keras.saving.register_keras_serializable(package="ganlib")
class GradientPenalty(Random):
    """`weight * E[(|g(u)| - 1)^2]`, `u` uniform between a real and a fake sample.

    Gulrajani et al. 2017, equation 3: the best 1-Lipschitz critic has slope one on these lines.

    Args:
        weight: the factor of the penalty; 10 is the paper's.
        one_sided: penalise only slopes above 1, as `max(0, |g(u)| - 1)^2` (their section 4,
            "two-sided penalty"; Petzka et al. 2018).
        seed: of the points `u`.
    """

    def __init__(self, weight: float = 10.0, one_sided: bool = False, seed: int = 0) -> None:
        super().__init__(weight, seed)
        self.one_sided = one_sided

    def __call__(self, discriminator: Callable, real: Tensor, fake: Tensor) -> Tensor:
        excess = gradient_norms(discriminator, self.between(real, fake)) - 1
        return self.weight * ops.mean(ops.square(ops.relu(excess) if self.one_sided else excess))


@keras.saving.register_keras_serializable(package="ganlib")
class ZeroCentred(Random):
    """`weight * E[|g(u)|^2]`, `u` uniform between a real and a fake sample.

    Thanh-Tung et al. 2019. `seed` is that of the points `u`.
    """

    def __call__(self, discriminator: Callable, real: Tensor, fake: Tensor) -> Tensor:
        norms = squared_gradient_norms(discriminator, self.between(real, fake))
        return self.weight * ops.mean(norms)


@keras.saving.register_keras_serializable(package="ganlib")
class DRAGAN(Random):
    """`weight * E[(|g(x + d)| - 1)^2]`, around the real samples `x` (Kodali et al. 2017).

    `d` is uniform in [0, s / 2] for every number of a sample, with `s` the standard deviation of
    all numbers of the batch, as in the authors' code. `seed` is that of `d`.
    """

    def __call__(self, discriminator: Callable, real: Tensor, fake: Tensor) -> Tensor:
        noise = self.uniform(real, real.shape[1:])
        around = real + ops.std(real) / 2 * noise
        return self.weight * ops.mean(ops.square(gradient_norms(discriminator, around) - 1))


@keras.saving.register_keras_serializable(package="ganlib")
class WeightClipping(Penalty):
    """Clip every weight of the discriminator to [-limit, limit] after each of its updates.

    Arjovsky et al. 2017, algorithm 1. It bounds the critic's slope, by a number that nobody knows.
    It adds nothing to the loss.
    """

    of_gradient = False

    def __init__(self, limit: float = 0.01) -> None:
        if not limit > 0:
            raise ValueError(f"limit bounds the size of the weights; it is positive, not {limit}.")
        self.limit = limit

    def __call__(self, discriminator: Callable, real: Tensor, fake: Tensor) -> Tensor:
        return 0.0

    def after_update(self, discriminator: keras.Model) -> None:
        """Clip the trainable weights."""
        for weight in discriminator.trainable_variables:
            weight.assign(ops.clip(weight, -self.limit, self.limit))


@keras.saving.register_keras_serializable(package="ganlib")
class Orthogonal(Penalty):
    """Filters that are orthogonal, of any length (Brock et al. 2019, equation 3).

    `weight * sum ||W^T W - diag(W^T W)||_F^2` over the kernels of Dense and convolutional layers,
    as `layers.matrix`, whose columns are the filters. It keeps a generator smooth enough for
    truncated latents. For `compile(generator_penalties=...)`.
    """

    of_gradient = False

    def __init__(self, weight: float = 1e-4) -> None:
        self.weight = weight

    def __call__(self, generator: keras.Model) -> Tensor:
        total = 0.0
        for layer in sublayers(generator):
            if hasattr(layer, "kernel"):
                w = layers.matrix(layer)
                # ||W^T W|| = ||W W^T||: the smaller of the two, as W may be 20 x 24576.
                short = w if w.shape[0] < w.shape[1] else ops.transpose(w)
                gram = ops.matmul(short, ops.transpose(short))
                lengths = ops.sum(ops.square(w), axis=0)
                total += ops.sum(ops.square(gram)) - ops.sum(ops.square(lengths))
        return self.weight * total


NAMES = {
    "r1": R1,
    "r2": R2,
    "gradient_penalty": GradientPenalty,
    "zero_centred": ZeroCentred,
    "dragan": DRAGAN,
    "weight_clipping": WeightClipping,
}


def get(penalty: str | Callable) -> Callable:
    """Return the penalty of that name, or `penalty` itself if it is callable.

    Raises:
        ValueError: the name is unknown, or the object is not callable.
    """
    if isinstance(penalty, str):
        return NAMES[known(penalty, NAMES, "penalty")]()
    if not callable(penalty):
        raise ValueError(
            f"A penalty is a name ({', '.join(NAMES)}) or a function of "
            f"(discriminator, real, fake), not {penalty!r}."
        )
    return penalty


def after_update(penalties: Iterable[Callable], discriminator: keras.Model) -> None:
    """Do what a penalty, such as `WeightClipping`, does after an update of the discriminator."""
    for penalty in penalties:
        if hasattr(penalty, "after_update"):
            penalty.after_update(discriminator)
