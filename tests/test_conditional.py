"""GANs with labels: training, sampling, and what is said when labels are wrong.
`test_backends.py` runs this file on JAX and PyTorch too."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

import ganlib
from ganlib import GAN, callbacks, layers, models, penalties

pytestmark = pytest.mark.slow  # all of them together

STEP = 0.1
K = 3  # classes


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def tensors(arrays):
    return [ops.convert_to_tensor(a) for a in arrays]


def weights(model):
    return [w.astype("float64") for w in model.get_weights()]


def conditional(shape, units):
    """A linear model of [x, labels]."""
    x, labels = keras.Input(shape), keras.Input((), dtype="int32")
    joined = layers.JoinLabels(K)(x, labels)
    return keras.Model([x, labels], keras.layers.Dense(units)(joined))


def linear_gan(loss="non_saturating", n_critic=1, blind=False, **rules):
    """G(z, y) = [z, y] W + b and l(x, y) = [x, y] v + c, with y one-hot; or l(x) if blind."""
    keras.utils.set_random_seed(0)
    discriminator = conditional((2,), 1)
    if blind:
        discriminator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    gan = GAN(conditional((3,), 2), discriminator)
    for player in ("generator_optimizer", "discriminator_optimizer"):
        rules.setdefault(player, keras.optimizers.SGD(STEP))
    gan.compile(loss, n_critic=n_critic, **rules)
    return gan


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("n_critic", [1, 2])
def test_round_equals_the_hand_computed_updates(n_critic, blind):
    """The fakes have the labels of the real samples, in both updates and each in its own batch."""
    gan = linear_gan(n_critic=n_critic, blind=blind)
    reals, latents = draw(1, n_critic, 5, 2), draw(2, n_critic, 5, 3)
    labels = np.random.default_rng(3).integers(0, K, (n_critic, 5)).astype("int32")
    (w, b), (v, c) = weights(gan.generator), weights(gan.discriminator)

    def seen(x, y):
        return x if blind else np.hstack([x, np.eye(K)[y]])

    for x, z, y in zip(reals, latents, labels, strict=True):
        zy = np.hstack([z, np.eye(K)[y]])
        real, fake = seen(x, y), seen(zy @ w + b, y)
        on_real, on_fake = sigmoid(real @ v + c) - 1, sigmoid(fake @ v + c)
        v_gradient = (real.T @ on_real + fake.T @ on_fake) / 5
        v, c = v - STEP * v_gradient, c - STEP * (on_real + on_fake).mean(0)
    images_gradient = (sigmoid(fake @ v + c) - 1) / 5 * v[:2].T
    w, b = w - STEP * zy.T @ images_gradient, b - STEP * images_gradient.sum(0)
    gan.round(tensors(reals), tensors(latents), tensors(labels))
    found = [*weights(gan.generator), *weights(gan.discriminator)]
    for got, wanted in zip(found, [w, b, v, c], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_fit_plays_these_rounds():
    size, rounds = 4, 3
    points, labels = draw(1, rounds * 2 * size, 2), np.arange(rounds * 2 * size) % K
    by_hand, fitted = linear_gan(n_critic=2), linear_gan(n_critic=2)
    seed = keras.random.SeedGenerator(0)
    for x, y in zip(np.split(points, rounds), np.split(labels, rounds), strict=True):
        z = keras.random.normal((2 * size, 3), seed=seed)
        y = ops.cast(ops.convert_to_tensor(y), "int32")
        by_hand.round(*(ops.split(ops.convert_to_tensor(a), 2) for a in (x, z, y)))
    fitted.fit(points, labels, batch_size=2 * size, shuffle=False, verbose=0)
    for got, wanted in zip(fitted.get_weights(), by_hand.get_weights(), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


def test_class_frequencies_teach_the_discriminator_nothing():
    """With the critic's loss the gradient for the labels is their mean in the fakes minus that in
    the real samples: exactly none, since both have the same."""
    gan = linear_gan("wasserstein")
    before = gan.discriminator.get_weights()[0][2:]
    gan.fit(draw(1, 40, 2), np.repeat([0, 0, 0, 2], 10), batch_size=8, verbose=0)
    np.testing.assert_allclose(gan.discriminator.get_weights()[0][2:], before, atol=1e-6)


def test_penalties_see_the_discriminator_at_the_labels():
    """l(x, y) = <e_y, x>: its gradient is e_y, the embedding of the sample's own label."""
    x, labels = keras.Input((2,)), keras.Input((), dtype="int32")
    keras.utils.set_random_seed(0)
    discriminator = keras.Model([x, labels], layers.Projection(K)(x, labels))
    gan = GAN(conditional((3,), 2), discriminator)
    seen = []

    def spy(given, real, fake):
        r1, zero = penalties.R1(2.0), penalties.ZeroCentred(1.0)
        seen.extend(float(ops.convert_to_numpy(p(given, real, fake))) for p in (r1, zero))
        return 0.0

    spy.of_gradient = False
    gan.compile(penalties=[spy], run_eagerly=True)
    embedding, y = draw(4, K, 2), np.array([0, 1, 1, 2, 2, 2], "int32")
    discriminator.layers[-1].embedding.set_weights([embedding])
    psi = np.asarray(discriminator.layers[-1].psi.get_weights()[0])[:, 0]
    if keras.backend.backend() == "jax":
        pytest.skip("a number cannot be looked at while JAX traces")
    gan.round(tensors([draw(1, 6, 2)]), tensors([draw(2, 6, 3)]), tensors([y]))
    expected = ((psi + embedding[y]) ** 2).sum(1).mean()
    assert seen == [pytest.approx(expected, rel=1e-4)] * 2


