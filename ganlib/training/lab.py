"""Variants of a GAN, each trained from several seeds at an equal budget and scored alike.

    lab = Lab(scores(held_out, judge), steps=400, seeds=range(5))
    lab.add("baseline", build, batches)
    lab.add("twice the learning rate", build, batches, faster)
    lab.show("fid", "coverage", "seconds")

One training shows little: what a trick does has to stand out from what the seed does.
"""

import contextlib
import time
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from ganlib import data, metrics
from ganlib.checks import first_line, say
from ganlib.gan import GAN
from ganlib.pixels import scale
from ganlib.training import callbacks, checkpoint, health

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

    Attributes:
        table: list of dicts, one a training: `variant`, `seed`, what `score` gave, and the
            `seconds` of training. Plain numbers and text, ready for JSON.
        samples: what `GAN.sample(20)` gave after the first training of each variant that is not
            conditional.
    """

    def __init__(
        self,
        score: Callable[[GAN], dict[str, Any]],
        steps: int,
        seeds: Sequence[int] = (0,),
        max_seconds: float = 0.0,
    ) -> None:
        self.score, self.steps, self.seeds, self.max_seconds = score, steps, seeds, max_seconds
        self.table, self.samples = [], {}

    def add(
        self,
        variant: str,
        build: Callable[[int], GAN],
        batches: Callable[[int], Any],
        change: Callable[[GAN], Any] | None = None,
    ) -> GAN:
        """Train a variant from every seed and add its rows to the table.

        A training whose losses are no longer finite ends there, and has no scores.

        Args:
            variant: its name in the table.
            build: function of a seed to a compiled GAN; Keras's own seed is set before the call.
                Give variants that build the same GAN the very same function.
            batches: function of a seed to what `fit` takes, without end.
            change: function of the GAN that assigns weights or learning rates before it trains.
                What a trace has fixed, such as Adam's betas, takes another `build`.

        Returns:
            The GAN of the last seed, trained. Another `add` with its `build` trains it anew.
        """
        for seed in self.seeds:
            gan = self._start(build, batches, seed)
            if change is not None:
                change(gan)
            start = time.monotonic()
            row = {"variant": variant, "seed": int(seed)}
            self.table.append(row)
            broken = False
            try:
                gan.fit(
                    batches(seed),
                    steps_per_epoch=self.steps,
                    callbacks=[callbacks.StopAfter(self.max_seconds)],
                    verbose=0,
                )
            except FloatingPointError as error:
                warnings.warn(f"No scores of {variant!r}, seed {seed}: {error}", stacklevel=2)
                broken = True
            row["seconds"] = time.monotonic() - start
            if gan.condition is None:
                self.samples.setdefault(variant, gan.sample(20, seed=1))
            row |= {} if broken else self._scores(row, gan)
        return gan

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


def column(table: list[dict[str, Any]], variant: str, name: str) -> np.ndarray:
    """`Lab.column` of any table, such as one of a file."""
    return np.array([row.get(name, np.nan) for row in table if row["variant"] == variant], float)


def show(table: list[dict[str, Any]], *names: str) -> None:
    """`Lab.show` of any table."""
    variants = list(dict.fromkeys(row["variant"] for row in table))
    names = [name for name in names if any(name in row for row in table)]

    def cells(name, text):
        return [text(column(table, variant, name)) for variant in variants]

    columns = [[name, *cells(name, lambda x: _three_digits(np.median(x)))] for name in names]
    if names:
        columns.insert(1, ["range", *cells(names[0], _range)])
    columns = [[f"{cell:>{max(map(len, cells))}}" for cell in cells] for cells in columns]
    width = max(map(len, variants), default=0)
    for variant, *line in zip(["", *variants], *columns, strict=True):
        say("  ".join([f"{variant:{width}}", *line]))


def _range(values):
    return (
        "-" if np.isnan(values).any() else " - ".join(map(_three_digits, np.sort(values)[[0, -1]]))
    )


def _three_digits(number):
    """Three digits of it, without an exponent below a million: 0.0123, 1.23, 123,000; NaN is a
    dash."""
    return "-" if np.isnan(number) else f"{float(f'{number:.3g}'):,g}"


def compare(table: list[dict[str, Any]], name: str = "fid") -> list[dict[str, Any]]:
    """What each variant makes of a score, lower being better, beside the first variant.

    The verdict asks every training: "better" if the worst of the variant's is below the best of the
    first one's, "worse" if its best is above the worst, otherwise "no clear difference". If nothing
    but the seed differed, five trainings against five would be called better once in 252 times, and
    worse as often. A variant with a training that lacks the score has no ratio, NaN, and no verdict
    but "no clear difference".

    Returns:
        list of dicts, one a variant but the first: `variant`; `ratio`, its median score over the
        first one's, and `low` and `high`, its extremes over the same; `cost`, its seconds over
        those of the first one with the same seed, the median; `verdict`; `collapsed`, how many of
        its trainings did, if the table says.
    """
    groups = {}
    for row in table:
        groups.setdefault(row["variant"], []).append(row)
    first, *others = groups
    base = column(table, first, name)
    seconds = {row["seed"]: row["seconds"] for row in groups[first]}
    compared = []
    for variant in others:
        values = column(table, variant, name)
        verdict = "no clear difference"
        if values.max() < base.min():
            verdict = "better"
        elif values.min() > base.max():
            verdict = "worse"
        low, ratio, high = np.quantile(values, [0, 0.5, 1]) / np.median(base)
        costs = [row["seconds"] / seconds[row["seed"]] for row in groups[variant]]
        compared.append(
            {
                "variant": variant,
                "ratio": float(ratio),
                "low": float(low),
                "high": float(high),
                "cost": float(np.median(costs)),
                "verdict": verdict,
                "collapsed": sum(row.get("collapsed", False) for row in groups[variant]),
            }
        )
    return compared


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
