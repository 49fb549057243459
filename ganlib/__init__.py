"""Generative adversarial networks from small parts that compose, for Keras 3.

Every name below is imported at its first use: `import ganlib` alone loads no Keras, and changes
nothing in the program. `repeatable` does what the chapters need of the whole process. To load a
model that was saved with layers of this library, `import ganlib.models` first, or `ganlib.gan` for
a whole GAN, so that Keras knows them.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ganlib.start import missing_backend_named, repeatable

if TYPE_CHECKING:
    from ganlib import data, metrics, models, plots, works
    from ganlib.checks import check
    from ganlib.game import augment, losses, penalties, terms
    from ganlib.gan import GAN
    from ganlib.models import layers
    from ganlib.runs import outputs, pretrained, sweep
    from ganlib.training import callbacks, health, lab

__version__ = "0.1.0"
__all__ = ["GAN", "augment", "callbacks", "check", "data", "health", "lab", "layers", "losses"]
__all__ += ["metrics", "models", "outputs", "penalties", "plots", "pretrained", "repeatable"]
__all__ += ["sweep", "terms", "works"]

_OBJECTS = {"GAN": "gan", "check": "checks"}
_MODULES = {"layers": "models.layers", "outputs": "runs.outputs"}
_MODULES |= {"pretrained": "runs.pretrained", "sweep": "runs.sweep"}
_MODULES |= {name: name for name in ("data", "metrics", "models", "plots", "works")}
_MODULES |= {name: f"game.{name}" for name in ("augment", "losses", "penalties", "terms")}
_MODULES |= {name: f"training.{name}" for name in ("callbacks", "health", "lab")}


def __getattr__(name: str) -> Any:
    with missing_backend_named():
        if name in _OBJECTS:
            return getattr(importlib.import_module(f"ganlib.{_OBJECTS[name]}"), name)
        if name in _MODULES:
            return importlib.import_module(f"ganlib.{_MODULES[name]}")
    raise AttributeError(f"module 'ganlib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
