"""Shapes, parameter counts and the sizes that are refused."""

import functools
import math
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops
from sources import ROOT

from ganlib import GAN
from ganlib.models import biggan, dcgan, mlp, resnet, sizes
from ganlib.models.layers import SpectralNormalization


def trainable(model):
    return sum(math.prod(v.shape) for v in model.trainable_variables)


@pytest.mark.parametrize(
    "side,steps", [(8, 1), (14, 1), (28, 2), (32, 3), (48, 3), (64, 4), (96, 4), (128, 5)]
)
def test_doublings(side, steps):
    assert sizes.doublings((side, side)) == steps
    for i in (side + 2**steps, 7 * side):
        assert sizes.doublings((side, i)) == sizes.doublings((i, side)) == steps


@pytest.mark.parametrize(
    "size,instead",
    [((7, 7), "8x8"), ((3, 9), "8x24"), ((30, 30), "28x28"), ((99, 99), "96x96")]
    + [((30, 45), "28x44"), ((45, 30), "44x28"), ((28, 45), "28x44"), ((32, 60), "32x64")],
)
def test_a_size_that_cannot_be_made_is_refused_with_the_nearest(size, instead):
    says = f"doubles to {size[0]}x{size[1]}: resize the images to {instead}, say"
    for generator in (dcgan.generator, resnet.generator):
        with pytest.raises(ValueError, match=says):
            generator((*size, 1))


def test_nearest_can_be_made_and_keeps_what_can():
    """Every size up to 70 pixels, against what the definitions allow, found by trying."""

    def made(nearest, height, width):
        if nearest is biggan.nearest:
            unit = {28: 4, 32: 8, 64: 16}.get(min(height, width))
            return unit is not None and max(height, width) % unit == 0
        for doubled in (2**i for i in range(1, 9)):
            if height % doubled == width % doubled == 0 and min(height, width) // doubled < 8:
                return min(height, width) // doubled >= 4
        return False

    for nearest in (dcgan.nearest, biggan.nearest):
        for height in range(1, 71):
            for width in range(1, height + 1):
                found = nearest((height, width))
                assert made(nearest, *found)
                assert (found == (height, width)) == made(nearest, height, width)
                assert nearest((width, height)) == found[::-1]
                assert height != width or found[0] == found[1]


@pytest.mark.parametrize(
    "size,of_dcgan,of_biggan",
    [
        ((5, 5), (8, 8), (28, 28)),
        ((5, 50), (8, 80), (28, 280)),  # in proportion
        ((48, 48), (48, 48), (32, 32)),  # 32 and 64 are as near: the smaller
        ((45, 60), (48, 64), (32, 40)),
        ((1000, 3000), (1024, 3072), (256, 768)),
        ((3000, 4000), (3072, 4096), (256, 320)),
    ],
)
def test_nearest_stays_in_proportion(size, of_dcgan, of_biggan):
    assert dcgan.nearest(size) == resnet.nearest(size) == of_dcgan
    assert biggan.nearest(size) == of_biggan


@pytest.mark.parametrize(
    "shape", [(28, 28, 1), (32, 32, 3), (64, 64, 3), (28, 20, 1), (32, 64, 3), (44, 28, 1)]
)
def test_dcgan_makes_and_takes_images_of_its_shape(shape):
    generator, discriminator = (
        dcgan.generator(shape, latent_dim=5, width=4),
        dcgan.discriminator(shape, width=4),
    )
    images = generator(np.ones((2, 5), "float32"))
    assert tuple(images.shape) == (2, *shape)
    assert tuple(discriminator(images).shape) == (2, 1)


@pytest.mark.parametrize(
    "shape,maps,left",
    [
        ((32, 64, 3), [(4, 8), (8, 16), (16, 32), (32, 64)], (4, 8)),
        ((44, 28, 1), [(11, 7), (22, 14), (44, 28)], (6, 4)),
        ((8, 24, 1), [(4, 12), (8, 24)], (4, 12)),
        ((28, 28, 1), [(7, 7), (14, 14), (28, 28)], (4, 4)),
    ],
)
@pytest.mark.once
def test_the_longer_side_doubles_and_halves_with_the_shorter(shape, maps, left):
    for model in (dcgan.generator(shape, 5, 4), resnet.generator(shape, 5, 8)):
        sides = [tuple(x.output.shape[1:3]) for x in model.layers if len(x.output.shape) == 4]
        assert list(dict.fromkeys(sides)) == maps
    flat = next(x for x in dcgan.discriminator(shape, 4).layers if isinstance(x, layers.Flatten))
    assert tuple(flat.input.shape[1:3]) == left


