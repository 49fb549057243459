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
    output_activation: str | Callable | None = None,
) -> keras.Model:
    """Latents (N, latent_dim) -> samples (N, *output_shape), float32.

    Args:
        output_shape: (2,) for points, (8, 8, 1) for images.
        units: widths of the hidden layers.
        activation: of the hidden layers.
        output_activation: of the last layer. Without one, an image (rank 3) gets tanh, since pixels
            lie in [-1, 1], and anything else none.
    """
    if output_activation is None and len(output_shape) == 3:
        output_activation = "tanh"
    return keras.Sequential(
        [
            keras.Input((latent_dim,)),
            *[layers.Dense(width, activation=activation) for width in units],
            layers.Dense(math.prod(output_shape), activation=output_activation),
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
