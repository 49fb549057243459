"""Which modes samples reach, and how evenly, where the modes are known."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist
from scipy.special import rel_entr

from ganlib.data import Dataset, Mixture
from ganlib.metrics.inputs import array, blocks, checked


def mixture_modes(samples: ArrayLike, mixture: Mixture, within: float = 3.0) -> dict[str, float]:
    """Modes of a mixture of Gaussians that samples reach.

    A sample belongs to the mode whose centre is nearest, in standard deviations of that mode, and
    is of high quality if it lies `within` of them. A mode is reached by one sample of high quality
    (Srivastava et al. 2017; Lin et al. 2018, PacGAN, section 4.1). In the plane 1.1% of the
    mixture's own samples lie further than 3.

    Args:
        samples: float (N, dim).
        mixture: `ganlib.data.Mixture`.
        within: standard deviations.

    Returns:
        dict: `modes`, how many are reached; `high_quality`, the share of such samples;
        `reverse_kl`, see `label_modes`, of all samples against the mixture's weights.

    Raises:
        ValueError: the samples are not finite, or not of the mixture's dimension.
    """
    samples = checked(samples)
    if samples.shape[1] != mixture.dim:
        raise ValueError(
            f"Samples {samples.shape} do not fit a mixture in {mixture.dim} dimensions."
        )
    nearest, good = np.empty(len(samples), int), np.empty(len(samples), bool)
    for rows, points in blocks(samples):
        deviations = cdist(points, mixture.means) / mixture.sigmas
        nearest[rows] = deviations.argmin(axis=1)
        good[rows] = deviations.min(axis=1) <= within
    return {
        "modes": len(np.unique(nearest[good])),
        "high_quality": float(good.mean()),
        "reverse_kl": label_modes(nearest, mixture.weights)["reverse_kl"],
    }


def label_modes(labels: ArrayLike, frequencies: ArrayLike) -> dict[str, float]:
    """Classes that samples reach, and how their frequencies differ from those expected.

    The reverse divergence is `KL(q || p) = sum_c q_c log(q_c / p_c)`, in nats, for the classes'
    shares q among the samples and p expected (Lin et al. 2018, section 4.1): 0 if they agree,
    -log p if all samples are of one class, which has share p. Chance adds about
    (classes - 1) / (2 N).

    Args:
        labels: int (N,), the class of each sample, such as a classifier's likeliest.
        frequencies: (classes,), how often each is expected; scaled to sum to one.

    Returns:
        dict: `modes`, how many classes have a sample; `reverse_kl`.

    Raises:
        ValueError: labels that are none, or a class with samples where none is expected: the
            divergence would be infinite.
    """
    labels, frequencies = array(labels), array(frequencies).astype(np.float64)
    classes = len(frequencies)
    if labels.ndim != 1 or len(labels) == 0 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"Labels are integers (N,), one for each sample: not {labels.dtype} {labels.shape}."
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"{classes} frequencies expect labels from 0 to {classes - 1}, "
            f"not from {labels.min()} to {labels.max()}."
        )
    if not (frequencies.min() >= 0 and 0 < frequencies.sum() < np.inf):
        raise ValueError("Frequencies must not be negative, and not all zero.")
    counts = np.bincount(labels, minlength=classes)
    missing = np.flatnonzero((counts > 0) & (frequencies == 0))
    if len(missing):
        raise ValueError(
            f"There are samples of class {', '.join(map(str, missing[:10]))}, where none is "
            "expected: count the frequencies on more real images, or of fewer classes."
        )
    divergence = rel_entr(counts / len(labels), frequencies / frequencies.sum()).sum()
    return {"modes": int(np.count_nonzero(counts)), "reverse_kl": float(max(0.0, divergence))}


def split_by_typeface(dataset: Dataset) -> Dataset:
    """Make each pair of class and typeface a class of its own: 180 for "glyphs", 468 for "letters".

    Args:
        dataset: a `ganlib.data.Dataset` with labels and typefaces.

    Returns:
        The same images, with label `class * number of typefaces + typeface`.

    Raises:
        ValueError: the typefaces are not known.
    """
    if dataset.labels is None or dataset.typefaces is None:
        raise ValueError(
            f'The typefaces of {dataset} are not known; those of "glyphs" and "letters" are.'
        )
    return replace(
        dataset,
        labels=dataset.labels * len(dataset.typeface_names) + dataset.typefaces,
        class_names=tuple(
            f"{name} in {typeface}"
            for name in dataset.class_names
            for typeface in dataset.typeface_names
        ),
    )
