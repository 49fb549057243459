"""Feature maps twice or half as large, without the jagged edges of mere repetition.

`doubled` and `halved` by [1 2 1], as in R3GAN; `smoothly_doubled` and `smoothed` by [1 3 3 1], as
in StyleGAN2. Both filters are binomial: neighbouring pixels then count alike.
"""

from keras import ops

from ganlib.types import Tensor


def doubled(x: Tensor) -> Tensor:
    """(N, H, W, C) -> (N, 2 H, 2 W, C): zeros between the values, smoothed by [1 2 1].

    That keeps each value and puts the mean of its neighbours between two; the last is repeated.
    """
    for axis in (1, 2):
        after = ops.concatenate([part(x, axis, 1, None), part(x, axis, -1, None)], axis)
        x = _interleaved(x, (x + after) / 2, axis)
    return x


def halved(x: Tensor) -> Tensor:
    """(N, H, W, C) -> (N, H / 2, W / 2, C): smoothed by [1 2 1] / 4, and every second value."""
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
    for axis in (1, 2):
        nothing = ops.zeros_like(part(x, axis, 0, 1))
        before = ops.concatenate([nothing, part(x, axis, 0, -1)], axis)
        after = ops.concatenate([part(x, axis, 1, None), nothing], axis)
        x = _interleaved((before + 3 * x) / 4, (3 * x + after) / 4, axis)
    return x


def smoothed(x: Tensor, ring: int) -> Tensor:
    """(N, H, W, C) with so many rings of zeros around it, smoothed by [1 3 3 1] / 8 in both
    directions: (N, H + 2 ring - 3, W + 2 ring - 3, C)."""
    x = ops.pad(x, [[0, 0], [ring, ring], [ring, ring], [0, 0]])
    for axis in (1, 2):
        a, b, c, d = (part(x, axis, i, x.shape[axis] - 3 + i) for i in range(4))
        x = (a + 3 * b + 3 * c + d) / 8
    return x


def part(x: Tensor, axis: int, *bounds: int | None) -> Tensor:
    """A slice of the rows (axis 1) or the columns (2) of feature maps."""
    return x[:, slice(*bounds)] if axis == 1 else x[:, :, slice(*bounds)]


def _interleaved(first, second, axis):
    """Rows or columns of both, in turn."""
    shape = list(ops.shape(first))
    shape[0], shape[axis] = -1, 2 * shape[axis]
    return ops.reshape(ops.stack([first, second], axis + 1), shape)
