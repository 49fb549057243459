"""Terms that a person adds to a player's loss: reconstruction, identity, classification, ...

A term is a function of (fake, real, condition) to a scalar, its weight inside. It sees samples
without augmentation. The condition is what the generator takes beside latents, and None if it
takes nothing; the code of InfoGAN is one, drawn when the data are made. In a GAN with helpers these
come after, as (fake, real, condition, helper), the generator's before the discriminator's: each is
then a function of what the helper takes to what it makes in training, float32.
"""

from collections.abc import Callable

import keras
from keras import ops

from ganlib.types import Tensor


def checked(
    terms: dict[str, Callable] | None, player: str, helper: keras.Model | None
) -> dict[str, Callable]:
    """The terms of a player as a dict; ValueError if they are none, or leave its helper idle."""
    terms = {} if terms is None else terms
    if (
        not isinstance(terms, dict)
        or not all(isinstance(name, str) and callable(term) for name, term in terms.items())
        or "loss" in terms
    ):
        raise ValueError(
            f"{player}_terms is a dict from names, but not 'loss', to functions of (fake, real, "
            f"condition), not {terms!r}."
        )
    if helper is not None and not terms:
        raise ValueError(
            f"The {player}'s helper would learn nothing: give it a loss by {player}_terms."
        )
    return dict(terms)


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
