"""The callback that saves a training as it goes and takes it up where it was stopped."""

import contextlib
import copy
import math
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras

from ganlib import backend
from ganlib.checks import say
from ganlib.gan import GAN
from ganlib.internals import next_epoch
from ganlib.training import checkpoint
from ganlib.types import Logs


class Checkpoint(keras.callbacks.Callback):
    """Save a training as it goes, and go on from there when the same script is run again.

    A run that was stopped anywhere and goes on ends with the weights, bit for bit, and with the
    history of one that never stopped. (On several replicas, whose means are saved, it does so up to
    rounding.) Saved are both networks, both optimizers, the average, statistics, seeds, the history
    and the place in the data. Data of `ganlib` go to that place at once; any other data are read
    again up to there, so their order must be the same every time. Other callbacks begin anew.

    Ctrl-C and SIGTERM end the training after the current step, once it is saved; a second one ends
    it at once. A checkpoint that cannot be used is renamed `.refused` where an earlier one can. A
    folder is for one `fit`. A learning rate that was
    changed in the script is kept.

    Args:
        folder: for the checkpoints, `epoch-E-step-S.npz`: after E whole epochs and S more steps.
        every: seconds of training from one checkpoint to the next; no more than that is lost.
        keep: how many to keep, the latest ones.
        best: the name of an entry of the history, such as "fid" of `Monitor`. The training as it
            was after the epoch with its best value is kept in `best.npz`; `checkpoint.load(gan,
            file)` puts it into a GAN.
        choose: `min`, or `max` for a score that should be high.

    Raises:
        ValueError: the folder holds checkpoints, but only of another model, of a newer ganlib, or
            damaged ones; the data are other images of `ganlib`, or have other steps, than before;
            another training is using it; the training runs on several machines.
        OSError: the folder takes no files.
    """

    async_safe = True  # Keras may call `on_train_batch_end` from a thread
    position: tuple[int, int] | None  # an epoch, and a step within it
    saved: tuple[int, int] | None

    def __init__(
        self,
        folder: str | Path,
        every: float = 60.0,
        keep: int = 2,
        best: str | None = None,
        choose: Callable = min,
    ) -> None:
        super().__init__()
        if not (isinstance(keep, int) and keep >= 1):
            raise ValueError(f"keep is how many checkpoints to keep, at least 1, not {keep!r}.")
        self.folder = Path(folder)
        self.every, self.keep, self.best, self.choose = every, keep, best, choose

    # ------------------------------------------------------------------------- around a training

    @contextlib.contextmanager
    def around(self, gan: GAN, data: Any) -> Iterator[int | None]:
        """The context of a `fit`: the folder is locked, signals are noted, the place is known.

        It gives the epoch to begin with, if a training goes on.
        """
        if backend.on_many_machines(gan):
            raise ValueError(
                "Checkpoint saves a training on one machine, and this one runs on several, which "
                "would not all save after the same step: leave it out."
            )
        with checkpoint.alone(self.folder):
            self.about, self.arrays = self._latest(gan)
            self.data, self.first, self.signal = data, None, None
            self.rates = [_number(v) for v in _rates(gan)]
            self.start = data.tell() if hasattr(data, "tell") else 0
            self.of = getattr(data, "of", None)
            if self.about:
                self._check_data()
                self.first, self.start = self.about["first"], self.about["start"]
            try:
                with self._signals_noted():
                    yield self.about and self.about["epoch"]
                    if self.signal:  # it came after the last step
                        self._stop()
            finally:
                if hasattr(data, "tell"):
                    data.seek(data.tell())  # endless data start from the beginning again
                self.data = self.arrays = None
                if self.signal == signal.SIGTERM:
                    sys.stdout.flush()
                    signal.raise_signal(self.signal)  # to the handler that was there before

    def _check_data(self):
        """Raise ValueError if the checkpoint is of other images, as far as both are known."""
        before = self.about.get("of")
        if before and self.of and before != self.of:
            raise ValueError(
                f"The training in {self.folder} was on {before}, not on {self.of}: go on with the "
                "same images in the same order, or choose another folder."
            )

    def _latest(self, gan):
        """The latest checkpoint that can be read, (None, None) if there is none at all."""
        refused = []
        for file in reversed(self._files()):
            try:
                found = checkpoint.read(file, gan)
            except ValueError as error:
                refused.append((file, error))
                continue
            for other, error in refused:
                warnings.warn(f"{error} Using {file.name} instead.", stacklevel=5)
                other.rename(other.with_suffix(".refused"))
            return found
        for _, error in refused:
            if not isinstance(error, checkpoint.Damaged):
                raise error
        if refused:
            raise ValueError(
                f"None of the checkpoints in {self.folder} can be read: move them away to train "
                "from the start."
            )
        return None, None

    def _files(self):
        return sorted(self.folder.glob("epoch-*-step-*.npz"))

    @contextlib.contextmanager
    def _signals_noted(self):
        if threading.current_thread() is not threading.main_thread():
            yield  # Python delivers signals to the main thread only
            return

        def note(number, frame):
            if self.signal:
                raise KeyboardInterrupt
            self.signal = number

        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # -------------------------------------------------------------------------- within a training

    def on_train_begin(self, logs: Logs = None) -> None:
        self.position = self.saved = None
        self.scored = 0
        self.due = time.monotonic() + self.every
        if self.about:
            rewind(self.model.feed, self.data, self.about)
            if self.params["verbose"]:
                place = f"after {self.about['epoch']} epochs and {self.about['step']} steps"
                say(f"Going on from {self.folder}, {place}.")

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self.arrays:
            self._restore_history()
        if self.first is None:
            self.first = epoch
        self.epoch, self.step = epoch, 0
        self.history = self._history()

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        # Between two steps nothing is half done, and the epoch's own callbacks have run.
        self.position = self.epoch, batch
        if self.arrays:
            self._restore()
        elif batch == 0:
            self._save_best()
        if self.signal:
            self._stop()
        if time.monotonic() >= self.due:
            self._save()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self.step = max(self.step, batch + 1)

    def on_train_end(self, logs: Logs = None) -> None:
        if self.arrays:  # there was nothing left to do
            self._restore_history()
            self._restore()
            self.position = self.saved = self.about["epoch"], self.about["step"]
        elif self.position:
            steps = self.params["steps"]
            if self.model.stop_training and steps and self.step < steps:
                self.position = self.epoch, self.step
            else:
                self.position, self.history = (self.epoch + 1, 0), self._history()
                self._save_best()
            self._save()
        if self.best and self.best not in self.model.history.history:
            names = ", ".join(self.model.history.history)
            warnings.warn(
                f"No epoch recorded {self.best!r}, so none is the best: there are {names}.",
                stacklevel=2,
            )

    # --------------------------------------------------------------------------- saving, restoring

    def _history(self):
        history = self.model.history
        return {"epoch": list(history.epoch), "values": copy.deepcopy(history.history)}

    def _restore_history(self):
        history, saved = self.model.history, self.about["history"]
        history.epoch, history.history = list(saved["epoch"]), copy.deepcopy(saved["values"])
        self.scored = len(history.history.get(self.best, []))

    def _restore(self):
        checkpoint.assign(self.model, self.arrays)
        if self.position and self.about["step"] == 0:
            self.model.reset_metrics()  # they were saved at the end of a training
        self.arrays, self.saved = None, self.position
        for i, variable in enumerate(_rates(self.model)):
            begun_with, here = self.about["rates"][i], self.rates[i]
            if here in (begun_with, _number(variable)):
                self.rates[i] = begun_with
            else:  # the script sets a different one now
                variable.assign(here)

    def _save(self):
        epoch, step = self.position
        if self.saved != self.position and self._write(f"epoch-{epoch:06}-step-{step:08}.npz"):
            self.saved = self.position
            for file in self._files()[: -self.keep]:
                file.unlink(missing_ok=True)
        self.due = time.monotonic() + self.every

    def _save_best(self):
        values = self.history["values"].get(self.best, [])
        if len(values) > self.scored:
            self.scored = len(values)
            numbers = [value for value in values if math.isfinite(value)]
            if numbers and values.index(self.choose(numbers)) == len(values) - 1:
                self._write("best.npz")

    def _write(self, name):
        """Whether the checkpoint was written. A training does not end because a disk is full."""
        arrays = checkpoint.state(self.model)
        if not checkpoint.finite(arrays[: len(self.model.variables)]):
            return False  # `GAN.fit` is about to stop: keep the last good one
        epoch, step = self.position
        try:
            checkpoint.write(
                self.folder / name,
                self.model,
                arrays,
                epoch=epoch,
                step=step,
                steps=self.params["steps"],
                first=self.first,
                start=self.start,
                rates=self.rates,
                of=self.of,
                history=self.history,
            )
        except OSError as error:
            warnings.warn(
                f"No checkpoint could be written to {self.folder} ({error.strerror}): the training "
                "goes on, and the checkpoints before are kept.",
                stacklevel=2,
            )
            return False
        return True

    def _stop(self):
        self._save()
        sentence = f"Nothing could be saved in {self.folder}."
        if self.saved:
            epoch, step = self.saved
            sentence = (
                f"The training is saved in {self.folder}, after {epoch} epochs and {step} steps: "
                "run the same again to go on."
            )
        if self.signal == signal.SIGTERM:
            say(sentence, sys.stderr)
        raise KeyboardInterrupt(sentence)


