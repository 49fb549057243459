"""From image to image: pix2pix and CycleGAN are settings of the game.
`test_backends.py` runs this file on JAX and PyTorch too."""

import math

import keras
import numpy as np
import pytest
from keras import layers, ops

from ganlib import GAN, backend, callbacks, models, terms

translation = models.translation
SHAPE = 8, 8, 1
RNG = np.random.default_rng(0)


def parameters(model):
    return sum(math.prod(weight.shape) for weight in model.trainable_variables)


def array(tensor):
    return ops.convert_to_numpy(tensor).astype("float64")


def images(n=8, shape=SHAPE):
    return RNG.uniform(-1, 1, (n, *shape)).astype("float32")


# ------------------------------------------------------------------------------------ the networks


ON_TENSORFLOW = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="one backend is enough, or it is TensorFlow's"
)


@ON_TENSORFLOW
@pytest.mark.slow
def test_parameters_are_those_that_were_published():
    shape = 256, 256, 3
    assert parameters(translation.unet(shape)) == 54_413_955
    assert parameters(translation.residual(shape)) == 11_378_179
    assert parameters(translation.patch(shape, shape)) == 2_768_705
    assert parameters(translation.patch(shape, norm="instance")) == 2_764_737
    assert translation.patch(shape).output_shape == (None, 30, 30, 1)


@pytest.mark.parametrize(
    "make", [translation.unet, lambda *args, **kw: translation.residual(*args, **kw, blocks=1)]
)
@pytest.mark.parametrize("shape, channels", [((8, 12, 1), None), ((16, 8, 3), 1)])
def test_generators_keep_the_size(make, shape, channels):
    model = make(shape, channels, width=2)
    made = model(images(2, shape))
    assert made.shape == (2, *shape[:2], channels or shape[2])
    assert np.abs(array(made)).max() <= 1


@ON_TENSORFLOW
def test_a_u_net_is_as_deep_as_the_sides_allow():
    def middle(shape, **kwargs):
        sides = [
            layer.output.shape[1:3] for layer in translation.unet(shape, width=1, **kwargs).layers
        ]
        return min(sides)

    assert middle((32, 32, 1)) == (1, 1)
    assert middle((64, 96, 1)) == (2, 3)
    assert middle((28, 28, 1)) == (7, 7)
    assert middle((64, 64, 1), depth=2) == (16, 16)
    assert translation.unet((512, 512, 1), width=1).count_params() > 0  # 8 halvings, not 9
    assert middle((512, 512, 1)) == (2, 2)


def test_dropout_is_the_only_noise_of_a_u_net():
    keras.utils.set_random_seed(0)
    x = images(2, (16, 16, 1))
    noisy, still = (translation.unet((16, 16, 1), width=4, norm=None, dropout=d) for d in (0.5, 0))
    for model, differs in ((noisy, True), (still, False)):
        one, two = (array(model(x, training=True)) for _ in range(2))
        assert (one != two).any() == differs
        np.testing.assert_array_equal(array(model(x)), array(model(x)))


def test_a_skip_carries_pixels_past_the_middle():
    """With a middle that says nothing, what is made still depends on what was taken."""
    model = translation.unet(SHAPE, width=2, dropout=0)
    narrow = [layer for layer in model.layers if layer.output.shape[1:3] == (1, 1)]
    for weight in (w for layer in narrow for w in layer.trainable_variables):
        weight.assign(np.zeros(weight.shape))
    x = images(1)
    assert (array(model(x)) != array(model(-x))).any()


def drawn(model, deviation=0.4):
    """Weights that are not what a network begins with, in pairs of a kernel and a bias."""
    rng = np.random.default_rng(5)
    for weight in model.weights:
        weight.assign(rng.normal(0, deviation, weight.shape))
    weights = iter([ops.convert_to_tensor(weight) for weight in model.weights])
    return zip(weights, weights, strict=True)


def normed(x):
    mean, variance = ops.moments(x, (1, 2), keepdims=True)
    return (x - mean) / ops.sqrt(variance + 1e-5)


def leaky(x):
    return ops.where(x > 0, x, 0.2 * x)


def test_a_u_net_written_out():
    model = translation.unet((16, 24, 2), 1, width=2, norm="instance", dropout=0)
    weights, x = drawn(model), ops.convert_to_tensor(images(2, (16, 24, 2)))
    expected, skips = x, []
    for i in range(3):
        (kernel, bias), taken = next(weights), expected if i == 0 else leaky(expected)
        expected = ops.conv(taken, kernel, 2, "same") + bias
        expected = normed(expected) if i == 1 else expected  # neither the first nor the smallest
        skips.append(expected)
    for i in (1, 0, None):
        kernel, bias = next(weights)
        expected = ops.conv_transpose(ops.relu(expected), kernel, 2, "same") + bias
        if i is not None:
            expected = ops.concatenate([normed(expected), skips[i]], -1)
    np.testing.assert_allclose(array(model(x)), np.tanh(array(expected)), atol=1e-4)


def test_a_residual_generator_written_out():
    model = translation.residual((8, 12, 2), 1, width=2, blocks=2)
    weights, x = drawn(model), ops.convert_to_tensor(images(2, (8, 12, 2)))

    def mirrored(x, ring):
        sides = ops.convert_to_tensor(
            np.pad(array(x), [(0, 0), (ring, ring), (ring, ring), (0, 0)], "reflect")
        )
        kernel, bias = next(weights)
        return ops.conv(ops.cast(sides, "float32"), kernel) + bias

    expected = ops.relu(normed(mirrored(x, 3)))
    for _ in range(2):
        kernel, bias = next(weights)
        expected = ops.relu(normed(ops.conv(expected, kernel, 2, "same") + bias))
    for _ in range(2):
        expected = expected + normed(mirrored(ops.relu(normed(mirrored(expected, 1))), 1))
    for _ in range(2):
        kernel, bias = next(weights)
        expected = ops.relu(normed(ops.conv_transpose(expected, kernel, 2, "same") + bias))
    expected = np.tanh(array(mirrored(expected, 3)))
    np.testing.assert_allclose(array(model(x)), expected, atol=1e-3)


def test_a_judge_of_patches_written_out():
    model = translation.patch((16, 24, 1), (16, 24, 2), width=2, halvings=2, norm="instance")
    weights = drawn(model)
    x, sketch = images(2, (16, 24, 1)), images(2, (16, 24, 2))
    expected = ops.convert_to_tensor(np.concatenate([x, sketch], axis=-1))
    for i, stride in enumerate((2, 2, 1, 1)):
        kernel, bias = next(weights)
        ring = ops.pad(expected, [[0, 0], [1, 1], [1, 1], [0, 0]])
        expected = ops.conv(ring, kernel, stride) + bias
        expected = normed(expected) if 0 < i < 3 else expected
        expected = leaky(expected) if i < 3 else expected
    np.testing.assert_allclose(array(model([x, sketch])), array(expected), rtol=1e-3, atol=1e-4)


def test_kernels_start_small_and_three_maps_lack_numbers():
    keras.utils.set_random_seed(0)
    shape = 32, 32, 3
    networks = [translation.unet(shape, width=8), translation.patch(shape, width=8)]
    networks += [translation.residual(shape, width=8, blocks=1)]
    for layer in (layer for network in networks for layer in network.layers):
        if hasattr(layer, "kernel"):
            assert array(layer.kernel).std() == pytest.approx(0.02, rel=0.2)
    without = [
        [
            layer.output.shape[1]
            for layer in translation.unet(shape, width=1, depth=d).layers
            if isinstance(layer, layers.Dropout)
        ]
        for d in (2, 4, 5)
    ]
    assert without == [[16], [4, 8, 16], [2, 4, 8]]


@pytest.mark.parametrize("size", [(1, 1), (2, 3)])
def test_a_patch_of_one_pixel_fits_into_every_image(size):
    judge = translation.patch((*size, 1), [*size, 2], width=1, halvings=0)
    assert judge.output_shape == (None, *size, 1)


