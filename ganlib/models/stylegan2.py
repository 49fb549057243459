"""StyleGAN2 (Karras et al. 2020, "Analyzing and improving", and "with limited data").

A mapping network makes a style `w` of the latents. Every convolution of the synthesis network
scales its inputs by what it takes from `w`, and what it makes back to unit variance. An image is
the sum of what the maps of all sizes add to it.

    generator((32, 32, 3), layers=2, classes=10)            20,215,315 parameters, for CIFAR-10
    generator((28, 28, 1), base=1024, latent_dim=64, layers=2)      fits a laptop

Weights start at a variance of 1 and are divided, where they are used, by the square root of how
many numbers a sum has ("equalised learning rate"): Adam's steps then count alike in every layer.

Of the latents only the direction counts. `GAN.sample(truncation=...)`, which makes them short,
therefore makes no images that are more alike; the authors draw styles towards their mean instead.

The images have the sizes that `dcgan` makes, square or not: `nearest` is the same.
"""

from typing import Any

import keras
from keras import layers as keras_layers
from keras import ops

from ganlib import backend
from ganlib.models.layers import MinibatchStdDev
from ganlib.models.resampling import smoothed, smoothly_doubled
from ganlib.models.sizes import doublings, nearest
from ganlib.types import Shape, Tensor

__all__ = ["discriminator", "generator", "mapping", "nearest", "synthesis"]


def generator(
    image_shape: tuple[int, int, int],
    latent_dim: int = 512,
    base: int = 32_768,
    widest: int = 512,
    layers: int = 8,
    classes: int | None = None,
    mixing: float = 0.0,
) -> keras.Model:
    """Latents (N, latent_dim) -> images (N, *image_shape), float32 around [-1, 1], without a tanh.

    `get_layer("mapping")` and `get_layer("synthesis")` are its two networks, as models of their
    own.

    Args:
        image_shape: (height, width, channels), the shorter side 4 to 7 pixels doubled a few times.
        latent_dim: of the latents, and of the styles.
        base, widest: a map whose shorter side has r pixels has `min(base // r, widest)` channels.
            The authors take a base of 16,384 for 256 pixels and 32,768 for 32 and 1024.
        layers: of the mapping network; 2 for CIFAR-10.
        classes: it takes [latents, labels (N,)].
        mixing: the share of samples that in training have another sample's style from a random
            layer on ("style mixing"); 0.9 in the paper, 0 for CIFAR-10. Not with classes, which
            would be mixed as well.

    Raises:
        ValueError: another size; a base below the image's shorter side; a share that is none; or
            classes that would be mixed.
    """
    if not 0 <= mixing <= 1:
        raise ValueError(f"mixing is a share of the samples, from 0 to 1, not {mixing!r}.")
    if mixing and classes is not None:
        raise ValueError(
            "mixing gives a sample the style of another one, which may be of another class: leave "
            "out mixing, or classes."
        )
    make = mapping(latent_dim, latent_dim, layers, classes)
    draw = synthesis(image_shape, latent_dim, base, widest)
    inputs = [keras.Input(x.shape[1:], dtype=x.dtype) for x in make.inputs]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    styles = Mixing(draw.input_shape[1], mixing, name="mixing")(make(inputs))
    return keras.Model(inputs, draw(styles), name="generator")


def mapping(
    latent_dim: int = 512, style_dim: int = 512, layers: int = 8, classes: int | None = None
) -> keras.Model:
    """Latents (N, latent_dim) -> styles w (N, style_dim), or [latents, labels] with `classes`.

    Fully connected, at a hundredth of the learning rate.
    """
    inputs = keras.Input((latent_dim,))
    x = _unit(inputs)
    if classes is not None:
        labels = keras.Input((), dtype="int32")
        x = keras_layers.Concatenate()([x, _unit(EqualEmbedding(classes, style_dim)(labels))])
        inputs = [inputs, labels]
    for _ in range(layers):
        x = _active(EqualDense(style_dim, rate=0.01)(x))
    return keras.Model(inputs, x, name="mapping")


