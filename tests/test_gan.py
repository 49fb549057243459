"""The training round against closed forms. `test_backends.py` runs this file on JAX and PyTorch
too."""

import keras
import numpy as np
import pytest
from keras import ops

import ganlib
from ganlib import GAN, losses, models

STEP = 0.1


def linear_gan(n_critic=1, loss="non_saturating", optimizer=None, seed=0, **rules):
    """G(z) = z W + b and l(x) = x v + c: every gradient can be written down."""
    keras.utils.set_random_seed(seed)
    generator = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    discriminator = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    gan = GAN(generator, discriminator, seed=seed)
    optimizer = optimizer or (lambda: keras.optimizers.SGD(STEP))
    gan.compile(
        loss,
        generator_optimizer=optimizer(),
        discriminator_optimizer=optimizer(),
        n_critic=n_critic,
        **rules,
    )
    return gan


def weights(model):
    return [w.astype("float64") for w in model.get_weights()]


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# Derivatives of each loss, for one real and one fake logit r and f: of the discriminator's with
# respect to r and to f, and of the generator's with respect to f.
SLOPES = {
    "non_saturating": (
        lambda r, f: sigmoid(r) - 1,
        lambda r, f: sigmoid(f),
        lambda r, f: sigmoid(f) - 1,
    ),
    "minimax": (
        lambda r, f: sigmoid(r) - 1,
        lambda r, f: sigmoid(f),
        lambda r, f: -sigmoid(f),
    ),
    "least_squares": (lambda r, f: r - 1, lambda r, f: f, lambda r, f: f - 1),
    "wasserstein": (lambda r, f: 0 * r - 1, lambda r, f: 0 * f + 1, lambda r, f: 0 * f - 1),
    "hinge": (
        lambda r, f: -1.0 * (r < 1),
        lambda r, f: 1.0 * (f > -1),
        lambda r, f: 0 * f - 1,
    ),
    "relativistic": (
        lambda r, f: -sigmoid(f - r),
        lambda r, f: sigmoid(f - r),
        lambda r, f: -sigmoid(r - f),
    ),
}


class Sgd:
    def __call__(self, key, gradient):
        return STEP * gradient


class Adam:
    """Kingma and Ba (2014), algorithm 1, with Keras's placement of epsilon."""

    def __init__(self, rate=0.01, beta_1=0.5, beta_2=0.999, epsilon=1e-7):
        self.rate, self.betas, self.epsilon = rate, (beta_1, beta_2), epsilon
        self.moments = {}

    def __call__(self, key, gradient):
        m, v, t = self.moments.get(key, (0.0, 0.0, 0))
        (b1, b2), t = self.betas, t + 1
        m, v = b1 * m + (1 - b1) * gradient, b2 * v + (1 - b2) * gradient**2
        self.moments[key] = m, v, t
        rate = self.rate * np.sqrt(1 - b2**t) / (1 - b1**t)
        return rate * m / (np.sqrt(v) + self.epsilon)


def reference_round(generator, discriminator, reals, latents, loss, step):
    """One round in NumPy. Returns the new weights of both players."""
    (w, b), (v, c) = generator, discriminator
    real_slope, fake_slope, generator_slope = SLOPES[loss]
    for x, z in zip(reals, latents, strict=True):
        fake = z @ w + b
        logits = x @ v + c, fake @ v + c
        on_real, on_fake = real_slope(*logits), fake_slope(*logits)
        v_gradient = x.T @ on_real / len(x) + fake.T @ on_fake / len(fake)
        c_gradient = on_real.mean(0) + on_fake.mean(0)
        v, c = v - step("v", v_gradient), c - step("c", c_gradient)
    images_gradient = generator_slope(x @ v + c, fake @ v + c) / len(fake) * v.T
    w_gradient, b_gradient = z.T @ images_gradient, images_gradient.sum(0)
    return [w - step("w", w_gradient), b - step("b", b_gradient)], [v, c]


