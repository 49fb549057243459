"""Layers against NumPy. `test_backends.py` runs this file on JAX and PyTorch too."""

import keras
import numpy as np
import pytest
from keras import ops

from ganlib import GAN, backend, penalties
from ganlib.interface.networks import classes
from ganlib.models.layers import (
    ConditionalBatchNormalization,
    JoinLabels,
    MinibatchStdDev,
    Projection,
    SelfAttention,
    SpectralNormalization,
    standing_statistics,
    weight_matrix,
)

RNG = np.random.default_rng(0)
LABELS = np.array([2, 0, 1, 2, 2], "int32")


def draw(*shape):
    return RNG.normal(size=shape).astype("float32")


def array(tensor):
    return ops.convert_to_numpy(tensor)


# --------------------------------------------------------------------- spectral normalisation

CONV = {"kernel_size": 3, "padding": "same"}
WRAPPED = {
    # a layer, its input, and its kernel as a matrix whose columns are filters
    "dense": (lambda: keras.layers.Dense(4), draw(5, 7), lambda k: k),
    "conv": (lambda: keras.layers.Conv2D(4, **CONV), draw(5, 6, 6, 3), lambda k: k.reshape(27, 4)),
    "transpose": (
        lambda: keras.layers.Conv2DTranspose(4, strides=2, **CONV),
        draw(5, 6, 6, 3),
        lambda k: k.transpose(0, 1, 3, 2).reshape(27, 4),
    ),
    "embedding": (lambda: keras.layers.Embedding(6, 4, "random_normal"), LABELS, lambda k: k),
}


def wrapped(name):
    keras.utils.set_random_seed(1)
    make, x, as_matrix = WRAPPED[name]
    layer = make()
    layer.build(x.shape)
    if name != "embedding":
        layer.bias.assign(draw(4))
    return layer, x, as_matrix


@pytest.mark.parametrize("name", WRAPPED)
def test_kernel_is_divided_by_its_largest_singular_value(name):
    layer, x, as_matrix = wrapped(name)
    kernel = layer.get_weights()[0]
    expected = as_matrix(kernel)
    np.testing.assert_array_equal(array(weight_matrix(layer)), expected)
    largest = np.linalg.svd(expected, compute_uv=False)[0]
    spectral = SpectralNormalization(layer)
    for _ in range(200):
        trained = spectral(x, training=True)
    assert float(array(spectral.sigma())) == pytest.approx(largest, rel=1e-4)
    np.testing.assert_array_equal(layer.get_weights()[0], kernel, "the kernel itself stays")
    state = array(spectral.u)
    inferred = spectral(x)
    np.testing.assert_array_equal(array(spectral.u), state, "inference changes nothing")
    layer.set_weights([kernel / largest, *layer.get_weights()[1:]])
    for output in (trained, inferred):
        np.testing.assert_allclose(array(output), array(layer(x)), rtol=1e-4, atol=1e-5)


