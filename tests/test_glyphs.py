import hashlib

import numpy as np
import pytest

from ganlib.data import glyphs


def test_the_same_seed_draws_the_same_images_on_every_machine():
    images, labels, typefaces = glyphs.draw(400, seed=0)
    # Also what matplotlib 3.8 with NumPy 1.26 and matplotlib 3.10 with NumPy 2.2 give.
    assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == "826d28eb770e0c58"
    assert labels.dtype == typefaces.dtype == np.int64
    again = glyphs.draw(400, seed=0)
    assert all((a == b).all() for a, b in zip(again, (images, labels, typefaces), strict=True))
    assert (glyphs.draw(400, seed=1)[0] != images).any()


@pytest.mark.slow
def test_the_same_seed_draws_the_same_letters_on_every_machine():
    images, labels, typefaces = glyphs.draw(936, 0, glyphs.LETTERS)
    assert hashlib.sha256(images.tobytes()).hexdigest()[:16] == "1a0816e867fad155"
    assert (images.shape, images.dtype) == ((936, 28, 28, 1), np.uint8)
    modes = np.bincount(26 * typefaces + labels, minlength=468)
    assert (modes == 2).all()
    assert (images.max(axis=(1, 2, 3)) > 200).all()
    whole = images.copy()
    whole[:, 1:-1, 1:-1] = 0
    assert whole.any(axis=(1, 2, 3)).mean() < 0.01  # few touch the edge
    assert (images == 0).mean() > 0.7


@pytest.mark.slow
def test_of_the_468_letters_two_look_alike():
    fields = glyphs._distance_fields(glyphs.LETTERS).reshape(18, 26, -1)
    alike = [
        (glyphs.LETTERS[c], glyphs.TYPEFACES[s], glyphs.TYPEFACES[t])
        for c in range(26)
        for t in range(18)
        for s in range(t)
        if np.abs(fields[s, c] - fields[t, c]).max() < 0.1
    ]
    assert alike == [("I", "DejaVuSans", "cmss10")]


def test_images_are_white_ink_on_black_and_stay_inside():
    images, _, _ = glyphs.draw(720, seed=3)
    assert images.shape == (720, 28, 28, 1)
    assert images.dtype == np.uint8
    assert (images.max(axis=(1, 2, 3)) > 200).all()  # a stroke that can be seen
    assert (images == 0).mean() > 0.7  # the background is exactly 0
    # The outermost pixels are background: no digit is cut off.
    inner = np.zeros_like(images)
    inner[:, 1:-1, 1:-1] = images[:, 1:-1, 1:-1]
    assert (inner == images).all()
    assert 25 < images.mean() < 45  # MNIST: 33


def test_all_180_modes_are_equally_frequent():
    _, labels, typefaces = glyphs.draw(360, seed=5)
    pairs = np.bincount(labels + 10 * typefaces, minlength=180)
    assert (pairs == 2).all()
    assert len(glyphs.TYPEFACES) == len(set(glyphs.TYPEFACES)) == 18


def test_digits_are_told_apart_by_their_nearest_neighbour():
    images, labels, _ = glyphs.draw(1800, seed=0)
    flat = images.reshape(len(images), -1).astype(np.float32)
    train, test = flat[:1440], flat[1440:]
    distance = (train**2).sum(axis=1) - 2 * test @ train.T
    guess = labels[:1440][distance.argmin(axis=1)]
    assert (guess == labels[1440:]).mean() > 0.97


def test_distance_is_the_distance_to_the_outline():
    fields = glyphs._distance_fields()
    assert fields.shape[0] == 180
    # A distance changes by at most one pixel a pixel, here 4 samples.
    assert np.abs(np.diff(fields, axis=2)).max() <= 1.05 / 4
    for ink in fields > 0:
        heights, widths = (np.ptp(np.flatnonzero(ink.any(axis=axis))) / 4 for axis in (1, 0))
        assert 18 < heights < 20
        assert widths < 20