@pytest.mark.parametrize("loss", SLOPES)
@pytest.mark.parametrize("n_critic", [1, 3])
def test_round_equals_the_hand_computed_updates(loss, n_critic):
    gan = linear_gan(n_critic, loss)
    reals, latents = draw(1, n_critic, 5, 2), draw(2, n_critic, 5, 3)
    expected = reference_round(
        weights(gan.generator), weights(gan.discriminator), reals, latents, loss, Sgd()
    )
    gan.round(list(map(ops.convert_to_tensor, reals)), list(map(ops.convert_to_tensor, latents)))
    for got, wanted in zip(
        [*weights(gan.generator), *weights(gan.discriminator)],
        [*expected[0], *expected[1]],
        strict=True,
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_fit_plays_these_rounds_and_adam_remembers():
    """Several rounds through `fit`: moments that restart at each step, as a stray optimizer's do on
    JAX, would show."""
    n_critic, size, rounds = 2, 4, 5
    adam = lambda: keras.optimizers.Adam(0.01, beta_1=0.5)  # noqa: E731
    gan = linear_gan(n_critic, optimizer=adam, seed=3)
    players, step = (weights(gan.generator), weights(gan.discriminator)), Adam()
    images = draw(1, rounds * n_critic * size, 2)
    seed = keras.random.SeedGenerator(3)
    for batch in np.split(images, rounds):
        latents = keras.random.normal((n_critic, size, 3), seed=seed)
        latents = ops.convert_to_numpy(latents).astype("float64")
        players = reference_round(
            *players, np.split(batch, n_critic), latents, "non_saturating", step
        )
    gan.fit(images, batch_size=n_critic * size, shuffle=False, verbose=0)
    for got, wanted in zip(
        [*weights(gan.generator), *weights(gan.discriminator)],
        [*players[0], *players[1]],
        strict=True,
    ):
        np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=1e-5)
    assert int(gan.generator_optimizer.iterations) == rounds
    assert int(gan.discriminator_optimizer.iterations) == rounds * n_critic


def small_dcgan(seed=0, latents_seed=0, **rules):
    keras.utils.set_random_seed(seed)
    shape = (8, 8, 1)
    gan = GAN(
        models.dcgan.generator(shape, latent_dim=8, width=8),
        models.dcgan.discriminator(shape, width=8),
        seed=latents_seed,
    )
    for player in ("generator_optimizer", "discriminator_optimizer"):
        rules.setdefault(
            player, keras.optimizers.Adam(0.02, beta_1=0.5)
        )  # moves within a few rounds
    gan.compile(**rules)
    return gan


def images(n=96):
    rng = np.random.default_rng(0)
    return ganlib.data.Dataset("noise", rng.integers(0, 256, (n, 8, 8, 1), dtype="uint8"))


def trained(seed=0, latents_seed=0, rounds=12, **rules):
    gan = small_dcgan(seed, latents_seed, **rules)
    gan.fit(images().batches(16, seed=1, repeat=True), steps_per_epoch=rounds, verbose=0)
    return gan


@pytest.mark.slow
def test_same_seed_same_weights_bit_for_bit():
    first, again = trained(ema=0.9), trained(ema=0.9)
    other_weights, other_latents = trained(seed=1, ema=0.9), trained(latents_seed=1, ema=0.9)
    values = [
        np.concatenate([w.ravel() for w in gan.get_weights()])
        for gan in (first, again, other_weights, other_latents)
    ]
    np.testing.assert_array_equal(values[0], values[1])
    assert not np.array_equal(values[0], values[2])
    assert not np.array_equal(values[0], values[3])


