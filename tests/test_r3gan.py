"""R3GAN: the authors' parameters, blocks that begin as nothing, resampling that shifts nothing."""

import math

import keras
import numpy as np
import pytest
from keras import layers, ops

from ganlib import GAN, losses, penalties
from ganlib.interface.networks import ends_in
from ganlib.models import r3gan


def trainable(model):
    return sum(math.prod(v.shape) for v in model.trainable_variables)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype="float32")


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    "side,options,generator,discriminator",
    [
        (32, {"classes": 10}, 20_781_952, 21_280_512),  # CIFAR-10
        (64, {}, 22_429_824, 22_381_440),  # FFHQ
        (256, {}, 23_057_952, 23_009_568),
        (32, {"width": 1536, "classes": 1000}, 82_914_304, 86_548_992),  # ImageNet
    ],
)
def test_it_has_the_authors_parameters(side, options, generator, discriminator):
    shape = (side, side, 3)
    assert trainable(r3gan.generator(shape, **options)) == generator
    assert trainable(r3gan.discriminator(shape, **options)) == discriminator


def small(shape=(8, 8, 1), **options):
    keras.utils.set_random_seed(0)
    options = {"width": 8, "groups": 2, "blocks": 1, **options}
    return r3gan.generator(shape, latent_dim=5, **options), r3gan.discriminator(shape, **options)


@pytest.mark.once
@pytest.mark.parametrize("shape,classes", [((28, 20, 1), None), ((64, 64, 3), 4), ((8, 16, 2), 3)])
def test_it_makes_and_takes_images_of_its_shape(shape, classes):
    generator, discriminator = small(shape, classes=classes)
    labels = np.array([0, 2])

    def given(x):
        return x if classes is None else [x, labels]

    images = ops.convert_to_numpy(generator(given(numbers(2, 5))))
    assert tuple(images.shape) == (2, *shape)
    assert tuple(discriminator(given(images)).shape) == (2, 1)


@pytest.mark.once
def test_the_class_counts():
    generator, discriminator = small(classes=3)
    z = np.repeat(numbers(1, 5), 2, axis=0)
    images = ops.convert_to_numpy(generator([z, np.array([0, 1])]))
    assert abs(images[0] - images[1]).max() > 1e-3
    same = np.repeat(images[:1], 2, axis=0)
    logits = ops.convert_to_numpy(discriminator([same, np.array([0, 1])]))
    assert abs(logits[0] - logits[1]) > 1e-3


@pytest.mark.parametrize(
    "width,groups,side",
    [(8, 3, 28), (12, 6, 128), (6, 4, 32), (8, 0, 28), (0, 4, 28), (-8, -2, 28)],
)
def test_a_width_that_cannot_be_cut_is_refused(width, groups, side):
    with pytest.raises(ValueError, match=f"width={width} is cut into groups={groups}"):
        r3gan.generator((side, side, 1), width=width, groups=groups)


def test_a_new_block_is_the_identity():
    x = keras.Input((6, 4, 8))
    model = keras.Model(x, r3gan.block(x, groups=2, depth=3))
    images = numbers(2, 6, 4, 8)
    np.testing.assert_array_equal(ops.convert_to_numpy(model(images)), images)


def test_a_deep_network_begins_at_unit_variance():
    """What leaves the first two convolutions of a block would make the sum of `depth` blocks grow;
    their gains make it as large as one step would: depth^(-1/4) twice, the square root of 1 in
    depth."""
    x = keras.Input((32, 32, 64))
    for depth in (1, 16):
        model = keras.Model(x, r3gan.block(x, groups=1, depth=depth))
        inner = keras.Model(x, model.layers[-3].output)  # the second leaky ReLU
        out = ops.convert_to_numpy(inner(numbers(4, 32, 32, 64)))[:, 1:-1, 1:-1]
        assert np.mean(out**2) * depth == pytest.approx(1.0, rel=0.25)


