"""Fully connected networks, for points in the plane and for small images."""

import math
from collections.abc import Callable, Sequence

import keras
from keras import layers


def generator(
    output_shape: tuple[int, ...],
    latent_dim: int = 16,
    units: Sequence[int] = (128, 128),
    activation: str | Callable = "relu",
) -> keras.Model:
    """Latents (N, latent_dim) -> samples (N, *output_shape), float32.

    Args:
        output_shape: (2,) for points, (8, 8, 1) for images.
        units: widths of the hidden layers.
        activation: of the hidden layers. That of the last is tanh for an image (rank 3), whose
            pixels lie in [-1, 1], and none for anything else.
    """
    last = "tanh" if len(output_shape) == 3 else None
    return keras.Sequential(
        [
            keras.Input((latent_dim,)),
            *[layers.Dense(width, activation=activation) for width in units],
            layers.Dense(math.prod(output_shape), activation=last),
            layers.Reshape(output_shape),
        ],
        name="generator",
    )


def discriminator(
    input_shape: tuple[int, ...],
    units: Sequence[int] = (128, 128),
    activation: str | Callable = "leaky_relu",
) -> keras.Model:
    """Samples (N, *input_shape) -> logits (N, 1), float32. Arguments as for `generator`."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Flatten(),
            *[layers.Dense(width, activation=activation) for width in units],
            layers.Dense(1),
        ],
        name="discriminator",
    )
