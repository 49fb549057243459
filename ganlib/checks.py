"""Claims that run: `check` prints a claim that holds and stops the chapter at one that does not."""

import numpy as np


class ClaimFailed(AssertionError):
    """A claim of the text that the numbers do not bear out."""


def check(claim: str, value, *, equals=None, tol=0.0, above=None, below=None) -> None:
    """Print "✓ claim" if `value` meets every bound given, or raise `ClaimFailed` with the number.

    The printed line holds no number, so that notebooks compare equal on any machine.

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
    array = _array(value)
    if array.size == 0:
        raise ValueError(f"the claim {claim!r} has no value to check: the array is empty")
    if equals is None and above is None and below is None:
        if array.dtype != bool:
            raise ValueError(
                f"the claim {claim!r} needs equals=, above= or below=, or a truth value"
            )
        _require(claim, array, ~array, "is not true")
        print(f"✓ {claim}")
        return

    array = array.astype(float)
    if equals is None and tol:
        raise ValueError(f"the claim {claim!r} gives tol= without equals=")
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
    print(f"✓ {claim}")


def _array(value) -> np.ndarray:
    if hasattr(value, "detach"):  # a PyTorch tensor that carries a gradient, or lies on a GPU
        value = value.detach().cpu()
    return np.asarray(value)


def _broadcast(claim, bound, array):
    bound = _array(bound).astype(float)
    try:
        return np.broadcast_to(bound, array.shape)
    except ValueError:
        raise ValueError(
            f"the claim {claim!r} compares shape {array.shape} with shape {bound.shape}"
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
        raise ClaimFailed(f"✗ {claim}: {found}{where} {words}")
    found, bound = _tell_apart(array[index], target[index])
    raise ClaimFailed(f"✗ {claim}: {found}{where} {words} {bound}")


def _tell_apart(a, b) -> tuple[str, str]:
    """Both numbers with four digits, or with as many as it takes to see that they differ."""
    for digits in (4, 8, 17):
        texts = f"{a:.{digits}g}", f"{b:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts
