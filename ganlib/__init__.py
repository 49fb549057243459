"""Generative adversarial networks from small parts that compose, for Keras 3."""

import importlib

from ganlib import (
    backend as _backend,
)  # first: it imports Keras and the backend without their start-up notes
from ganlib import losses, models, penalties
from ganlib.checks import check
from ganlib.gan import GAN

__version__ = "0.1.0"
__all__ = ["GAN", "check", "data", "losses", "models", "penalties", "plots"]


def __getattr__(name):
    """Import `data` and `plots`, which need SciPy and Matplotlib, when they are first used."""
    if name in ("data", "plots"):
        return importlib.import_module(f"ganlib.{name}")
    raise AttributeError(f"module 'ganlib' has no attribute {name!r}")
