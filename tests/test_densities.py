import numpy as np
import pytest

from ganlib import data


def mesh(limit, count):
    """Points of a square grid (count^2, 2), and the area of a cell."""
    axis = (np.arange(count) + 0.5) / count * 2 * limit - limit
    x, y = np.meshgrid(axis, axis, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], axis=1), (2 * limit / count) ** 2


DENSITIES = {
    "ring": (data.ring(sigma=0.05), 1.6),
    "grid": (data.grid(sigma=0.2), 6.0),
    "swiss roll": (data.swiss_roll(sigma=0.08), 2.8),
    "mixture": (data.Mixture([[0, 0], [2, 1]], [0.3, 0.6], [1, 3]), 5.0),
}


@pytest.mark.parametrize("name", DENSITIES)
def test_density_integrates_to_one_and_agrees_with_samples(name):
    density, limit = DENSITIES[name]
    points, cell = mesh(limit, 240)
    mass = np.exp(density.log_density(points)) * cell
    assert mass.sum() == pytest.approx(1, abs=1e-4)

    # The share of 200,000 samples in each of 24 x 24 squares: binomial around its mass.
    n = 200_000
    sample = density.sample(n, seed=1)
    assert sample.shape == (n, 2)
    assert sample.dtype == np.float32
    edges = np.linspace(-limit, limit, 25)
    found, _, _ = np.histogram2d(sample[:, 0], sample[:, 1], [edges, edges])
    expected = n * mass.reshape(24, 10, 24, 10).sum(axis=(1, 3))
    error = (found - expected) / np.sqrt(expected + 5)
    assert np.abs(error).max() < 6
    assert np.sqrt((error[expected > 5] ** 2).mean()) == pytest.approx(1, abs=0.2)


def test_mixture_of_one_is_the_normal_distribution_in_any_dimension():
    x = np.array([[-1.0], [0.0], [2.5]])
    known = -0.5 * x[:, 0] ** 2 - 0.5 * np.log(2 * np.pi)
    assert data.Mixture([0.0]).log_density(x) == pytest.approx(known, abs=1e-12)
    assert data.Mixture([0.0]).log_density(x[:, 0]) == pytest.approx(known, abs=1e-12)
    three = data.Mixture(np.zeros((1, 3)), 2.0)
    assert three.log_density(np.zeros((1, 3))) == pytest.approx(-1.5 * np.log(2 * np.pi * 4))
    assert three.sample(5).shape == (5, 3)


def test_log_density_is_finite_where_the_density_underflows():
    far = data.ring().log_density([[50.0, 0.0]])
    assert far == pytest.approx(-(49**2) / (2 * 0.01**2), rel=1e-3)


def test_ring_and_grid_are_those_of_the_papers():
    ring, grid = data.ring(), data.grid()
    assert np.hypot(*ring.means.T) == pytest.approx(np.ones(8))
    assert set(ring.sigmas) == {0.01}
    assert sorted(map(tuple, grid.means)) == [
        (x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)
    ]
    assert set(grid.sigmas) == {0.05}


def test_weights_choose_the_modes():
    sample = data.Mixture([0.0, 10.0], 0.1, [1, 3]).sample(40_000)
    assert (sample > 5).mean() == pytest.approx(0.75, abs=0.01)


def test_samples_follow_the_seed():
    for density in (data.ring(), data.swiss_roll()):
        assert (density.sample(9, seed=4) == density.sample(9, seed=4)).all()
        assert (density.sample(9, seed=4) != density.sample(9, seed=5)).any()


def test_bad_densities_and_points_are_named():
    with pytest.raises(ValueError, match="positive sigmas"):
        data.Mixture([0.0, 1.0], [0.1, 0.0])
    with pytest.raises(ValueError, match="positive radius"):
        data.swiss_roll(sigma=0)
    with pytest.raises(ValueError, match=r"have shape \(n, 2\), not \(4, 3\)"):
        data.ring().log_density(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="batch_size is 0"):
        data.ring().batches(0)