def test_dcgan_64_has_the_published_parameters():
    """The usual 64-pixel DCGAN (latents of 100, 64 channels, no output bias) has 3,576,704 and
    2,765,568 trainable parameters; it starts from a 4x4 transposed convolution of the latents,
    which is our Dense, and ends in a 4x4 convolution, which is our Dense too. Ours adds the biases
    of the first and last layers."""
    generator = dcgan.generator((64, 64, 3), latent_dim=100, width=64)
    discriminator = dcgan.discriminator((64, 64, 3), width=64)
    assert trainable(generator) == 3_576_704 + 3
    assert trainable(discriminator) == 2_765_568 + 64 + 1


def test_guidelines_of_the_paper():
    generator, discriminator = dcgan.generator((28, 28, 1)), dcgan.discriminator((28, 28, 1))
    for model in (generator, discriminator):
        assert not any("Pooling" in type(layer).__name__ for layer in model.layers)
        assert sum(isinstance(layer, layers.Dense) for layer in model.layers) == 1
        for layer in model.layers:
            if hasattr(layer, "kernel"):
                assert np.std(
                    layer.kernel.numpy() if hasattr(layer.kernel, "numpy") else layer.kernel
                ) == pytest.approx(0.02, rel=0.2)
    assert generator.layers[-1].activation.__name__ == "tanh"
    assert discriminator.layers[-1].activation.__name__ == "linear", "a logit, no sigmoid"


def test_dcgan_takes_labels_and_another_norm():
    shape, labels = (28, 28, 1), ops.convert_to_tensor(np.array([0, 9]))
    generator = dcgan.generator(shape, latent_dim=5, width=4, classes=10)
    images = generator([ops.ones((2, 5)), labels])
    assert tuple(images.shape) == (2, *shape)
    for norm, batch_norms, wrapped in (("batch", 2, 0), ("spectral", 0, 4), (None, 0, 0)):
        discriminator = dcgan.discriminator(shape, width=4, classes=10, norm=norm)
        assert tuple(discriminator([images, labels]).shape) == (2, 1)
        kinds = [type(layer) for layer in discriminator.layers]
        assert kinds.count(layers.BatchNormalization) == batch_norms
        assert kinds.count(SpectralNormalization) == wrapped
    with pytest.raises(ValueError, match='"spectral" or None, not .group'):
        dcgan.discriminator(shape, norm="group")


@pytest.mark.parametrize("norm", ["layer", "instance"])
def test_dcgan_with_a_norm_of_one_image(norm):
    """Neither image changes the other's logit, and brightness alone no normalised map."""
    keras.utils.set_random_seed(0)
    discriminator = dcgan.discriminator((28, 28, 1), width=4, norm=norm)
    norms = [x for x in discriminator.layers if isinstance(x, layers.GroupNormalization)]
    assert len(norms) == 2
    images = np.random.default_rng(0).uniform(-1, 1, (6, 28, 28, 1)).astype("float32")
    together = keras.ops.convert_to_numpy(discriminator(images, training=True))
    alone = keras.ops.convert_to_numpy(discriminator(images[2:3], training=True))
    np.testing.assert_allclose(together[2:3], alone, atol=1e-5)
    maps = np.random.default_rng(1).normal(2.0, 3.0, (5, *norms[0].input.shape[1:]))
    done = keras.ops.convert_to_numpy(norms[0](maps.astype("float32")))
    axes = (1, 2, 3) if norm == "layer" else (1, 2)
    mean, deviation = (f(maps, axis=axes, keepdims=True) for f in (np.mean, np.std))
    np.testing.assert_allclose(done, (maps - mean) / deviation, atol=1e-4)


def test_mlp_makes_points_and_images():
    points = mlp.generator((2,), latent_dim=3)(np.ones((4, 3), "float32"))
    assert tuple(points.shape) == (4, 2)
    assert tuple(mlp.discriminator((2,))(points).shape) == (4, 1)
    images = mlp.generator((8, 8, 1), latent_dim=3)(100 * np.ones((4, 3), "float32"))
    assert tuple(images.shape) == (4, 8, 8, 1)
    assert abs(ops.convert_to_numpy(images)).max() <= 1
    photographs = mlp.generator((5, 9, 3), latent_dim=3)(np.ones((4, 3), "float32"))
    assert tuple(photographs.shape) == (4, 5, 9, 3)
    assert tuple(mlp.discriminator((5, 9, 3))(photographs).shape) == (4, 1)


# ------------------------------------------------------------ residual networks and BigGAN


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    "generator,discriminator,options",
    [
        (4_276_739, 1_053_825, {}),  # SNGAN
        (4_304_387, 1_055_105, {"classes": 10}),  # projection
        (4_386_308, 1_075_586, {"classes": 10, "attention": 16}),  # SAGAN
    ],
)
def test_residual_networks_have_the_published_parameters(generator, discriminator, options):
    """Those of the library mimicry, which reproduces the papers' results."""
    assert trainable(resnet.generator(**options)) == generator
    assert trainable(resnet.generator(**options, spectral_norm=True)) == generator
    assert trainable(resnet.discriminator(**options)) == discriminator


