"""Generative adversarial networks from small parts that compose, for Keras 3."""

import importlib

import ganlib.backend  # noqa: F401  (before Keras, whose start-up notes it holds back)
from ganlib import models
from ganlib.checks import check
from ganlib.game import augment, losses, penalties
from ganlib.gan import GAN
from ganlib.models import layers

__version__ = "0.1.0"
__all__ = ["GAN", "augment", "check", "layers", "losses", "models", "penalties"]

_LATER = {"data": "data", "metrics": "metrics", "plots": "plots"}
_LATER |= {name: f"training.{name}" for name in ("callbacks", "health", "lab")}
_LATER |= {name: f"runs.{name}" for name in ("outputs", "sweep")}


def __getattr__(name):
    """Import the other modules, some of which need SciPy or Matplotlib, at their first use."""
    if name in _LATER:
        return importlib.import_module(f"ganlib.{_LATER[name]}")
    raise AttributeError(f"module 'ganlib' has no attribute {name!r}")
