"""How good are samples? Scores of images and features, however they were made."""

from ganlib.metrics.features import (
    Classifier,
    Extractor,
    Features,
    Inception,
    Trained,
    Untrained,
    extract,
    judge,
)
from ganlib.metrics.fid import frechet_distance
from ganlib.metrics.isc import inception_score
from ganlib.metrics.kid import kernel_distance
from ganlib.metrics.modes import label_modes, mixture_modes, split_by_typeface
from ganlib.metrics.prdc import prdc
from ganlib.metrics.scores import score

__all__ = [
    "Classifier",
    "Extractor",
    "Features",
    "Inception",
    "Trained",
    "Untrained",
    "extract",
    "frechet_distance",
    "inception_score",
    "judge",
    "kernel_distance",
    "label_modes",
    "mixture_modes",
    "prdc",
    "score",
    "split_by_typeface",
]
