"""Generative adversarial networks from small parts that compose, for Keras 3."""

import importlib

import ganlib.backend  # noqa: F401  (before Keras, whose start-up notes it holds back)
from ganlib import augment, layers, losses, models, penalties
from ganlib.checks import check
from ganlib.gan import GAN

__version__ = "0.1.0"
__all__ = ["GAN", "augment", "check", "layers", "losses", "models", "penalties"]

_LATER = {"callbacks", "data", "densities", "metrics", "outputs", "plots"}


def __getattr__(name):
    """Import the other modules, some of which need SciPy or Matplotlib, at their first use."""
    if name in _LATER:
        return importlib.import_module(f"ganlib.{name}")
    raise AttributeError(f"module 'ganlib' has no attribute {name!r}")
