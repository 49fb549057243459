"""The doctor: what it measures against NumPy, and trainings that are broken on purpose.

How it looks at a GAN is in test_callbacks.py.
"""

import keras
import numpy as np
import pytest
from keras import layers, ops

from ganlib import GAN, callbacks, data, health, models, penalties

RNG = np.random.default_rng(0)


def test_spread_shift_and_drift_are_in_units_of_the_data():
    real = RNG.normal(0, 3, (20_000, 2))
    fake = real * 0.5 + [3.0, 0.0]
    signs = health.measure(real, fake, before=fake + [0.0, 6.0])
    unit = 3 * np.sqrt(2)
    assert signs["spread"] == pytest.approx(0.5)
    assert signs["shift"] == pytest.approx(3 / unit, rel=0.02)
    assert signs["drift"] == pytest.approx(6 / unit, rel=0.02)
    assert "drift" not in health.measure(real, fake) and "checkerboard" not in signs


def test_checkerboard_is_the_share_of_a_pattern_that_all_samples_have():
    real = RNG.normal(size=(200, 9, 8, 1))
    pattern = np.where((np.arange(9)[:, None] + np.arange(8)) % 2, 1.0, -1.0)[..., None]
    assert health.measure(real, real)["checkerboard"] == 0
    # Half of the variance, the same in all samples.
    assert health.measure(real, real + pattern)["checkerboard"] == pytest.approx(0.5, abs=0.02)
    signs = RNG.choice([-1, 1], (200, 1, 1, 1))  # the same pattern, but as often reversed
    assert health.measure(real, real + signs * pattern)["checkerboard"] == pytest.approx(
        0, abs=0.02
    )
    stripes = np.where(np.arange(9) % 2, 1.0, -1.0)[:, None, None]
    assert health.measure(real, real + stripes)["checkerboard"] > 0.4


def history(n=12, **signs):
    well = {"doubt": 0.9, "spread": 0.9, "drift": 0.2, "shift": 0.2, "dead": 0.1}
    well |= {"checkerboard": 0.0, "generator_weights": 3.0}
    found = {name: [value] * n for name, value in well.items()}
    found["drift"] = found["drift"][1:]  # the first look has none
    return found | {name: list(values) for name, values in signs.items()}


@pytest.mark.parametrize(
    ("name", "signs"),
    [
        ("discriminator wins", {"doubt": [0.5] * 6 + [0.001] * 6}),
        ("generator collapses", {"spread": [0.9] * 6 + [0.1] * 6}),
        ("generator collapses", {"spread": [0.9] * 6 + [0.0] * 6}),
        ("oscillation", {"drift": [0.8] * 11, "shift": [0.3, 1.5] * 6}),
        ("checkerboard", {"checkerboard": [0.0] * 6 + [0.1] * 6}),
        ("dead units", {"dead": [0.0] * 6 + [1.0] * 6}),
        ("non-finite", {"doubt": [0.5] * 11 + [np.nan]}),
        ("non-finite", {"generator_weights": [3.0] * 11 + [np.inf]}),
    ],
)
def test_each_sign_has_its_name_once_it_has_lasted(name, signs):
    assert health.diagnose(history(), 6) == []
    assert health.diagnose(history(**signs), 6) == [name]
    earlier = {sign: values[:-1] for sign, values in history(**signs).items()}
    assert health.diagnose(earlier, 6) == []


def test_what_gets_better_is_no_failure():
    assert health.diagnose(history(spread=np.linspace(0.05, 0.2, 12)), 6) == []
    moving = {"drift": [0.8] * 11, "shift": [1.5] * 6 + [1.0] * 6}
    assert health.diagnose(history(**moving), 6) == []
    assert health.diagnose(history(n=3, doubt=[0.0] * 3), 6) == []


def test_every_name_has_a_remedy():
    assert set(health.REMEDIES) == {
        "discriminator wins",
        "generator collapses",
        "oscillation",
        "checkerboard",
        "dead units",
        "non-finite",
    }