def test_gradient_is_that_of_the_kernel_over_its_norm():
    """Miyato et al.'s gradient, `u` and `v` held constant, is at the true singular vectors the
    whole derivative of W / |W|: compared with finite differences of NumPy's singular value."""
    layer, x, _ = wrapped("dense")
    kernel, bias = (w.astype("float64") for w in layer.get_weights())
    spectral = SpectralNormalization(layer)
    for _ in range(200):
        spectral(x, training=True)
    cotangent = draw(5, 4)

    def value(w):
        return (((x @ w) / np.linalg.svd(w, compute_uv=False)[0] + bias) * cotangent).sum()

    expected, step = np.zeros_like(kernel), 1e-5
    for place in np.ndindex(*kernel.shape):
        change = np.zeros_like(kernel)
        change[place] = step
        expected[place] = (value(kernel + change) - value(kernel - change)) / (2 * step)
    for training in (True, False):
        _, _, pull = backend.pullback(
            lambda training=training: (spectral(x, training=training), None),
            spectral.trainable_variables,
            spectral.variables,
        )
        gradients = pull(ops.convert_to_tensor(cotangent))
        assert len(gradients) == 2, "kernel and bias: u is not trainable"
        np.testing.assert_allclose(array(gradients[0]), expected, rtol=2e-3, atol=1e-4)
        np.testing.assert_allclose(array(gradients[1]), cotangent.sum(0), rtol=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_a_kernel_of_zeros_stays_so(training):
    spectral = SpectralNormalization(keras.layers.Dense(4, kernel_initializer="zeros"))
    np.testing.assert_array_equal(array(spectral(draw(5, 7), training=training)), 0)


def test_shrunken_vectors_give_the_same_estimate():
    """The average of unit vectors, which an averaged generator holds, is shorter than one."""
    layer, x, _ = wrapped("dense")
    spectral = SpectralNormalization(layer)
    spectral(x)
    before = float(array(spectral.sigma()))
    spectral.u.assign(0.3 * spectral.u)
    assert float(array(spectral.sigma())) == pytest.approx(before, rel=1e-5)


@pytest.mark.parametrize("penalised", [False, True])
def test_vector_takes_one_step_at_each_call_of_a_round(penalised):
    """Through `fit`, as JAX traces it: real, fake, the penalty's gradient, the generator's turn.
    (The authors' BigGAN joins real and fake in one batch and takes a step less; joined, the batch
    norm of a DCGAN's discriminator would mix them.)"""
    keras.utils.set_random_seed(0)
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(7)])
    spectral = SpectralNormalization(keras.layers.Dense(4))
    discriminator = keras.Sequential([keras.Input((7,)), spectral, keras.layers.Dense(1)])
    gan = GAN(generator, discriminator)
    still = {
        p: keras.optimizers.SGD(0.0) for p in ("generator_optimizer", "discriminator_optimizer")
    }
    gan.compile(penalties=[penalties.R1()] if penalised else [], **still)
    kernel, u = array(spectral.layer.kernel).astype("float64"), array(spectral.u)
    gan.fit(draw(8, 7), batch_size=4, verbose=0)
    for _ in range(2 * (4 if penalised else 3)):
        v = kernel @ u
        u = kernel.T @ v
        u /= np.linalg.norm(u)
    np.testing.assert_allclose(array(spectral.u), u, rtol=1e-4, atol=1e-5)


def test_what_has_no_kernel_is_refused():
    with pytest.raises(ValueError, match="Embedding layer; ReLU has none"):
        SpectralNormalization(keras.layers.ReLU())(draw(2, 3))


# ---------------------------------------------------------------------------- where labels enter


def test_labels_join_vectors_and_planes():
    x, images = draw(5, 4), draw(5, 6, 8, 2)
    joined = array(JoinLabels(3)(x, LABELS))
    np.testing.assert_array_equal(joined, np.hstack([x, np.eye(3)[LABELS]]))
    planes = array(JoinLabels(3)(images, LABELS))
    np.testing.assert_array_equal(planes[..., :2], images)
    for i, label in enumerate(LABELS):
        for k in range(3):
            assert (planes[i, ..., 2 + k] == (k == label)).all()


def normalised(x, epsilon=1e-5):
    axes = tuple(range(x.ndim - 1))
    x = x.astype("float64")
    return (x - x.mean(axes)) / np.sqrt(x.var(axes) + epsilon)


@pytest.mark.parametrize("shape", [(5, 4), (5, 6, 6, 4)])
def test_conditional_batch_norm_by_label(shape):
    x, layer = draw(*shape), ConditionalBatchNormalization(classes=3)
    plain = array(layer(x, LABELS, training=True))
    np.testing.assert_allclose(plain, normalised(x), rtol=1e-4, atol=1e-5)
    gain, bias = draw(3, 4), draw(3, 4)
    layer.gain.set_weights([gain])
    layer.bias.set_weights([bias])
    wide = (5, *[1] * (len(shape) - 2), 4)
    expected = normalised(x) * (1 + gain[LABELS]).reshape(wide) + bias[LABELS].reshape(wide)
    found = array(layer(x, LABELS, training=True))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("spectral_norm", [False, True])