def at_width(build, wide, **options):
    """Parameters of a network of that width, as three narrow ones say: they are quadratic in it."""
    a, b, c = (trainable(build(width=w, initializer="zeros", **options)) for w in (8, 16, 24))
    n = wide // 8 - 1
    return a + n * (b - a) + n * (n - 1) // 2 * (a - 2 * b + c)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    "side,width,classes,latent_dim,attention,generator,discriminator",
    [
        # Counted by running the authors' PyTorch code, github.com/ajbrock/BigGAN-PyTorch, with its
        # shared embedding and 120 latents, of which 256 pixels use 119.
        (64, 96, 1000, 120, 32, 70_377_348, 45_511_970),
        (128, 96, 1000, 120, 64, 70_433_988, 87_982_370),
        (256, 96, 1000, 119, 64, 82_108_548, 99_225_890),
        # The weights that the authors published for 256 pixels, of a generator alone: TFHub there.
        (256, 96, 1000, 140, 128, 82_097_604, None),
        # CIFAR-10: its script runs the discriminator so; its generator shares no embedding, and
        # this number is of their layers with a shared one and four pieces of 20 latents.
        (32, 64, 10, 80, 0, 4_287_235, 4_207_361),
    ],
)
def test_biggan_has_the_authors_parameters(
    side, width, classes, latent_dim, attention, generator, discriminator
):
    options = {"image_shape": (side, side, 3), "classes": classes, "attention": attention}
    made = functools.partial(biggan.generator, latent_dim=latent_dim)
    assert at_width(made, width, **options) == generator
    if discriminator:
        assert at_width(biggan.discriminator, width, **options) == discriminator


def attended(model):
    """The shorter sides of the maps that self-attention sees."""
    return [min(x.output.shape[1:3]) for x in model.layers if type(x).__name__ == "SelfAttention"]


@pytest.mark.slow
@pytest.mark.once
def test_attention_is_where_the_paper_has_it():
    options = {"classes": 2, "width": 1}
    for side, places in ((28, [14, 14]), (64, [32, 32]), (128, [64, 64]), (256, [64, 64])):
        shape = (side, side, 3)
        models = biggan.generator(shape, **options), biggan.discriminator(shape, **options)
        assert [place for m in models for place in attended(m)] == places
    assert attended(biggan.generator((32, 32, 3), **options, attention=0)) == []
    assert attended(biggan.generator((32, 32, 3), **options, attention=8)) == [8]
    assert attended(resnet.discriminator(width=8, attention=8)) == [8]
    for shape in ((64, 32, 3), (32, 64, 3)):
        for model in (biggan.generator, biggan.discriminator):
            assert attended(model(shape, **options)) == [16]
        assert attended(resnet.generator(shape, 5, 8, attention=16)) == [16]
        assert attended(resnet.discriminator(shape, 8, attention=8)) == [8]


def biggan_pair(shape):
    return biggan.generator(shape, 10, width=2), biggan.discriminator(shape, 10, width=2)


PAIRS = {
    "sngan": lambda: (resnet.generator((16, 16, 3), 5, 8), resnet.discriminator((16, 16, 3), 8)),
    "sagan": lambda: (
        resnet.generator((16, 16, 3), 5, 8, classes=10, attention=8, spectral_norm=True),
        resnet.discriminator((16, 16, 3), 8, classes=10, attention=8),
    ),
    "biggan-32": lambda: biggan_pair((32, 32, 3)),
    "dcgan-wide": lambda: (
        dcgan.generator((16, 40, 3), 5, 4, classes=10),
        dcgan.discriminator((16, 40, 3), 4, classes=10),
    ),
    "sagan-tall": lambda: (
        resnet.generator((24, 16, 3), 5, 8, classes=10, attention=8, spectral_norm=True),
        resnet.discriminator((24, 16, 3), 8, classes=10, attention=8),
    ),
    "biggan-wide": lambda: biggan_pair((28, 44, 1)),
    "biggan-28": lambda: biggan_pair((28, 28, 1)),
}


