"""Layers that conditional and large GANs are made of.

- `SpectralNormalization`: a layer whose weights are divided by their largest singular value.
- `JoinLabels`, `ConditionalBatchNormalization`, `Projection`: three places where a label enters.
- `MinibatchStdDev`: tells a discriminator how much the samples of a batch differ.
- `SelfAttention`: each place of a feature map sees all the others.
- `standing_statistics`: batch norm's moving statistics, taken anew before sampling.

Labels are whole numbers (N,), from 0 to `classes - 1`. `spectral_norm=True` wraps every layer that
one of these is made of. Weights start orthogonal (Saxe et al. 2014; Brock et al. 2019, section 3),
biases at zero.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from ganlib.internals import sublayers
from ganlib.types import Shape, Tensor

# In a short training the moving statistics of Keras's default, 0.99, would lag behind the weights.
BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}


def weight_matrix(layer: layers.Layer) -> Tensor:
    """The kernel of a Dense, Conv, ConvTranspose or Embedding layer as a matrix (inputs, outputs).

    A convolution's inputs are the numbers that one application of its kernel sees; a column of the
    matrix is a filter. Float32, differentiable.
    """
    kernel = ops.convert_to_tensor(_kernel(layer))
    if "Transpose" in type(layer).__name__:  # the only kernels with the outputs before the inputs
        kernel = ops.swapaxes(kernel, -1, -2)
    return ops.reshape(kernel, (-1, kernel.shape[-1]))


def _kernel(layer):
    return layer.embeddings if isinstance(layer, layers.Embedding) else layer.kernel


@keras.saving.register_keras_serializable(package="ganlib")
class SpectralNormalization(layers.Wrapper):
    """A layer with `W / sigma(W)` in the place of its kernel `W` (Miyato et al. 2018, equation 8).

    `sigma`, the largest singular value of `weight_matrix(layer)`, is estimated by power iteration,
    one step at each call in training, from where the last one ended (algorithm 1). In its gradient
    `u` and `v` are constants: `d sigma / dW = v u^T` (equation 10). In inference the kernel is
    divided too, and nothing changes.

    A round of `GAN` calls the discriminator three times, on real images, on fakes and for the
    generator, so that its `u` takes three steps. In the authors' BigGAN it is two, since real
    images and fakes go through together.

    Args:
        layer: Dense, Conv, ConvTranspose or Embedding. Its own `kernel` stays as it is.

    Attributes:
        u: estimate of the right singular vector (outputs,), not trainable.

    Raises:
        ValueError: the layer has no kernel.
    """

    def __init__(self, layer: layers.Layer, **kwargs: Any) -> None:
        # In mixed precision the wrapped layer casts for itself; its kernel is divided in float32.
        super().__init__(layer, **{**kwargs, "dtype": "float32"})
        self.autocast = False

    def build(self, input_shape: Shape) -> None:
        """Build the wrapped layer, and a random `u` for it."""
        super().build(input_shape)
        if not hasattr(self.layer, "kernel") and not isinstance(self.layer, layers.Embedding):
            raise ValueError(
                "Spectral normalisation divides the kernel of a Dense, Conv, ConvTranspose or "
                f"Embedding layer; {type(self.layer).__name__} has none."
            )
        self.u = self.add_weight(
            shape=(weight_matrix(self.layer).shape[-1],),
            initializer="random_normal",
            trainable=False,
            name="u",
            aggregation="only_first_replica",  # all of them compute the same
        )

    def sigma(self, training: bool = False) -> Tensor:
        """The estimate of the largest singular value, a scalar; in training `u` takes its step."""
        weights = weight_matrix(self.layer)
        constant = ops.stop_gradient(weights)
        u = _unit(self.u)  # an average of unit vectors, in an averaged generator, is shorter
        v = _unit(ops.matmul(constant, u))
        if training:
            u = _unit(ops.matmul(v, constant))
            self.u.assign(u)
        return ops.sum(v * ops.matmul(weights, u))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        sigma = ops.maximum(self.sigma(training), 1e-12)
        kernel = _kernel(self.layer)
        # The scope replaces the kernel while the layer computes. On JAX a scope hides the one
        # around it, so that it must carry the layer's other variables too.
        values = [(v, v.value) for v in self.layer.variables if v is not kernel]
        with keras.StatelessScope([*values, (kernel, kernel.value / sigma)]):
            return self.layer(inputs)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """That of the wrapped layer."""
        return self.layer.compute_output_shape(input_shape)


def _unit(vector):
    return vector / ops.maximum(ops.sqrt(ops.sum(ops.square(vector))), 1e-12)


def _spectral(layer, spectral_norm):
    return SpectralNormalization(layer) if spectral_norm else layer


@keras.saving.register_keras_serializable(package="ganlib")
class JoinLabels(layers.Layer):
    """Put the label, one-hot, beside the numbers of a vector or the channels of an image.

    `(x, labels)`: (N, D) becomes (N, D + classes); (N, H, W, C) becomes (N, H, W, C + classes),
    with planes that are one where the class is the image's and zero elsewhere (Mirza and Osindero
    2014).
    """

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes = classes

    def call(self, x: Tensor, labels: Tensor) -> Tensor:
        hot = ops.one_hot(labels, self.classes, dtype=x.dtype)
        if len(x.shape) == 4:
            hot = hot[:, None, None, :] * ops.ones_like(x[..., :1])
        return ops.concatenate([x, hot], axis=-1)

    def compute_output_shape(self, x_shape: Shape, labels_shape: Shape) -> Shape:
        """That of `x`, with `classes` more channels."""
        return (*x_shape[:-1], x_shape[-1] + self.classes)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classes": self.classes}


@keras.saving.register_keras_serializable(package="ganlib")
class ConditionalBatchNormalization(layers.Layer):
    """Batch norm whose gain and bias depend on a condition (Dumoulin et al. 2017; de Vries et al.
    2017).

    `(x, condition)` -> `normalise(x) * (1 + gain(condition)) + bias(condition)`, of x's shape.

    Args:
        classes: the condition is labels (N,), with a learned gain and bias for each class, which
            start at 1 and 0. Without it, the condition is vectors (N, D), and gain and bias are
            linear in them, around 1 and 0 (Brock et al. 2019, appendix B).
        momentum, epsilon: batch norm's.
    """

    def __init__(
        self,
        classes: int | None = None,
        spectral_norm: bool = False,
        momentum: float = 0.9,
        epsilon: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.classes, self.spectral_norm = classes, spectral_norm
        self.momentum, self.epsilon = momentum, epsilon
        self.normalise = layers.BatchNormalization(
            momentum=momentum, epsilon=epsilon, center=False, scale=False, dtype=self.dtype_policy
        )

    def build(self, x_shape: Shape, condition_shape: Shape) -> None:
        """Make the two maps from the condition to the channels of `x`."""
        self.normalise.build(x_shape)
        channels = x_shape[-1]
        for name in ("gain", "bias"):
            common = {"name": name, "dtype": self.dtype_policy}
            if self.classes:
                to_channels = layers.Embedding(self.classes, channels, "zeros", **common)
            else:
                to_channels = layers.Dense(
                    channels, use_bias=False, kernel_initializer="orthogonal", **common
                )
            setattr(self, name, _spectral(to_channels, self.spectral_norm))
            getattr(self, name).build(condition_shape)

    def call(self, x: Tensor, condition: Tensor) -> Tensor:
        channelwise = (-1, *[1] * (len(x.shape) - 2), x.shape[-1])
        gain = ops.reshape(self.gain(condition), channelwise)
        bias = ops.reshape(self.bias(condition), channelwise)
        return self.normalise(x) * (1 + gain) + bias

    def compute_output_shape(self, x_shape: Shape, condition_shape: Shape) -> Shape:
        """That of `x`."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        names = ("classes", "spectral_norm", "momentum", "epsilon")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable(package="ganlib")
