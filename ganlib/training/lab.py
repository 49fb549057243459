"""Variants of a GAN, each trained from several seeds at an equal budget and scored alike.

    lab = Lab(scores(held_out, judge), steps=400, seeds=range(5))
    lab.add("baseline", build, batches)
    lab.add("twice the learning rate", build, batches, faster)
    lab.show("fid", "coverage", "seconds")
    compare(lab.table)

One training shows little: what a trick does has to stand out from what the seed does. Nor does one
setting: a change that needs another learning rate is judged fairly once it has had the same
`Lab.search` as everything beside it.
"""

import contextlib
import hashlib
import json
import re
import time
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ganlib import data, metrics
from ganlib.checks import first_line
from ganlib.data.cache import UNREADABLE
from ganlib.files import lock, try_writing, whole
from ganlib.gan import GAN
from ganlib.pixels import scale
from ganlib.training import callbacks, checkpoint, health
from ganlib.training.tables import column, compare, show

__all__ = ["Lab", "column", "compare", "scores", "shared", "show"]

_traced = weakref.WeakKeyDictionary()  # the GAN of each function `build` that still exists


class Lab:
    """Trainings that differ in one thing at a time, and a table of their scores.

    Keras takes seconds to trace a new GAN. Here that happens once for each function `build`, in
    whatever labs: the trainings of its other seeds, and of variants that only `change` what it
    built, go on with the traced one, from the weights and seeds that a new one would have had. The
    trace is not part of anyone's seconds.

    A training whose `score` raises has a row without scores, and a warning says why.

    Args:
        score: function of a trained GAN to a dict of numbers, such as `scores` makes for images.
        steps: rounds of a training.
        seeds: a training for each of them.
        max_seconds: stop each training cleanly after as many; 0: never.
        folder: each finished training leaves a small file there, and one that has left its file is
            not trained again. Whatever else changes a training, such as the data, asks for another
            folder.
        settings: of this, what may be known by name: a folder that began with others is refused.

    Attributes:
        table: list of dicts, one a training: `variant`, `seed`, its planned `rounds`, the
            generator's `updates`, the `seconds` of training and those of the `processor`, in which
            other programs' work does not count, and what `score` gave. Plain numbers and text,
            ready for JSON.
        samples: what `GAN.sample(20)` gave after the first training of each variant that is not
            conditional.
    """

    def __init__(
        self,
        score: Callable[[GAN], dict[str, Any]],
        steps: int,
        seeds: Sequence[int] = (0,),
        max_seconds: float = 0.0,
        folder: str | Path = "",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.score, self.steps, self.seeds, self.max_seconds = score, steps, seeds, max_seconds
        self.folder = folder and Path(folder).expanduser()
        if self.folder and settings:
            _require(self.folder, settings)
        self.table, self.samples = [], {}

    def add(
        self,
        variant: str,
        build: Callable[[int], GAN],
        batches: Callable[[int], Any],
        change: Callable[[GAN], Any] | None = None,
        rounds: Sequence[int] = (),
        **about: Any,
    ) -> GAN | None:
        """Train a variant from every seed and add its rows to the table.

        A training whose losses are no longer finite ends there, and has no more scores.

        Args:
            variant: its name in the table.
            build: function of a seed to a compiled GAN; Keras's own seed is set before the call.
                Give variants that build the same GAN the very same function.
            batches: function of a seed to what `fit` takes, without end.
            change: function of the GAN that assigns weights or learning rates before it trains.
                What a trace has fixed, such as Adam's betas, takes another `build`.
            rounds: score the training after each of these, a row for each, and end it after the
                last; by default after `steps`.
            about: what else the rows say.

        Returns:
            The GAN of the last seed, trained, or None if all were found in the folder. Another
            `add` with its `build` trains it anew.

        Raises:
            ValueError: no round is asked for.
            OSError: the folder takes no files.
        """
        gan, marks = None, sorted(set(rounds or (self.steps,)))
        if marks[0] < 1:
            raise ValueError(f"A training has one round or more, not {marks[0]}.")
        for seed in self.seeds:
            rows = [_plain({"variant": variant, "seed": seed, **about, "rounds": n}) for n in marks]
            file = self.folder and self.folder / _file_name(rows)
            if file and (kept := _kept(file)):
                self.table += kept[0]
                if kept[1].size:
                    self.samples.setdefault(variant, kept[1])
                continue
            if file:  # a folder that takes no files is refused before the training, not after it
                file.parent.mkdir(parents=True, exist_ok=True)
                try_writing(file.parent)
            self.table += rows
            gan = self._start(build, batches, seed)
            if change is not None:
                change(gan)
            complete = self._train(gan, batches(seed), rows)
            drawn = gan.sample(20, seed=1) if gan.condition is None else np.empty(0)
            if drawn.size:
                self.samples.setdefault(variant, drawn)
            if file and complete:
                with whole(file) as part:
                    np.savez_compressed(part, rows=json.dumps(rows), samples=drawn)
        return gan

    def search(
        self,
        variant: str,
        build: Callable[[int], GAN],
        batches: Callable[[int], Any],
        changes: Mapping[Any, Callable[[GAN], Any]],
        by: str = "fid",
    ) -> Any:
        """`add` a variant once with each of several settings; return the one of the lowest score.

        Choose on other images, and from other seeds, than those that are to judge the choice.

        Args:
            variant, build, batches: as for `add`.
            changes: the `change` of each setting. A setting is a number or text, which its rows
                have as `setting`.
            by: the score, whose median over the seeds counts. A setting with a training that lacks
                it is not chosen, or the first is if all do.
        """
        for setting, change in changes.items():
            self.add(variant, build, batches, change, setting=setting)

        def median(setting):
            own = [row for row in self.table if row.get("setting") == setting]
            return np.nan_to_num(np.median(column(own, variant, by)), nan=np.inf)

        if not np.isfinite(list(map(median, changes))).any():
            warnings.warn(f"No setting of {variant!r} has {by!r} in each training.", stacklevel=2)
        return min(changes, key=median)

    def _train(self, gan, fed, rows):
        """Train as long as the last row asks, and complete each row when its rounds are done.

        Returns whether another would find no more: it was neither stopped nor left without scores.
        """
        clock, whole_rows = _Clock(), []

        def reached(row):
            row |= clock.read() | {"updates": int(gan.generator_optimizer.iterations)}
            scores = self._scores(row, gan)
            whole_rows.append(bool(scores) and row["updates"] == row["rounds"])
            row |= scores

        marks = _Marks(rows[:-1], reached, clock)
        try:
            gan.fit(
                fed,
                steps_per_epoch=rows[-1]["rounds"],
                callbacks=[marks, callbacks.StopAfter(self.max_seconds)],
                verbose=0,
            )
        except FloatingPointError as error:
            row = rows[-1]
            text = f"No scores of {row['variant']!r}, seed {row['seed']}: {error}"
            warnings.warn(text, stacklevel=3)
            for row in marks.left + rows[-1:]:
                row |= clock.read() | {"updates": int(gan.generator_optimizer.iterations)}
            return all(whole_rows)
        for row in marks.left + rows[-1:]:  # a training that was stopped has them all at its end
            reached(row)
        return all(whole_rows)

    def _scores(self, row, gan):
        """What `score` gives; nothing if it raises, for that is no reason to lose the trainings."""
        try:
            return _plain(self.score(gan))
        except Exception as error:
            warnings.warn(
                f"No scores of {row['variant']!r}, seed {row['seed']}: "
                f"{type(error).__name__}: {first_line(error)}",
                stacklevel=3,
            )
            return {}

    def _start(self, build, batches, seed):
        """The traced GAN of `build` with the state of a new one of this seed."""
        keras.utils.set_random_seed(seed)
        new = build(seed)
        first = checkpoint.state(new)
        if build not in _traced:
            with contextlib.suppress(FloatingPointError):  # it will break again, and be reported
                new.fit(batches(seed), steps_per_epoch=1, verbose=0)
            _traced[build] = new
        gan = _traced[build]
        checkpoint.assign(gan, first)
        return gan

    def column(self, variant: str, name: str) -> np.ndarray:
        """The scores of that name of a variant, float (trainings,), NaN where one has none."""
        return column(self.table, variant, name)

    def show(self, *names: str) -> None:
        """Print the medians of these scores, a line a variant, and the first one's range.

        A score that no training has is left out; a dash is for variants that lack it in some.
        """
        show(self.table, *names)


class _Clock:
    """Seconds since it was made, of the wall and of the processor, without those of its pauses."""

    def __init__(self):
        self.begun = self._now()

    def _now(self):
        return np.array([time.monotonic(), time.process_time()])

    def read(self):
        """Both, as a row has them."""
        return dict(zip(("seconds", "processor"), (self._now() - self.begun).tolist(), strict=True))

    @contextlib.contextmanager
    def paused(self):
        """What is done here does not count."""
        stopped = self._now()
        yield
        self.begun += self._now() - stopped


class _Marks(keras.callbacks.Callback):
    """Calls `reached` with each row after its rounds. `left` are the rows still to come."""

    def __init__(self, rows, reached, clock):
        super().__init__()
        self.left, self.reached, self.clock = list(rows), reached, clock

    def on_train_batch_end(self, batch, logs=None):
        while self.left and batch + 1 >= self.left[0]["rounds"]:
            if keras.config.backend() == "jax":
                self.model.jax_state_sync()  # within an epoch Keras holds the weights elsewhere
            row = self.left.pop(0)
            with self.clock.paused():
                self.reached(row)


def _kept(file):
    """The rows and the samples in a training's file; None if there is none, or it is damaged."""
    try:
        with open(file, "rb") as stream, np.load(stream) as kept:
            return json.loads(str(kept["rows"])), kept["samples"]
    except UNREADABLE:
        return None


def _require(folder, settings):
    """Note in a new folder what its trainings depend on; raise ValueError if it has others."""
    file, settings = folder / "settings.json", _plain(settings)
    try:
        found = dict(json.loads(file.read_text(encoding="utf-8")))
    except UNREADABLE:  # there is none, or it is damaged
        found = settings
        folder.mkdir(parents=True, exist_ok=True)
        with whole(file) as part:
            part.write_text(json.dumps(settings), encoding="utf-8")
    for name in found | settings:
        if (there := found.get(name)) != (here := settings.get(name)):
            raise ValueError(
                f"{folder} has trainings with {name} = {there!r}, not {here!r}: use another folder."
            )


def _file_name(rows):
    """Of a training: its variant, for people, and a number that tells it from all others."""
    return f"{_words(rows[-1]['variant'])} {_digest(json.dumps(rows))}.npz"


def _lock_name(name):
    """Of the file that a process holds while it has this name."""
    return f"{_words(name)} {_digest(name)}.lock"


def _words(name):
    return re.sub(r"[^\w.,=+ -]", "_", name, flags=re.ASCII)[:80]


def _digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def shared(names: Iterable[str], folder: str | Path) -> Iterator[str]:
    """Each name once, while no other process has it that shares the folder.

    Several runs of a long table divide it so. What another is at work on comes last, when that is
    done, and its files are there for `Lab(folder=)` to find: in the end each run has all of them.

    Args:
        names: of what is to be done, in any order.
        folder: that all of them see; made if it is missing. Empty: there is no other.
    """
    left, folder = list(names), folder and Path(folder).expanduser()
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    while left:
        before = len(left)
        for name in left[:]:
            with contextlib.ExitStack() as stack:
                if folder:
                    try:
                        stack.enter_context(lock(folder / _lock_name(name), name))
                    except ValueError:
                        continue
                yield name
            left.remove(name)
        if len(left) == before:
            time.sleep(0.5)


def scores(
    real: data.Dataset, features: metrics.Features, n: int = 1000
) -> Callable[[GAN], dict[str, Any]]:
    """A function of a GAN to the scores of `n` of its images, for `Lab`.

    Args:
        real: `ganlib.data.Dataset` that it was not trained on.
        features: as for `metrics.score`.

    Returns:
        A function whose result has `fid`, `kid`, `precision`, `recall`, `density`, `coverage`,
        `modes` and `reverse_kl` if the features classify, each if it can be computed, and
        `collapsed`, whether the images are nearly alike, as `health` has it.
    """
    pixels = scale(real.images)
    unwanted = ("kid_standard_error", "inception_score", "n_real", "n_fake", "features", "seed")

    def score(gan):
        made = gan.sample(n, seed=1)
        found = metrics.score(real, made, features)
        spread = health.spread(pixels, scale(made))
        found["collapsed"] = spread < health.ILLS["generator collapses"].limit
        return {name: value for name, value in found.items() if name not in unwanted}

    return score


def _plain(scores):
    """As JSON takes it: NumPy's numbers become Python's, arrays lists."""
    return {name: np.asarray(value).tolist() for name, value in scores.items()}
