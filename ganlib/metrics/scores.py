"""All scores of a set of samples at once."""

import warnings
from typing import Any

import numpy as np

from ganlib.data import Dataset
from ganlib.metrics.features import Features, extract
from ganlib.metrics.fid import frechet_distance
from ganlib.metrics.inputs import same_length, table
from ganlib.metrics.isc import inception_score
from ganlib.metrics.kid import kernel_distance
from ganlib.metrics.modes import label_modes
from ganlib.metrics.prdc import prdc


def score(
    real: np.ndarray | Dataset,
    fake: np.ndarray | Dataset,
    features: Features,
    seed: int | None = None,
) -> dict[str, Any]:
    """Score fake images against real ones: what a run writes into `metrics.json`.

    A score that cannot be computed, such as those of neighbours among five images, is absent.

    Args:
        real, fake: uint8 (N, H, W, C) and (M, H, W, C), or a `ganlib.data.Dataset`. Real ones that
            trained neither the generator nor the classifier say more.
        features: what the images are compared by: `Classifier`, `Untrained`, `Inception`, or a
            function of uint8 images (n, H, W, C) that returns features (n, F).
        seed: what drew the fake images, for the record.

    Returns:
        dict, ready for JSON: `fid`, `kid` and `kid_standard_error`, `precision`, `recall`,
        `density`, `coverage`; `inception_score` if the extractor classifies; `modes` and
        `reverse_kl` of the classes it sees, against those it sees in the real images, if they are
        the data's own; and what the numbers depend on: `n_real`, `n_fake`, `features`, `seed`.

    Warns:
        UserWarning: scores are absent, and why; fewer samples than features.

    Raises:
        ValueError: images that are not uint8 or not the extractor's shape, features that form no
            tables of one width.
    """
    real, fake = (x.images if isinstance(x, Dataset) else x for x in (real, fake))
    (real_features, real_classes), (fake_features, fake_classes) = (
        extract(features, images) for images in (real, fake)
    )
    both = table(real_features), table(fake_features)
    same_length(*(x.shape for x in both))
    wanted = {
        ("fid",): lambda: [frechet_distance(*both)],
        ("kid", "kid_standard_error"): lambda: kernel_distance(*both),
        ("precision", "recall", "density", "coverage"): lambda: prdc(*both).values(),
    }
    if fake_classes is not None:
        wanted["inception_score",] = lambda: [inception_score(fake_classes)]
        if getattr(features, "class_names", None):
            wanted["modes",] = lambda: [len(np.unique(_answers(fake_classes)))]
            wanted["reverse_kl",] = lambda: [_reverse_kl(real_classes, fake_classes)]
    scores, reasons = {}, {}
    for names, function in wanted.items():
        try:
            found = dict(zip(names, function(), strict=True))
            if not np.isfinite(list(found.values())).all():
                raise ValueError("The features are too large.")
        except (ValueError, np.linalg.LinAlgError) as error:
            reasons.setdefault(str(error), []).extend(names)
        else:
            scores |= found
    for reason, names in reasons.items():
        warnings.warn(f"No {', '.join(names)}: {reason}", stacklevel=2)
    name = getattr(features, "name", getattr(features, "__name__", type(features).__name__))
    return scores | {"n_real": len(real), "n_fake": len(fake), "features": name, "seed": seed}


def _answers(probabilities):
    """The likeliest class of each sample, int (N,)."""
    if not np.isfinite(probabilities).all():
        raise ValueError("The probabilities are not all finite.")
    return probabilities.argmax(axis=1)


def _reverse_kl(real_classes, fake_classes):
    """How the classes seen in the fake images are spread, against those seen in the real ones."""
    frequencies = np.bincount(_answers(real_classes), minlength=real_classes.shape[1])
    return label_modes(_answers(fake_classes), frequencies)["reverse_kl"]
