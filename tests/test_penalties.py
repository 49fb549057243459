"""Penalties against closed forms. `test_backends.py` runs this file on JAX and PyTorch too."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from ganlib import GAN, backend, models, penalties

W = np.array([[0.6], [-1.7], [0.9]], "float32")  # its norm is about 2.02
NORM = float(np.linalg.norm(W))
REAL = np.random.default_rng(0).normal(size=(50, 3)).astype("float32")
FAKE = np.random.default_rng(1).normal(2.0, 0.5, size=(50, 3)).astype("float32")


def linear(scale=1.0):
    """l(x) = scale * w.x: the gradient is scale * w everywhere."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([scale * W])
    return model


class Quadratic(keras.layers.Layer):
    """l(x) = a / 2 |x|^2: the gradient is a x."""

    def build(self, shape):
        self.a = self.add_weight(shape=(), initializer=keras.initializers.Constant(1.5))

    def call(self, x):
        return self.a / 2 * ops.sum(ops.square(x), axis=-1, keepdims=True)


def quadratic(shape=(3,)):
    return keras.Sequential([keras.Input(shape), *flat(shape), Quadratic()])


def flat(shape):
    return [keras.layers.Flatten()] if len(shape) > 1 else []


def value(penalty, discriminator, real=REAL, fake=FAKE):
    real, fake = ops.convert_to_tensor(real), ops.convert_to_tensor(fake)
    return float(ops.convert_to_numpy(penalty(discriminator, real, fake)))


@pytest.mark.parametrize("scale", [1.0, 0.2])
def test_of_a_linear_critic(scale):
    norm, critic = scale * NORM, linear(scale)
    two_sided, one_sided = (norm - 1) ** 2, max(0, norm - 1) ** 2
    for penalty, expected in (
        (penalties.R1(3.0), 1.5 * norm**2),
        (penalties.R2(3.0), 1.5 * norm**2),
        (penalties.ZeroCentred(3.0), 3 * norm**2),
        (penalties.GradientPenalty(3.0), 3 * two_sided),
        (penalties.GradientPenalty(3.0, one_sided=True), 3 * one_sided),
        (penalties.DRAGAN(3.0), 3 * two_sided),
    ):
        assert value(penalty, critic) == pytest.approx(expected, rel=1e-5, abs=1e-7), penalty


def test_of_a_quadratic_critic():
    squares = lambda x: (1.5**2 * (x.astype(float) ** 2).sum(axis=1)).mean()  # noqa: E731
    assert value(penalties.R1(2.0), quadratic()) == pytest.approx(squares(REAL), rel=1e-5)
    assert value(penalties.R2(2.0), quadratic()) == pytest.approx(squares(FAKE), rel=1e-5)
    # Where real and fake coincide, so does everything between them.
    same = value(penalties.ZeroCentred(1.0), quadratic(), REAL, REAL)
    assert same == pytest.approx(squares(REAL), rel=1e-5)
    norms = 1.5 * np.linalg.norm(REAL.astype(float), axis=1)
    same = value(penalties.GradientPenalty(1.0), quadratic(), REAL, REAL)
    assert same == pytest.approx(((norms - 1) ** 2).mean(), rel=1e-5)
    same = value(penalties.GradientPenalty(1.0, one_sided=True), quadratic(), REAL, REAL)
    assert same == pytest.approx((norms - 1).clip(0) ** 2 @ np.ones(50) / 50, rel=1e-5)


@pytest.mark.parametrize("shape", [(3,), (4, 4, 2)])
def test_places_between_real_and_fake_are_uniform_one_for_each_sample(shape):
    """One fixed draw; a normal in place of the uniform has a p-value of 0."""
    real, fake = np.ones((4000, *shape), "float32"), np.zeros((4000, *shape), "float32")
    between = penalties.GradientPenalty(seed=1).between(*map(ops.convert_to_tensor, (real, fake)))
    places = ops.convert_to_numpy(between).reshape(4000, -1)
    assert np.ptp(places, axis=1).max() == 0, "all numbers of a sample share their place"
    assert stats.kstest(places[:, 0], "uniform").pvalue > 0.01


def test_dragan_stays_within_half_a_standard_deviation():
    """l(x) = 3/4 |x|^2 of one number, at batches of one value each time plus a spread of s = 1."""
    real = np.tile([[1.0], [3.0]], (4000, 1)).astype("float32")  # s is 1
    u = np.linspace(0, 1, 20_001)
    expected = np.mean([((1.5 * (x + u / 2) - 1) ** 2).mean() for x in (1.0, 3.0)])
    assert value(penalties.DRAGAN(1.0), quadratic((1,)), real, real) == pytest.approx(
        expected, rel=0.02
    )