# The other backends' rounds are compared with TensorFlow's in test_backends.
@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_a_round_of_each_and_what_is_saved_goes_on(name, tmp_path):
    """Saved after a first round; loaded, it samples the same and plays the same second round."""
    keras.utils.set_random_seed(0)
    gan = GAN(*PAIRS[name]())
    shape = gan.generator.output_shape[1:]
    gan.compile("hinge", ema=0.5)
    labels = None if name == "sngan" else [np.array([0, 9, 3, 3], "int32")]
    reals, latents = np.zeros((1, 4, *shape), "float32"), gan.latents(4)[None]

    def play(gan):
        parts = [list(map(ops.convert_to_tensor, x)) for x in (reals, latents, labels or [])]
        return gan.round(*parts[: 2 if labels is None else 3])

    assert all(np.isfinite(ops.convert_to_numpy(x)) for x in play(gan).values())
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    asked = {} if labels is None else {"labels": labels[0]}
    np.testing.assert_array_equal(loaded.sample(4, **asked), gan.sample(4, **asked))
    assert gan.sample(4, **asked).shape == (4, *shape)
    play(gan)
    play(loaded)
    for a, b in zip(gan.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.once
def test_every_weight_of_a_small_biggan_is_used():
    """The gradient reaches them all, once attention's gain has left 0."""
    keras.utils.set_random_seed(0)
    gan = GAN(*biggan_pair((28, 28, 1)))
    gan.compile()
    for model in (gan.generator, gan.discriminator):
        for layer in model.layers:
            if type(layer).__name__ == "SelfAttention":
                layer.gain.assign(0.5)
    before = [ops.convert_to_numpy(v).copy() for v in gan.trainable_variables]
    rng = np.random.default_rng(0)
    reals = rng.uniform(-1, 1, (20, 28, 28, 1)).astype("float32")
    gan.fit(reals, np.arange(20) % 10, batch_size=20, verbose=0)
    for old, variable in zip(before, gan.trainable_variables, strict=True):
        assert not np.array_equal(old, ops.convert_to_numpy(variable)), variable.path


@pytest.mark.parametrize(
    "height,width,instead",
    [(16, 16, "28x28"), (30, 30, "28x28"), (100, 100, "128x128"), (512, 512, "256x256")]
    + [(32, 60, "32x64"), (30, 45, "28x44")],
)
def test_biggan_doubles_four_pixels(height, width, instead):
    for model in (biggan.generator, biggan.discriminator):
        with pytest.raises(ValueError, match=f"make {height}x{width}: .* to {instead}, say"):
            model((height, width, 3), classes=10)


def test_latents_are_cut_into_equal_pieces():
    with pytest.raises(
        ValueError, match="latent_dim=50 cannot be cut into 3 equal.* multiple of 3"
    ):
        biggan.generator((28, 28, 1), 10, latent_dim=50)


def test_attention_needs_a_map_of_its_side():
    with pytest.raises(ValueError, match="No feature map has a side of 10: .* 8 or 16, or to none"):
        biggan.generator((32, 32, 3), 10, width=2, attention=10)
    with pytest.raises(ValueError, match="No feature map has a side of 4"):
        resnet.discriminator(width=8, attention=4)


FULL_SIZE = """
import resource, time
import keras, numpy as np, ganlib
from ganlib.models import biggan, stylegan2

start = time.time()
keras.utils.set_random_seed(0)
{players}
gan = ganlib.GAN(*players)
gan.compile({loss!r}, n_critic=1)
built = time.time()
images = np.zeros((2, *gan.generator.output_shape[1:]), "float32")
history = gan.fit(images, {labels}, batch_size=2, verbose=0)
for model in (gan, gan.generator, gan.discriminator):
    model.summary()
print(history.history)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # GiB; Linux counts in KiB
print(f"built {{built - start:.0f}} s, round {{time.time() - built:.0f}} s, peak {{peak:.2f}} GiB")
"""
BIGGAN_128 = """
shape, options = (128, 128, 3), {"classes": 1000, "initializer": "glorot_normal"}
players = biggan.generator(shape, **options), biggan.discriminator(shape, **options)
"""  # an orthogonal initializer takes long
STYLEGAN2_256 = """
shape, base = (256, 256, 3), 16_384
players = stylegan2.generator(shape, base=base), stylegan2.discriminator(shape, base=base)
"""


@pytest.mark.matrix
@pytest.mark.once
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is counted as on Linux")
@pytest.mark.parametrize(
    "players,loss,labels,seen",
    [
        (BIGGAN_128, "hinge", "np.array([3, 999])", ("self_attention", "70,433,988", "87,982,370")),
        (STYLEGAN2_256, "non_saturating", "None", ("24,767,458", "24,001,089")),
    ],
    ids=["biggan-128", "stylegan2-256"],
)
def test_a_round_of_full_size_fits_into_16_gigabytes(players, loss, labels, seen):
    done = subprocess.run(
        [sys.executable, "-c", FULL_SIZE.format(players=players, loss=loss, labels=labels)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout[-400:])
    for text in (*seen, "'generator_loss': ["):
        assert text in done.stdout
    assert "nan" not in done.stdout.split("'generator_loss'")[1]
    assert float(done.stdout.split("peak ")[1].split()[0]) < 16
