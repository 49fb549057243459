"""How good are samples? Scores of images and features, however they were made."""

from ganlib.metrics.features import Classifier
from ganlib.metrics.fid import frechet_distance

__all__ = ["Classifier", "frechet_distance"]
