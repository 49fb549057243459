"""Terms of the players' losses that hold down a gradient or keep filters apart; weight clipping.

A penalty is a function of (discriminator, real, fake) to a scalar. Below, `g(x)` is the gradient of
the logit with respect to the sample `x`, and expectations are means over a batch.

- `R1`, `R2`: `g` towards 0 at the real samples, at the fake ones.
- `GradientPenalty`, `ZeroCentred`: the norm of `g` towards 1, or towards 0, between real and fake.
- `DRAGAN`: the norm of `g` towards 1 around the real samples.
- `WeightClipping`: no penalty but a box for the weights.
- `Lazy`: `R1` or `R2` in every few rounds only, where it counts as much more.
- `Scheduled`: a penalty whose weight follows the training, as R3GAN's.

For a discriminator that takes labels, the one that a penalty is given is closed over them: a
function of images alone. A penalty of the generator's is a function of (generator) to a scalar:
`Orthogonal`, `PathLength`.
"""

from collections.abc import Callable, Iterable
from typing import Any

import keras
from keras import ops

from ganlib import backend
from ganlib.game.names import Rule, known
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


class Penalty(Rule):
    """A rule that says whether it looks at a gradient: batch norm is then refused."""

    of_gradient = True


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
    as `layers.weight_matrix`, whose columns are the filters. It keeps a generator smooth enough for
    truncated latents. For `compile(generator_penalties=...)`.
    """

    of_gradient = False

    def __init__(self, weight: float = 1e-4) -> None:
        self.weight = weight

    def __call__(self, generator: keras.Model) -> Tensor:
        total = 0.0
        for layer in sublayers(generator):
            if hasattr(layer, "kernel"):
                w = layers.weight_matrix(layer)
                # ||W^T W|| = ||W W^T||: the smaller of the two, as W may be 20 x 24576.
                short = w if w.shape[0] < w.shape[1] else ops.transpose(w)
                gram = ops.matmul(short, ops.transpose(short))
                lengths = ops.sum(ops.square(w), axis=0)
                total += ops.sum(ops.square(gram)) - ops.sum(ops.square(lengths))
        return self.weight * total


class Counted(Penalty):
    """What counts the rounds, in a variable that a GAN keeps with its own."""

    def __init__(self, every: int) -> None:
        if not (isinstance(every, int) and every >= 1):
            raise ValueError(f"every counts rounds, a whole number of at least 1, not {every!r}.")
        self.every = every
        self.rounds = _count("rounds", "int32")
        self.counts = [self.rounds]

    def when_due(self, compute: Callable[[], Tensor], otherwise: Any) -> tuple[Tensor, Tensor]:
        """Whether this round is due, and what `compute` then is, otherwise the other; it counts."""
        due = ops.equal(ops.mod(self.rounds, self.every), 0)
        self.rounds.assign(self.rounds + 1)
        return due, ops.cond(due, compute, lambda: otherwise)

    def get_config(self) -> dict[str, Any]:
        state = ("rounds", "average", "counts")
        return {k: v for k, v in super().get_config().items() if k not in state}


@keras.saving.register_keras_serializable(package="ganlib")
class Lazy(Counted):
    """A penalty in every k-th update of the discriminator, k times as large: `Lazy("r1", 16)`.

    Args:
        penalty: a name or an object of `ganlib.penalties` that draws no numbers.
        every: how many updates from one to the next, k.

    Raises:
        ValueError: it draws numbers or acts by itself; `every` is no whole number from 1 on.
    """

    def __init__(self, penalty: str | Callable = "r1", every: int = 16) -> None:
        super().__init__(every)
        self.penalty, self.of_gradient = _of_loss(penalty)
        if hasattr(self.penalty, "seed_generator"):
            name = type(self.penalty).__name__
            raise ValueError(f"{name} draws numbers, and cannot wait for its round: take R1 or R2.")

    def __call__(self, player: Callable, *samples: Tensor) -> Tensor:
        def penalty():
            return self.every * ops.cast(self.penalty(player, *samples), "float32")

        return self.when_due(penalty, ops.zeros(()))[1]

    def get_config(self) -> dict[str, Any]:
        penalty = keras.saving.serialize_keras_object(self.penalty)
        return {"penalty": penalty, "every": self.every}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Lazy":
        return cls(keras.saving.deserialize_keras_object(config["penalty"]), config["every"])


@keras.saving.register_keras_serializable(package="ganlib")
class Scheduled(Counted):
    """A penalty whose weight changes as the training goes on.

    Args:
        penalty: a name or an object, in whose own weight the schedule counts: `R1(weight=1.0)`.
        schedule: a function of the number of updates so far, an int32 scalar, to a factor, such as
            `keras.optimizers.schedules.CosineDecay(2.0, 10_000, alpha=0.1)`, from 2 to 0.2.

    Raises:
        ValueError: the penalty acts by itself, or counts rounds already.
    """

    def __init__(self, penalty: str | Callable, schedule: Callable) -> None:
        super().__init__(every=1)
        self.penalty, self.of_gradient = _of_loss(penalty)
        self.schedule = schedule
        if hasattr(self.penalty, "seed_generator"):  # where a GAN finds it
            self.seed_generator = self.penalty.seed_generator

    def __call__(self, player: Callable, *samples: Tensor) -> Tensor:
        factor = ops.cast(self.schedule(ops.convert_to_tensor(self.rounds)), "float32")
        self.rounds.assign(self.rounds + 1)
        return factor * ops.cast(self.penalty(player, *samples), "float32")

    def get_config(self) -> dict[str, Any]:
        parts = {"penalty": self.penalty, "schedule": self.schedule}
        return {name: keras.saving.serialize_keras_object(part) for name, part in parts.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Scheduled":
        return cls(**{k: keras.saving.deserialize_keras_object(v) for k, v in config.items()})


@keras.saving.register_keras_serializable(package="ganlib")
class PathLength(Counted):
    """`weight * E[(|J(w)^T y| - a)^2]` for a generator of `models.stylegan2` without classes.

    `J(w)` is the image's derivative with respect to the style, y standard normal numbers, one a
    pixel and channel, over the square root of the number of pixels, and `a` the moving average of
    the lengths `|J(w)^T y|` (Karras et al. 2020, equation 4). Where the generator takes a style for
    each convolution, a length is the root mean square of theirs. The styles are not mixed, and no
    gradient passes through the average, where in the authors' code it does. For
    `compile(generator_penalties=...)`.

    Args:
        weight: 2 is the authors'.
        batch_size: of the latents drawn for it; they take half of a round's.
        every: it is taken in every so many rounds, and counts as often; theirs is 4.
        decay: what is left of the average after a new batch.
        seed: of the latents and of y.

    Raises:
        ValueError: `every` is no whole number from 1 on; in training, another generator.
    """

    of_gradient = False  # not the discriminator's

    def __init__(
        self,
        weight: float = 2.0,
        batch_size: int = 16,
        every: int = 4,
        decay: float = 0.99,
        seed: int = 0,
    ) -> None:
        super().__init__(every)
        self.weight, self.batch_size, self.decay, self.seed = weight, batch_size, decay, seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.average = _count("average", "float32")
        self.counts.append(self.average)

    def __call__(self, generator: keras.Model) -> Tensor:
        parts = {"mapping", "mixing", "synthesis"} <= {layer.name for layer in generator.layers}
        if not parts or len(generator.inputs) > 1:
            raise ValueError(
                "PathLength asks how an image changes with its style, for which the generator has "
                "the layers of models.stylegan2.generator, and no classes: leave the penalty out."
            )
        latent_dim, made = generator.input_shape[-1], generator.output_shape[1:]
        z = keras.random.normal((self.batch_size, latent_dim), seed=self.seed_generator)
        y = keras.random.normal((self.batch_size, *made), seed=self.seed_generator)
        y = y / (made[0] * made[1]) ** 0.5

        def lengths():
            styles = generator.get_layer("mixing")(generator.get_layer("mapping")(z))
            draw = generator.get_layer("synthesis")
            slopes = backend.input_gradient(
                lambda w: ops.sum(ops.cast(draw(w, training=False), "float32") * y), styles
            )
            slopes = ops.cast(slopes, "float32")
            return ops.sqrt(ops.mean(ops.sum(ops.square(slopes), axis=2), axis=1) + 1e-12)

        due, found = self.when_due(lengths, ops.zeros((self.batch_size,)))
        before = ops.convert_to_tensor(self.average)
        after = before + (1 - self.decay) * (ops.stop_gradient(ops.mean(found)) - before)
        average = ops.where(due, after, before)
        self.average.assign(average)
        off = ops.mean(ops.square(found - average))
        return self.every * self.weight * ops.where(due, off, 0.0)


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


def _of_loss(penalty):
    """The penalty, if it can wait or be weighted, and whether it looks at a gradient."""
    penalty = get(penalty)
    if hasattr(penalty, "after_update") or hasattr(penalty, "counts"):
        raise ValueError(
            f"{type(penalty).__name__} acts by itself or counts rounds already, and takes no delay "
            "and no schedule: give it to compile as it is."
        )
    return penalty, getattr(penalty, "of_gradient", True)


def after_update(penalties: Iterable[Callable], discriminator: keras.Model) -> None:
    """Do what a penalty, such as `WeightClipping`, does after an update of the discriminator."""
    for penalty in penalties:
        if hasattr(penalty, "after_update"):
            penalty.after_update(discriminator)


def _count(name, dtype):
    """A number that starts at 0 and is the same on every device."""
    options = {"trainable": False, "aggregation": "only_first_replica"}
    return keras.Variable(0, dtype=dtype, name=name, **options)
