"""StyleGAN2: the authors' parameters, and what its layers are known to do."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from ganlib import GAN, backend
from ganlib.models import stylegan2


def trainable(model):
    return sum(math.prod(v.shape) for v in model.trainable_variables)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype="float32")


def array(tensor):
    return ops.convert_to_numpy(tensor)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    "side,of_generator,of_discriminator,generator,discriminator",
    [  # of StyleGAN2-ADA: its configurations `cifar`, `paper256` and `stylegan2`
        (32, {"layers": 2}, {"residual": False}, 19_947_539, 20_720_641),
        (32, {"layers": 2, "classes": 10}, {"residual": False, "classes": 10})
        + (20_215_315, 23_089_664),
        (256, {"base": 16_384}, {"base": 16_384}, 24_767_458, 24_001_089),
        (1024, {}, {}, 30_370_060, 29_012_513),
    ],
)
def test_it_has_the_authors_parameters(
    side, of_generator, of_discriminator, generator, discriminator
):
    shape = (side, side, 3)
    assert trainable(stylegan2.generator(shape, **of_generator)) == generator
    assert trainable(stylegan2.discriminator(shape, **of_discriminator)) == discriminator


@pytest.mark.slow
@pytest.mark.once
def test_the_mapping_network_has_its_share():
    assert trainable(stylegan2.mapping(layers=2)) == 525_312
    assert trainable(stylegan2.mapping()) == 2_101_248
    assert trainable(stylegan2.synthesis((32, 32, 3))) == 19_422_227


def small(shape=(8, 8, 1), classes=None, **options):
    keras.utils.set_random_seed(0)
    size = {"base": 64, "widest": 8, "classes": classes}
    generator = stylegan2.generator(shape, latent_dim=6, layers=2, **size, **options)
    return generator, stylegan2.discriminator(shape, **size)


@pytest.mark.once
@pytest.mark.parametrize("shape,classes", [((28, 20, 1), None), ((32, 64, 3), 4)])
def test_it_makes_and_takes_images_of_its_shape(shape, classes):
    generator, discriminator = small(shape, classes)
    labels = np.array([0, 2])

    def given(x):
        return x if classes is None else [x, labels]

    images = array(generator(given(numbers(2, 6))))
    assert images.shape == (2, *shape)
    assert tuple(discriminator(given(images)).shape) == (2, 1)


def test_classes_are_not_mixed():
    with pytest.raises(ValueError, match="may be of another class"):
        small(classes=3, mixing=0.9)


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_from_0_to_1(share):
    with pytest.raises(ValueError, match="mixing is a share of the samples, from 0 to 1, not"):
        small(mixing=share)


@pytest.mark.once
def test_a_base_that_leaves_no_channel_is_refused():
    for network in (stylegan2.generator, stylegan2.discriminator):
        with pytest.raises(ValueError, match="base is 31, but a map of 32 pixels"):
            network((32, 40, 1), base=31)


@pytest.mark.once
def test_both_networks_are_models_of_their_own():
    generator, _ = small()
    z = numbers(3, 6)
    styles = generator.get_layer("mapping")(z)
    every = ops.repeat(styles[:, None], 4, axis=1)
    images = generator.get_layer("synthesis")(every)
    np.testing.assert_allclose(array(images), array(generator(z)), atol=1e-6)


# -------------------------------------------------------------------------------------- layers


def convolved(x, kernel):
    """One image (H, W, C) by a kernel, with zeros around it."""
    (height, width), ring = x.shape[:2], len(kernel) // 2
    padded = np.pad(x, [(ring, ring), (ring, ring), (0, 0)])
    return sum(
        padded[i : i + height, j : j + width] @ kernel[i, j]
        for i, j in np.ndindex(kernel.shape[:2])
    )


def filtered(x, taps):
    """Both ways, where it needs nothing from outside."""
    for axis in (0, 1):
        x = np.apply_along_axis(np.convolve, axis, x, np.array(taps), "valid")
    return x


def raised(x, kernel):
    """Zeros between the pixels, the kernel, then the filter [1 3 3 1]."""
    (height, width), channels = x.shape[:2], x.shape[2]
    spread = np.zeros((2 * height, 2 * width, channels))
    spread[::2, ::2] = x
    spread = np.pad(spread, [(1, 1), (1, 1), (0, 0)])  # so that nothing is lost at the border
    made = np.pad(convolved(spread, kernel[::-1, ::-1]), [(1, 1), (1, 1), (0, 0)])
    return filtered(made, [1 / 4, 3 / 4, 3 / 4, 1 / 4])[: 2 * height, : 2 * width]


def modulated(layer, x, w):
    """Each sample by a kernel of its own, scaled and of norm 1, as in the paper's equations."""
    kernel, affine = array(layer.kernel), layer.style
    gain = 1 / affine.kernel.shape[0] ** 0.5
    s = w @ (array(affine.kernel) * gain) + array(affine.bias)
    own = kernel[None] * s[:, None, None, :, None]
    if layer.demodulate:
        own = own / np.sqrt((own**2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
    else:
        own = own / np.prod(kernel.shape[:3]) ** 0.5
    made = raised if layer.up else convolved
    return np.stack([made(*each) for each in zip(x, own, strict=True)]) + array(layer.bias)


@pytest.mark.parametrize("up", [False, True])
def test_modulation_is_a_kernel_for_each_sample(up):
    """Going up it is zeros between the pixels, the kernel, then the filter."""
    layer, x, w = stylegan2.ModulatedConv(5, 3, up=up), numbers(2, 6, 4, 3), numbers(2, 7, seed=1)
    out = array(layer(x, w))
    np.testing.assert_allclose(out, modulated(layer, x, w), atol=1e-5)


@pytest.mark.parametrize("style", [0.1, 1.0, 30.0])
def test_of_unit_variance_it_makes_unit_variance(style):
    """Whatever the style: that is what demodulation is for."""
    layer = stylegan2.ModulatedConv(32, 3)
    x = numbers(8, 16, 16, 64)
    out = array(layer(x, style * numbers(8, 4, seed=1)))[:, 1:-1, 1:-1]
    assert out.var() == pytest.approx(1.0, rel=0.1)
    plain = stylegan2.ModulatedConv(32, 3, demodulate=False)
    scales = array(plain(x, np.zeros((8, 4), "float32")))[:, 1:-1, 1:-1]
    assert scales.var() == pytest.approx(1.0, rel=0.1)  # with a style of 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_in_half_precision_a_large_style_is_no_infinite_sum(dtype):
    """512 channels of a style of 4 have squares of 73,728, and float16 ends at 65,504."""
    layer = stylegan2.ModulatedConv(8, 3, dtype=f"mixed_{dtype}")
    x, w = (ops.cast(numbers(*shape), dtype) for shape in ((2, 8, 8, 512), (2, 4)))
    layer.build(x.shape, w.shape)
    layer.style.bias.assign(np.full(512, 10))
    inner = array(ops.cast(layer(x, w), "float32"))[:, 1:-1, 1:-1]
    assert inner.var() == pytest.approx(1.0, rel=0.15)
    nothing = stylegan2._unit(ops.zeros((1, 4), dtype))
    np.testing.assert_array_equal(array(ops.cast(nothing, "float32")), 0)


def test_equalised_layers_start_at_unit_variance_and_learn_at_their_rate():
    keras.utils.set_random_seed(0)
    for rate in (1.0, 0.01):
        layer = stylegan2.EqualDense(200, rate=rate, first_bias=1.0)
        out = array(layer(numbers(100, 300)))
        first = array(layer(np.ones((1, 300), "float32")))
        assert out.mean() == pytest.approx(1.0, abs=0.1)
        assert out.var() == pytest.approx(1.0, rel=0.1)
        layer.kernel.assign(layer.kernel + 0.1)  # what steps of Adam add, whatever the layer
        moved = array(layer(np.ones((1, 300), "float32"))) - first
        np.testing.assert_allclose(moved, 0.1 * rate * 300 / 300**0.5, rtol=1e-3)
    conv = stylegan2.EqualConv2D(32, 3, padding="same")
    assert array(conv(numbers(4, 16, 16, 40)))[:, 1:-1, 1:-1].var() == pytest.approx(1, rel=0.1)


def test_noise_starts_at_nothing_and_is_one_map_in_sampling():
    layer, x = stylegan2.Noise(), numbers(2, 5, 4, 3)
    np.testing.assert_array_equal(array(layer(x, training=True)), x)
    layer.strength.assign(2.0)
    once, again = (array(layer(x)) - x for _ in range(2))
    np.testing.assert_array_equal(once, again)
    np.testing.assert_allclose(once[0], once[1], atol=1e-6)
    large = stylegan2.Noise()
    large.build((None, 64, 64, 1))
    assert array(large.map).std() == pytest.approx(1, abs=0.05)  # as strong as in training
    once, again = (array(layer(x, training=True)) - x for _ in range(2))
    assert abs(once - again).max() > 0.1 and abs(once[0] - once[1]).max() > 0.1
    np.testing.assert_allclose(once[..., 0], once[..., 2], atol=1e-5)  # all channels of a place


def test_mixing_takes_another_samples_style_from_some_layer_on():
    layer = stylegan2.Mixing(5, share=0.7)
    w = numbers(400, 3)
    plain = array(layer(w))
    np.testing.assert_array_equal(plain, np.repeat(w[:, None], 5, axis=1))
    mixed = array(layer(w, training=True))
    own = (mixed == w[:, None]).all(axis=-1)
    others = (mixed == np.roll(w, 1, axis=0)[:, None]).all(axis=-1)
    assert (own ^ others).all() and own[:, 0].all()
    assert (np.diff(own.astype(int), axis=1) <= 0).all()  # never back again
    changed = ~own.all(axis=1)
    assert changed.mean() == pytest.approx(0.7, abs=0.08)
    first = own[changed].sum(axis=1)
    assert np.bincount(first, minlength=5)[1:].min() > 40  # each of the four places


@pytest.mark.once
def test_two_devices_draw_what_one_would(monkeypatch):
    noise, mixing, zeros = stylegan2.Noise(), stylegan2.Mixing(5, share=0.5), np.zeros((8, 4, 3, 2))
    noise.build(zeros.shape)
    noise.strength.assign(1.0)
    w = numbers(8, 3)

    def drawn(rows):
        for layer in (noise, mixing):
            layer.seed_generator.state.assign([7, 0])
        own = array(mixing(w[rows], training=True)) == w[rows][:, None]
        return array(noise(zeros[rows], training=True)), own.all(axis=-1)

    whole = drawn(slice(0, 8))
    halves = []
    for index in (0, 1):
        monkeypatch.setattr(backend, "_replica", lambda index=index: (2, index))
        halves.append(drawn(slice(4 * index, 4 * index + 4)))
    for one, parts in zip(whole, zip(*halves, strict=True), strict=True):
        np.testing.assert_array_equal(one, np.concatenate(parts))


# ---------------------------------------------------- the networks, written out with NumPy


def active(x):
    return np.where(x > 0, x, 0.2 * x) * 2**0.5


def unit(x):
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True))


