"""The callback that every `fit` has: it looks at the first batch, and at every step's losses."""

import time
from typing import Any

import keras
import numpy as np

from ganlib import backend
from ganlib.interface import feed
from ganlib.types import Logs

# A compiled step cannot raise. Where labels are out of range it says so by logs that no game has:
# both losses at minus infinity.
STRAY_LABELS = {"discriminator_loss": -np.inf, "generator_loss": -np.inf}

ACCURACIES = "real_accuracy", "fake_accuracy"  # always finite


def listed(callbacks: Any) -> list[keras.callbacks.Callback]:
    """`fit`'s argument as a list: it may be None, one callback, several, or Keras's own list."""
    if isinstance(callbacks, keras.callbacks.Callback):
        return [callbacks]
    return list(getattr(callbacks, "callbacks", callbacks) or ())


def raise_unless_finite(logs: dict[str, Any], classes: int, where: str = "") -> None:
    """Say what is wrong with a step, by its logs.

    Args:
        classes: of the generator.
        where: " at step 3 of epoch 1".

    Raises:
        ValueError: the labels were not all from 0 to `classes - 1`.
        FloatingPointError: a loss or a term is NaN or infinite.
    """
    if all(logs[name] == value for name, value in STRAY_LABELS.items()):
        raise ValueError(
            f"The labels{where.replace(' at', ' of', 1)} are not all from 0 to {classes - 1}, the "
            "classes that the generator was built for."
        )
    for player in ("discriminator", "generator"):
        loss = float(logs[f"{player}_loss"])
        if not np.isfinite(loss):
            raise FloatingPointError(
                f"The {player}'s loss is {loss}{where}: try a lower learning rate, clipped "
                "gradients (clipnorm) or a gradient penalty, and check that the data are finite "
                "and images lie in [-1, 1]."
            )
    for name, value in logs.items():
        if not np.isfinite(value):
            raise FloatingPointError(
                f"The term {name!r} is {float(value)}{where}: look for a logarithm, a root or a "
                "quotient in it that has no value."
            )


class Watch(keras.callbacks.Callback):
    """Look at the first batch before the first step, and at the losses after every step.

    Args:
        scaled: as for `feed.look`.
    """

    async_safe = True  # Keras may call it from a thread, so that JAX does not wait for every step

    def __init__(self, scaled: bool) -> None:
        super().__init__()
        self.scaled = scaled

    def on_train_begin(self, logs: Logs = None) -> None:
        self.looked = backend.shares_batches(self.model)
        self.names = [m.name for m in self.model.metrics if m.name not in ACCURACIES]

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self.epoch, self.broken = epoch, []
        if not self.looked:
            self.looked = True
            feed.at_first(self.model.feed, lambda x: feed.look(self.model, x, self.scaled))

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not all(np.isfinite(logs[name]) for name in self.names):
            self.broken.append((batch, logs))
        if self.broken:
            time.sleep(0.1)  # the thread of an earlier step may be a little later than this one
            step, logs = min(self.broken, key=lambda pair: pair[0])
            where = f" at step {step + 1} of epoch {self.epoch + 1}"
            raise_unless_finite(logs, self.model.classes, where)
