"""Keras callbacks for `GAN.fit`.

Keras's own work as well. `EarlyStopping`, `ReduceLROnPlateau` and `ModelCheckpoint` want a `mode`,
"min" or "max", since Keras cannot tell which way a game's numbers are better. What is done to the
learning rate is done to both players'. `BackupAndRestore` knows nothing of seeds and repeats a
training only roughly: use `Checkpoint`. Two are not needed: for `TerminateOnNaN`, `fit` stops by
itself, and for `SwapEMAWeights`, `sample` draws from the average.
"""

import numbers
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from ganlib import checks
from ganlib.pixels import scale
from ganlib.training import health
from ganlib.training.resume import Checkpoint
from ganlib.types import Logs

__all__ = ["Checkpoint", "HealthMonitor", "Monitor", "Snapshots", "StopAfter"]


class Snapshots(keras.callbacks.Callback):
    """Keep what the generator makes of the same latents, before training and after every epoch.

    Args:
        latents: float32 (n, latent_dim); None for a generator that takes a condition alone.
        labels: for a conditional generator, whole numbers (n,), or other conditions (n, ...).

    Attributes:
        images: list of what `GAN.sample` gave for these, the untrained generator's first.
    """

    def __init__(self, latents: np.ndarray | None, labels: np.ndarray | None = None) -> None:
        super().__init__()
        self.latents, self.labels = latents, labels
        self.images = []

    def on_train_begin(self, logs: Logs = None) -> None:
        self.images.append(self.model.sample(latents=self.latents, labels=self.labels))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.images.append(self.model.sample(latents=self.latents, labels=self.labels))