def synthesis(
    image_shape: tuple[int, int, int], style_dim: int = 512, base: int = 32_768, widest: int = 512
) -> keras.Model:
    """Styles (N, number, style_dim), one for each convolution -> images (N, *image_shape).

    The first map is learnt, and the same for every sample. A map's contribution to the image takes
    the style of the convolution after it, as in the authors' code. Arguments as for `generator`.
    """
    sizes, widths = _maps(image_shape, base, widest)
    styles = keras.Input((2 * len(sizes), style_dim))
    x = Constant((*sizes[0], widths[0]), name="constant")(styles)
    x = _styled(x, styles[:, 0], widths[0])
    image = ModulatedConv(image_shape[-1], 1, demodulate=False)(x, styles[:, 1])
    for i, width in enumerate(widths[1:], 1):
        x = _styled(x, styles[:, 2 * i - 1], width, up=True)
        x = _styled(x, styles[:, 2 * i], width)
        more = ModulatedConv(image_shape[-1], 1, demodulate=False)(x, styles[:, 2 * i + 1])
        image = smoothly_doubled(image) + more
    return keras.Model(styles, image, name="synthesis")


def discriminator(
    image_shape: tuple[int, int, int],
    base: int = 32_768,
    widest: int = 512,
    classes: int | None = None,
    residual: bool = True,
) -> keras.Model:
    """Images (N, *image_shape), float32 in [-1, 1] -> logits (N, 1).

    Its last map has one more channel, the deviation over the batch. With `classes` it takes
    [images, labels (N,)], and the logit is the product of features with what a mapping network of
    eight layers makes of the class.

    Args:
        residual: blocks have a shortcut; the authors' network for CIFAR-10 has none.
        image_shape, base, widest: as for `generator`.
    """
    sizes, widths = _maps(image_shape, base, widest)
    x = inputs = keras.Input(image_shape)
    x = _active(EqualConv2D(widths[-1], 1)(x))
    for width in reversed(widths[:-1]):
        shortcut = x
        x = _active(EqualConv2D(x.shape[-1], 3, padding="same")(x))
        x = _active(EqualConv2D(width, 3, strides=2)(smoothed(x, 2)))
        if residual:
            shortcut = smoothed(shortcut, 1)[:, ::2, ::2]
            shortcut = EqualConv2D(width, 1, use_bias=False)(shortcut)
            x = (x + shortcut) * 0.5**0.5
    x = _active(EqualConv2D(widths[0], 3, padding="same")(MinibatchStdDev()(x)))
    x = _active(EqualDense(widths[0])(keras_layers.Flatten()(x)))
    if classes is None:
        return keras.Model(inputs, EqualDense(1, dtype="float32")(x), name="discriminator")
    labels = keras.Input((), dtype="int32")
    of_class = _unit(EqualEmbedding(classes, widths[0])(labels))
    for _ in range(8):
        of_class = _active(EqualDense(widths[0], rate=0.01)(of_class))
    products = EqualDense(widths[0], dtype="float32")(x) * of_class
    logits = ops.sum(products, axis=-1, keepdims=True) / widths[0] ** 0.5
    return keras.Model([inputs, labels], logits, name="discriminator")