@pytest.mark.parametrize("name", sorted(set(penalties.NAMES) - {"weight_clipping"}))
def test_finite_at_zero_gradient(name):
    """A critic that is flat: the penalty and its own gradient stay finite."""
    critic, penalty = linear(0.0), penalties.get(name)
    real, fake = map(ops.convert_to_tensor, (REAL, FAKE))
    state = [*critic.variables]
    if hasattr(penalty, "seed_generator"):
        state.append(penalty.seed_generator.state)
    output, _, pull = backend.pullback(
        lambda: (penalty(critic, real, fake), None), critic.trainable_variables, state
    )
    (gradient,) = pull()
    assert np.isfinite(ops.convert_to_numpy(output))
    assert np.isfinite(ops.convert_to_numpy(gradient)).all()


def gan(penalty, loss="wasserstein", norm=False):
    keras.utils.set_random_seed(0)
    discriminator = [keras.Input((2,)), keras.layers.Dense(16, activation="relu")]
    discriminator += [keras.layers.BatchNormalization()] * norm + [keras.layers.Dense(1)]
    model = GAN(models.mlp.generator((2,), 3, (8,)), keras.Sequential(discriminator), seed=0)
    adam = lambda: keras.optimizers.Adam(0.01, beta_1=0.5)  # noqa: E731
    model.compile(
        loss, [penalty], generator_optimizer=adam(), discriminator_optimizer=adam(), n_critic=2
    )
    return model


POINTS = np.random.default_rng(2).normal(size=(64, 2)).astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(penalties.NAMES))
def test_fit_with_it_draws_new_numbers_and_can_be_repeated(name):
    runs = []
    for _ in range(2):
        model = gan(penalties.get(name))
        states = [ops.convert_to_numpy(s.state).copy() for s in model.penalty_seeds]
        model.fit(POINTS, batch_size=16, epochs=2, shuffle=False, verbose=0)
        for before, seed in zip(states, model.penalty_seeds, strict=True):
            assert (before != ops.convert_to_numpy(seed.state)).any(), "the numbers would repeat"
        runs.append(model.discriminator.get_weights())
    for a, b in zip(*runs, strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)


def test_clipped_weights_stay_in_their_box():
    model = gan(penalties.WeightClipping(0.05))
    model.fit(POINTS, batch_size=16, verbose=0)
    largest = [np.abs(weight).max() for weight in model.discriminator.get_weights()]
    assert max(largest) == pytest.approx(0.05)
    assert max(np.abs(weight).max() for weight in model.generator.get_weights()) > 0.05


def test_batch_norm_is_refused_with_a_gradient_and_allowed_with_clipping():
    for name in set(penalties.NAMES) - {"weight_clipping"}:
        with pytest.raises(ValueError, match="without batch norm: with it each logit"):
            gan(penalties.get(name), norm=True)
    gan("weight_clipping", norm=True)


@pytest.mark.slow
def test_a_function_is_a_penalty():
    with_function = gan(lambda discriminator, real, fake: ops.mean(discriminator(real)) ** 2)
    with_function.fit(POINTS, batch_size=16, verbose=0)


def test_saved_and_loaded_it_keeps_its_arguments(tmp_path):
    model = gan(penalties.GradientPenalty(7.0, one_sided=True, seed=4))
    model.save(tmp_path / "gan.keras")
    (penalty,) = keras.models.load_model(tmp_path / "gan.keras").penalties
    assert (penalty.weight, penalty.one_sided, penalty.seed) == (7.0, True, 4)


def test_a_box_has_a_positive_size():
    with pytest.raises(ValueError, match="it is positive, not 0"):
        penalties.WeightClipping(0)


def test_a_gradient_may_be_taken_through_gradients():
    """Of the players of |d|^2 g / 2: after two steps of the one, by the other's number."""

    def ahead(g):
        d = ops.ones((3,))
        for _ in range(2):
            d = d - 0.5 * backend.input_gradient(lambda d: ops.sum(d**2) * g / 2, d)
        return ops.sum(d)

    found = backend.input_gradient(ahead, ops.convert_to_tensor(0.4))
    assert ops.convert_to_numpy(found) == pytest.approx(-3 * (1 - 0.5 * 0.4), rel=1e-5)
