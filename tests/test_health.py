"""The doctor: what it measures against NumPy, and trainings that are broken on purpose.

How it looks at a GAN is in test_callbacks.py.
"""

import importlib
import sys

import keras
import numpy as np
import pytest
from keras import layers
from sources import ROOT

from ganlib import data, health

RNG = np.random.default_rng(0)
DIGITS = data.load("digits")
PIXELS, LABELS = data.scale(DIGITS.images), DIGITS.labels


def test_spread_and_swing():
    real = RNG.normal(0, 3, (20_000, 2))
    fake = real * 0.5 + [3.0, 0.0]
    assert health.spread(real, fake) == pytest.approx(0.5)
    unit = 1.5 * np.sqrt(2)
    assert health.swing(fake, fake + [0.0, 6.0]) == pytest.approx(6 / unit, rel=0.02)
    signs = health.measure(real[:200], fake[:200], before=fake[:200])
    assert signs["swing"] == 0 and "checkerboard" not in signs
    assert "swing" not in health.measure(real[:200], fake[:200])


def test_checkerboard_is_the_share_of_a_pattern_that_all_samples_have():
    real = RNG.normal(size=(200, 9, 8, 1))
    pattern = np.where((np.arange(9)[:, None] + np.arange(8)) % 2, 1.0, -1.0)[..., None]
    assert health.checkerboard(real, real) == 0
    # Half of the variance, the same in all samples.
    assert health.checkerboard(real, real + pattern) == pytest.approx(0.5, abs=0.02)
    signs = RNG.choice([-1, 1], (200, 1, 1, 1))  # the same pattern, but as often reversed
    assert health.checkerboard(real, real + signs * pattern) == pytest.approx(0, abs=0.02)
    stripes = np.where(np.arange(9) % 2, 1.0, -1.0)[:, None, None]
    assert health.checkerboard(real, real + stripes) > 0.4


def test_kinds_are_counted():
    real, rest, labels = PIXELS[:256], PIXELS[256:], LABELS[256:]
    assert health.kinds(real, rest) > 0.85
    one = [health.kinds(real, rest[labels == label][:64]) for label in range(10)]
    assert np.median(one) < 0.3 and max(one) < 0.5
    two = RNG.normal(size=(400, 2)) + np.repeat([[-9.0, 0.0], [9.0, 0.0]], 200, axis=0)
    assert health.kinds(two, two[:200]) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("share", [0.0, 0.45, 1.0])
def test_copies_are_counted(share):
    """Copies, and nearly copies, of whatever share."""
    seen, fresh = PIXELS[:256], PIXELS[256:456]
    mixed = np.concatenate([seen[: int(200 * share)], fresh[int(200 * share) :]])
    assert health.copies(seen, mixed) == pytest.approx(share, abs=0.01)
    noisy = mixed + RNG.normal(0, 0.03, mixed.shape)
    assert health.copies(seen, noisy) == pytest.approx(share, abs=0.01)


def test_data_that_occur_twice_or_are_all_alike():
    seen = PIXELS[:100]
    assert health.copies(np.concatenate([seen, seen]), seen[:50]) == 1
    alike = np.ones_like(seen)
    assert health.copies(alike, seen) is health.copies(alike, alike) is None
    assert health.spread(alike, alike) == 0 and 1 < health.spread(alike, seen) < np.inf


def test_every_relu_of_a_network_is_looked_at():
    """In all its branches, each call of a shared layer, and as a layer or an activation."""
    inputs = keras.Input((2,))
    shared = layers.Dense(3, activation="relu")
    x, y = shared(inputs), layers.ReLU()(layers.Dense(4)(inputs))
    x = shared(layers.Dense(2, activation="tanh")(x))
    x = layers.Activation("relu")(layers.Concatenate()([x, y]))
    found = health._with_relus(keras.Model(inputs, layers.Dense(1)(x)))
    outputs = found([np.ones((1, 2), "float32")])
    assert sorted(maps.shape[-1] for maps in outputs["relus"]) == [3, 3, 4, 7]
    assert outputs["output"].shape == (1, 1)


def test_obedience_is_judged_where_it_can_be():
    real, labels = PIXELS[:512], LABELS[:512]

    def drawn(wanted):
        order = [RNG.choice(np.flatnonzero(LABELS[600:] == label)) for label in wanted]
        return PIXELS[600:][order]

    wanted = labels[:64].copy()
    assert health.obedience(real, drawn(wanted), labels) > 0.85
    assert health.obedience(real, drawn(wanted), labels[:, None]) > 0.85
    wanted[::2] = RNG.integers(0, 10, 32)
    assert health.obedience(real, drawn(wanted), labels) < 0.65
    assert health.obedience(real, drawn(wanted), RNG.permutation(labels)) is None  # no class seen
    assert health.obedience(real[:64], drawn(wanted), labels[:64]) is None  # nothing to learn from


