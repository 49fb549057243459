"""Terms that a person adds to a player's loss: reconstruction, identity, classification, ...

A term is a function of (fake, real, condition) to a scalar, its weight inside. It sees samples
without augmentation. The condition is what the generator takes beside latents, and None if it
takes nothing; the code of InfoGAN is one, drawn when the data are made. In a GAN with helpers these
come after, as (fake, real, condition, helper), the generator's before the discriminator's: each is
then a function of what the helper takes to what it makes in training, float32. A term that draws
random numbers is an object that holds its `keras.random.SeedGenerator` as `seed_generator`, or on
JAX every round would draw the same.

A generator may be its own helper, `GAN(generator, ..., generator_helper=generator)`: a term can
then ask it for more than the fakes. `Cycle` and `Identity` do.
"""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from ganlib.game.names import Rule
from ganlib.types import Tensor


@keras.saving.register_keras_serializable(package="ganlib")
class Reconstruction(Rule):
    """`weight * E[|fake - real|^power]`: every fake has a right answer, the real sample of its
    condition (Isola et al. 2017, equation 3).

    Where a condition has several right answers, a generator that knows no noise makes the median of
    each pixel with a power of 1, and the mean with 2.

    Args:
        weight: 100 is pix2pix's, whose loss is the non-saturating one.
        power: at least 1.

    Raises:
        ValueError: the power is less than 1.
    """

    def __init__(self, weight: float = 100.0, power: float = 1.0) -> None:
        if power < 1:
            raise ValueError(
                f"power is at least 1, not {power}: below, the gradient is infinite where a pixel "
                "is right."
            )
        self.weight, self.power = weight, power

    def __call__(self, fake: Tensor, real: Tensor, condition: Tensor | None, *_: Any) -> Tensor:
        return self.weight * ops.mean(ops.power(ops.abs(fake - real), self.power))


class _OfGenerator(Rule):
    """A term that asks the generator, its own helper, for more than the fakes."""

    asks_generator = True  # so that a GAN without such a helper is refused

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def __call__(
        self,
        fake: Tensor,
        real: Tensor,
        condition: Tensor,
        generator: Callable,
        *_: Any,
    ) -> Tensor:
        return self.weight * self.asked(generator, fake, real, condition)

    def asked(self, generator: Callable, fake: Tensor, real: Tensor, condition: Tensor) -> Tensor:
        """The term without its weight, a scalar."""
        raise NotImplementedError


@keras.saving.register_keras_serializable(package="ganlib")
class Cycle(_OfGenerator):
    """What was translated there and back is as it was (Zhu et al. 2017, equation 2).

    `weight / 2 * (E|back(there(a)) - a| + E|there(back(b)) - b|)`, for a generator that
    `models.translation.both_ways` has made and that is its own helper. The game's loss is the mean
    of both sides' too, and `losses.LeastSquares` is halved once more, where the paper has sums: its
    lambda of 10 is the default weight of 5.
    """

    def __init__(self, weight: float = 5.0) -> None:
        super().__init__(weight)

    def asked(self, generator: Callable, fake: Tensor, real: Tensor, condition: Tensor) -> Tensor:
        return ops.mean(ops.abs(_swapped(generator(_swapped(fake))) - condition))


@keras.saving.register_keras_serializable(package="ganlib")
class Identity(_OfGenerator):
    """What is on the right side already stays as it is (Zhu et al. 2017, section 5.2).

    `weight / 2 * (E|there(b) - b| + E|back(a) - a|)`, as for `Cycle`; the default weight is the
    paper's, half of the cycle's.
    """

    def __init__(self, weight: float = 2.5) -> None:
        super().__init__(weight)

    def asked(self, generator: Callable, fake: Tensor, real: Tensor, condition: Tensor) -> Tensor:
        return ops.mean(ops.abs(generator(real) - real))


def _swapped(pair):
    """[there(a), back(b)] as [back(b), there(a)], which is what a generator of both ways takes."""
    one, other = ops.split(pair, 2, axis=-1)
    return ops.concatenate([other, one], axis=-1)


def values(
    gan: keras.Model, player: str, fake: Tensor, real: Tensor, condition: Tensor | None
) -> dict[str, Tensor]:
    """What the terms of a player are, a dict of scalars by the names under which they are logged.

    Raises:
        ValueError: a term is no scalar.
    """
    both = gan.generator_helper, gan.discriminator_helper
    helpers = [_called(helper) for helper in both if helper is not None]
    found = {}
    for name, term in getattr(gan, f"{player}_terms").items():
        value = ops.cast(term(fake, real, condition, *helpers), "float32")
        if len(value.shape):
            raise ValueError(
                f"The term {name!r} is a scalar, one number for a batch, not of shape "
                f"{tuple(value.shape)}: take its mean."
            )
        found[f"{player}_{name}"] = value
    return found


def _called(helper):
    def call(x):
        made = helper(x, training=True)
        return keras.tree.map_structure(lambda tensor: ops.cast(tensor, "float32"), made)

    return call