def dense(layer, x, rate=1.0):
    kernel, bias = map(array, layer.weights)
    return x @ kernel * rate / len(kernel) ** 0.5 + bias * rate


def of_class(model, labels):
    (layer,) = of_kind(model, stylegan2.EqualEmbedding)
    table = array(layer.table.embeddings)
    return unit(table[labels] / len(table) ** 0.5 + array(layer.bias))


def of_kind(model, kind):
    """The layers of a kind in the order in which they were made, by the numbers of their names."""
    layers = [layer for layer in model.layers if type(layer) is kind]
    ends = [layer.name.rpartition("_")[2] for layer in layers]
    numbered = {int(end) if end.isdigit() else 0: x for end, x in zip(ends, layers, strict=True)}
    return [numbered[i] for i in sorted(numbered)]


def shaken(model):
    """With biases and strengths that are not 0."""
    rng = np.random.default_rng(3)
    for weight in model.trainable_variables:
        weight.assign(weight + rng.normal(0, 0.2, weight.shape))
    return model


SMALL = {"base": 48, "widest": 6}  # six channels, then three at 16 pixels


@pytest.mark.once
def test_a_mapping_network_is_two_layers_of_unit_vectors():
    model, z, labels = (
        shaken(stylegan2.mapping(6, 5, 2, classes=3)),
        3 * numbers(4, 6),
        [0, 2, 1, 2],
    )
    x = np.hstack([unit(z), of_class(model, labels)])
    for layer in of_kind(model, stylegan2.EqualDense):
        x = active(dense(layer, x, 0.01))
    found = array(model([z, np.array(labels)]))
    np.testing.assert_allclose(found, x, atol=1e-5)