def _maps(image_shape, base, widest):
    """The size and the channels of each map, from the smallest on."""
    if base < min(image_shape[:2]):
        raise ValueError(
            f"base is {base}, but a map of {min(image_shape[:2])} pixels has base // "
            f"{min(image_shape[:2])} channels: choose at least as much, better a few hundred times."
        )
    steps = doublings(image_shape[:2])
    sizes = [tuple(side >> (steps - i) for side in image_shape[:2]) for i in range(steps + 1)]
    return sizes, [min(base // min(size), widest) for size in sizes]


def _styled(x, style, width, up=False):
    return _active(Noise()(ModulatedConv(width, 3, up=up)(x, style)))


def _active(x):
    """Leaky ReLU, then scaled so that a standard normal keeps a mean square of about 1."""
    return keras_layers.LeakyReLU(0.2)(x) * 2**0.5


def _unit(x):
    """Each vector with a mean square of 1."""
    squares = ops.square(ops.cast(x, "float32"))  # half precision has no 1e-8
    scale = ops.rsqrt(ops.mean(squares, axis=-1, keepdims=True) + 1e-8)
    return x * ops.cast(scale, x.dtype)


@keras.saving.register_keras_serializable(package="ganlib")
class EqualDense(keras_layers.Dense):
    """A Dense layer with an equalised learning rate (Karras et al. 2018, section 4.1).

    Args:
        units: of the result.
        rate: by which the steps of Adam are smaller than those of other layers.
        first_bias: where the bias starts.
    """

    def __init__(
        self, units: int, rate: float = 1.0, first_bias: float = 0.0, **kwargs: Any
    ) -> None:
        kernel = keras.initializers.RandomNormal(stddev=1 / rate)
        bias = keras.initializers.Constant(first_bias / rate)
        super().__init__(
            units, **{"kernel_initializer": kernel, "bias_initializer": bias, **kwargs}
        )
        self.rate, self.first_bias = rate, first_bias

    def call(self, x: Tensor) -> Tensor:
        gain = self.rate / self.kernel.shape[0] ** 0.5
        return ops.matmul(x, self.kernel * gain) + self.bias * self.rate

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "first_bias": self.first_bias}


@keras.saving.register_keras_serializable(package="ganlib")
class EqualConv2D(keras_layers.Conv2D):
    """A Conv2D with an equalised learning rate."""

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any) -> None:
        initializer = keras.initializers.RandomNormal(stddev=1.0)
        super().__init__(filters, kernel_size, **{"kernel_initializer": initializer, **kwargs})

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        height, width, channels, _ = kernel.shape
        return super().convolution_op(inputs, kernel / (height * width * channels) ** 0.5)


