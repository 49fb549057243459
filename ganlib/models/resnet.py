"""Residual networks for small images: SNGAN, the projection discriminator, SAGAN.

The published pairs of 32 pixels, each one step from the last:

    generator(shape)                                        SNGAN, Miyato et al. 2018
    generator(shape, classes=10)                            projection, Miyato and Koyama 2018
    generator(shape, classes=10, attention=16,
              spectral_norm=True)                           SAGAN, Zhang et al. 2019

and the same with `discriminator`, which is always spectrally normalised. On a laptop a `width` of
32 trains on images of 28 pixels.

The images have the sizes that `dcgan` makes, square or not: `nearest` is the same.
"""

import math
from collections.abc import Callable, Sequence

import keras
from keras import layers

from ganlib.models.layers import (
    BATCH_NORM,
    ConditionalBatchNormalization,
    Projection,
    SelfAttention,
    SpectralNormalization,
)
from ganlib.models.sizes import doublings, nearest
from ganlib.types import Tensor

__all__ = ["discriminator", "generator", "nearest"]


def up_block(
    x: Tensor,
    width: int,
    normalise: Callable[[Tensor], Tensor],
    conv: Callable[[int, int], Callable],
) -> Tensor:
    """Double a feature map: the block of He et al. (2016) with upsampling before both of its ways.

    Args:
        width: channels of the result.
        normalise: function of a feature map, a batch norm, called twice.
        conv: `conv(width, size)` makes a convolution that keeps height and width.
    """
    # A 1x1 convolution before the upsampling gives the same as one after it, for a quarter of the
    # cost.
    shortcut = layers.UpSampling2D()(conv(width, 1)(x))
    x = layers.Activation("relu")(normalise(x))
    x = conv(width, 3)(layers.UpSampling2D()(x))
    x = layers.Activation("relu")(normalise(x))
    return layers.Add()([conv(width, 3)(x), shortcut])


def down_block(
    x: Tensor,
    width: int,
    conv: Callable[[int, int], Callable],
    halve: bool = True,
    first: bool = False,
) -> Tensor:
    """The discriminator's block, without norm; arguments as for `up_block`.

    Its shortcut has a 1x1 convolution, unless it keeps the map's size and channels.

    Args:
        halve: average 2x2 pixels at its end.
        first: it sees the pixels, which no ReLU should cut.
    """
    shortcut = layers.AveragePooling2D(2)(x) if halve else x
    if halve or width != x.shape[-1]:
        shortcut = conv(width, 1)(shortcut)
    if not first:
        x = layers.Activation("relu")(x)
    x = layers.Activation("relu")(conv(width, 3)(x))
    x = conv(width, 3)(x)
    if halve:
        x = layers.AveragePooling2D(2)(x)
    return layers.Add()([x, shortcut])


def generator(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    latent_dim: int = 128,
    width: int = 256,
    classes: int | None = None,
    attention: int | None = None,
    spectral_norm: bool = False,
) -> keras.Model:
    """Latents (N, latent_dim) -> images (N, *image_shape), float32 in [-1, 1].

    With `classes` it takes [latents, labels (N,)], and the labels condition the batch norms of the
    blocks.

    Args:
        image_shape: (height, width, channels); 32 pixels take three blocks from 4, 28 two from 7.
        width: channels of every feature map.
        attention: the shorter side of the feature map with self-attention, if any.
        spectral_norm: of every Dense and Conv2D.
    """
    steps = doublings(image_shape[:2])
    start = tuple(side // 2**steps for side in image_shape[:2])
    check_attention(attention, [min(start) * 2**i for i in range(1, steps)])
    wrap = SpectralNormalization if spectral_norm else lambda layer: layer
    x = inputs = keras.Input((latent_dim,))
    if classes is not None:
        labels = keras.Input((), dtype="int32")
        inputs = [x, labels]

    def normalise(x):
        if classes is None:
            return layers.BatchNormalization(**BATCH_NORM)(x)
        return ConditionalBatchNormalization(classes, **BATCH_NORM)(x, labels)

    def conv(width, size):
        return wrap(layers.Conv2D(width, size, padding="same"))

    x = wrap(layers.Dense(math.prod(start) * width))(x)
    x = layers.Reshape((*start, width))(x)
    for _ in range(steps):
        x = up_block(x, width, normalise, conv)
        if min(x.shape[1:3]) == attention:
            x = SelfAttention(spectral_norm)(x)
    x = layers.Activation("relu")(layers.BatchNormalization(**BATCH_NORM)(x))
    x = layers.Activation("tanh")(conv(image_shape[-1], 3)(x))
    return keras.Model(inputs, x, name="generator")


def discriminator(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    width: int = 128,
    classes: int | None = None,
    attention: int | None = None,
) -> keras.Model:
    """Images (N, *image_shape), float32 in [-1, 1] -> logits (N, 1), all kernels normalised.

    Two blocks halve the image, two more keep its size. With `classes` it takes
    [images, labels (N,)] and ends in a `Projection`. Arguments as for `generator`.
    """
    side = min(image_shape[:2])
    check_attention(attention, [side // 2, side // 4])
    x = inputs = keras.Input(image_shape)
    for i in range(4):
        x = down_block(x, width, _normalised_conv, halve=i < 2, first=i == 0)
        if min(x.shape[1:3]) == attention and i < 2:
            x = SelfAttention(spectral_norm=True)(x)
    x = sum_pooling(x)
    if classes is None:
        logits = SpectralNormalization(layers.Dense(1, dtype="float32"))(x)
        return keras.Model(inputs, logits, name="discriminator")
    labels = keras.Input((), dtype="int32")
    logits = Projection(classes, spectral_norm=True, dtype="float32")(x, labels)
    return keras.Model([inputs, labels], logits, name="discriminator")


def sum_pooling(x: Tensor) -> Tensor:
    """ReLU, then the sum over the places of a feature map (N, H, W, C): (N, C)."""
    # In float32, since a sum over many places would leave half precision's range.
    x = layers.Activation("relu", dtype="float32")(x)
    return keras.ops.sum(x, axis=(1, 2))


def check_attention(side: int | None, sides: Sequence[int]) -> None:
    """Raise a ValueError unless self-attention goes to a map with one of these shorter sides, or
    nowhere."""
    if side and side not in sides:
        raise ValueError(
            f"No feature map has a side of {side}: attention can go to "
            f"{' or '.join(map(str, sides))}, or to none."
        )


def _normalised_conv(width, size):
    return SpectralNormalization(layers.Conv2D(width, size, padding="same"))