class MinibatchStdDev(layers.Layer):
    """One more channel with how much the samples of the batch differ (Karras et al. 2018, section
    3).

    (N, ..., C) to (N, ..., C + 1): the standard deviation over the batch of each feature at each
    place, averaged to a single number, which is the same everywhere. In a discriminator, near its
    end: a generator that draws one picture gives itself away. A logit then depends on the whole
    batch, as with batch norm.
    """

    def call(self, x: Tensor) -> Tensor:
        values = ops.cast(x, "float32")  # squares of small differences are lost in half precision
        deviation = ops.mean(ops.sqrt(ops.var(values, axis=0) + 1e-8))
        return ops.concatenate([x, ops.zeros_like(x[..., :1]) + ops.cast(deviation, x.dtype)], -1)

    def compute_output_shape(self, x_shape: Shape) -> Shape:
        """That of `x`, with one more channel."""
        return (*x_shape[:-1], x_shape[-1] + 1)


@keras.saving.register_keras_serializable(package="ganlib")
class SelfAttention(layers.Layer):
    """Add to every place of a feature map what it gathers from all the others (Zhang et al. 2019).

    `x + gain * W_o(softmax(q k^T) v)`, with queries `q` and keys `k` of C/8 channels and values `v`
    of C/2, all of them 1x1 convolutions. Keys and values are halved in height and width by max
    pooling. The gain starts at 0, so that a network first learns what is near (equation 3).
    """

    def __init__(self, spectral_norm: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.spectral_norm = spectral_norm
        self.pool = layers.MaxPooling2D(dtype=self.dtype_policy)

    def build(self, x_shape: Shape) -> None:
        """Make the four convolutions."""
        channels = x_shape[-1]
        inner = {"queries": channels // 8, "keys": channels // 8, "values": channels // 2}
        for name, width in {**inner, "outputs": channels}.items():
            conv = layers.Conv2D(
                max(1, width),
                1,
                use_bias=False,
                kernel_initializer="orthogonal",
                name=name,
                dtype=self.dtype_policy,
            )
            setattr(self, name, _spectral(conv, self.spectral_norm))
            getattr(self, name).build((*x_shape[:-1], channels if name in inner else channels // 2))
        self.gain = self.add_weight(shape=(), initializer="zeros", name="gain")

    def call(self, x: Tensor) -> Tensor:
        def flat(maps):
            return ops.reshape(maps, (-1, maps.shape[1] * maps.shape[2], maps.shape[3]))

        queries = flat(self.queries(x))
        keys, values = flat(self.pool(self.keys(x))), flat(self.pool(self.values(x)))
        attention = ops.softmax(ops.matmul(queries, ops.swapaxes(keys, 1, 2)))
        gathered = ops.matmul(attention, values)
        gathered = ops.reshape(gathered, (-1, *x.shape[1:3], gathered.shape[-1]))
        return x + self.gain * self.outputs(gathered)

    def compute_output_shape(self, x_shape: Shape) -> Shape:
        """That of `x`."""
        return x_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "spectral_norm": self.spectral_norm}


@keras.saving.register_keras_serializable(package="ganlib")
class Projection(layers.Layer):
    """The logit of features `h` (N, D) and labels `y`: `psi(h) + <embedding(y), h>`, (N, 1).

    `psi` is linear (Miyato and Koyama 2018, equation 3): it scores the image whatever its class,
    the second term how the image fits its class.
    """

    def __init__(self, classes: int, spectral_norm: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes, self.spectral_norm = classes, spectral_norm

    def build(self, h_shape: Shape, labels_shape: Shape) -> None:
        """Make the linear map and the embedding."""
        psi = layers.Dense(1, kernel_initializer="orthogonal", name="psi", dtype=self.dtype_policy)
        embedding = layers.Embedding(
            self.classes, h_shape[-1], "orthogonal", name="embedding", dtype=self.dtype_policy
        )
        self.psi = _spectral(psi, self.spectral_norm)
        self.embedding = _spectral(embedding, self.spectral_norm)
        self.psi.build(h_shape)
        self.embedding.build(labels_shape)

    def call(self, h: Tensor, labels: Tensor) -> Tensor:
        return self.psi(h) + ops.sum(self.embedding(labels) * h, axis=-1, keepdims=True)

    def compute_output_shape(self, h_shape: Shape, labels_shape: Shape) -> Shape:
        """(N, 1)."""
        return (h_shape[0], 1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "classes": self.classes,
            "spectral_norm": self.spectral_norm,
        }


def standing_statistics(
    generator: keras.Model, inputs: np.ndarray | Sequence[np.ndarray], batch_size: int = 64
) -> None:
    """Set every batch norm's moving statistics to their mean over many batches (Brock et al. 2019,
    section 4.1, "standing statistics").

    The moving average of the training mixes the statistics of many earlier generators. After this
    they are those of the weights as they are, whatever the batch that is sampled later.

    Args:
        generator: changed in place; for a GAN with an average, `gan.ema_generator`.
        inputs: latents (n, latent_dim), or [latents, labels] for a conditional generator: as many
            as make ten batches or more.
        batch_size: about that many are normalised together.
    """
    norms = [n for n in sublayers(generator) if isinstance(n, layers.BatchNormalization)]
    before = [(norm.momentum, norm.trainable) for norm in norms]
    inputs = inputs if isinstance(inputs, list | tuple) else [inputs]
    parts = max(1, len(inputs[0]) // batch_size)
    try:
        for i, part in enumerate(zip(*(np.array_split(x, parts) for x in inputs), strict=True)):
            for norm in norms:
                # The mean of i + 1 batches from that of i. A frozen batch norm would not update it.
                norm.momentum, norm.trainable = i / (i + 1), True
            generator(list(part) if len(part) > 1 else part[0], training=True)
    finally:
        for norm, (momentum, trainable) in zip(norms, before, strict=True):
            norm.momentum, norm.trainable = momentum, trainable
