"""R3GAN (Huang et al. 2024): what is left of StyleGAN2 when the loss needs no tricks.

Residual blocks without normalisation, the same in both players; no mapping network, no noise. Its
authors train it by the relativistic loss with both zero-centred penalties, with Adam at a `beta_1`
of 0:

    gan.compile(losses.Relativistic(), [penalties.R1(gamma), penalties.R2(gamma)], ...)

The generator ends without a tanh, so that pixels may leave [-1, 1] a little.

    generator((32, 32, 3), classes=10)              20,781,952 parameters, as for CIFAR-10
    generator((28, 28, 1), width=64, groups=8)      fits a laptop

The images have the sizes that `dcgan` makes, square or not: `nearest` is the same.
"""

from typing import Any

import keras
from keras import layers, ops

from ganlib import backend
from ganlib.models.resampling import doubled, halved
from ganlib.models.sizes import doublings, nearest
from ganlib.types import Shape, Tensor

__all__ = ["discriminator", "generator", "nearest"]


def generator(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    latent_dim: int = 64,
    width: int = 768,
    groups: int = 96,
    blocks: int = 2,
    classes: int | None = None,
) -> keras.Model:
    """Latents (N, latent_dim) -> images (N, *image_shape), float32 around [-1, 1].

    Args:
        image_shape: (height, width, channels), the shorter side 4 to 7 pixels doubled a few times.
        width: channels of the feature maps up to the third doubling, from 4 to 32 pixels; every
            further one halves them.
        groups: of the 3x3 convolutions in maps of that width, halved with it.
        blocks: residual blocks for each size of map.
        classes: it takes [latents, labels (N,)], and 64 numbers for the class beside the latents.

    Raises:
        ValueError: another size, or a width that cannot be halved or grouped so.
    """
    start, widths = _plan(image_shape, width, groups)
    x = inputs = keras.Input((latent_dim,))
    if classes is not None:
        labels = keras.Input((), dtype="int32")
        inputs, x = [x, labels], layers.Concatenate()([x, _embedded(labels, classes, 64)])
    x = layers.Dense(width, use_bias=False, kernel_initializer=_normal())(x)
    x = Basis(start, deviation=1.0, name="basis")(x[:, None, None, :])
    for doubling, channels in enumerate(widths):
        if doubling:
            x = doubled(_to_width(x, channels))
        for _ in range(blocks):
            x = block(x, groups * channels // width, depth=blocks * len(widths))
    x = layers.Conv2D(image_shape[-1], 1, use_bias=False, kernel_initializer=_normal())(x)
    return keras.Model(inputs, x, name="generator")


def discriminator(
    image_shape: tuple[int, int, int] = (32, 32, 3),
    width: int = 768,
    groups: int = 96,
    blocks: int = 2,
    classes: int | None = None,
) -> keras.Model:
    """Images (N, *image_shape), float32 in [-1, 1] -> logits (N, 1): the generator backwards.

    With `classes` it takes [images, labels (N,)], and the logit is the product of `width` features
    with as many numbers for the class. Arguments as for `generator`.
    """
    start, widths = _plan(image_shape, width, groups)
    x = inputs = keras.Input(image_shape)
    x = layers.Conv2D(widths[-1], 1, use_bias=False, kernel_initializer=_normal())(x)
    for halving, channels in enumerate(reversed(widths)):
        if halving:
            x = _to_width(halved(x), channels)
        for _ in range(blocks):
            x = block(x, groups * channels // width, depth=blocks * len(widths))
    # From here in float32, as logits are, whatever the precision of the layers before.
    deviation = (start[0] * start[1]) ** -0.5
    x = ops.sum(Basis(start, deviation, name="basis", dtype="float32")(x), axis=(1, 2))
    features = 1 if classes is None else width
    project = layers.Dense(
        features, use_bias=False, kernel_initializer=_normal(), dtype="float32", name="features"
    )
    x = project(x)
    if classes is not None:
        labels = keras.Input((), dtype="int32")
        inputs = [inputs, labels]
        x = ops.sum(x * _embedded(labels, classes, width), axis=-1, keepdims=True)
    return keras.Model(inputs, x, name="discriminator")


def block(x: Tensor, groups: int, depth: int) -> Tensor:
    """Add to a feature map what three convolutions find in it, at first nothing (their figure 2).

    To twice the channels; 3x3 in groups; back. The last starts at zero, so that a new block is the
    identity; the others by He's rule, smaller in a deep network (Zhang et al. 2019, "Fixup").

    Args:
        depth: residual blocks of the network.
    """
    channels = x.shape[-1]
    gain = (2 / (1 + 0.2**2)) ** 0.5 * depth**-0.25
    y = layers.Conv2D(2 * channels, 1, kernel_initializer=_normal(gain))(x)
    y = layers.LeakyReLU(0.2)(y)
    y = GroupedConv2D(
        2 * channels, 3, padding="same", groups=groups, kernel_initializer=_normal(gain)
    )(y)
    y = layers.LeakyReLU(0.2)(y)
    y = layers.Conv2D(channels, 1, use_bias=False, kernel_initializer="zeros")(y)
    return layers.Add()([x, y])


@keras.saving.register_keras_serializable(package="ganlib")
class Basis(layers.Layer):
    """A learnt feature map (height, width, C), by which the channels are multiplied at each place.

    From one place, (N, 1, 1, C), it makes a map: a sum of learnt ones, one a channel.
    """

    def __init__(self, size: tuple[int, int], deviation: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size, self.deviation = tuple(size), deviation

    def build(self, x_shape: Shape) -> None:
        """Draw the map from a normal law with standard deviation `deviation`."""
        initializer = keras.initializers.RandomNormal(stddev=self.deviation)
        self.map = self.add_weight(
            shape=(*self.size, x_shape[-1]), initializer=initializer, name="map"
        )

    def call(self, x: Tensor) -> Tensor:
        return x * self.map

    def compute_output_shape(self, x_shape: Shape) -> Shape:
        """That of the map."""
        return (x_shape[0], *self.size, x_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size, "deviation": self.deviation}


@keras.saving.register_keras_serializable(package="ganlib")
class GroupedConv2D(layers.Conv2D):
    """Keras's convolution in `groups`, as fast on a CPU.

    TensorFlow and JAX take up to forty times as long for one in groups there as for as many small
    ones, which compute the same.
    """

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        if backend.groups_are_quick():
            return super().convolution_op(inputs, kernel)
        parts = (ops.split(x, self.groups, -1) for x in (inputs, kernel))
        settings = self.strides, self.padding, self.data_format, self.dilation_rate
        return ops.concatenate([ops.conv(x, k, *settings) for x, k in zip(*parts, strict=True)], -1)


def _plan(image_shape, width, groups):
    """The size of the smallest map, and the channels of each map from there on."""
    times = doublings(image_shape[:2])
    halvings = [max(0, doubling - 3) for doubling in range(times + 1)]
    unit = 2 ** halvings[-1]
    if width < 1 or groups < 1 or width % groups or groups % unit:
        raise ValueError(
            f"width={width} is cut into groups={groups}, and both are halved {halvings[-1]} times: "
            f"let groups be a positive multiple of {unit}, and width one of groups."
        )
    start = tuple(side >> times for side in image_shape[:2])
    return start, [width >> n for n in halvings]


def _normal(gain=1.0):
    return keras.initializers.VarianceScaling(gain**2, "fan_in", "untruncated_normal")


def _to_width(x, channels):
    if x.shape[-1] == channels:
        return x
    return layers.Conv2D(channels, 1, use_bias=False, kernel_initializer=_normal())(x)


def _embedded(labels, classes, length):
    initializer = keras.initializers.RandomNormal(stddev=classes**-0.5)
    return layers.Embedding(classes, length, initializer, name="embedding")(labels)
