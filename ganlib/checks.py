"""Claims that run: `check` prints a claim that holds and stops the chapter at one that does not.

A claim about a training is meant for the settings that it was tested with. `settings` names them,
once in a chapter, and elsewhere a claim that fails is marked and stops nothing:

    settings(globals(), tested={"dataset": "glyphs", "steps": 800}, least={"steps": 1})

An exercise is claims about an answer, which `attempt` makes for a reader who may not have one yet.
"""

import functools
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike

# Reasons why a failing claim does not contradict the text; None until `settings` is called.
_untested: list[str] | None = None


class ClaimFailed(AssertionError):
    """A claim of the text that the numbers do not bear out."""


class _Incomparable(ValueError):
    """A value of which a claim says nothing: it is empty, or of another shape."""


class _Unanswered(Exception):
    """The answer to an exercise is still the blank, `...`."""


def settings(
    values: dict,
    *,
    tested: dict,
    least: dict[str, float] | None = None,
    most: dict[str, float] | None = None,
) -> None:
    """Say which parameters the claims that follow were tested with, and what each of them may be.

    With other values, or once `untested` was called, a claim that fails prints "– not here: ..."
    with its number, and the chapter goes on.

    Args:
        values: the parameters as they are, `globals()` in a notebook.
        tested: the values that the claims were tested with, by name.
        least, most: the smallest and the largest value that a parameter can have, by name. `seed`
            and `max_seconds` are never negative.
            `ganlib.run` reads them from the notebook before it starts anything.

    Raises:
        ValueError: a value is out of its bounds.
    """
    problem = out_of_bounds(values, least or {}, most or {})
    if problem:
        raise ValueError(problem)
    global _untested
    _untested = []
    others = [name for name in tested if values[name] != tested[name]]
    if others:
        here, there = (
            ", ".join(f"{name} = {given[name]!r}" for name in others) for given in (values, tested)
        )
        untested(f"this run has {here}, and claims were tested with {there}")


def untested(reason: str) -> None:
    """From here on a claim that fails is marked "– not here", because of `reason`, and no error.

    Where `settings` was never called, no one makes claims, and nothing is said.
    """
    if _untested is not None and reason not in _untested:
        _untested.append(reason)
        say(f"Claims that fail from here on stop nothing: {reason}.")


def out_of_bounds(values: dict, least: dict, most: dict) -> str | None:
    """A sentence on the first of `values` that is below its `least` or above its `most`, or None.

    `seed` and `max_seconds`, where they are among them, are never negative. Not a number is out of
    any bounds.
    """
    for bounds, word, within in (
        ({"seed": 0, "max_seconds": 0} | least, "least", lambda value, bound: value >= bound),
        (most, "most", lambda value, bound: value <= bound),
    ):
        for name, bound in bounds.items():
            if name in values and not within(values[name], bound):
                return f"{name} must be at {word} {bound}, not {values[name]!r}."
    return None


def check(
    claim: str,
    value: ArrayLike,
    *,
    equals: ArrayLike | None = None,
    tol: ArrayLike = 0.0,
    above: ArrayLike | None = None,
    below: ArrayLike | None = None,
) -> None:
    """Print "✓ claim" if `value` meets every bound given, or raise `ClaimFailed` with the number.

    The printed line holds no number, so that notebooks compare equal on any machine. With other
    settings than the claim was tested with (`settings`), a failure is printed and not raised.

    Args:
        claim: what the text says, as a plain sentence.
        value: a number, an array or tensor of numbers (every element must hold), or, with no
            bound given, a truth value or an array of them. NaN and infinity always fail.
        equals: the expected number or array (shapes must broadcast to that of `value`).
        tol: the largest absolute difference from `equals` that is allowed, included.
        above: the value must be strictly greater than this.
        below: the value must be strictly less than this.

    Raises:
        ClaimFailed: names the number that failed; in an array, the worst and its index.
        ValueError: there is nothing to compare with, or nothing to compare.
    """
    try:
        _demand(claim, value, equals, tol, above, below)
    except ClaimFailed as failure:
        if not _untested:
            raise ClaimFailed(f"✗ {failure}") from None
        say(f"– not here: {failure}")
    else:
        say(f"✓ {claim}")


