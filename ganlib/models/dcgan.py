"""The convolutional pair of Radford, Metz and Chintala (2015), sized to the image.

The generator doubles a map of 4 to 7 pixels by strided convolutions until it has the image's size:
28 pixels take two doublings (7, 14, 28), 32 take three, 64 take four. The discriminator halves the
image until at most 4 pixels are left (28, 14, 7, 4). Channels halve and double on the way. Where
the generator needs fewer than the paper's four doublings, convolutions that keep the size make up
for its depth.

Of an image that is not square these are the pixels of the shorter side; the longer one doubles and
halves along with it: 32x64 pixels are a map of 4x8, 28x44 one of 7x11. `nearest` gives the size to
which images of any other are to be resized.
"""

import math

import keras
from keras import layers

from ganlib.layers import JoinLabels, SpectralNormalization

# In a short training the moving statistics of Keras's default, 0.99, would lag behind the weights.
BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}


def _normal():
    return keras.initializers.RandomNormal(stddev=0.02)


def doublings(size):
    """How often a map with a shorter side of 4 to 7 pixels doubles to reach `size`, (height,
    width): `doublings((28, 28)) == doublings((28, 44)) == 2`.

    Raises:
        ValueError: no whole number of doublings does.
    """
    short, long = sorted(size)
    steps = 0
    while short >= 8 and short % 2 == 0 and long % 2 ** (steps + 1) == 0:
        short, steps = short // 2, steps + 1
    if not (4 <= short <= 7 and steps):
        raise ValueError(
            f"No map with a shorter side of 4, 5, 6 or 7 pixels doubles to {size[0]}x{size[1]}: "
            "resize the images to {}x{}, say.".format(*nearest(size))
        )
    return steps


def nearest(size):
    """The (height, width) nearest to `size` that the generator can make; `size` itself if it can.

    That is the one `closest` finds: (28, 44) for (30, 45), (8, 8) for anything smaller.
    """
    most = max(2, min(size).bit_length())
    return closest(size, {m << i: 1 << i for i in range(1, most) for m in (4, 5, 6, 7)})


def closest(size, units):
    """The nearest (height, width) whose shorter side is one of `units`, and the longer a multiple
    of its value there.

    The longer side is in proportion to the shorter, rounded to a multiple. Nearest is where the two
    together change least, each relative to its length; of two as near, the smaller.
    """
    short, long = sorted(size)
    candidates = [  # in whole numbers, rounded half up
        (side, (2 * side * long + short * unit) // (2 * short * unit) * unit)
        for side, unit in units.items()
    ]

    def change(candidate):  # the sum of both relative changes, as a whole number
        return abs(candidate[0] - short) * long + abs(candidate[1] - long) * short

    found = min(candidates, key=lambda candidate: (change(candidate), candidate))
    return found if size[0] <= size[1] else found[::-1]


def generator(image_shape, latent_dim=64, width=32, classes=None):
    """Latents (N, latent_dim) -> images (N, *image_shape), float32 in [-1, 1].

    With `classes` it takes [latents, labels (N,)]; the labels join the latents, one-hot.

    Args:
        image_shape: (height, width, channels); the shorter side is 4 to 7 pixels doubled at least
            once, the longer any number of pixels doubled as often.
        width: channels of the last hidden feature map; each smaller map has twice those of the
            next.

    Raises:
        ValueError: another size.
    """
    steps = doublings(image_shape[:2])
    start = (*(side // 2**steps for side in image_shape[:2]), width * 2 ** (steps - 1))
    inputs, x = _inputs((latent_dim,), classes)
    x = layers.Dense(math.prod(start), use_bias=False, kernel_initializer=_normal())(x)
    x = layers.Reshape(start)(x)
    x = layers.BatchNormalization(**BATCH_NORM)(x)
    x = layers.Activation("relu")(x)
    for _ in range(4 - steps):
        x = layers.Conv2D(
            start[-1], 3, padding="same", use_bias=False, kernel_initializer=_normal()
        )(x)
        x = layers.BatchNormalization(**BATCH_NORM)(x)
        x = layers.Activation("relu")(x)
    for i in reversed(range(steps - 1)):
        x = layers.Conv2DTranspose(
            width * 2**i, 4, 2, "same", use_bias=False, kernel_initializer=_normal()
        )(x)
        x = layers.BatchNormalization(**BATCH_NORM)(x)
        x = layers.Activation("relu")(x)
    x = layers.Conv2DTranspose(
        image_shape[-1], 4, 2, "same", activation="tanh", kernel_initializer=_normal()
    )(x)
    return keras.Model(inputs, x, name="generator")


def discriminator(image_shape, width=32, classes=None, norm="batch"):
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
    norms = {
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
