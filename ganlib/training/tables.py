"""Tables of trainings, as `Lab` keeps them: a list of dicts, one a training."""

import functools
import math
from typing import Any

import numpy as np
from scipy import stats

from ganlib.checks import say


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
    """Three digits of it, from a ten-thousandth to a million without an exponent: 0.0123, 123,000;
    NaN is a dash."""
    return "-" if np.isnan(number) else f"{float(f'{number:.3g}'):,g}"


def compare(
    table: list[dict[str, Any]], name: str = "fid", cost: str = "seconds"
) -> list[dict[str, Any]]:
    """What each variant makes of a score, lower being better, beside the first variant.

    The effect is a factor, estimated as Hodges and Lehmann (1963) do: the median of the ratios of
    every training of the variant to every one of the first variant. Its interval is the exact one
    that belongs to the rank test of Wilcoxon, Mann and Whitney: of five trainings against five it
    goes from the third smallest of the 25 ratios to the third largest, and if the variant
    multiplies the score by a factor, it holds that factor in 97 cases of 100, whatever the
    distribution. Too few trainings for 95 of 100 have the interval from 0 to infinity. (Drawing the
    seeds anew, as the bootstrap does, gives intervals that are too narrow for so few.)

    One row in 30 of variants that change nothing has an interval without 1. So count the rows.

    Returns:
        list of dicts, one a variant but the first: `variant`; `effect`, `low` and `high`, NaN if a
        training lacks the score; `p` of the rank test, two-sided; `cost`, its median seconds a
        training over those of the first one; `collapsed`, how many of its trainings did, if the
        table says.
    """
    first, *others = dict.fromkeys(row["variant"] for row in table)
    base, seconds = column(table, first, name), np.median(column(table, first, cost))
    compared = []
    for variant in others:
        values = column(table, variant, name)
        effect, low, high = factor(values, base)
        p = stats.mannwhitneyu(values, base, method="exact").pvalue if effect > 0 else np.nan
        found = {"variant": variant, "effect": effect, "low": low, "high": high, "p": float(p)}
        found["cost"] = float(np.median(column(table, variant, cost)) / seconds)
        if any("collapsed" in row for row in table):
            found["collapsed"] = int(np.nansum(column(table, variant, "collapsed")))
        compared.append(found)
    return compared


def factor(values: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    """By what factor positive `values` exceed `others`, and the exact interval: see `compare`.

    NaN thrice if one of them is NaN.
    """
    ratios = np.sort(np.divide.outer(values, others), axis=None)
    if np.isnan(ratios).any():
        return (np.nan,) * 3
    n, m, k = len(values), len(others), 0
    while 40 * sum(_orders(u, n, m) for u in range(k + 1)) <= math.comb(n + m, n):
        k += 1
    low, high = (float(ratios[k - 1]), float(ratios[-k])) if k else (0.0, math.inf)
    return float(np.median(ratios)), low, high


@functools.cache
def _orders(u, n, m):
    """In how many orders of n and m numbers the first are the larger in `u` of the n m pairs."""
    if n == 0 or m == 0 or u < 0:
        return int(u == 0)
    return _orders(u - m, n - 1, m) + _orders(u, n, m - 1)
