"""Scores with known answers."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

import ganlib
from ganlib.metrics import Classifier, frechet_distance


def gaussian(seed, n=400, size=6):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, size)) @ rng.normal(size=(size, size)) + rng.normal(size=size)


def test_frechet_distance_equals_its_definition():
    a, b = gaussian(0), gaussian(1)
    c, d = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c + d - 2 * sqrtm(c @ d)).real
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-8)


def test_frechet_distance_of_known_gaussians():
    """Diagonal covariances: |m - n|^2 + sum (s - t)^2, here with moments that the samples have
    exactly."""
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * 3)).reshape(3, -1).T * np.sqrt(7 / 8)
    a, b = signs * [1, 2, 3], signs * [2, 2, 5] + [3, 0, 4]
    assert frechet_distance(a, b) == pytest.approx(25 + 1 + 0 + 4)


def test_frechet_distance_of_a_set_to_itself_is_zero_even_when_degenerate():
    a = gaussian(0)
    a[:, 2] = 1.0
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(np.zeros((5, 3)), np.zeros((4, 3))) == pytest.approx(0)


def test_frechet_distance_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"\(3, 2\) and \(3, 4\)"):
        frechet_distance(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(ValueError, match="at least two"):
        frechet_distance(np.zeros((1, 2)), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="not all finite"):
        frechet_distance(np.full((3, 2), np.nan), np.zeros((3, 2)))


def test_classifier_learns_digits_and_measures_distance():
    train, held_out = ganlib.data.load("digits").split(0.25)
    classifier = Classifier(train, epochs=6)
    probabilities = classifier.probabilities(held_out.images)
    assert probabilities.shape == (len(held_out), 10)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert (probabilities.argmax(1) == held_out.labels).mean() > 0.9
    features = classifier.features(held_out.images)
    assert features.shape == (len(held_out), 64)
    real = classifier.features(train.images)
    noise = np.random.default_rng(0).integers(0, 256, held_out.images.shape, dtype="uint8")
    assert frechet_distance(real, classifier.features(noise)) > 5 * frechet_distance(real, features)


def test_classifier_needs_labels():
    images = np.zeros((4, 8, 8, 1), "uint8")
    with pytest.raises(ValueError, match="needs labels"):
        Classifier(ganlib.data.Dataset("mine", images))
