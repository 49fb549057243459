"""Terms that a person adds to a player's loss: reconstruction, identity, classification, ...

A term is a function of (fake, real, condition) to a scalar, its weight inside. It sees samples
without augmentation. The condition is what the generator takes beside latents, and None if it
takes nothing; the code of InfoGAN is one, drawn when the data are made. In a GAN with helpers these
come after, as (fake, real, condition, helper), the generator's before the discriminator's: each is
then a function of what the helper takes to what it makes in training, float32. A term that draws
random numbers is an object that holds its `keras.random.SeedGenerator` as `seed_generator`, or on
JAX every round would draw the same.
"""

import keras
from keras import ops

from ganlib.types import Tensor


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
