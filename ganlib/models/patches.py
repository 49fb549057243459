"""Discriminators that judge an image patch by patch, and how large their patches are."""

import keras
from keras import layers, ops

from ganlib.internals import made_by
from ganlib.models.layers import BATCH_NORM, SpectralNormalization
from ganlib.types import Tensor


def patch(
    image_shape: tuple[int, int, int],
    condition_shape: tuple[int, int, int] | None = None,
    width: int = 64,
    halvings: int = 3,
    norm: str | None = "batch",
) -> keras.Model:
    """Images (N, *image_shape), float32 in [-1, 1] -> a map of logits (N, h, w, 1), "PatchGAN".

    Each logit judges a patch of its own, and a loss is their mean (Isola et al. 2017, section
    3.3). `receptive_field` tells the patch: 70 pixels with three halvings, the paper's choice; 1,
    16 and 286 with none, one and five, its other ones. A map has `side // 2**halvings - 2` logits
    a side, and as many as pixels without halvings.

    Args:
        condition_shape: of an image that is judged along with the sample: it then takes [samples,
            conditions], whose channels it joins. With 6 channels in all and batch norm it has
            pix2pix's 2,768,705 parameters, with 3 and instance norm CycleGAN's 2,764,737.
        width: channels of the first feature map; they double at every convolution, up to 8 times
            as many.
        norm: "batch", "instance" or None, of all maps but the first.

    Raises:
        ValueError: the image is too small for so many halvings, or its condition has another
            size; another norm.
    """
    most = max(0, (min(image_shape[:2]) // 3).bit_length() - 1)
    if not 0 <= halvings <= most:
        raise ValueError(
            f"An image of {image_shape[0]}x{image_shape[1]} pixels leaves a logit after 0 to "
            f"{most} halvings, not {halvings}: choose fewer, or larger images."
        )
    x = inputs = keras.Input(image_shape)
    if condition_shape is not None:
        if tuple(condition_shape[:2]) != tuple(image_shape[:2]):
            raise ValueError(
                f"Samples of shape {image_shape} and conditions of shape {condition_shape} are "
                "judged together, which takes one height and width: resize one of them."
            )
        inputs = [x, keras.Input(condition_shape)]
        x = layers.Concatenate()(inputs)
    size, halve = (4, 2) if halvings else (1, 1)
    widths = [width * min(2**i, 8) for i in range(max(halvings, 1) + 1)]
    for i, channels in enumerate(widths):
        stride = halve if i < halvings else 1
        biased = not i or norm != "batch"  # which has its own
        x = convolution(x, channels, size, stride, norm if i else None, biased, padding="one")
        x = layers.LeakyReLU(0.2)(x)
    logits = convolution(x, 1, size, padding="one")
    return keras.Model(inputs, logits, name="discriminator")


def receptive_field(discriminator: keras.Model) -> tuple[int, int]:
    """(height, width) in pixels of the patch of an image that one logit judges.

    `r -> (r - 1) * stride + size` for every convolution, from the logit back to the image, begins
    with `r = 1`. What a norm's mean and deviation tell of the other pixels is left out.

    Raises:
        ValueError: a layer sees the whole image, or is none whose reach is known.
    """
    return _reach(discriminator.outputs[0], (1, 1))


def both_sides(of_there: keras.Model, of_back: keras.Model) -> keras.Model:
    """The discriminators of both sides as one, of pairs (N, H, W, 2C) as `both_ways` makes them ->
    logits (N, k, 1), first all of what `there` makes, then all of what `back` makes.

    A loss is the mean of both sides' losses, where the paper has their sum.

    Raises:
        ValueError: they take images of different shapes, or a condition too, or their numbers of
            logits differ.
    """
    of_there, of_back = named(of_there, "of_there"), named(of_back, "of_back")
    shapes = [(m.input_shape[1:], m.output_shape[1:]) for m in (of_there, of_back)]
    if shapes[0] != shapes[1]:
        raise ValueError(
            "Both discriminators take images of one shape and make as many logits, and here are "
            f"{shapes[0]} and {shapes[1]}: build them alike."
        )
    (height, width, channels), _ = shapes[0]
    pair = keras.Input((height, width, 2 * channels))
    b, a = ops.split(pair, 2, axis=-1)
    logits = [layers.Reshape((-1, 1))(maps) for maps in (of_there(b), of_back(a))]
    return keras.Model(pair, layers.Concatenate(axis=1)(logits), name="discriminator")


def convolution(
    x: Tensor,
    width: int,
    size: int,
    stride: int = 1,
    norm: str | None = None,
    bias: bool = True,
    padding: str = "same",
    up: bool = False,
) -> Tensor:
    """A convolution, or a transposed one, and its norm; a padding "one" is a ring of zeros."""
    if padding == "one":
        x, padding = layers.ZeroPadding2D()(x) if size > 1 else x, "valid"
    normal = keras.initializers.RandomNormal(stddev=0.02)
    kind = layers.Conv2DTranspose if up else layers.Conv2D
    x = kind(width, size, stride, padding, use_bias=bias, kernel_initializer=normal)(x)
    if norm is None:
        return x
    if norm == "batch":
        return layers.BatchNormalization(**BATCH_NORM)(x)
    if norm == "instance":  # without parameters, as in both papers' code
        return layers.GroupNormalization(-1, epsilon=1e-5, center=False, scale=False)(x)
    raise ValueError(f'norm is "batch", "instance" or None, not {norm!r}.')


def named(model: keras.Model, name: str) -> keras.Model:
    """The same layers as a model of that name: in one model no two layers share theirs.

    Raises:
        ValueError: the model takes more than images.
    """
    if len(model.inputs) > 1:
        raise ValueError(
            "The networks of one side take its images alone: build this one without a condition."
        )
    return keras.Model(model.inputs[0], model.outputs[0], name=name)


_KEEPS_PLACES = (
    *(layers.Activation, layers.LeakyReLU, layers.ReLU, layers.Dropout, layers.ZeroPadding2D),
    *(layers.BatchNormalization, layers.GroupNormalization, layers.LayerNormalization),
    *(layers.Concatenate, layers.Add),
)


def _reach(tensor: Tensor, reach: tuple[int, int]) -> tuple[int, int]:
    """How many rows and columns of the image so many of a feature map depend on."""
    layer, sources = made_by(tensor)
    if not sources:
        return reach
    layer = layer.layer if isinstance(layer, SpectralNormalization) else layer
    if isinstance(layer, layers.Conv2D):
        size, stride, dilation = layer.kernel_size, layer.strides, layer.dilation_rate
    elif isinstance(layer, layers.AveragePooling2D | layers.MaxPooling2D):
        size, stride, dilation = layer.pool_size, layer.strides, (1, 1)
    elif isinstance(layer, _KEEPS_PLACES):
        size = stride = dilation = (1, 1)
    else:
        raise ValueError(
            f"The reach of a layer {type(layer).__name__} is not known, or is the whole image: a "
            "receptive field is that of convolutions, such as models.translation.patch."
        )
    rows, columns = ((reach[i] - 1) * stride[i] + (size[i] - 1) * dilation[i] + 1 for i in range(2))
    reaches = [_reach(source, (rows, columns)) for source in sources]
    return max(r for r, _ in reaches), max(c for _, c in reaches)
