"""The two players' losses, as pure functions of logits.

A discriminator ends in a logit `l`, without a sigmoid: it believes that an image is real with
probability `D = sigmoid(l)`. Real is 1 and fake is 0, everywhere. `log D` and `log(1 - D)` are
written with softplus,

    -log D = softplus(-l),    -log(1 - D) = softplus(l),

which neither overflows nor needs an epsilon. Every loss is the mean over a batch of logits of any
shape, and is minimised.
"""

from typing import Any

import keras
from keras import ops

from ganlib.game.names import Rule, known
from ganlib.types import Tensor


class Loss(Rule):
    """Two pure functions: `discriminator(real_logits, fake_logits)` and `generator(fake_logits)`.

    A subclass keeps its arguments as attributes of the same name: a saved GAN rebuilds it so. If
    `paired` is true, its generator is called with `(fake_logits, real_logits)`.

    `boundary` is the logit above which the discriminator takes a sample for real. A GAN reports
    accuracies by it, and none where it is None, as for losses in which a logit alone means nothing.
    """

    paired = False
    boundary: float | None = None


@keras.saving.register_keras_serializable(package="ganlib")
class NonSaturating(Loss):
    """The generator raises `log D(G(z))` (Goodfellow et al. 2014, end of section 3).

    Discriminator: `-E[log D(x)] - E[log(1 - D(G(z)))]`. Generator: `-E[log D(G(z))]`.
    """

    boundary = 0.0

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))

    def generator(self, fake_logits: Tensor) -> Tensor:
        return ops.mean(ops.softplus(-fake_logits))


@keras.saving.register_keras_serializable(package="ganlib")
class Minimax(NonSaturating):
    """The zero-sum game itself (Goodfellow et al. 2014, equation 1).

    Discriminator: as `NonSaturating`. Generator: `E[log(1 - D(G(z)))]`, whose gradient vanishes
    where the discriminator is sure of itself.
    """

    def generator(self, fake_logits: Tensor) -> Tensor:
        return -ops.mean(ops.softplus(fake_logits))


@keras.saving.register_keras_serializable(package="ganlib")
class LeastSquares(Loss):
    """Least squares on the logits, taken as plain numbers (Mao et al. 2017, equation 2).

    Discriminator: `E[(l(x) - b)^2] / 2 + E[(l(G(z)) - a)^2] / 2`.
    Generator: `E[(l(G(z)) - c)^2] / 2`.

    Args:
        a, b: labels of fake and of real samples.
        c: what the generator wants the discriminator to read. The default 0, 1, 1 is the paper's
            practical choice. With `b - c = 1, b - a = 2` the value against the best discriminator
            is half a Pearson chi-squared divergence, which is not what the generator descends.
    """

    def __init__(self, a: float = 0.0, b: float = 1.0, c: float = 1.0) -> None:
        self.a, self.b, self.c = a, b, c

    @property
    def boundary(self) -> float | None:  # type: ignore[override]
        """The number as far from the label of fakes as from that of real samples."""
        return (self.a + self.b) / 2 if self.a < self.b else None

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        on_real, on_fake = real_logits - self.b, fake_logits - self.a
        return (ops.mean(ops.square(on_real)) + ops.mean(ops.square(on_fake))) / 2

    def generator(self, fake_logits: Tensor) -> Tensor:
        return ops.mean(ops.square(fake_logits - self.c)) / 2


@keras.saving.register_keras_serializable(package="ganlib")
class Wasserstein(Loss):
    """The logit is a critic `f`, not a probability's (Arjovsky et al. 2017, equations 2 and 3).

    Discriminator: `-E[f(x)] + E[f(G(z))]`. Generator: `-E[f(G(z))]`. If `f` is kept 1-Lipschitz, by
    `penalties.GradientPenalty` or, up to a factor, by `penalties.WeightClipping`, minus the
    discriminator's loss is a lower bound of the Wasserstein-1 distance. Without either it has no
    bound.
    """

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return ops.mean(fake_logits) - ops.mean(real_logits)

    def generator(self, fake_logits: Tensor) -> Tensor:
        return -ops.mean(fake_logits)


@keras.saving.register_keras_serializable(package="ganlib")
class Hinge(Wasserstein):
    """A margin on both sides (Lim and Ye 2017; Miyato et al. 2018, equations 16 and 17).

    Discriminator: `E[max(0, 1 - l(x))] + E[max(0, 1 + l(G(z)))]`. Generator: `-E[l(G(z))]`.
    """

    boundary = 0.0

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return ops.mean(ops.relu(1 - real_logits)) + ops.mean(ops.relu(1 + fake_logits))


@keras.saving.register_keras_serializable(package="ganlib")
class Relativistic(Loss):
    """Each real sample against one fake (Jolicoeur-Martineau 2019; Huang et al. 2024, equation 2).

    Discriminator: `E[softplus(-(l(x) - l(G(z))))]`. Generator: the same with real and fake
    exchanged. Only differences of logits count, so that their sign alone means nothing.
    Equilibrium: log 2 each.
    """

    paired = True

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return ops.mean(ops.softplus(fake_logits - real_logits))

    def generator(self, fake_logits: Tensor, real_logits: Tensor) -> Tensor:
        return ops.mean(ops.softplus(real_logits - fake_logits))


NAMES = {
    "non_saturating": NonSaturating,
    "minimax": Minimax,
    "least_squares": LeastSquares,
    "wasserstein": Wasserstein,
    "hinge": Hinge,
    "relativistic": Relativistic,
}


def get(loss: Any) -> Any:
    """Return the loss of that name, or `loss` itself if it is one already.

    Raises:
        ValueError: the name is unknown, or the object lacks the methods `discriminator` and
            `generator`.
    """
    if isinstance(loss, str):
        return NAMES[known(loss, NAMES, "loss")]()
    if not all(callable(getattr(loss, player, None)) for player in ("discriminator", "generator")):
        raise ValueError(
            f"A loss is a name ({', '.join(NAMES)}) or an object with the methods "
            f"discriminator(real_logits, fake_logits) and generator(fake_logits), not {loss!r}."
        )
    return loss