@keras.saving.register_keras_serializable(package="ganlib")
class EqualEmbedding(keras_layers.Layer):
    """What `EqualDense` makes of a label, one-hot: labels (N,) -> (N, units)."""

    def __init__(self, classes: int, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes, self.units = classes, units
        initializer = keras.initializers.RandomNormal(stddev=1.0)
        self.table = keras_layers.Embedding(classes, units, initializer, dtype=self.dtype_policy)

    def build(self, labels_shape: Shape) -> None:
        """Make the vectors and the bias."""
        self.table.build(labels_shape)
        self.bias = self.add_weight(shape=(self.units,), initializer="zeros", name="bias")

    def call(self, labels: Tensor) -> Tensor:
        return self.table(labels) / self.classes**0.5 + self.bias

    def compute_output_shape(self, labels_shape: Shape) -> Shape:
        """(N, units)."""
        return (*labels_shape, self.units)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classes": self.classes, "units": self.units}


@keras.saving.register_keras_serializable(package="ganlib")
class ModulatedConv(keras_layers.Layer):
    """A convolution whose kernel is scaled by a style (Karras et al. 2020, section 2.2).

    (x, w) -> with `s = A(w)`, one number for each channel of x, and `k' = s k`: the convolution of
    `x` with `k' / |k'|`, the norm being over what one output sees (equations 1 and 3). Of inputs
    with a variance of 1 it makes outputs with a variance of 1. A bias comes after.

    Args:
        filters: channels of the result.
        size: of the kernel.
        up: the result is twice as high and wide, smoothed by [1 3 3 1].
        demodulate: divide by the norm; otherwise by the square root of how many numbers it is of.
    """

    def __init__(
        self, filters: int, size: int, up: bool = False, demodulate: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.filters, self.size, self.up, self.demodulate = filters, size, up, demodulate

    def build(self, x_shape: Shape, w_shape: Shape) -> None:
        """Make the kernel, and the map from a style to the channels of `x`."""
        channels = x_shape[-1]
        self.kernel = self.add_weight(
            shape=(self.size, self.size, channels, self.filters),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        self.style = EqualDense(channels, first_bias=1.0, name="style", dtype=self.dtype_policy)
        self.style.build(w_shape)

    def call(self, x: Tensor, w: Tensor) -> Tensor:
        s = self.style(w)
        # To scale the inputs and the outputs is the same as to scale the kernel, and lets all
        # samples share one.
        x = x * s[:, None, None, :]
        if self.up:
            y = ops.conv_transpose(x, ops.swapaxes(self.kernel, 2, 3), 2, "valid")
            y = 4 * smoothed(y, 1)
        else:
            y = ops.conv(x, self.kernel, padding="same")
        if self.demodulate:
            # In float32, since a sum over many channels would leave half precision's range.
            s, kernel = ops.cast(s, "float32"), ops.cast(self.kernel, "float32")
            squares = ops.matmul(ops.square(s), ops.sum(ops.square(kernel), axis=(0, 1)))
            y = y * ops.cast(ops.rsqrt(squares + 1e-8), y.dtype)[:, None, None, :]
        else:
            y = y / (self.size**2 * x.shape[-1]) ** 0.5
        return y + self.bias

    def compute_output_shape(self, x_shape: Shape, w_shape: Shape) -> Shape:
        """That of `x`, or twice as high and wide, with `filters` channels."""
        sides = [side * (2 if self.up else 1) for side in x_shape[1:3]]
        return (x_shape[0], *sides, self.filters)

    def get_config(self) -> dict[str, Any]:
        names = ("filters", "size", "up", "demodulate")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="ganlib")
class Noise(keras_layers.Layer):
    """Add noise to a feature map, one number for all channels of a place, by a learnt strength.

    The strength starts at 0. In training the noise is new for every sample; otherwise it is one
    map, drawn once, so that a latent vector has one image.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, x_shape: Shape) -> None:
        """Make the strength, and the map."""
        self.strength = self.add_weight(shape=(), initializer="zeros", name="strength")
        # As strong as in training: Keras's "random_normal" has a deviation of 0.05.
        shape, drawn = (*x_shape[1:3], 1), keras.initializers.RandomNormal(stddev=1.0)
        self.map = self.add_weight(shape=shape, initializer=drawn, trainable=False, name="map")

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        if not training:
            return x + self.strength * self.map
        n, *sides, _ = ops.shape(x)
        options = {"dtype": x.dtype, "seed": self.seed_generator}
        drawn = backend.own_rows(lambda n: keras.random.normal((n, *sides, 1), **options), n)
        return x + self.strength * drawn

    def compute_output_shape(self, x_shape: Shape) -> Shape:
        """That of `x`."""
        return x_shape


@keras.saving.register_keras_serializable(package="ganlib")
class Constant(keras_layers.Layer):
    """A learnt feature map (height, width, C), the same for each sample of a batch."""

    def __init__(self, shape: tuple[int, int, int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = tuple(shape)

    def build(self, batch_shape: Shape) -> None:
        """Draw it from a standard normal law."""
        initializer = keras.initializers.RandomNormal(stddev=1.0)
        self.map = self.add_weight(shape=self.shape, initializer=initializer, name="map")

    def call(self, batch: Tensor) -> Tensor:
        return ops.broadcast_to(self.map, (ops.shape(batch)[0], *self.shape))

    def compute_output_shape(self, batch_shape: Shape) -> Shape:
        """One map for each of the batch."""
        return (batch_shape[0], *self.shape)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "shape": self.shape}


@keras.saving.register_keras_serializable(package="ganlib")
class Mixing(keras_layers.Layer):
    """Styles (N, D) -> (N, number, D), one for each convolution: as often the same.

    In training a share of the samples takes the style of the one before in the batch from a random
    layer on, so that the layers do not count on each other's styles (Karras et al. 2019, section
    3.1; there another style is made for it).
    """

    def __init__(self, number: int, share: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number, self.share = number, share
        self.seed_generator = keras.random.SeedGenerator()

    def call(self, w: Tensor, training: bool = False) -> Tensor:
        styles = ops.repeat(w[:, None], self.number, axis=1)
        if not training or not self.share:
            return styles
        n, seed, random = ops.shape(w)[0], self.seed_generator, keras.random
        first = backend.own_rows(lambda n: random.randint((n, 1), 1, self.number, seed=seed), n)
        mixed = backend.own_rows(lambda n: random.uniform((n, 1), seed=seed), n) < self.share
        other = ops.logical_and(mixed, ops.arange(self.number)[None] >= first)
        return ops.where(other[..., None], ops.roll(styles, 1, axis=0), styles)

    def compute_output_shape(self, w_shape: Shape) -> Shape:
        """(N, number, D)."""
        return (w_shape[0], self.number, w_shape[-1])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "number": self.number, "share": self.share}
