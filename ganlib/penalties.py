"""Terms of the discriminator's loss: functions of (discriminator, real, fake) to a scalar.

They hold down the gradient of the logit with respect to the discriminator's input.
"""

import keras
from keras import ops

from ganlib import backend, losses


def squared_gradient_norms(discriminator, images):
    """Squared norms (N,) of the logit's gradient at each image (N, ...), differentiable."""
    gradient = backend.input_gradient(lambda x: ops.sum(discriminator(x, training=True)), images)
    return ops.sum(ops.square(gradient), axis=tuple(range(1, len(images.shape))))


@keras.saving.register_keras_serializable(package="ganlib")
class R1:
    """Zero-centred gradient penalty on real images (Mescheder et al. 2018, equation 9).

    `weight / 2 * E[|grad l(x)|^2]`, with the expectation over real images.
    """

    def __init__(self, weight=10.0):
        self.weight = weight

    def __call__(self, discriminator, real, fake):
        return self.weight / 2 * ops.mean(squared_gradient_norms(discriminator, real))

    def get_config(self):
        return vars(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)


NAMES = {"r1": R1}


def get(penalty):
    """Return the penalty of that name, or `penalty` itself if it is callable.

    Raises:
        ValueError: the name is unknown, or the object is not callable.
    """
    if isinstance(penalty, str):
        return NAMES[losses.known(penalty, NAMES, "penalty")]()
    if not callable(penalty):
        raise ValueError(
            f"A penalty is a name ({', '.join(NAMES)}) or a function of "
            f"(discriminator, real, fake), not {penalty!r}."
        )
    return penalty