@pytest.mark.parametrize(
    ("activation", "low", "high", "share"),
    [
        ("tanh", -1, 1, 0),
        ("tanh", 0, 1, 1),
        ("tanh", 0, 255, 1),
        ("tanh", -2, 2, 0.5),
        ("sigmoid", 0, 1, 0),
        ("sigmoid", -1, 1, 0.5),
        ("linear", -9, 9, 0),
    ],
)
def test_data_that_the_last_layer_cannot_make(activation, low, high, share):
    generator = keras.Sequential(
        [keras.Input((3,)), layers.Dense(4, activation), layers.Reshape((2, 2, 1))]
    )
    found = health.outside(np.linspace(low, high, 10_000), generator)
    assert found == pytest.approx(share, abs=0.01)


def test_moves_are_in_units_of_the_weights():
    before = [np.ones((3, 4)), np.zeros(2)]
    after = [np.full((3, 4), 1.1), np.zeros(2)]
    assert health.moves(after, before) == pytest.approx(0.1 / 1.1)
    assert health.moves(before, before) == health.moves([], []) == 0


WELL = {"outside": 0.0, "generator_moves": 0.05, "discriminator_moves": 0.05, "dead": 0.1}
WELL |= {"doubt": 0.9, "spread": 0.9, "swing": 0.3, "kinds": 0.9, "obedience": 0.9}
WELL |= {"checkerboard": 0.0, "copies": 0.0}


def history(n=12, **signs):
    found = {name: [value] * n for name, value in WELL.items()}
    found["swing"] = found["swing"][1:]  # the first look has none
    return found | {name: list(values) for name, values in signs.items()}


def beyond(ill):
    return ill.limit / 2 if ill.bad is np.less else ill.limit * 2


@pytest.mark.parametrize("name", health.ILLS)
def test_each_sign_has_its_name_once_it_has_lasted(name):
    ill = health.ILLS[name]
    wait = 6 * ill.patience
    found = history(40, **{ill.sign: [WELL[ill.sign]] * (40 - wait) + [beyond(ill)] * wait})
    assert health.diagnose(history(), 6) == []
    assert health.diagnose(found, 6) == [name]
    found[ill.sign][-wait] = WELL[ill.sign]
    assert health.diagnose(found, 6) == []


def test_what_began_first_is_named_first():
    wins, collapse = [0.5] * 4 + [0.001] * 8, [0.9] * 6 + [0.1] * 6
    both = {"doubt": wins, "spread": collapse}
    assert health.diagnose(history(**both), 6) == ["discriminator wins", "generator collapses"]
    both = {"doubt": [0.5] * 6 + [0.001] * 6, "spread": [0.9] * 4 + [0.1] * 8}
    assert health.diagnose(history(**both), 6) == ["generator collapses", "discriminator wins"]
    at_once = {name: ill for name, ill in health.ILLS.items() if ill.patience == 1}
    together = {ill.sign: [beyond(ill)] * 6 for ill in at_once.values()}
    assert health.diagnose(history(6, **together), 6) == list(at_once)


def test_what_is_not_finite_is_named_alone():
    assert health.diagnose(history(doubt=[0.001] * 11 + [np.nan]), 6) == ["non-finite"]
    assert health.diagnose(history(generator_moves=[0.1] * 11 + [np.inf]), 6) == ["non-finite"]


# ------------------------------------------------------------------- trainings, healthy and broken


@pytest.fixture(scope="module")
def doctor():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module("doctor")
    sys.path.pop(0)


@pytest.mark.slow
@pytest.mark.parametrize("name", health.ILLS)
def test_a_planted_failure_is_what_is_named_first(doctor, name, capsys):
    (monitor,) = doctor.ILL[name].monitors([0])
    assert monitor.cause == name
    said = capsys.readouterr().out.splitlines()
    ill = health.ILLS[name]
    assert f", {name}: {ill.seen}. Try first: {ill.remedy}." in said[0]
    assert not any("Try first" in line for line in said[1:])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dense, R1", "dense, no penalty", "dense, told the class"])
def test_a_gan_that_is_well_is_left_alone(doctor, name):
    for monitor in doctor.well()[name].monitors([0, 1]):
        assert monitor.found == {}


def test_numbers_that_are_not_finite_are_named_by_fit_itself(doctor):
    """At the very round, which no look in between could: before any other callback acts on it."""
    case = doctor.Case(rules={"loss": "wasserstein"}, rates=(1e-3, 1e30), rounds=60)
    with pytest.raises(
        FloatingPointError, match="loss is (nan|inf|-inf) at step .* lower learning"
    ):
        list(case.monitors([0]))
