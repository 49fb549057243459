"""What both players learn from in a round: fakes, for which the generator runs forward once."""

import keras
from keras import ops

from ganlib import backend
from ganlib.game.players import made_of
from ganlib.types import Tensor


class Fakes:
    """The samples that a generator makes of a batch of latents, in training.

    Their one forward pass serves both players. The discriminator learns from the `images` as they
    are. The generator's gradient takes two steps, by the chain rule: from its loss to what was
    `made`, which `GAN.move` finds, and from there to the weights, which is `pull`.

    Args:
        latents, condition: a batch of each; None of what the generator does not take.
        state: every Keras variable that may be read or assigned.

    Attributes:
        images: float32 (B, ...), constants.
        made: the same images.
        pull: function of the gradient for `made` to those for the generator's weights, a list.
    """

    def __init__(
        self,
        generator: keras.Model,
        latents: Tensor | None,
        condition: Tensor | None,
        state: list[keras.Variable],
    ) -> None:
        def make():
            return ops.cast(made_of(generator, latents, condition, training=True), "float32"), None

        self.variables = generator.trainable_variables
        self.made, _, self.pull = backend.pullback(make, self.variables, state)
        self.images = ops.stop_gradient(self.made)
