"""Losses against their definitions in probabilities, and where those would overflow."""

import numpy as np
import pytest
from keras import ops
from scipy.special import log_expit

from ganlib import losses

REAL = np.array([[-3.0], [0.2], [1.5], [4.0]], "float32")
FAKE = np.array([[-2.0], [0.0], [0.7], [2.5]], "float32")


def value(tensor):
    return float(ops.convert_to_numpy(tensor))


def both(loss, real=REAL, fake=FAKE):
    real, fake = ops.convert_to_tensor(real), ops.convert_to_tensor(fake)
    generator = loss.generator(*((fake, real) if loss.paired else (fake,)))
    return value(loss.discriminator(real, fake)), value(generator)


def test_cross_entropy_losses_equal_their_definition():
    entropy = -log_expit(REAL).mean() - log_expit(-FAKE).mean()
    assert both(losses.NonSaturating()) == pytest.approx(
        (entropy, -log_expit(FAKE).mean()), rel=1e-6
    )
    assert both(losses.Minimax()) == pytest.approx((entropy, log_expit(-FAKE).mean()), rel=1e-6)


def test_least_squares_equals_its_definition():
    loss = losses.LeastSquares(a=-1.0, b=1.0, c=0.0)
    expected = ((REAL - 1) ** 2).mean() / 2 + ((FAKE + 1) ** 2).mean() / 2, (FAKE**2).mean() / 2
    assert both(loss) == pytest.approx(expected, rel=1e-6)
    standard = ((REAL - 1) ** 2).mean() / 2 + (FAKE**2).mean() / 2, ((FAKE - 1) ** 2).mean() / 2
    assert both(losses.LeastSquares()) == pytest.approx(standard, rel=1e-6)


def test_equilibrium_scores_log_4():
    zero = np.zeros((5, 1), "float32")
    assert both(losses.NonSaturating(), zero, zero) == pytest.approx((np.log(4), np.log(2)))
    assert both(losses.Minimax(), zero, zero) == pytest.approx((np.log(4), -np.log(2)))


@pytest.mark.parametrize("loss", [losses.NonSaturating(), losses.Minimax()])
def test_finite_where_a_sigmoid_rounds_to_0_or_1(loss):
    huge = np.array([[1e4]], "float32")
    for sign in (1, -1):
        assert np.isfinite(both(loss, sign * huge, -sign * huge)).all()


def test_wasserstein_and_hinge_equal_their_definitions():
    assert both(losses.Wasserstein()) == pytest.approx(
        (FAKE.mean() - REAL.mean(), -FAKE.mean()), rel=1e-6
    )
    margin = np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean()
    assert both(losses.Hinge()) == pytest.approx((margin, -FAKE.mean()), rel=1e-6)


def test_relativistic_equals_its_definition_pair_by_pair():
    expected = -log_expit(REAL - FAKE).mean(), -log_expit(FAKE - REAL).mean()
    assert both(losses.Relativistic()) == pytest.approx(expected, rel=1e-6)
    shifted = both(losses.Relativistic(), REAL + 7, FAKE + 7)
    assert shifted == pytest.approx(expected, rel=1e-5), "only differences count"


def test_get_by_name_or_object():
    assert isinstance(losses.get("minimax"), losses.Minimax)
    mine = losses.LeastSquares(c=0.5)
    assert losses.get(mine) is mine
    with pytest.raises(ValueError, match="No loss is called 'hinges'"):
        losses.get("hinges")
    with pytest.raises(ValueError, match="methods discriminator"):
        losses.get(np.mean)


@pytest.mark.parametrize("name", losses.NAMES)
def test_configuration_survives(name):
    loss = losses.get(name)
    again = type(loss).from_config(loss.get_config())
    assert both(again) == both(loss)