def _rates(gan):
    return [v for v in gan.optimizer.variables if v.name == "learning_rate"]


def _number(variable):  # a variable of several replicas has no `float`
    return float(keras.ops.convert_to_numpy(variable))


def rewind(feed: Any, data: Any, about: dict[str, Any]) -> None:
    """Set Keras's iterator over batches to where a training was.

    Args:
        feed: the iterator that `fit` has made for `data`.
        about: epoch, step: the place; steps: of an epoch, or None; first: the epoch that the
            training began with; start: where the data were then.

    Raises:
        ValueError: an epoch has another number of steps than before.
    """
    epochs, steps = about["epoch"] - about["first"], about["step"]
    if about["steps"] != feed.num_batches or steps % feed.steps_per_execution:
        raise ValueError(
            f"The training was saved {steps} steps into an epoch of {about['steps']}, but now an "
            f"epoch has {feed.num_batches} in groups of {feed.steps_per_execution}: go on with the "
            "same data, batch size and steps, or choose another folder."
        )
    dropped = steps
    if hasattr(data, "seek"):
        data.seek(about["start"])
        # Finite data whose epochs Keras cuts or shuffles itself have to be read up to the place.
        whole = not (feed.steps_per_epoch and feed.data_adapter.num_batches)
        if whole and not getattr(feed.data_adapter, "shuffle", False):
            dropped = data.seek(about["start"] + epochs * (about["steps"] or 0) + steps)
            epochs = 0

    def rest(epoch):
        for _ in range(epochs):
            with feed.catch_stop_iteration():
                for begin, end, batches in epoch():
                    _drop(batches, end + 1 - begin)
        for begin, end, batches in epoch():
            if begin == 0:
                _drop(batches, dropped)
            if begin >= steps:
                yield begin, end, batches

    next_epoch(feed, rest)


def _drop(batches, number):
    for _ in range(number):
        next(batches)
