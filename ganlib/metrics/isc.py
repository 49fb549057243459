"""The Inception Score (Salimans et al. 2016)."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import entr

from ganlib.metrics.inputs import array


def inception_score(probabilities: ArrayLike) -> float:
    """How sure a classifier is of each sample, and how varied its answers are.

    `exp(E_x KL(p(y|x) || p(y))) = exp(H(E_x p(y|x)) - E_x H(p(y|x)))`, H being the entropy
    (Salimans et al. 2016, section 4), over all samples at once: the usual ten splits only lower it.
    It is 1 if every sample gets the same answer and the number of classes if every answer is
    certain and all are given equally often. Real samples do not enter: one perfect image for each
    class scores best.

    Args:
        probabilities: float (N, classes), rows that sum to one.

    Returns:
        float in [1, classes].

    Raises:
        ValueError: they are not probabilities.
    """
    p = array(probabilities).astype(np.float64)
    # Written so that NaN fails it too.
    if p.ndim != 2 or not (p.size and p.min() >= 0 and np.abs(p.sum(axis=1) - 1).max() < 1e-3):
        raise ValueError(
            "Probabilities form a table (N, classes), none negative, in which each row sums to one."
        )
    p = p / p.sum(axis=1, keepdims=True)  # in float32 they sum to one only nearly
    information = entr(p.mean(axis=0)).sum() - entr(p).sum(axis=1).mean()
    return float(np.clip(np.exp(information), 1, p.shape[1]))