@pytest.mark.parametrize("halvings, field", [(0, 1), (1, 16), (2, 34), (3, 70)])
def test_the_receptive_field_is_where_a_logit_has_a_gradient(halvings, field):
    keras.utils.set_random_seed(0)
    side = 3 * 2**halvings + field
    side += -side % 2 ** max(halvings, 1)
    judge = translation.patch((side, 2 * side, 1), (side, 2 * side, 1), 1, halvings, norm=None)
    assert translation.receptive_field(judge) == (field, field)
    sketch = ops.convert_to_tensor(images(1, (side, 2 * side, 1)))

    def middle(x):
        logits = judge([x, sketch])
        return ops.sum(logits[:, logits.shape[1] // 2, logits.shape[2] // 2])

    seen = array(backend.input_gradient(middle, sketch))[0, ..., 0] != 0
    for axis in (0, 1):
        places = np.flatnonzero(seen.any(axis=1 - axis))
        assert places[-1] + 1 - places[0] == field


def test_the_receptive_field_of_other_discriminators():
    def of(*parts):
        return translation.receptive_field(keras.Sequential([keras.Input((64, 64, 1)), *parts]))

    assert translation.receptive_field(translation.patch((288, 288, 1), width=1, halvings=5)) == (
        *(286, 286),
    )
    assert of(layers.Conv2D(2, (3, 5)), layers.MaxPooling2D(2), layers.Conv2D(1, 1)) == (4, 6)
    assert of(layers.Conv2D(1, 3, dilation_rate=2), layers.ReLU(), layers.Dropout(0.1)) == (5, 5)
    spectral = models.layers.SpectralNormalization(layers.Conv2D(2, 4, 2))
    assert of(spectral, layers.LeakyReLU(0.2), layers.AveragePooling2D(3, 1)) == (8, 8)
    x = keras.Input((16, 16, 1))
    joined = layers.Add()([x, layers.Conv2D(1, 3, padding="same")(x)])
    assert translation.receptive_field(keras.Model(x, joined)) == (3, 3)
    for whole in (layers.Flatten(), models.layers.SelfAttention(), layers.UpSampling2D()):
        with pytest.raises(ValueError, match=f"reach of a layer {type(whole).__name__} is not"):
            of(whole)


# --------------------------------------------------------------------------------------- the terms


def test_reconstruction_is_a_mean_of_distances():
    fake, real = images(), images()
    for power in (1, 2):
        term = terms.Reconstruction(3.0, power)
        expected = 3 * np.mean(np.abs(fake.astype("float64") - real) ** power)
        assert array(term(fake, real, None)) == pytest.approx(expected, rel=1e-5)
    assert terms.Reconstruction().weight == 100  # pix2pix's
    with pytest.raises(ValueError, match="power is at least 1, not 0.5"):
        terms.Reconstruction(power=0.5)


def linear(a, b):
    """An image x becomes a * x + b."""
    made = layers.Conv2D(1, 1)
    model = keras.Sequential([keras.Input(SHAPE), made], name="generator")
    made.kernel.assign(np.full((1, 1, 1, 1), a))
    made.bias.assign([b])
    return model


def test_cycle_and_identity_by_hand():
    (s, t), (u, v) = (0.5, 0.1), (1.5, -0.3)  # there(x) = s x + t, back(x) = u x + v
    both = translation.both_ways(linear(s, t), linear(u, v))
    a, b = images().astype("float64"), images().astype("float64")
    condition, real = (
        ops.convert_to_tensor(np.concatenate(x, -1).astype("float32")) for x in ((a, b), (b, a))
    )
    fake = both(condition)
    np.testing.assert_allclose(
        array(fake), np.concatenate([s * a + t, u * b + v], -1), rtol=1e-5, atol=1e-6
    )
    cycle = np.abs(u * (s * a + t) + v - a).mean() + np.abs(s * (u * b + v) + t - b).mean()
    identity = np.abs(s * b + t - b).mean() + np.abs(u * a + v - a).mean()
    for term, value in ((terms.Cycle(4.0), cycle), (terms.Identity(4.0), identity)):
        assert array(term(fake, real, condition, both)) == pytest.approx(2 * value, rel=1e-5)


def test_both_sides_have_their_own_judge():
    judges = [
        keras.Sequential([keras.Input(SHAPE), layers.Conv2D(1, 4, 4, kernel_initializer=start)])
        for start in ("ones", "zeros")
    ]
    both = translation.both_sides(*judges)
    b, a = images(2), images(2)
    logits = array(both(np.concatenate([b, a], -1)))
    assert logits.shape == (2, 8, 1)
    np.testing.assert_allclose(logits[:, :4, 0].sum(1), b.sum((1, 2, 3)), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(logits[:, 4:], 0)


# ----------------------------------------------------------------------------------- the trainings


def small():
    return translation.unet(SHAPE, width=2, depth=2, norm=None, dropout=0)


def cyclegan(rules=None, generator=small, norm=None):
    keras.utils.set_random_seed(0)
    there, back = generator(), generator()
    judges = [translation.patch(SHAPE, width=2, halvings=1, norm=norm) for _ in range(2)]
    both = translation.both_ways(there, back)
    gan = GAN(both, translation.both_sides(*judges), generator_helper=both)
    gan.compile(
        "least_squares",
        generator_terms={"cycle": terms.Cycle(), "identity": terms.Identity()},
        **(rules or {}),
    )
    return gan, there, back, judges


def unpaired(n=8):
    a, b = images(n), images(n)
    return np.concatenate([b, a], -1), np.concatenate([a, b], -1)


def sgd(rate=0.1):
    names = "generator_optimizer", "discriminator_optimizer"
    return {name: keras.optimizers.SGD(rate) for name in names}


@ON_TENSORFLOW
def test_a_round_is_that_of_two_games_and_a_cycle():
    """Two generators and two discriminators, each with a loss of its own, as in the paper."""
    import tensorflow as tf

    gan, there, back, (of_there, of_back) = cyclegan(sgd())
    real, condition = unpaired(4)
    b, a = tf.split(real, 2, axis=-1)
    before = [[array(w) for w in m.trainable_variables] for m in (there, back, of_there, of_back)]

    def distance(x, y):
        return tf.reduce_mean(tf.abs(x - y))

    with tf.GradientTape(persistent=True) as tape:
        fake_b, fake_a = there(a), back(b)
        judged = 0.0
        for judge, true, fake in ((of_there, b, fake_b), (of_back, a, fake_a)):
            on_real, on_fake = judge(true), judge(tf.stop_gradient(fake))
            judged += (tf.reduce_mean((on_real - 1) ** 2) + tf.reduce_mean(on_fake**2)) / 2
    # Half a step: a loss is the mean of both sides'.
    slopes = tape.gradient(judged, of_there.trainable_variables + of_back.trainable_variables)
    for weight, slope in zip(
        of_there.trainable_variables + of_back.trainable_variables, slopes, strict=True
    ):
        weight.assign_sub(0.1 / 2 * slope)
    with tf.GradientTape() as tape:
        fake_b, fake_a = there(a), back(b)
        paper = sum(
            tf.reduce_mean((judge(fake) - 1) ** 2)
            for judge, fake in ((of_there, fake_b), (of_back, fake_a))
        )
        paper += 10 * (distance(back(fake_b), a) + distance(there(fake_a), b))
        paper += 5 * (distance(there(b), b) + distance(back(a), a))
    # A quarter of the step: losses.LeastSquares halves, and the mean of two sides halves once more.
    slopes = tape.gradient(paper, there.trainable_variables + back.trainable_variables)
    for weight, slope in zip(
        there.trainable_variables + back.trainable_variables, slopes, strict=True
    ):
        weight.assign_sub(0.1 / 4 * slope)
    wanted = [[array(w) for w in m.trainable_variables] for m in (there, back, of_there, of_back)]
    for model, values in zip((there, back, of_there, of_back), before, strict=True):
        for weight, value in zip(model.trainable_variables, values, strict=True):
            weight.assign(value)
    gan.train_on_batch(real, condition)
    for model, values in zip((there, back, of_there, of_back), wanted, strict=True):
        for weight, value in zip(model.trainable_variables, values, strict=True):
            np.testing.assert_allclose(array(weight), value, rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_a_cyclegan_has_the_parameters_of_its_four_networks():
    residual = lambda: translation.residual(SHAPE, width=2, blocks=1)  # noqa: E731
    gan, *generators, judges = cyclegan({}, residual, norm="instance")
    assert parameters(gan) == sum(map(parameters, [*generators, *judges]))
    history = gan.fit(*unpaired(), batch_size=4, verbose=0).history
    assert {"generator_cycle", "generator_identity", "real_accuracy"} < set(history)
    assert gan.generator.get_layer("there").output_shape == (None, *SHAPE)
    _, condition = unpaired(3)
    made = gan.sample(labels=condition)
    np.testing.assert_array_equal(
        made[..., :1],
        np.rint((array(generators[0](condition[..., :1])) + 1) * 127.5).clip(0, 255),
    )


class Crash(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 1:
            raise RuntimeError


@pytest.mark.slow
def test_a_cyclegan_is_saved_and_resumed(tmp_path):
    real, condition = unpaired()

    def train(callbacks=None):
        gan, *_ = cyclegan({"ema": 0.9})
        gan.fit(real, condition, batch_size=2, shuffle=False, callbacks=callbacks, verbose=0)
        return gan

    whole = train()
    with pytest.raises(RuntimeError):
        train([callbacks.Checkpoint(tmp_path, every=0), Crash()])
    resumed = train([callbacks.Checkpoint(tmp_path)])
    whole.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    for gan in (whole, loaded):
        for one, other in zip(gan.get_weights(), resumed.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
    assert loaded.generator_terms["cycle"].weight == 5.0
    assert loaded.generator.get_layer("back") in loaded.generator_helper.layers
    for gan in (whole, loaded):
        gan.fit(real, condition, batch_size=2, shuffle=False, verbose=0)
    for one, other in zip(whole.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert loaded.sampler.get_layer("there") is not loaded.generator.get_layer("there")


@pytest.mark.slow
def test_a_pix2pix_learns_a_known_answer(tmp_path):
    """The photograph is the negative of the sketch; without looking at it, 50 is the best."""
    keras.utils.set_random_seed(0)
    gan = GAN(
        translation.unet(SHAPE, width=8, dropout=0),
        translation.patch(SHAPE, SHAPE, width=4, halvings=1),
    )
    gan.compile(
        generator_terms={"distance": terms.Reconstruction()},
        generator_optimizer=keras.optimizers.Adam(2e-3),
    )
    sketches = images(64)
    distances = gan.fit(-sketches, sketches, batch_size=16, epochs=30, verbose=0).history[
        "generator_distance"
    ]
    assert distances[-1] < 35
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(loaded.sample(labels=sketches), gan.sample(labels=sketches))


# ------------------------------------------------------------------- what goes wrong is said once


def test_sizes_that_cannot_be_halved():
    with pytest.raises(ValueError, match="30x45 pixels allow 0.*resize the images to 28x44, say"):
        translation.unet((30, 45, 1))
    with pytest.raises(ValueError, match="28x28 pixels allow 2, so that a depth of 3 does not fit"):
        translation.unet((28, 28, 1), depth=3)
    with pytest.raises(ValueError, match="30x30 pixels do not allow: resize the images to 28x28"):
        translation.residual((30, 30, 1))
    with pytest.raises(ValueError, match="8x8 pixels leaves a logit after 0 to 1 halvings, not 3"):
        translation.patch(SHAPE)
    with pytest.raises(ValueError, match="are judged together, which takes one height and width"):
        translation.patch(SHAPE, (4, 4, 1), halvings=1)
    for make in (translation.unet, translation.patch):
        with pytest.raises(ValueError, match='norm is "batch", "instance" or None, not .layer.'):
            make((32, 32, 1), norm="layer")


@pytest.mark.parametrize("size", [(28, 28), (3, 3), (30, 45), (45, 30), (64, 96), (7, 200)])
def test_the_nearest_size_suits_both_generators(size):
    height, width = translation.nearest(size)
    for made in (
        translation.unet((height, width, 1), width=1),
        translation.residual((height, width, 1), width=1, blocks=1),
    ):
        assert made.output_shape == (None, height, width, 1)
    if min(size) >= 8 and not (size[0] % 4 or size[1] % 4):
        assert (height, width) == size


def test_sides_that_differ():
    one, other = (translation.unet((8, 8, c), width=1) for c in (1, 3))
    with pytest.raises(ValueError, match=r"here are \(8, 8, 1\), \(8, 8, 3\): give both sides"):
        translation.both_ways(one, other)
    judges = [translation.patch((16, 16, 1), width=1, halvings=h) for h in (1, 2)]
    with pytest.raises(ValueError, match="make as many logits"):
        translation.both_sides(*judges)
    of_pairs = translation.patch(SHAPE, SHAPE, width=1, halvings=1)
    with pytest.raises(ValueError, match="take its images alone: build this one without a cond"):
        translation.both_sides(of_pairs, of_pairs)


def test_a_cycle_without_its_generator():
    for term in (terms.Cycle(), terms.Identity()):
        gan, *_ = cyclegan()
        # The discriminator's helper is none of the generator's.
        alone = GAN(gan.generator, gan.discriminator, discriminator_helper=gan.discriminator)
        with pytest.raises(ValueError, match=f"{type(term).__name__} asks the generator for more"):
            alone.compile(
                generator_terms={"term": term}, discriminator_terms={"of": lambda *_: 0.0}
            )
