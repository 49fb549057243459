"""The convolutional pair of Radford, Metz and Chintala (2015), sized to the image.

The generator doubles a map of 4 to 7 pixels by strided convolutions, once or more, until it has the
image's size: 28 pixels take two doublings (7, 14, 28), 32 take three, 64 take four. The
discriminator halves the image until at most 4 pixels are left (28, 14, 7, 4). Channels halve and
double on the way. Where the generator needs fewer than the paper's four doublings, convolutions
that keep the size make up for its depth.

Of an image that is not square these are the pixels of the shorter side; the longer one doubles and
halves along with it: 32x64 pixels are a map of 4x8, 28x44 one of 7x11. `nearest` gives the size to
which images of any other are to be resized.
"""

import math
from collections.abc import Callable

import keras
from keras import layers

from ganlib.models.layers import BATCH_NORM, JoinLabels, SpectralNormalization
from ganlib.models.sizes import doublings, nearest

__all__ = ["discriminator", "generator", "nearest"]


def _normal():
    return keras.initializers.RandomNormal(stddev=0.02)


def _normed(x):
    """Batch norm, then ReLU."""
    return layers.Activation("relu")(layers.BatchNormalization(**BATCH_NORM)(x))


def generator(
    image_shape: tuple[int, int, int],
    latent_dim: int = 64,
    width: int = 32,
    classes: int | None = None,
) -> keras.Model:
    """Latents (N, latent_dim) -> images (N, *image_shape), float32 in [-1, 1].

    With `classes` it takes [latents, labels (N,)]; the labels join the latents, one-hot.

    Args:
        image_shape: (height, width, channels), one of the sizes above.
        width: channels of the last hidden feature map; each smaller map has twice those of the
            next.

    Raises:
        ValueError: another size.
    """
    steps = doublings(image_shape[:2])
    start = (*(side // 2**steps for side in image_shape[:2]), width * 2 ** (steps - 1))
    inputs, x = _inputs((latent_dim,), classes)
    x = layers.Dense(math.prod(start), use_bias=False, kernel_initializer=_normal())(x)
    x = _normed(layers.Reshape(start)(x))
    for _ in range(4 - steps):
        conv = layers.Conv2D(
            start[-1], 3, padding="same", use_bias=False, kernel_initializer=_normal()
        )
        x = _normed(conv(x))
    for i in reversed(range(steps - 1)):
        conv = layers.Conv2DTranspose(
            width * 2**i, 4, 2, "same", use_bias=False, kernel_initializer=_normal()
        )
        x = _normed(conv(x))
    x = layers.Conv2DTranspose(
        image_shape[-1], 4, 2, "same", activation="tanh", kernel_initializer=_normal()
    )(x)
    return keras.Model(inputs, x, name="generator")


def discriminator(
    image_shape: tuple[int, int, int],
    width: int = 32,
    classes: int | None = None,
    norm: str | None = "batch",
) -> keras.Model:
    """Images (N, *image_shape), float32 in [-1, 1] -> logits (N, 1).

    With `classes` it takes [images, labels (N,)]; the labels join the images as planes, one-hot.

    Args:
        width: channels of the first feature map; they double at every halving.
        norm: "batch", as in the paper, after every convolution but the first, which sees the pixels
            as they are. "layer" (Ba et al. 2016) and "instance" (Ulyanov et al. 2016) in its place
            look at one image only, the one at all channels together and the other at each alone;
            "spectral" is of every kernel instead (Miyato et al. 2018). With these, or with None, a
            gradient penalty is possible.
    """
    norms: dict[str | None, Callable] = {
        "batch": lambda: layers.BatchNormalization(**BATCH_NORM),
        "layer": lambda: layers.GroupNormalization(1, epsilon=1e-5),
        "instance": lambda: layers.GroupNormalization(-1, epsilon=1e-5),
    }
    if norm not in (*norms, "spectral", None):
        raise ValueError(f'norm is "batch", "layer", "instance", "spectral" or None, not {norm!r}.')
    wrap = SpectralNormalization if norm == "spectral" else lambda layer: layer
    inputs, x = _inputs(image_shape, classes)
    for i in range(math.ceil(math.log2(min(image_shape[:2]) / 4))):
        normed = norm in norms and i > 0
        conv = layers.Conv2D(
            width * 2**i, 4, 2, "same", use_bias=not normed, kernel_initializer=_normal()
        )
        x = wrap(conv)(x)
        if normed:
            x = norms[norm]()(x)
        x = layers.LeakyReLU(0.2)(x)
    x = wrap(layers.Dense(1, kernel_initializer=_normal()))(layers.Flatten()(x))
    return keras.Model(inputs, x, name="discriminator")


def _inputs(shape, classes):
    """The inputs of a model, and the tensor that its first layer sees."""
    x = keras.Input(shape)
    if classes is None:
        return x, x
    labels = keras.Input((), dtype="int32")
    return [x, labels], JoinLabels(classes)(x, labels)
