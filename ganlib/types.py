"""Names for annotations. Keras and the backends have no types, so that a tensor is anything."""

from collections.abc import Sequence
from typing import Any

Tensor = Any  # of TensorFlow, JAX or PyTorch, or a symbolic one of Keras's
Shape = tuple[Any, ...]  # whole numbers, or None where one is not known, as that of a batch
Size = int | str | Sequence[int] | None  # of an image: 64, "32x64", (32, 64), or open
Logs = dict[str, Any] | None  # what Keras hands to callbacks
Seed = Any  # a whole number, or a keras.random.SeedGenerator, which counts on