def test_average_follows_weights_and_moving_statistics():
    gan = small_dcgan(ema=0.6)
    expected = gan.generator.get_weights()
    for t in range(1, 9):
        gan.fit(images().batches(16, seed=t), steps_per_epoch=1, verbose=0)
        decay = min(0.6, (1 + t) / (10 + t))
        expected = [
            decay * a + (1 - decay) * w
            for a, w in zip(expected, gan.generator.get_weights(), strict=True)
        ]
    for got, wanted in zip(gan.ema_generator.get_weights(), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_average_samples_in_inference_mode_with_its_own_statistics():
    gan = trained(ema=0.9)
    latents = gan.latents(32, seed=5)

    def inferred(model):
        return ganlib.data.to_uint8(ops.convert_to_numpy(model(latents, training=False)))

    np.testing.assert_array_equal(gan.sample(latents=latents), inferred(gan.ema_generator))
    np.testing.assert_array_equal(gan.sample(32, seed=5), gan.sample(latents=latents))
    assert not np.array_equal(gan.sample(latents=latents), inferred(gan.generator))
    # Inference mode: an image does not depend on its neighbours, and sampling leaves no trace.
    before = gan.get_weights()
    np.testing.assert_array_equal(gan.sample(latents=latents)[:3], gan.sample(latents=latents[:3]))
    for a, b in zip(before, gan.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    borrowed = keras.models.clone_model(gan.ema_generator)
    borrowed.set_weights(gan.ema_generator.get_weights())
    for mine, theirs in zip(borrowed.layers, gan.generator.layers, strict=True):
        if isinstance(mine, keras.layers.BatchNormalization):
            mine.moving_mean.assign(theirs.moving_mean)
            mine.moving_variance.assign(theirs.moving_variance)
    assert not np.array_equal(gan.sample(latents=latents), inferred(borrowed))


def test_the_average_is_not_trained_and_has_no_moments():
    gan = small_dcgan(ema=0.9)
    assert not gan.ema_generator.trainable_variables
    trainable = len(gan.generator.trainable_variables) + len(gan.discriminator.trainable_variables)
    assert len(gan.trainable_variables) == trainable


def test_every_loss_has_a_reference():
    assert set(SLOPES) == set(losses.NAMES)


def test_r1_equals_its_closed_form():
    """For l(x) = x v + c the gradient is v everywhere: the penalty adds weight * v to its
    gradient."""
    plain, penalised = linear_gan(), linear_gan(penalties=[ganlib.penalties.R1(weight=3.0)])
    v = weights(plain.discriminator)[0]
    reals, latents = draw(1, 1, 5, 2), draw(2, 1, 5, 3)
    logs = [
        g.round([ops.convert_to_tensor(reals[0])], [ops.convert_to_tensor(latents[0])])
        for g in (plain, penalised)
    ]
    difference = weights(plain.discriminator)[0] - weights(penalised.discriminator)[0]
    np.testing.assert_allclose(difference, STEP * 3.0 * v, rtol=1e-4, atol=1e-6)
    same = [float(ops.convert_to_numpy(log["discriminator_loss"])) for log in logs]
    assert same[0] == pytest.approx(same[1]), "the logged loss is the game's, without the penalty"


def test_history_names_both_players():
    gan = small_dcgan()
    history = gan.fit(images().batches(16), epochs=2, verbose=0).history
    assert set(history) == {
        "discriminator_loss",
        "generator_loss",
        "real_accuracy",
        "fake_accuracy",
    }
    assert all(len(values) == 2 and np.isfinite(values).all() for values in history.values())


def test_samples_are_uint8_images_or_float_points():
    assert small_dcgan().sample(3).shape == (3, 8, 8, 1)
    assert small_dcgan().sample(300).dtype == np.uint8
    points = linear_gan().sample(4, seed=1)
    assert points.shape == (4, 2) and points.dtype == np.float32
    np.testing.assert_array_equal(points, linear_gan().sample(4, seed=1))
    assert not np.array_equal(points, linear_gan().sample(4, seed=2))


@pytest.mark.slow
def test_saved_and_loaded_it_goes_on_as_before(tmp_path):
    gan = trained(loss=losses.LeastSquares(a=-1.0, b=1.0, c=0.0), n_critic=2, ema=0.9)
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert (loaded.n_critic, loaded.ema, loaded.rules.a) == (2, 0.9, -1.0)
    np.testing.assert_array_equal(loaded.sample(5), gan.sample(5))
    reals, latents = draw(1, 2, 4, 8, 8, 1), draw(2, 2, 4, 8)
    for model in (gan, loaded):
        model.round(
            list(map(ops.convert_to_tensor, reals)), list(map(ops.convert_to_tensor, latents))
        )
    for a, b in zip(gan.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_works_with_keras_callbacks_and_stops_early():
    gan = small_dcgan()
    seen = []

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(self.model.sample(2))
            self.model.stop_training = epoch == 1

    gan.fit(images().batches(16), epochs=9, verbose=0, callbacks=[Stop()])
    assert len(seen) == 2 and not np.array_equal(seen[0], seen[1])


# What goes wrong is said in one sentence.


def test_shapes_that_disagree_are_both_named():
    generator, discriminator = models.mlp.generator((2,)), models.mlp.discriminator((3,))
    with pytest.raises(ValueError, match=r"shape \(2,\).*takes \(3,\)"):
        GAN(generator, discriminator)


@pytest.mark.parametrize("n_critic", [0, -1, 1.5])
def test_n_critic_is_a_whole_number(n_critic):
    with pytest.raises(ValueError, match="whole number of at least 1"):
        linear_gan(n_critic)


@pytest.mark.parametrize("ema", [0.0, 1.0, 999])
def test_ema_is_a_decay(ema):
    with pytest.raises(ValueError, match="decay between 0 and 1"):
        linear_gan(ema=ema)


def test_players_do_not_share_an_optimizer():
    shared = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="optimizer of its own"):
        linear_gan(optimizer=lambda: shared)


def test_unknown_loss_and_penalty_name_the_nearest():
    with pytest.raises(ValueError, match="Did you mean 'non_saturating'.*minimax"):
        linear_gan(loss="non-saturating")
    with pytest.raises(ValueError, match="No penalty is called 'R1'.*'r1'"):
        linear_gan(penalties=["R1"])


def test_gradient_penalty_and_batch_norm_are_refused():
    keras.utils.set_random_seed(0)
    shape = (16, 16, 1)
    gan = GAN(models.dcgan.generator(shape), models.dcgan.discriminator(shape))
    with pytest.raises(ValueError, match="without batch norm"):
        gan.compile(penalties=["r1"])


def test_batch_that_n_critic_does_not_divide():
    with pytest.raises(ValueError, match="n_critic=3 .* it has 16 images"):
        small_dcgan(n_critic=3).fit(images().batches(16), verbose=0)


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_non_finite_loss_names_step_player_and_remedy(player):
    class Broken(losses.NonSaturating):
        """Turns into NaN once the players have moved; which of them is asked."""

        def discriminator(self, real_logits, fake_logits):
            value = super().discriminator(real_logits, fake_logits)
            return ops.where(value > 0, np.nan, value) if player == "discriminator" else value

        def generator(self, fake_logits):
            value = super().generator(fake_logits)
            return ops.where(value > 0, np.nan, value) if player == "generator" else value

    with pytest.raises(
        FloatingPointError,
        match=f"The {player}'s loss is nan at step 1 of epoch 1.*lower learning rate",
    ):
        small_dcgan(loss=Broken()).fit(images().batches(16), verbose=0)


def test_non_finite_data_stops_at_its_step():
    broken = draw(0, 80, 2)
    broken[50] = np.inf  # in the fourth batch of 16
    with pytest.raises(FloatingPointError, match="step 4 of epoch 1"):
        linear_gan().fit(broken, batch_size=16, shuffle=False, verbose=0)