def test_short_latents_are_as_different_as_long_ones():
    keras.utils.set_random_seed(0)
    model = stylegan2.mapping(32, 32, 2)
    z = numbers(500, 32)
    styles, again = (array(model(x)) for x in (z, 0.01 * z))
    np.testing.assert_allclose(styles, again, atol=1e-2)
    within = np.random.default_rng(1).uniform(-0.1, 0.1, (500, 32)).astype("float32")
    spread, of_truncated = (x.std(axis=0).mean() for x in (styles, array(model(within))))
    assert of_truncated == pytest.approx(spread, rel=0.05)


@pytest.mark.once
def test_an_image_is_the_sum_of_what_all_maps_add():
    model, w = shaken(stylegan2.synthesis((16, 24, 2), 5, **SMALL)), numbers(2, 6, 5)
    convs = of_kind(model, stylegan2.ModulatedConv)
    noises = iter(of_kind(model, stylegan2.Noise))
    assert [conv.filters for conv in convs] == [6, 2, 6, 6, 2, 3, 3, 2]
    assert [conv.up for conv in convs] == [False] * 2 + 2 * [True, False, False]
    x = np.repeat(array(model.get_layer("constant").map)[None], 2, axis=0)
    same = np.zeros((3, 3, 2, 2))
    same[1, 1] = np.eye(2)
    image, place = 0, iter((0, 1, 1, 2, 3, 3, 4, 5))
    for conv in convs:
        made = modulated(conv, x, w[:, next(place)])
        if conv.demodulate:
            noise = next(noises)
            x = active(made + array(noise.strength) * array(noise.map))
        else:
            image = made if conv is convs[1] else made + [raised(i, same) for i in image]
    np.testing.assert_allclose(array(model(w)), image, atol=1e-4)


