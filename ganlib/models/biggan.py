"""BigGAN (Brock, Donahue and Simonyan 2019, appendix B), from 28 to 256 pixels.

What sets it apart from `resnet`: channels that grow towards the coarse maps, one class embedding
that all batch norms share, latents cut into pieces of which each block gets its own (hierarchical
latents), self-attention, and orthogonal weights. Every kernel but the shared embedding is
spectrally normalised, in both players.

    generator((128, 128, 3), classes=1000)             70,433,988 parameters
    generator((28, 28, 1), classes=10, width=16)       fits a laptop

The shorter side has 32, 64, 128 or 256 pixels: 4 pixels, doubled. MNIST's 28 pixels come from 7,
doubled twice, with no border to crop. The longer side, if there is one, is any number of pixels,
doubled as often. `nearest` gives the size to which images of any other are to be resized.
"""

import math

import keras
from keras import layers

from ganlib.models.layers import (
    BATCH_NORM,
    ConditionalBatchNormalization,
    Projection,
    SelfAttention,
    SpectralNormalization,
)
from ganlib.models.resnet import check_attention, down_block, sum_pooling, up_block
from ganlib.models.sizes import closest

# Channels of the feature maps in multiples of `width`, by the shorter side: the generator's, coarse
# to fine, its first layer's before its blocks', and the discriminator's, fine to coarse, one a
# block. From the authors' PyTorch code (github.com/ajbrock/BigGAN-PyTorch), whose 32 pixels are
# those of CIFAR-10; 28 is ours.
CHANNELS = {
    28: ((4, 4, 4), (4, 4, 4)),
    32: ((4, 4, 4, 4), (4, 4, 4, 4)),
    64: ((16, 16, 8, 4, 2), (1, 2, 4, 8, 16)),
    128: ((16, 16, 8, 4, 2, 1), (1, 2, 4, 8, 16, 16)),
    256: ((16, 16, 8, 8, 4, 2, 1), (1, 2, 4, 8, 8, 16, 16)),
}
CHUNK = 20  # latents of a block in the paper: 120 for 128 pixels, 140 for 256


def nearest(size: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) nearest to `size` that BigGAN can make, as in `dcgan.nearest`; `size`
    itself if it can: (32, 48) for (45, 60), (28, 28) for anything smaller."""
    return closest(size, {side: 2 ** (len(maps) - 1) for side, (maps, _) in CHANNELS.items()})


def generator(
    image_shape: tuple[int, int, int],
    classes: int,
    latent_dim: int | None = None,
    width: int = 96,
    embedding_dim: int = 128,
    attention: int | None = None,
    initializer: str | keras.initializers.Initializer = "orthogonal",
) -> keras.Model:
    """[latents (N, latent_dim), labels (N,)] -> images (N, *image_shape), float32 in [-1, 1].

    Args:
        image_shape: (height, width, channels), the shorter side 28, 32, 64, 128 or 256.
        latent_dim: cut into equal pieces, one for the first layer and one for each block; by
            default 20 for each.
        width: the unit in which `CHANNELS` counts: 96 in the paper, 64 for CIFAR-10.
        embedding_dim: length of the shared class embedding.
        attention: the shorter side of the map with self-attention, 0 for none; by default 64, or
            half the image's where that is less. (The authors' network for CIFAR-10 has none, their
            published generator for 256 pixels has it at 128.)
        initializer: of the weights.

    Raises:
        ValueError: another size, a latent_dim that cannot be cut, attention where no map is.
    """
    side = _side(image_shape)
    first, *others = (width * factor for factor in CHANNELS[side][0])
    slots = 1 + len(others)
    latent_dim = CHUNK * slots if latent_dim is None else latent_dim
    if latent_dim % slots:
        raise ValueError(
            f"latent_dim={latent_dim} cannot be cut into {slots} equal pieces, one for the first "
            f"layer and one for each block: take a multiple of {slots}."
        )
    attention = min(64, side // 2) if attention is None else attention
    check_attention(attention, [side >> i for i in reversed(range(1, len(others)))])

    latents, labels = keras.Input((latent_dim,)), keras.Input((), dtype="int32")
    embedded = layers.Embedding(classes, embedding_dim, initializer, name="embedding")(labels)
    piece, *pieces = keras.ops.split(latents, slots, axis=-1)

    start = (*(length >> len(others) for length in image_shape[:2]), first)
    dense = layers.Dense(math.prod(start), kernel_initializer=initializer)
    x = layers.Reshape(start)(SpectralNormalization(dense)(piece))
    conv = _conv(initializer)
    for channels, piece in zip(others, pieces, strict=True):
        condition = layers.Concatenate()([embedded, piece])

        def normalise(x, condition=condition):
            norm = ConditionalBatchNormalization(spectral_norm=True, **BATCH_NORM)
            return norm(x, condition)

        x = up_block(x, channels, normalise, conv)
        if min(x.shape[1:3]) == attention:
            x = SelfAttention(spectral_norm=True)(x)
    x = layers.Activation("relu")(layers.BatchNormalization(**BATCH_NORM)(x))
    x = layers.Activation("tanh")(conv(image_shape[-1], 3)(x))
    return keras.Model([latents, labels], x, name="generator")


def discriminator(
    image_shape: tuple[int, int, int],
    classes: int,
    width: int = 96,
    attention: int | None = None,
    initializer: str | keras.initializers.Initializer = "orthogonal",
) -> keras.Model:
    """[images (N, *image_shape), labels (N,)] -> logits (N, 1). Arguments as for `generator`."""
    side = _side(image_shape)
    channels = [width * factor for factor in CHANNELS[side][1]]
    # 4 pixels are left for the last block, or 8 (7) of a small image, as in the CIFAR-10 network.
    halvings = len(channels) - 1 if side >= 64 else 2
    attention = min(64, side // 2) if attention is None else attention
    check_attention(attention, [side >> i for i in range(1, halvings)])

    images, labels = keras.Input(image_shape), keras.Input((), dtype="int32")
    x, conv = images, _conv(initializer)
    for i, width in enumerate(channels):
        x = down_block(x, width, conv, halve=i < halvings, first=i == 0)
        if min(x.shape[1:3]) == attention:
            x = SelfAttention(spectral_norm=True)(x)
    project = Projection(classes, spectral_norm=True, dtype="float32")
    logits = project(sum_pooling(x), labels)
    return keras.Model([images, labels], logits, name="discriminator")


def _side(image_shape):
    size = tuple(image_shape[:2])
    if nearest(size) != size:
        raise ValueError(
            "BigGAN's shorter side is 32, 64, 128 or 256 pixels, 4 doubled a few times, or MNIST's "
            "28, and the longer is doubled as often. It cannot make {}x{}: resize the images to "
            "{}x{}, say.".format(*size, *nearest(size))
        )
    return min(size)


def _conv(initializer):
    def conv(width, size):
        return SpectralNormalization(
            layers.Conv2D(width, size, padding="same", kernel_initializer=initializer)
        )

    return conv