# ------------------------------------------------------------------------------- whole models

SHAPE = (8, 8, 1)


def dataset(n=96, classes=K):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, *SHAPE), dtype="uint8")
    names = tuple("abcdefghij"[:classes])
    return ganlib.data.Dataset("noise", pixels, rng.integers(0, classes, n), names)


def dcgan(seen=True, norm="batch", **rules):
    keras.utils.set_random_seed(0)
    gan = GAN(
        models.dcgan.generator(SHAPE, latent_dim=8, width=8, classes=K),
        models.dcgan.discriminator(SHAPE, width=8, classes=K if seen else None, norm=norm),
    )
    gan.compile(**rules)
    return gan


LABELS = np.arange(6) % K


@pytest.mark.parametrize("loss,seen", [("hinge", True), ("relativistic", False)])
def test_trains_whether_or_not_the_discriminator_sees_labels(loss, seen):
    gan = dcgan(seen, loss=loss, n_critic=2, ema=0.9)
    history = gan.fit(dataset(32).batches(16, labels=True), verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert gan.sample(labels=LABELS).shape == (6, *SHAPE)


@pytest.mark.parametrize("name", sorted(penalties.NAMES))
def test_trains_with_every_penalty(name):
    gan = linear_gan(penalties=[name])
    history = gan.fit(draw(1, 8, 2), np.arange(8) % K, batch_size=4, verbose=0).history
    assert np.isfinite(history["discriminator_loss"]).all()


def test_a_normalised_discriminator_trains_with_a_gradient_penalty():
    gan = dcgan(norm="spectral", penalties=["gradient_penalty"])
    history = gan.fit(dataset(32).batches(16, labels=True), verbose=0).history
    assert np.isfinite(history["discriminator_loss"]).all()


def test_labels_that_no_model_takes_are_passed_over():
    results = []
    for labels in (False, True):
        keras.utils.set_random_seed(0)
        gan = GAN(models.mlp.generator(SHAPE, 4, (8,)), models.mlp.discriminator(SHAPE, (8,)))
        gan.compile()
        gan.fit(dataset(32).batches(16, labels=labels), verbose=0)
        results.append(gan.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_labels_of_any_usual_form_are_the_same():
    results, y = [], np.arange(16) % K
    for labels in (y, y.astype("uint8"), y[:, None]):
        gan = linear_gan()
        gan.fit(draw(1, 16, 2), labels, batch_size=8, shuffle=False, verbose=0)
        results.append(gan.get_weights())
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_samples_follow_labels_and_seeds():
    gan = dcgan(ema=0.9, generator_optimizer=keras.optimizers.Adam(0.02, beta_1=0.5))
    gan.fit(dataset().batches(16, labels=True), verbose=0)
    images = gan.sample(labels=LABELS, seed=3)
    np.testing.assert_array_equal(images, gan.sample(6, seed=3, labels=LABELS.tolist()))
    np.testing.assert_array_equal(images[2::3], gan.sample(6, seed=3, labels=2)[2::3])
    assert not np.array_equal(images, gan.sample(6, seed=3, labels=2))
    assert len(gan.sample(labels=1)) == 16
    latents = gan.latents(600, seed=3)
    many = gan.sample(latents=latents, labels=np.arange(600) % K)
    np.testing.assert_array_equal(many[:6], images)


@pytest.mark.slow
def test_saved_and_loaded_it_samples_and_goes_on(tmp_path):
    orthogonal = penalties.Orthogonal(0.01)
    gan = dcgan(loss="hinge", norm="spectral", ema=0.9, generator_penalties=[orthogonal])
    gan.fit(dataset().batches(16, labels=True), verbose=0)
    gan.save(tmp_path / "gan.keras")
    gan.generator.save(tmp_path / "generator.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(
        loaded.sample(labels=LABELS, truncation=0.5), gan.sample(labels=LABELS, truncation=0.5)
    )
    assert loaded.classes == K and loaded.generator_penalties[0].weight == 0.01
    batch = (draw(1, 4, *SHAPE),), (draw(2, 4, 8),), (np.array([0, 1, 2, 2], "int32"),)
    for model in (gan, loaded):
        model.round(*map(tensors, batch))
    for a, b in zip(gan.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    generator = keras.models.load_model(tmp_path / "generator.keras")
    assert generator([draw(0, 2, 8), np.array([0, 2])]).shape == (2, *SHAPE)


def test_callbacks_watch_fixed_labels():
    gan = dcgan()
    latents = gan.latents(6, seed=1)
    snapshots = callbacks.Snapshots(latents, LABELS)
    monitor = callbacks.Monitor(lambda images: images.mean(), latents, labels=LABELS)
    gan.fit(dataset().batches(16, labels=True), callbacks=[snapshots, monitor], verbose=0)
    assert [len(images) for images in snapshots.images] == [6, 6]
    assert len(monitor.history["score"]) == 1


# -------------------------------------------------------------------------------- truncation


@pytest.mark.parametrize("truncation", [1.0, 0.5, 0.02])
def test_truncated_latents_are_the_normal_within_the_bound(truncation):
    gan = linear_gan()
    latents = gan.latents(3000, seed=1, truncation=truncation)
    assert latents.dtype == np.float32 and abs(latents).max() <= truncation
    law = stats.truncnorm(-truncation, truncation)
    assert stats.kstest(latents.ravel(), law.cdf).pvalue > 0.01
    whole = gan.latents(3000, seed=1)
    within = abs(whole) <= truncation
    np.testing.assert_array_equal(latents[within], whole[within], "these were good already")
    points = gan.sample(5, seed=1, labels=0, truncation=truncation)
    again = gan.sample(latents=gan.latents(5, 1, truncation), labels=0)
    np.testing.assert_array_equal(points, again)


# -------------------------------------------------------------------- the generator's penalty


@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_orthogonal_penalty_in_closed_form(shape):
    """weight * |W^T W off the diagonal|^2, and its gradient 4 weight W (W^T W off the diagonal)."""
    keras.utils.set_random_seed(0)
    rows, columns = shape
    results = []
    for weight in (0.0, 0.3):
        keras.utils.set_random_seed(0)
        generator = keras.Sequential([keras.Input((rows,)), keras.layers.Dense(columns)])
        discriminator = keras.Sequential([keras.Input((columns,)), keras.layers.Dense(1)])
        gan = GAN(generator, discriminator)
        sgd = {
            p: keras.optimizers.SGD(STEP)
            for p in ("generator_optimizer", "discriminator_optimizer")
        }
        gan.compile(generator_penalties=[penalties.Orthogonal(weight)], **sgd)
        w = weights(generator)[0]
        off = w.T @ w * (1 - np.eye(columns))
        value = float(ops.convert_to_numpy(penalties.Orthogonal(weight)(generator)))
        assert value == pytest.approx(weight * (off**2).sum(), rel=1e-4, abs=1e-6)
        gan.fit(draw(1, 8, columns), batch_size=8, verbose=0)
        results.append(weights(generator))
    np.testing.assert_allclose(
        results[0][0] - results[1][0], STEP * 0.3 * 4 * w @ off, rtol=1e-3, atol=1e-5
    )
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=1e-4, atol=1e-6)


def test_orthogonal_penalty_leaves_filters_that_are_orthogonal_alone():
    keras.utils.set_random_seed(0)
    conv = keras.layers.Conv2DTranspose(4, 3, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((6, 6, 3)), conv])
    q = 2 * np.linalg.qr(np.random.default_rng(0).normal(size=(27, 4)))[0]
    conv.kernel.assign(q.reshape(3, 3, 3, 4).transpose(0, 1, 3, 2))
    assert abs(float(ops.convert_to_numpy(penalties.Orthogonal(1.0)(model)))) < 1e-4


# ---------------------------------------------------------------------------- mixed precision


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_gives_finite_losses_in_float32(policy):
    if policy == "mixed_bfloat16" and keras.backend.backend() == "jax":
        pytest.skip("it takes JAX long to compile each operation by itself; float16 is the harder")
    keras.config.set_dtype_policy(policy)
    try:
        keras.utils.set_random_seed(0)
        # Three channels: of one, PyTorch has no gradient in half precision on most CPUs.
        shape = (12, 12, 3)
        gan = GAN(
            models.resnet.generator(shape, 4, 4, classes=K, spectral_norm=True),
            models.resnet.discriminator(shape, 4, classes=K),
        )
        gan.compile(
            "hinge", [penalties.R1(0.1)], ema=0.9, generator_penalties=[penalties.Orthogonal()]
        )
    finally:
        keras.config.set_dtype_policy("float32")
    assert gan.generator.layers[-1].compute_dtype == policy.removeprefix("mixed_")
    assert {keras.backend.standardize_dtype(v.dtype) for v in gan.trainable_variables} == {
        "float32"
    }
    before = gan.get_weights()
    reals, latents, labels = draw(1, 4, *shape), gan.latents(4), np.array([0, 1, 2, 2], "int32")
    logs = gan.round(tensors([reals]), tensors([latents]), tensors([labels]))
    for name in ("discriminator_loss", "generator_loss"):
        assert keras.backend.standardize_dtype(logs[name].dtype) == "float32"
        assert np.isfinite(ops.convert_to_numpy(logs[name]))
    assert all(np.isfinite(w).all() for w in gan.get_weights())
    assert (
        sum(not np.array_equal(a, b) for a, b in zip(before, gan.get_weights(), strict=True)) > 50
    )
    assert gan.sample(labels=LABELS).dtype == np.uint8


# ---------------------------------------------------------------- what goes wrong is said once


def test_labels_given_to_an_unconditional_generator():
    gan = GAN(models.mlp.generator((2,)), models.mlp.discriminator((2,)))
    with pytest.raises(ValueError, match="takes no labels: sample without them"):
        gan.sample(3, labels=[0, 1, 2])


def test_labels_missing_from_a_conditional_one():
    gan = linear_gan()
    with pytest.raises(ValueError, match=r"needs whole numbers from 0 to 2, one for each image"):
        gan.sample(3)
    with pytest.raises(ValueError, match=r"fit was given none: use fit\(images, labels\)"):
        gan.fit(draw(1, 16, 2), batch_size=8, verbose=0)


@pytest.mark.parametrize("labels", [[0, 1, 3], [-1, 0, 1], 3, [0.5, 1, 2], ["a", "b", "c"]])
def test_labels_out_of_range_in_sampling(labels):
    with pytest.raises(ValueError, match="whole numbers from 0 to 2 for this generator, not "):
        linear_gan().sample(3, labels=labels)


@pytest.mark.parametrize("stray", [K, -1])
def test_labels_out_of_range_in_training(stray):
    labels = np.arange(96) % K
    labels[37] = stray  # in the third batch of 16
    gan = linear_gan()
    with pytest.raises(ValueError, match="step 3 of epoch 1 are not all from 0 to 2"):
        gan.fit(draw(1, 96, 2), labels, batch_size=16, shuffle=False, verbose=0)


def test_labels_of_another_number_or_form():
    with pytest.raises(ValueError, match=r"4 samples need labels of shape \(4,\)"):
        linear_gan().sample(4, labels=[0, 1, 2])
    with pytest.raises(ValueError, match=r"of shape \(N,\), not \(.*, 3\)"):
        linear_gan().fit(draw(1, 16, 2), np.eye(K)[np.arange(16) % K], batch_size=8, verbose=0)


def test_only_the_discriminator_takes_labels():
    with pytest.raises(ValueError, match="The discriminator takes labels, but the generator does"):
        GAN(models.dcgan.generator(SHAPE, 8, 8), models.dcgan.discriminator(SHAPE, 8, classes=K))


@pytest.mark.parametrize("truncation", [0, -0.5, 1.1, 2])
def test_truncation_is_a_bound_up_to_one(truncation):
    with pytest.raises(ValueError, match="above 0 and at most 1, not"):
        linear_gan().sample(3, labels=0, truncation=truncation)


def test_truncation_beside_latents():
    gan = linear_gan()
    with pytest.raises(ValueError, match="it was given latents"):
        gan.sample(latents=gan.latents(3), labels=0, truncation=0.5)