class Monitor(keras.callbacks.Callback):
    """Score the generator's samples while it trains: what the losses do not tell.

    The scores also join the epoch's `logs`, so that callbacks after this one in the list can act on
    them: `keras.callbacks.ModelCheckpoint(file, monitor="fid", save_best_only=True)`.

    Args:
        score: function of what `GAN.sample` gives for the latents, to a number or a dict of them,
            such as `lambda images: metrics.score(real, images, classifier)`. Entries of the dict
            that are not numbers are left out.
        latents: float32 (n, latent_dim), the same every time; None for a generator that takes a
            condition alone.
        every: epochs from one score to the next.
        labels: for a conditional generator, whole numbers (n,), or other conditions (n, ...).

    Attributes:
        epoch: the epochs after which it scored, counted from 1.
        history: dict of lists, a value for each of them; a lone number is called "score".
    """

    def __init__(
        self,
        score: Callable[[np.ndarray], float | dict[str, Any]],
        latents: np.ndarray | None,
        every: int = 1,
        labels: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.score, self.latents, self.every, self.labels = score, latents, every, labels
        self.epoch, self.history = [], {}

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if (epoch + 1) % self.every:
            return
        scores = self.score(self.model.sample(latents=self.latents, labels=self.labels))
        scores = scores if isinstance(scores, dict) else {"score": scores}
        scores = {name: float(x) for name, x in scores.items() if isinstance(x, numbers.Real)}
        self.epoch.append(epoch + 1)
        for name, value in scores.items():
            self.history.setdefault(name, []).append(value)
        if logs is not None:
            logs.update(scores)

    def best(self, name: str = "fid", choose: Callable = min) -> tuple[float, int]:
        """The best value of a score so far and the epoch it was reached after: (value, epoch).

        Args:
            choose: `min`, or `max` for a score that should be high.
        """
        value = choose(self.history[name])
        return value, self.epoch[self.history[name].index(value)]


class StopAfter(keras.callbacks.Callback):
    """End the training cleanly once it has run for `seconds`; 0 means never.

    What `check` claims of a training was tested with one that ran to its end: after a stop a claim
    that fails is marked and raises nothing (`ganlib.checks.untested`).
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def on_train_begin(self, logs: Logs = None) -> None:
        self.start = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        if self.seconds and time.monotonic() - self.start > self.seconds:
            self.model.stop_training = True
            checks.untested(f"a training was stopped after {self.seconds:g} s")


class HealthMonitor(keras.callbacks.Callback):
    """Look at both networks while they train, and name what goes wrong as soon as it does.

    It prints a sentence when it first names an ill of `ganlib.health.ILLS`: the first one is the
    cause to look at, with what to try; what is named later, or beside it, may follow from it. It
    changes nothing in the training. It knows the data by what it is given here: that `fit` is given
    others, it sees by the samples only, and that the labels here are wrong, not at all.

    Args:
        real: a few hundred of the data, as `fit` is given them: float32 (N, ...), or bytes, which
            are scaled. Where there are only a few, give all of them: only copies of these are
            noticed.
        labels: theirs, for a conditional GAN, whole numbers (N,), or other conditions (N, ...).
        every: rounds from one look to the next.
        patience: rounds for which a sign must be bad before it has a name; of some ills in
            `health.ILLS` several times as many.

    Attributes:
        round: the rounds at which it looked.
        history: dict of lists, the signs of each look.
        found: dict from the name of what went wrong to the round at which it was named.
        cause: the name of what went wrong first; None if nothing did.
    """

    def __init__(
        self,
        real: np.ndarray,
        labels: np.ndarray | None = None,
        every: int = 50,
        patience: int = 300,
    ) -> None:
        super().__init__()
        real = np.asarray(real)
        self.real = scale(real) if real.dtype == np.uint8 else real.astype("float32")
        self.labels = None if labels is None else np.asarray(labels)
        self.every, self.looks = every, max(2, -(-patience // every))
        self.round, self.history, self.found = [], {}, {}
        self._rounds, self._fake = 0, None

    @property
    def cause(self) -> str | None:
        return next(iter(self.found), None)

    def on_train_begin(self, logs: Logs = None) -> None:
        n = 64
        latents, labels = np.zeros(n, "float32"), np.zeros(n, "int32")
        if self.model.latent_dim is not None:
            latents = self.model.latents(n, seed=0)
        if self.model.condition is not None:
            if self.labels is None or len(self.labels) < len(self.real):
                raise ValueError(
                    "The generator takes a condition: HealthMonitor(real, labels) needs one for "
                    "each of the real samples."
                )
            labels = self.labels.astype(self.model.condition.dtype)
        used = np.arange(n) % len(self.real)  # some twice, where there are few
        given = self.real[used], latents, labels[used % len(labels)]
        self._inputs = [ops.convert_to_tensor(x) for x in given]
        self._observe = health.observer(self.model)
        self._weights = self._some_weights()

    def _some_weights(self):
        """Of each player, up to a thousand numbers of every array of weights."""
        kept = {}
        for player in ("generator", "discriminator"):
            arrays = getattr(self.model, player).trainable_variables
            rows = [ops.convert_to_numpy(array).ravel() for array in arrays]
            kept[player] = [row[:: len(row) // 1000 + 1].astype("float64") for row in rows]
        return kept

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._batch = -1

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        before = self._rounds
        self._rounds += batch - self._batch
        self._batch = batch
        if before // self.every == self._rounds // self.every:
            return
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.round.append(self._rounds)
        for name, value in self._look().items():
            self.history.setdefault(name, []).append(float(value))
        for name in health.diagnose(self.history, self.looks):
            if name not in self.found:
                self._say(name)
                self.found[name] = self._rounds

    def _look(self):
        signs = {k: ops.convert_to_numpy(v) for k, v in self._observe(*self._inputs).items()}
        fake = signs.pop("fake")
        labels = self.labels if self.model.classes else None
        signs |= health.measure(self.real, fake, self._fake, labels)
        signs["outside"] = health.outside(self.real, self.model.generator)
        weights = self._some_weights()
        for player, arrays in weights.items():
            signs[f"{player}_moves"] = health.moves(arrays, self._weights[player])
        self._fake, self._weights = fake, weights
        return signs

    def _say(self, name):
        ill = health.ILLS.get(name)
        seen, remedy = (ill.seen, ill.remedy) if ill else health.NOT_FINITE
        also = "also " if self.found else ""
        tried = "" if self.found else f" Try first: {remedy}."
        checks.say(f"Round {self._rounds}, {also}{name}: {seen}.{tried}")