@pytest.mark.once
@pytest.mark.parametrize("residual", [True, False])
def test_a_discriminator_halves_what_it_has_smoothed(residual):
    model = stylegan2.discriminator((16, 24, 2), **SMALL, classes=3, residual=residual)
    shaken(model)
    images, labels = numbers(4, 16, 24, 2), np.array([0, 2, 1, 2])
    convs = iter(of_kind(model, stylegan2.EqualConv2D))
    last, *eight, product = of_kind(model, stylegan2.EqualDense)

    def convolution(x, ring=None):
        conv = next(convs)
        kernel = array(conv.kernel)
        kernel = kernel / np.prod(kernel.shape[:3]) ** 0.5
        if ring is not None:  # smoothed, and every second pixel
            x = np.pad(x, [(0, 0), (ring, ring), (ring, ring), (0, 0)])
            x = [filtered(image, [1 / 8, 3 / 8, 3 / 8, 1 / 8]) for image in x]
        x = np.stack([convolved(image, kernel) for image in x])
        if ring is not None:
            x = x[:, 1:-1:2, 1:-1:2] if ring == 2 else x[:, ::2, ::2]
        return x + (array(conv.bias) if conv.use_bias else 0)

    x = active(convolution(images))
    for _ in range(2):
        shortcut = x
        x = active(convolution(active(convolution(x)), ring=2))
        if residual:
            x = (x + convolution(shortcut, ring=1)) / 2**0.5
    deviation = np.sqrt(x.var(axis=0) + 1e-8).mean()
    x = np.concatenate([x, np.full_like(x[..., :1], deviation)], axis=-1)
    x = active(dense(last, active(convolution(x)).reshape(4, -1)))
    c = of_class(model, labels)
    for layer in eight:
        c = active(dense(layer, c, 0.01))
    logits = (dense(product, x) * c).sum(axis=1, keepdims=True) / 6**0.5
    found = array(model([images, labels]))
    np.testing.assert_allclose(found, logits, rtol=1e-3, atol=1e-5)


def test_what_is_learnt_starts_as_a_standard_normal():
    keras.utils.set_random_seed(0)
    model = stylegan2.synthesis((16, 16, 1), 64, base=512, widest=64)
    starts = [model.get_layer("constant").map]
    starts += [layer.kernel for layer in of_kind(model, stylegan2.ModulatedConv)]
    assert len(starts) == 9
    for start in (start for start in starts if math.prod(start.shape) > 500):  # else by chance
        assert array(start).std() == pytest.approx(1.0, rel=0.15)


# ------------------------------------------------------------------------------------- as a GAN


@pytest.mark.slow
def test_a_round_moves_every_weight():
    generator, discriminator = small(mixing=0.5)
    gan = GAN(generator, discriminator)
    adams = [keras.optimizers.Adam(1e-3, beta_1=0.0) for _ in range(2)]
    gan.compile("non_saturating", ["r1"], *adams, ema=0.5)
    before = [array(v).copy() for v in gan.trainable_variables]
    gan.fit(np.tanh(numbers(24, 8, 8, 1)), batch_size=8, epochs=1, verbose=0)
    for weight, old in zip(gan.trainable_variables, before, strict=True):
        assert np.isfinite(array(weight)).all()
        assert abs(array(weight) - old).max() > 0, weight.path
    np.testing.assert_array_equal(gan.sample(4, seed=1), gan.sample(4, seed=1))


def test_it_is_saved_whole(tmp_path):
    generator, discriminator = small(classes=3)
    for model in (generator, discriminator):
        for weight in model.weights:  # none as a new layer has it
            if "float" in weight.dtype:
                weight.assign(weight + 0.1)
    for model, x in ((generator, numbers(2, 6)), (discriminator, numbers(2, 8, 8, 1))):
        model.save(tmp_path / "m.keras")
        given = [x, np.array([0, 2])]
        again = keras.saving.load_model(tmp_path / "m.keras")
        np.testing.assert_array_equal(array(model(given)), array(again(given)))