def attempt(grade: Callable[..., None], *answers: Any) -> None:
    """Have a reader's answers to an exercise graded, in words that stop nothing.

    Prints "– not answered yet" where an answer is, holds or returns `...`; otherwise the checks of
    `grade`, up to the first that fails, "✗ claim: 3 is not 4". So a notebook with its blanks left
    open runs to its end. The exercise's solution calls `grade` itself, which raises.

    Args:
        grade: a function of the answers that calls `check`.
        answers: what the reader wrote: values, functions or classes.
    """
    global _untested
    before, _untested = _untested, None  # an answer is right or wrong whatever the settings
    try:
        grade(*map(_asked, answers))
    except _Unanswered:
        say("– not answered yet")
    except ClaimFailed as failure:
        say(str(failure).removesuffix(": False is not true"))
    except _Incomparable as problem:  # what the reader wrote has another shape than asked for
        say(f"✗ {problem}")
    finally:
        _untested = before


def _asked(answer):
    """The answer, of which a function raises `_Unanswered` as soon as it returns a blank."""
    if _is_blank(answer):
        raise _Unanswered
    if isinstance(answer, FunctionType):

        @functools.wraps(answer)
        def call(*args, **kwargs):
            return _asked(answer(*args, **kwargs))

        return call
    if isinstance(answer, type):
        methods = {
            name: _asked(method)
            for name, method in vars(answer).items()
            if isinstance(method, FunctionType) and (name == "__call__" or name[:2] != "__")
        }
        return type(answer.__name__, (answer,), methods)
    return answer


def _is_blank(answer):
    if isinstance(answer, dict):
        answer = tuple(answer.values())
    if isinstance(answer, tuple | list):
        return any(map(_is_blank, answer))
    return answer is ...


def _demand(claim, value, equals, tol, above, below):
    """Raise `ClaimFailed`, or ValueError, unless `value` meets the bounds."""
    array = _array(value)
    if array.size == 0:
        if _untested:
            raise ClaimFailed(f"{claim}: there is nothing to check")
        raise _Incomparable(f"The claim {claim!r} has no value to check: the array is empty.")
    if equals is None and above is None and below is None:
        if array.dtype != bool:
            raise ValueError(
                f"The claim {claim!r} needs equals=, above= or below=, or a truth value."
            )
        _require(claim, array, ~array, "is not true")
        return

    array = array.astype(float)
    if equals is None and tol:
        raise ValueError(f"The claim {claim!r} gives tol= without equals=.")
    _require(claim, array, ~np.isfinite(array), "is not finite")
    if equals is not None:
        target = _broadcast(claim, equals, array)
        excess = np.abs(array - target) - tol * (1 + 1e-9)  # 0.52 is within 0.02 of 0.5
        _require(claim, array, excess, f"is not within {tol:g} of" if tol else "is not", target)
    if above is not None:
        target = _broadcast(claim, above, array)
        # An equal value fails too: the bound is strict.
        _require(
            claim, array, np.where(array > target, 0, target - array + 1), "is not above", target
        )
    if below is not None:
        target = _broadcast(claim, below, array)
        _require(
            claim, array, np.where(array < target, 0, array - target + 1), "is not below", target
        )


def _array(value) -> np.ndarray:
    if hasattr(value, "detach"):  # a PyTorch tensor that carries a gradient, or lies on a GPU
        value = value.detach().cpu()
    return np.asarray(value)


def _broadcast(claim, bound, array):
    bound = _array(bound).astype(float)
    try:
        return np.broadcast_to(bound, array.shape)
    except ValueError:
        raise _Incomparable(
            f"The claim {claim!r} compares shape {array.shape} with shape {bound.shape}."
        ) from None


def _require(claim, array, excess, words, target=None):
    """Raise for the element whose `excess` over its bound is the largest, if one is positive."""
    excess = np.asarray(excess, float)
    excess = np.where(np.isnan(excess), np.inf, excess)  # a NaN as a bound must fail, not pass
    if not (excess > 0).any():
        return
    index = np.unravel_index(np.argmax(excess), array.shape)
    where = f" at [{', '.join(str(int(i)) for i in index)}]" if array.ndim else ""
    if target is None:
        found = bool(array[index]) if array.dtype == bool else f"{array[index]:.4g}"
        raise ClaimFailed(f"{claim}: {found}{where} {words}")
    found, bound = _tell_apart(array[index], target[index])
    raise ClaimFailed(f"{claim}: {found}{where} {words} {bound}")


def _tell_apart(a, b) -> tuple[str, str]:
    """Both numbers with four digits, or with as many as it takes to see that they differ."""
    for digits in (4, 8, 17):
        texts = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def say(text: str, stream: TextIO | None = None) -> None:
    """Print at once, with a question mark for what the terminal's encoding lacks."""
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)


def first_line(error: BaseException) -> str:
    """What an error says, without its second line and those that follow."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