# ------------------------------------------------------------------- trainings, healthy and broken

LATENTS = 16
SHAPE = (8, 8, 1)


def generator():
    return models.mlp.generator(SHAPE, LATENTS, (64, 64))


def discriminator():
    return models.mlp.discriminator(SHAPE, (64, 64))


def dying_generator():
    """Hidden units that start, and stay, far below zero."""
    far_below = keras.initializers.Constant(-20.0)
    hidden = layers.Dense(64, "relu", bias_initializer=far_below)
    pixels = [layers.Dense(64, "tanh"), layers.Reshape(SHAPE)]
    return keras.Sequential([keras.Input((LATENTS,)), hidden, *pixels])


def checkered_generator():
    """Its last kernel, 3, is no multiple of its stride, 2."""
    small = [layers.Dense(256, "relu"), layers.Reshape((4, 4, 16))]
    pixels = layers.Conv2DTranspose(
        1,
        3,
        2,
        "same",
        activation="tanh",
        kernel_initializer=keras.initializers.RandomNormal(0, 0.02),
    )
    return keras.Sequential([keras.Input((LATENTS,)), *small, pixels])


def shortsighted_discriminator():
    """It sees means of 2 x 2 pixels, and cannot punish what differs within."""
    hidden = [layers.Dense(64, "leaky_relu") for _ in range(2)]
    pooled = [layers.AveragePooling2D(2), layers.Flatten()]
    return keras.Sequential([keras.Input(SHAPE), *pooled, *hidden, layers.Dense(1)])


def adam(rate, beta_1=0.5):
    return keras.optimizers.Adam(rate, beta_1, 0.99)


def build(seed, made=generator, judge=discriminator, rates=(1e-3, 1e-3), beta_1=0.5, **rules):
    keras.utils.set_random_seed(seed)
    gan = GAN(made(), judge(), seed=seed)
    players = (adam(rate, beta_1) for rate in rates)
    rules = {"loss": "non_saturating", "penalties": [penalties.R1(1.0)]} | rules
    gan.compile(rules["loss"], rules["penalties"], *players)
    return gan


def watched(gan, seed, rounds):
    digits = data.load("digits")
    monitor = callbacks.HealthMonitor(digits.images[:256], every=25, patience=150)
    batches = digits.batches(32, seed=seed, repeat=True)
    gan.fit(batches, steps_per_epoch=rounds, callbacks=[monitor], verbose=0)
    return monitor


BROKEN = {
    "discriminator wins": {"loss": "minimax", "penalties": [], "rates": (1e-4, 1e-2)},
    "generator collapses": {"penalties": [], "rates": (2e-2, 1e-4)},
    "oscillation": {"penalties": [], "beta_1": 0.9},
    "checkerboard": {"made": checkered_generator, "judge": shortsighted_discriminator},
    "dead units": {"made": dying_generator},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_a_planted_failure_is_named(name, capsys):
    monitor = watched(build(0, **BROKEN[name]), 0, 400)
    assert name in monitor.found
    assert f"{name}: {health.REMEDIES[name][0]}. Try first: " in capsys.readouterr().out


def test_numbers_that_are_not_finite_are_named_by_fit_itself():
    """At the very round, which no look in between could: before any other callback acts on it."""
    gan = build(0, loss="wasserstein", penalties=[], rates=(1e-3, 1e30))
    with pytest.raises(
        FloatingPointError, match="loss is (nan|inf|-inf) at step .* lower learning"
    ):
        watched(gan, 0, 60)


@pytest.mark.slow
def test_healthy_trainings_are_left_alone():
    """Ten seeds; the trace of the first serves all."""
    gan = build(0)
    for seed in range(10):
        for variable, value in zip(state(gan), state(build(seed)), strict=True):
            variable.assign(ops.convert_to_numpy(value))
        monitor = watched(gan, seed, 400)
        assert len(monitor.round) == 16 and monitor.found == {}, seed


def state(gan):
    return [*gan.variables, *gan.optimizer.variables]