def test_a_block_begins_by_the_rule_of_its_leaky_relu():
    keras.utils.set_random_seed(0)
    x = keras.Input((4, 4, 128))
    block = keras.Model(x, r3gan.block(x, groups=2, depth=16))
    kernels = [array(weight) for weight in block.weights if len(weight.shape) == 4]
    for kernel, count in zip(kernels[:2], (128, 9 * 128), strict=True):
        assert kernel.std() == pytest.approx((2 / 1.04 / count) ** 0.5 / 2, rel=0.01)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_groups_are_separate_convolutions(groups):
    layer = r3gan.GroupedConv2D(8, 3, padding="same", groups=groups)
    x = numbers(2, 5, 7, 4)
    out = ops.convert_to_numpy(layer(x))
    kernel, bias = (ops.convert_to_numpy(v) for v in layer.weights)
    assert kernel.shape == (3, 3, 4 // groups, 8)
    padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
    for group in range(groups):
        ins, outs = (slice(group * n // groups, (group + 1) * n // groups) for n in (4, 8))
        expected = sum(
            padded[:, i : i + 5, j : j + 7, ins] @ kernel[i, j, :, outs]
            for i in range(3)
            for j in range(3)
        )
        np.testing.assert_allclose(out[..., outs], expected + bias[outs], atol=1e-5)


# ---------------------------------------------------- the networks, written out with NumPy


def array(tensor):
    return ops.convert_to_numpy(tensor)


def convolved(x, kernel, bias=0, groups=1):
    """Feature maps by a kernel, with zeros around them, a group of channels after the other."""
    (_, height, width, channels), ring = x.shape, len(kernel) // 2
    padded = np.pad(x, [(0, 0), (ring, ring), (ring, ring), (0, 0)])
    ins, outs = (np.split(np.arange(n), groups) for n in (channels, kernel.shape[-1]))
    made = [
        sum(
            padded[:, i : i + height, j : j + width][..., a] @ kernel[i, j][..., b]
            for i, j in np.ndindex(kernel.shape[:2])
        )
        for a, b in zip(ins, outs, strict=True)
    ]
    return np.concatenate(made, axis=-1) + bias


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def written_out(weights, x, groups):
    """A block, from its five weights, which are taken off the list."""
    first, a, second, b, last = (weights.pop(0) for _ in range(5))
    y = leaky(convolved(leaky(convolved(x, first, a)), second, b, groups))
    return x + convolved(y, last)


def resized(x, times):
    """Twice or half as large, by [1 2 1]; a pixel beyond the border repeats it."""
    for axis in (1, 2):
        x = np.moveaxis(x, axis, 0)
        if times == 2:
            after = np.concatenate([x[1:], x[-1:]])
            x = np.stack([x, (x + after) / 2], axis=1).reshape(-1, *x.shape[1:])
        else:
            before = np.concatenate([x[:1], x[1:-1:2]])
            x = (before + 2 * x[::2] + x[1::2]) / 4
        x = np.moveaxis(x, 0, axis)
    return x


def drawn(model):
    """Weights that are not what a network begins with, in the order in which they were made."""
    rng = np.random.default_rng(5)
    for weight in model.weights:
        weight.assign(rng.normal(0, 0.4, weight.shape))
    return [array(weight) for weight in model.weights]


OPTIONS = {"width": 8, "groups": 4, "blocks": 1, "classes": 3}
LABELS = np.array([0, 2])


@pytest.mark.once
def test_an_image_is_what_blocks_make_of_a_basis():
    model, z = r3gan.generator((64, 128, 2), latent_dim=5, **OPTIONS), numbers(2, 5)
    embedding, first, basis, *weights = drawn(model)
    x = np.hstack([z, embedding[LABELS]]) @ first
    x = x[:, None, None] * basis
    for doubling, groups in enumerate((4, 4, 4, 4, 2)):
        if doubling == 4:
            x = convolved(x, weights.pop(0))  # to half the channels
        if doubling:
            x = resized(x, 2)
        x = written_out(weights, x, groups)
    expected = convolved(x, weights.pop(0))
    assert not weights
    scale = np.abs(expected).max()
    np.testing.assert_allclose(array(model([z, LABELS])), expected, atol=1e-5 * scale)


@pytest.mark.once
def test_a_discriminator_is_the_generator_backwards():
    model, images = r3gan.discriminator((64, 128, 2), **OPTIONS), numbers(2, 64, 128, 2)
    first, *weights, basis, features, embedding = drawn(model)
    x = convolved(images, first)
    for halving, groups in enumerate((2, 4, 4, 4, 4)):
        if halving:
            x = resized(x, 0.5)
        if halving == 1:
            x = convolved(x, weights.pop(0))
        x = written_out(weights, x, groups)
    assert not weights
    logits = (((x * basis).sum(axis=(1, 2)) @ features) * embedding[LABELS]).sum(axis=1)
    found = array(model([images, LABELS]))[:, 0]
    np.testing.assert_allclose(found, logits, rtol=1e-3)


@pytest.mark.once
def test_linear_layers_begin_at_unit_variance():
    """A number of what they make is a sum of so many, of a variance of 1."""
    keras.utils.set_random_seed(0)
    options = {"width": 128, "groups": 1, "blocks": 1}
    plain = r3gan.generator((8, 12, 3), **options), r3gan.discriminator((8, 12, 3), **options)
    of_classes = [
        make((8, 12, 3), **options, classes=50) for make in (r3gan.generator, r3gan.discriminator)
    ]
    for weight, count in (
        (plain[0].layers[1].kernel, 64),
        (plain[0].get_layer("basis").map, 1),
        (plain[0].layers[-1].kernel, 128),
        (plain[1].layers[1].kernel, 3),
        (plain[1].get_layer("basis").map, 4 * 6),
        *((model.get_layer("embedding").embeddings, 50) for model in of_classes),
        (of_classes[1].get_layer("features").kernel, 128),
    ):
        assert array(weight).std() == pytest.approx(count**-0.5, rel=0.12), weight.path


# -------------------------------------------------------------------------------- as a GAN


@pytest.mark.slow
def test_a_round_by_its_recipe_moves_every_weight():
    """Every kernel but the two that a last layer of zeros still hides."""
    generator, discriminator = small()
    gan = GAN(generator, discriminator)
    adams = [keras.optimizers.Adam(1e-3, beta_1=0.0) for _ in range(2)]
    gan.compile(
        losses.Relativistic(),
        [penalties.R1(1.0), penalties.R2(1.0)],
        *adams,
    )
    before = [ops.convert_to_numpy(v).copy() for v in gan.trainable_variables]
    gan.fit(np.tanh(numbers(24, 8, 8, 1)), batch_size=8, epochs=2, verbose=0)
    for weight, old in zip(gan.trainable_variables, before, strict=True):
        assert np.isfinite(ops.convert_to_numpy(weight)).all()
        assert abs(ops.convert_to_numpy(weight) - old).max() > 0, weight.path


def test_it_is_saved_whole(tmp_path):
    generator, discriminator = small(classes=3)
    for model in (generator, discriminator):
        for weight in model.weights:  # none as a new layer has it
            weight.assign(weight + 0.1)
    for model, x in ((generator, numbers(2, 5)), (discriminator, numbers(2, 8, 8, 1))):
        model.save(tmp_path / "m.keras")
        given = [x, np.array([0, 2])]
        again = keras.saving.load_model(tmp_path / "m.keras")
        ours, theirs = (ops.convert_to_numpy(m(given)) for m in (model, again))
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.once
def test_it_has_no_norm_and_no_tanh():
    for model in small():
        kinds = {type(layer) for layer in model.layers}
        assert not kinds & {layers.BatchNormalization, layers.GroupNormalization}
        assert ends_in(model) in ("linear", "conv2d")
