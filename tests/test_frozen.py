"""Small trainings end where they ended when `frozen/make.py` kept them, on this backend.
`test_backends.py` runs this file on JAX and PyTorch too.

Two processors, or two ways to compile, add up in another order. With half the vector units, without
oneDNN and without JAX's optimisations the numbers after one round differed here by less than 1e-6,
and after fifty by less than 2e-5.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from ganlib import GAN
from ganlib.game.fakes import Fakes

FROZEN = Path(__file__).parent / "frozen"
sys.path.append(str(FROZEN))
import make  # noqa: E402

with np.load(FROZEN / f"{keras.config.backend()}.npz") as file:
    KEPT = dict(file)
TOLERANCE = {1: 1e-5, 50: 2e-4}


def differences(name, gan):
    """The largest difference from what was kept, of a number or of one above one in proportion."""
    found = {}
    for rounds, arrays in zip(make.ROUNDS, make.train(gan), strict=True):
        kept = KEPT[f"{name}_{rounds}"]
        apart = np.abs(make.excerpt(arrays) - kept) / np.maximum(1, np.abs(kept))
        found[rounds] = apart.max()
    return found


@pytest.mark.parametrize("name", make.TRAININGS)
def test_the_training_is_the_one_that_was_kept(name):
    for rounds, difference in differences(name, make.build(name)).items():
        assert difference < TOLERANCE[rounds], f"after {rounds} rounds"


class FreshFakes(GAN):
    """The generator learns from other fakes than the discriminator has just seen."""

    def move(self, player, loss, fakes, real, condition):
        if player == "generator":
            latents = keras.random.normal((make.BATCH, make.LATENT_DIM), seed=7)
            fakes = Fakes(self.generator, latents, condition, self.variables)
        return super().move(player, loss, fakes, real, condition)


class GeneratorFirst(GAN):
    """The generator moves before the discriminator."""

    def move(self, player, loss, fakes, real, condition):
        if player == "discriminator":
            logs = super().move("generator", self.generator_loss, fakes, real, condition)
            return logs | super().move(player, loss, fakes, real, condition)
        return {}


class LateAverage(GAN):
    """The average is a round behind."""

    def move(self, player, loss, fakes, real, condition):
        if player == "generator":
            super().move_average()
        return super().move(player, loss, fakes, real, condition)

    def move_average(self):
        pass


@pytest.mark.parametrize(
    "name,wrong", [("mlp", FreshFakes), ("mlp", GeneratorFirst), ("augmented", LateAverage)]
)
def test_the_nearest_wrong_games_are_told_apart(name, wrong):
    for rounds, difference in differences(name, make.build(name, wrong)).items():
        assert difference > 5 * TOLERANCE[rounds], f"after {rounds} rounds"
