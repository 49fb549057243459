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
