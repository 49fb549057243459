"""Feature maps twice or half as large, without the jagged edges of mere repetition.

`doubled` and `halved` by [1 2 1], as in R3GAN; `smoothly_doubled` and `smoothed` by [1 3 3 1], as
in StyleGAN2. Both filters are binomial: neighbouring pixels then count alike.

Small maps are multiplied by a matrix for each direction: the gradient of so many slices would take
a CPU ten times as long as a convolution between them. Large ones are cut into slices and added.
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from ganlib.types import Shape, Tensor

LARGEST = 128  # the longer side of maps for which matrices are used


def doubled(x: Tensor) -> Tensor:
    """(N, H, W, C) -> (N, 2 H, 2 W, C): zeros between the values, smoothed by [1 2 1].

    That keeps each value and puts the mean of its neighbours between two; the last is repeated.
    """
    if _small(x):
        return Resampled("doubled", dtype=x.dtype)(x)
    for axis in (1, 2):
        after = ops.concatenate([part(x, axis, 1, None), part(x, axis, -1, None)], axis)
        x = _interleaved(x, (x + after) / 2, axis)
    return x


def halved(x: Tensor) -> Tensor:
    """(N, H, W, C) -> (N, H / 2, W / 2, C): smoothed by [1 2 1] / 4, and every second value.

    Raises:
        ValueError: an odd side.
    """
    if x.shape[1] % 2 or x.shape[2] % 2:
        raise ValueError(f"halved takes maps of even height and width, not {tuple(x.shape[1:3])}.")
    if _small(x):
        return Resampled("halved", dtype=x.dtype)(x)
    for axis in (1, 2):
        even, odd = part(x, axis, 0, None, 2), part(x, axis, 1, None, 2)
        before = ops.concatenate([part(even, axis, 0, 1), part(odd, axis, 0, -1)], axis)
        x = (before + 2 * even + odd) / 4
    return x


def smoothly_doubled(x: Tensor) -> Tensor:
    """(N, H, W, C) -> (N, 2 H, 2 W, C): zeros between the values, smoothed by [1 3 3 1] / 4.

    Each value becomes two, of three quarters of it and one quarter of its neighbour on that side;
    there are zeros beyond the border.
    """
    if _small(x):
        return Resampled("smoothly_doubled", dtype=x.dtype)(x)
    for axis in (1, 2):
        nothing = ops.zeros_like(part(x, axis, 0, 1))
        before = ops.concatenate([nothing, part(x, axis, 0, -1)], axis)
        after = ops.concatenate([part(x, axis, 1, None), nothing], axis)
        x = _interleaved((before + 3 * x) / 4, (3 * x + after) / 4, axis)
    return x


def smoothed(x: Tensor, ring: int) -> Tensor:
    """(N, H, W, C) with so many rings of zeros around it, smoothed by [1 3 3 1] / 8 in both
    directions: (N, H + 2 ring - 3, W + 2 ring - 3, C)."""
    if _small(x):
        return Resampled("smoothed", ring, dtype=x.dtype)(x)
    x = ops.pad(x, [[0, 0], [ring, ring], [ring, ring], [0, 0]])
    for axis in (1, 2):
        a, b, c, d = (part(x, axis, i, x.shape[axis] - 3 + i) for i in range(4))
        x = (a + 3 * b + 3 * c + d) / 8
    return x


@keras.saving.register_keras_serializable(package="ganlib")
class Resampled(layers.Layer):
    """One of the four functions above, by a matrix for the rows and one for the columns."""

    def __init__(self, rule: str, ring: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rule, self.ring = rule, ring

    def call(self, x: Tensor) -> Tensor:
        height, width, channels = x.shape[1:]
        rows, columns = (
            ops.convert_to_tensor(matrix(self.rule, side, self.ring), dtype=x.dtype)
            for side in (height, width)
        )
        x = ops.matmul(rows, ops.reshape(x, (-1, height, width * channels)))
        x = ops.matmul(columns, ops.reshape(x, (-1, width, channels)))
        return ops.reshape(x, (-1, rows.shape[0], columns.shape[0], channels))

    def compute_output_shape(self, x_shape: Shape) -> Shape:
        """The sides become as long as the matrices have rows."""
        sides = [len(matrix(self.rule, side, self.ring)) for side in x_shape[1:3]]
        return (x_shape[0], *sides, x_shape[3])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rule": self.rule, "ring": self.ring}


def matrix(rule: str, side: int, ring: int = 0) -> np.ndarray:
    """The matrix (new side, side) by which a rule resamples a row of pixels."""
    to, step, taps = {  # the new side; then of pixel i the first it sees, and its weights
        "doubled": (2 * side, lambda i: i // 2, ((1,), (0.5, 0.5))),
        "halved": (side // 2, lambda i: 2 * i - 1, ((0.25, 0.5, 0.25),)),
        "smoothly_doubled": (2 * side, lambda i: (i - 1) // 2, ((0.25, 0.75), (0.75, 0.25))),
        "smoothed": (side + 2 * ring - 3, lambda i: i - ring, ((0.125, 0.375, 0.375, 0.125),)),
    }[rule]
    made, repeated = np.zeros((to, side), "float32"), not rule.startswith("smooth")
    for i in range(to):
        for j, weight in enumerate(taps[i % len(taps)], step(i)):
            if repeated or 0 <= j < side:  # [1 2 1] repeats the border, beyond others are zeros
                made[i, min(max(j, 0), side - 1)] += weight
    return made


def _small(x):
    return max(x.shape[1:3]) <= LARGEST


def part(x: Tensor, axis: int, *bounds: int | None) -> Tensor:
    """A slice of the rows (axis 1) or the columns (2) of feature maps."""
    return x[:, slice(*bounds)] if axis == 1 else x[:, :, slice(*bounds)]


def _interleaved(first, second, axis):
    """Rows or columns of both, in turn."""
    shape = list(ops.shape(first))
    shape[0], shape[axis] = -1, 2 * shape[axis]
    return ops.reshape(ops.stack([first, second], axis + 1), shape)
