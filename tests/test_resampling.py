"""Resampling against dense matrices; it keeps a constant and shifts nothing."""

import keras
import numpy as np
import pytest
from keras import ops

from ganlib.models import resampling

BY = {resampling.doubled: [1, 2, 1], resampling.halved: [1, 2, 1]}
BY |= {resampling.smoothly_doubled: [1, 3, 3, 1], resampling.smoothed: [1, 3, 3, 1]}


def resampled(how, x, *arguments):
    return ops.convert_to_numpy(how(ops.convert_to_tensor(np.float32(x)), *arguments))


def numbers(*shape):
    return np.random.default_rng(0).standard_normal(shape, dtype="float32")


def filtered(x, taps, before, after):
    """A row with zeros around it, and the sums of its neighbours by `taps`."""
    padded = np.concatenate([np.zeros(before), x, np.zeros(after)])
    return np.convolve(padded, taps, "valid")


def matrix(function, n):
    return np.stack([function(row) for row in np.eye(n)], axis=1)


def spread(x):
    """With a zero after each number."""
    return np.stack([x, np.zeros_like(x)], axis=-1).ravel()


def by_121(n):
    """A pixel beyond the border repeats it."""
    halved = matrix(lambda x: filtered(x, [1 / 4, 1 / 2, 1 / 4], 1, 1)[::2], n)
    halved[0, 0] += 1 / 4
    doubled = matrix(lambda x: filtered(spread(x), [1 / 2, 1, 1 / 2], 1, 1), n)
    doubled[-1, -1] = 1
    return {resampling.halved: halved, resampling.doubled: doubled}


def by_1331(n):
    taps = np.array([1, 3, 3, 1]) / 8
    return {
        resampling.smoothly_doubled: matrix(lambda x: filtered(spread(x), 2 * taps, 2, 1), n),
        resampling.smoothed: matrix(lambda x: filtered(x, taps, 2, 2), n),
    }


@pytest.mark.parametrize("how", BY)
def test_it_is_the_filter_in_both_directions(how):
    arguments = [2] if how is resampling.smoothed else []
    rows, columns = ((by_121 if len(BY[how]) == 3 else by_1331)(n)[how] for n in (8, 6))
    x = numbers(2, 8, 6, 3)
    expected = np.einsum("ih,jw,nhwc->nijc", rows, columns, x)
    np.testing.assert_allclose(resampled(how, x, *arguments), expected, atol=1e-6)


@pytest.mark.parametrize("how", BY)
def test_it_keeps_a_constant(how):
    arguments = [2] if how is resampling.smoothed else []
    out = resampled(how, np.full((1, 8, 8, 2), 3), *arguments)
    ring = 2 if len(BY[how]) == 4 else 0  # there the border is beside zeros
    inside = out[:, ring : out.shape[1] - ring, ring : out.shape[2] - ring]
    np.testing.assert_array_equal(inside, 3)


def test_there_and_back_shifts_nothing():
    """A point, doubled and halved again, spreads as far to one side as to the other."""
    point = np.zeros((1, 9, 9, 1))
    point[0, 4, 4] = 1

    def there_and_back(x):
        return resampling.halved(resampling.doubled(x))

    def smoothly(x):
        return resampling.smoothed(resampling.smoothly_doubled(x), 1)[:, ::2, ::2]

    for both in (there_and_back, smoothly):
        again = resampled(both, point)[0, ..., 0]
        np.testing.assert_allclose(again, again[::-1, ::-1], atol=1e-7)
        assert again[4, 4] == again.max() and again.sum() == pytest.approx(1)


@pytest.mark.parametrize("how", BY)
@pytest.mark.parametrize("sides", [(8, 6), (4, 10)])
def test_large_maps_are_cut_into_slices_to_the_same_end(how, sides, monkeypatch):
    arguments = [[1], [2]] if how is resampling.smoothed else [[]]
    x = numbers(2, *sides, 3)
    for more in arguments:
        small = resampled(how, x, *more)
        monkeypatch.setattr(resampling, "LARGEST", 0)
        np.testing.assert_allclose(resampled(how, x, *more), small, atol=1e-6)
        monkeypatch.undo()


def test_a_model_that_resamples_is_saved_whole(tmp_path):
    x = inputs = keras.Input((8, 6, 2))
    for how, more in (
        (resampling.smoothed, [2]),
        (resampling.doubled, []),
        (resampling.halved, []),
    ):
        x = how(x, *more)
    model = keras.Model(inputs, resampling.smoothly_doubled(x))
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    given = numbers(3, 8, 6, 2)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(model(given)), ops.convert_to_numpy(again(given))
    )
    assert model.output_shape == again.output_shape == (None, 18, 14, 2)


@pytest.mark.parametrize("sides", [(5, 4), (4, 7)])
def test_an_odd_side_is_not_halved(sides):
    with pytest.raises(ValueError, match="even height and width"):
        resampling.halved(numbers(1, *sides, 2))
