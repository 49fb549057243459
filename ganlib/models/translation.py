"""Networks that turn an image into another one of its size, and judges of its patches.

- `unet`, and `patch` with a condition: pix2pix (Isola et al. 2017), which learns from pairs;
- `residual`, `patch` with `norm="instance"`, `both_ways` and `both_sides`: CycleGAN (Zhu et al.
  2017), which learns from two sets of images.

A generator takes an image as its condition, and no latents. The sides of an image are multiples of
4 pixels, equal or not: `nearest` gives the size to which images of any other are to be resized.
Kernels start normal with a standard deviation of 0.02, as in both papers.
"""

import keras
from keras import layers, ops

from ganlib.models.patches import both_sides, convolution, named, patch, receptive_field
from ganlib.models.sizes import closest

__all__ = ["both_sides", "both_ways", "nearest", "patch", "receptive_field", "residual", "unet"]


def nearest(size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) nearest to `size` whose sides are multiples of 4, and 8 at least."""
    return closest(size, dict.fromkeys(range(8, max(min(size), 8) + 4, 4), 4))


def unet(
    image_shape: tuple[int, int, int],
    channels: int | None = None,
    width: int = 64,
    depth: int | None = None,
    norm: str | None = "batch",
    dropout: float = 0.5,
) -> keras.Model:
    """Images (N, *image_shape) -> images (N, height, width, channels), float32 in [-1, 1].

    Halvings, then as many doublings; each map on the way up is joined by that of its size on the
    way down, so that edges need not pass the narrow middle (Isola et al. 2017, section 3.2). With
    the eight halvings of 256 pixels it has the authors' 54,413,955 parameters.

    Args:
        channels: of what it makes; by default as many as it takes.
        width: channels of the first feature map; they double at every halving, up to 8 times as
            many.
        depth: how often the image is halved; by default as often as both its sides allow, and 8
            times at most.
        norm: "batch", "instance" or None; not of the first map and of the smallest.
        dropout: the share of numbers left out of the first three maps on the way up. It is
            pix2pix's only noise; `GAN.sample` leaves nothing out, `generator(images,
            training=True)` does.

    Raises:
        ValueError: a side cannot be halved that often, or not twice; another norm.
    """
    most = _halvings(image_shape[:2])
    depth = min(8, most) if depth is None else depth
    if not 2 <= depth <= most:
        size = "x".join(map(str, image_shape[:2]))
        raise ValueError(
            f"A U-Net halves both sides of an image `depth` times, at least 2, and {size} pixels "
            f"allow {most}, so that a depth of {depth} does not fit: choose another, or resize the "
            "images to {}x{}, say.".format(*nearest(image_shape[:2]))
        )

    def conv(x, i, norm, up=False):
        return convolution(x, width * min(2**i, 8), 4, 2, norm, bias, up=up)

    bias = norm != "batch"  # which has its own
    x = inputs = keras.Input(image_shape)
    skips = []
    for i in range(depth):
        if i:
            x = layers.LeakyReLU(0.2)(x)
        x = conv(x, i, norm if 0 < i < depth - 1 else None)
        skips.append(x)
    for i in reversed(range(depth - 1)):
        x = layers.Activation("relu")(x)
        x = conv(x, i, norm, up=True)
        if dropout and i > depth - 5:
            x = layers.Dropout(dropout)(x)
        x = layers.Concatenate()([x, skips[i]])
    x = convolution(layers.Activation("relu")(x), channels or image_shape[-1], 4, 2, up=True)
    return keras.Model(inputs, layers.Activation("tanh")(x), name="generator")


def residual(
    image_shape: tuple[int, int, int],
    channels: int | None = None,
    width: int = 64,
    blocks: int = 9,
) -> keras.Model:
    """Images (N, *image_shape) -> images (N, height, width, channels), float32 in [-1, 1].

    Two halvings, residual blocks at a quarter of the size, two doublings, with instance norm
    (Johnson et al. 2016; Zhu et al. 2017, appendix 7.2). With 3 channels it has the authors'
    11,378,179 parameters.

    Args:
        channels: of what it makes; by default as many as it takes.
        width: channels of the first feature map; the blocks have four times as many.
        blocks: 9 is the paper's number for 256 pixels, 6 that for 128.

    Raises:
        ValueError: a side is no multiple of 4, or less than 8.
    """
    if _halvings(image_shape[:2]) < 2 or min(image_shape[:2]) < 8:
        raise ValueError(
            "This generator halves both sides of an image twice, to 2 pixels or more, which "
            f"{image_shape[0]}x{image_shape[1]} pixels do not allow: resize the images to "
            "{}x{}, say.".format(*nearest(image_shape[:2]))
        )

    def normed(x, width, size, stride=1, **kwargs):
        return layers.Activation("relu")(convolution(x, width, size, stride, "instance", **kwargs))

    x = inputs = keras.Input(image_shape)
    x = normed(_reflected(x, 3), width, 7, padding="valid")
    for i in (2, 4):
        x = normed(x, i * width, 3, stride=2)
    for _ in range(blocks):
        inner = normed(_reflected(x, 1), 4 * width, 3, padding="valid")
        inner = convolution(_reflected(inner, 1), 4 * width, 3, norm="instance", padding="valid")
        x = layers.Add()([x, inner])
    for i in (2, 1):
        x = normed(x, i * width, 3, stride=2, up=True)
    x = convolution(_reflected(x, 3), channels or image_shape[-1], 7, padding="valid")
    return keras.Model(inputs, layers.Activation("tanh")(x), name="generator")


def both_ways(there: keras.Model, back: keras.Model) -> keras.Model:
    """CycleGAN's two generators as one, of pairs: [a, b] -> [there(a), back(b)], both joined along
    channels, (N, H, W, 2C).

    As the generator of a `GAN` it is trained on what `Pairs.batches(..., both=True)` gives. Give it
    as `generator_helper` too, so that `terms.Cycle` and `terms.Identity` can ask it for more:
    `GAN(generator, both_sides(...), generator_helper=generator)`. `generator.get_layer("there")`
    and `"back"` are the two, as models of their own.

    Raises:
        ValueError: they do not take and make images of one shape.
    """
    shapes = {tuple(shape[1:]) for m in (there, back) for shape in (m.input_shape, m.output_shape)}
    if len(shapes) > 1:
        raise ValueError(
            "Both generators take and make images of one shape, and here are "
            f"{', '.join(map(str, sorted(shapes)))}: give both sides the same size and channels."
        )
    height, width, channels = shapes.pop()
    pair = keras.Input((height, width, 2 * channels))
    a, b = ops.split(pair, 2, axis=-1)
    made = [named(there, "there")(a), named(back, "back")(b)]
    return keras.Model(pair, layers.Concatenate()(made), name="generator")


def _reflected(x, ring):
    """A feature map with a ring of its own pixels around it, mirrored."""
    return ops.pad(x, [[0, 0], [ring, ring], [ring, ring], [0, 0]], mode="reflect")


def _halvings(size):
    """How often both sides can be halved."""
    return min((side & -side).bit_length() - 1 for side in size)