def test_conditional_batch_norm_by_vector(spectral_norm):
    x, condition = draw(5, 6, 6, 4), draw(5, 9)
    layer = ConditionalBatchNormalization(spectral_norm=spectral_norm)
    layer(x, condition)
    gain, bias = draw(9, 4), draw(9, 4)
    for part, kernel in ((layer.gain, gain), (layer.bias, bias)):
        (part.layer if spectral_norm else part).set_weights([kernel])
    for _ in range(200 if spectral_norm else 1):
        found = array(layer(x, condition, training=True))
    if spectral_norm:
        gain, bias = (k / np.linalg.norm(k, 2) for k in (gain, bias))
    gain, bias = ((condition @ k)[:, None, None] for k in (gain, bias))
    np.testing.assert_allclose(found, normalised(x) * (1 + gain) + bias, rtol=1e-3, atol=1e-4)


def test_conditional_batch_norm_infers_with_moving_statistics():
    x, layer = draw(5, 4), ConditionalBatchNormalization(classes=3, momentum=0.5)
    layer(x, LABELS, training=True)
    mean, variance = x.mean(0) / 2, (1 + x.var(0)) / 2
    expected = (x - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(array(layer(x, LABELS)), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("spectral_norm", [False, True])
def test_projection(spectral_norm):
    h, layer = draw(5, 7), Projection(3, spectral_norm)
    layer(h, LABELS)
    psi, c, embedding = draw(7, 1), draw(1), draw(3, 7)
    for part, weights in ((layer.psi, [psi, c]), (layer.embedding, [embedding])):
        (part.layer if spectral_norm else part).set_weights(weights)
    for _ in range(200 if spectral_norm else 1):
        found = array(layer(h, LABELS, training=True))
    if spectral_norm:
        psi, embedding = (w / np.linalg.norm(w, 2) for w in (psi, embedding))
    expected = h @ psi + c + (embedding[LABELS] * h).sum(1, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


# ---------------------------------------------------------------------------------- attention


def test_attention_starts_as_the_identity_and_is_what_the_paper_says():
    x, layer = draw(2, 4, 6, 16), SelfAttention()
    np.testing.assert_array_equal(array(layer(x)), x)
    gain, kernels = 0.7, {}
    for name in ("queries", "keys", "values", "outputs"):
        kernels[name] = array(getattr(layer, name).kernel)[0, 0].astype("float64")
    assert [k.shape for k in kernels.values()] == [(16, 2), (16, 2), (16, 8), (8, 16)]
    layer.gain.assign(gain)

    def pooled(maps):
        return maps.reshape(2, 2, 2, 3, 2, -1).max(axis=(2, 4)).reshape(2, 6, -1)

    q = (x @ kernels["queries"]).reshape(2, 24, -1)
    k, v = pooled(x @ kernels["keys"]), pooled(x @ kernels["values"])
    weights = np.exp(q @ k.transpose(0, 2, 1))
    weights /= weights.sum(axis=-1, keepdims=True)
    expected = x + gain * (weights @ v @ kernels["outputs"]).reshape(x.shape)
    np.testing.assert_allclose(array(layer(x)), expected, rtol=1e-4, atol=1e-5)


def test_attention_on_an_odd_side_and_few_channels():
    assert tuple(SelfAttention(spectral_norm=True)(draw(2, 7, 7, 4)).shape) == (2, 7, 7, 4)


# ---------------------------------------------------------------------- whole models of these


def small_generator():
    keras.utils.set_random_seed(0)
    latents, labels = keras.Input((8,)), keras.Input((), dtype="int32")
    x = keras.layers.Reshape((1, 1, 11))(JoinLabels(3)(latents, labels))
    x = SpectralNormalization(keras.layers.Conv2DTranspose(8, 4))(x)
    x = ConditionalBatchNormalization(3)(x, labels)
    x = SelfAttention(spectral_norm=True)(x)
    condition = SpectralNormalization(keras.layers.Embedding(3, 5))(labels)
    x = ConditionalBatchNormalization(spectral_norm=True)(x, condition)
    x = Projection(3, spectral_norm=True)(keras.layers.Flatten()(x), labels)
    return keras.Model([latents, labels], x)


def test_saved_and_loaded_and_cloned_it_is_the_same(tmp_path):
    model, inputs = small_generator(), [draw(5, 8), LABELS]
    for _ in range(3):
        model(inputs, training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for other in (loaded, copy):
        np.testing.assert_array_equal(array(other(inputs)), array(model(inputs)))
    for trainable, name in ((True, "kernel"), (False, "u")):
        names = [w.name for w in (model.trainable_weights if trainable else model.weights)]
        assert name in names
    assert "u" not in [w.name for w in model.trainable_weights]


def test_classes_of_a_model():
    assert classes(small_generator()) == 3
    assert classes(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])) is None


@pytest.mark.parametrize("shape", [(5, 4, 4, 3), (5, 7)])
def test_minibatch_deviation_is_one_more_channel(shape):
    x = draw(*shape)
    result = array(MinibatchStdDev()(x))
    np.testing.assert_array_equal(result[..., :-1], x)
    np.testing.assert_allclose(result[..., -1], x.std(axis=0).mean(), rtol=1e-4)
    assert MinibatchStdDev().compute_output_shape(shape) == result.shape


def test_minibatch_deviation_of_equal_samples_is_nought_with_a_finite_gradient():
    x = ops.convert_to_tensor(np.repeat(draw(1, 4), 6, axis=0))
    assert array(MinibatchStdDev()(x))[0, -1] == pytest.approx(1e-4, rel=0.01)
    gradient = backend.input_gradient(lambda x: ops.sum(MinibatchStdDev()(x)[:, -1]), x)
    np.testing.assert_allclose(array(gradient), 0, atol=1e-3)


def test_minibatch_deviation_in_half_precision():
    x = (100 + 0.01 * draw(64, 4)).astype("float16")
    result = array(MinibatchStdDev(dtype="float16")(x))
    assert result.dtype == np.float16
    expected = x.astype("float32").std(axis=0).mean()
    assert float(result[0, -1]) == pytest.approx(expected, rel=0.01, abs=1e-3)


@pytest.mark.parametrize("frozen", [False, True])
def test_standing_statistics_are_the_mean_over_batches(frozen):
    keras.utils.set_random_seed(0)
    norm = keras.layers.BatchNormalization(momentum=0.9)
    model = keras.Sequential([keras.Input((4,)), norm])
    model.trainable = not frozen
    x = draw(40, 4)
    standing_statistics(model, x, batch_size=10)
    parts = x.reshape(4, 10, 4)
    np.testing.assert_allclose(array(norm.moving_mean), parts.mean(1).mean(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(array(norm.moving_variance), parts.var(1).mean(0), rtol=1e-4)
    assert (norm.momentum, norm.trainable) == (0.9, not frozen)
    assert len(model.trainable_variables) == (0 if frozen else 2)


def test_standing_statistics_of_a_conditional_generator():
    model = small_generator()
    before = [array(w) for w in model.trainable_variables]
    latents, labels = draw(64, 8), np.arange(64) % 3
    standing_statistics(model, [latents, labels], batch_size=16)
    norms = [n for n in model.layers if isinstance(n, ConditionalBatchNormalization)]
    assert [abs(array(n.normalise.moving_mean)).max() > 0 for n in norms] == [True, True]
    for a, b in zip(before, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(a, array(b))
