"""All scores of a set of samples at once."""

import numpy as np

from ganlib.metrics.features import extract
from ganlib.metrics.fid import frechet_distance
from ganlib.metrics.isc import inception_score
from ganlib.metrics.kid import kernel_distance
from ganlib.metrics.modes import label_modes
from ganlib.metrics.prdc import prdc


def score(real, fake, features, seed=None):
    """Score fake images against real ones: what a run writes into `metrics.json`.

    Args:
        real, fake: uint8 (N, H, W, C) and (M, H, W, C), or a `ganlib.data.Dataset`. Real ones that
            trained neither the generator nor the classifier say more.
        features: what the images are compared by: `Classifier`, `Inception`, or a function of
            uint8 images (n, H, W, C) that returns features (n, F).
        seed: what drew the fake images, for the record.

    Returns:
        dict, ready for JSON: `fid`, `kid` and `kid_standard_error`, `precision`, `recall`,
        `density`, `coverage`; `inception_score` if the extractor classifies; `modes` and
        `reverse_kl` of the classes it sees, against those it sees in the real images, if they are
        the data's own; and what the numbers depend on: `n_real`, `n_fake`, `features`, `seed`.

    Warns:
        UserWarning: fewer samples than features.

    Raises:
        ValueError: images that are not uint8 or not the extractor's shape, features that are not
            finite, fewer than six images, a class that only the fake images have.
    """
    real, fake = (getattr(images, "images", images) for images in (real, fake))
    (real_features, real_classes), (fake_features, fake_classes) = (
        extract(features, images) for images in (real, fake)
    )
    kid, kid_standard_error = kernel_distance(real_features, fake_features)
    scores = {
        "fid": frechet_distance(real_features, fake_features),
        "kid": kid,
        "kid_standard_error": kid_standard_error,
        **prdc(real_features, fake_features),
    }
    if fake_classes is not None:
        scores["inception_score"] = inception_score(fake_classes)
        if getattr(features, "class_names", None):
            real_labels, fake_labels = (p.argmax(axis=1) for p in (real_classes, fake_classes))
            frequencies = np.bincount(real_labels, minlength=len(features.class_names))
            scores |= label_modes(fake_labels, frequencies)
    name = getattr(features, "name", getattr(features, "__name__", type(features).__name__))
    return scores | {"n_real": len(real), "n_fake": len(fake), "features": name, "seed": seed}
