"""Scores of features against theory, against scikit-learn and SciPy, and against torch-fidelity."""

import importlib.util
import tracemalloc
import warnings

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.special import gammaln
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors

from ganlib.data import densities
from ganlib.metrics import (
    frechet_distance,
    inception_score,
    kernel_distance,
    label_modes,
    mixture_modes,
    prdc,
)

pytestmark = pytest.mark.slow  # all of them together


def gaussian(seed, n=400, size=6):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, size)) @ rng.normal(size=(size, size)) + rng.normal(size=size)


def assert_mean(values, expected, relative=0.0):
    """The mean is what is expected, up to four standard errors and a relative bias."""
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    assert abs(np.mean(values) - expected) < 4 * error + relative * abs(expected)


# --------------------------------------------------------------------- torch-fidelity 0.4.0


def waves(shift=0.0, height=1.0):
    """Features from a formula, so that another program's answers can be kept here."""
    angles = np.outer(np.arange(1, 301), np.sqrt([2, 3, 5, 7, 11, 13]))
    return height * np.sin(angles + shift) + shift


def test_the_same_features_score_as_in_torch_fidelity():
    """Its features_to_metric functions in float64; KID from one subset of all 300, IS unsplit."""
    real, fake = waves(), waves(0.3, 0.8)
    assert frechet_distance(real, fake) == pytest.approx(0.6603495819886778, rel=1e-9)
    assert kernel_distance(real, fake)[0] == pytest.approx(0.2884957322537751, rel=1e-9)
    for k, precision, recall in ((3, 0.9833333492279053, 0.48), (5, 1.0, 0.6633333563804626)):
        scores = prdc(real, fake, k)
        assert scores["precision"] == pytest.approx(precision, rel=1e-6)
        assert scores["recall"] == pytest.approx(recall, rel=1e-6)
    odds = np.exp(3 * real)
    score = inception_score(odds / odds.sum(axis=1, keepdims=True))
    assert score == pytest.approx(2.127946007356766, rel=1e-9)


# ------------------------------------------------------------------------ Frechet distance


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


def test_frechet_distance_is_biased_upwards_by_a_known_amount_in_one_dimension():
    """E[FID] = 1/N + 1/M + 2 (1 - c4(N) c4(M)) at every N for N(0, 1), c4 being the mean of the
    samples' standard deviation."""

    def c4(n):
        return np.sqrt(2 / (n - 1)) * np.exp(gammaln(n / 2) - gammaln((n - 1) / 2))

    rng = np.random.default_rng(0)
    for n, m in ((5, 5), (10, 40)):
        draws = rng.normal(size=(4000, n + m, 1))
        scores = [frechet_distance(x[:n], x[n:]) for x in draws]
        assert_mean(scores, 1 / n + 1 / m + 2 * (1 - c4(n) * c4(m)))


def test_the_bias_of_the_frechet_distance_falls_as_one_over_n_as_documented():
    c = np.array([4.0, 1.0, 1.0, 0.25, 0.01])
    ratios = 2 * np.outer(c, c) * (1 + np.eye(5)) / np.add.outer(c, c)
    slope = 2 * (c.sum() + ratios.sum() / 4)
    rng = np.random.default_rng(0)
    for n in (100, 400):
        draws = rng.normal(size=(500, 2 * n, 5)) * np.sqrt(c)
        scores = [n * frechet_distance(x[:n], x[n:]) for x in draws]
        assert_mean(scores, slope, relative=2 / n)


def test_a_mean_far_from_zero_costs_no_digits():
    x, y = gaussian(0, 3000, 3), gaussian(1, 500, 3)
    assert frechet_distance(x + 1e7, y + 1e7) == pytest.approx(frechet_distance(x, y), rel=1e-6)


def test_features_in_half_precision_are_summed_in_double():
    x = gaussian(0).astype(np.float16)
    assert frechet_distance(x, x[:200]) == frechet_distance(x.astype(float), x[:200].astype(float))
    assert kernel_distance(x, x[:200]) == kernel_distance(x.astype(float), x[:200].astype(float))


def test_frechet_distance_warns_of_fewer_samples_than_features():
    with pytest.warns(UserWarning, match="6 samples .* 6 features .* kernel_distance"):
        frechet_distance(gaussian(0), gaussian(1, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(gaussian(0), gaussian(1, 7))


# ------------------------------------------------------------------------- kernel distance


def mmd_by_sklearn(x, y):
    """The unbiased estimate with whole kernel matrices."""
    xx, yy, xy = (polynomial_kernel(a, b, degree=3, coef0=1) for a, b in ((x, x), (y, y), (x, y)))
    n, m = len(x), len(y)
    within = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    return within - 2 * xy.mean()


@pytest.mark.parametrize(("n", "m"), [(2, 3), (300, 200), (1500, 1100)])
def test_kernel_distance_equals_its_definition(n, m):
    x, y = gaussian(0, n), gaussian(1, m)
    assert kernel_distance(x, y)[0] == pytest.approx(mmd_by_sklearn(x, y), rel=1e-9)


def population_mmd(means, covariances):
    """(x.y/d + 1)^3 expands into powers of x.y, whose mean is the product of moment tensors."""

    def moments(m, c):
        third = np.einsum("i,j,k->ijk", m, m, m) + sum(
            np.einsum(f"{pair},{one}->ijk", c, m)
            for pair, one in (("ij", "k"), ("ik", "j"), ("jk", "i"))
        )
        return m, c + np.outer(m, m), third

    d = len(means[0])
    first, second = (moments(m, c) for m, c in zip(means, covariances, strict=True))
    return sum(
        factor / d**power * ((a - b) ** 2).sum()
        for power, factor, a, b in zip((1, 2, 3), (3, 3, 1), first, second, strict=True)
    )


@pytest.mark.parametrize(("n", "m"), [(8, 12), (60, 40)])
@pytest.mark.parametrize("shift", [0.0, 0.15, 0.6])
def test_kernel_distance_is_unbiased_and_its_standard_error_calibrated(n, m, shift):
    """Between two Gaussians, equal, close and apart."""
    rng = np.random.default_rng(0)
    root = np.array([[1.0, 0.3], [0.0, 0.7]]) * (1 + shift / 2)
    mean = np.array([shift, -shift])
    expected = population_mmd([np.zeros(2), mean], [np.eye(2), root.T @ root])
    if shift == 0:
        root, expected = np.eye(2), 0.0
    results = np.array(
        [
            kernel_distance(rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) @ root + mean)
            for _ in range(800)
        ]
    )
    assert_mean(results[:, 0], expected)
    ratio = np.sqrt((results[:, 1] ** 2).mean()) / results[:, 0].std()
    assert 0.85 < ratio < (1.35 if shift == 0 else 1.2)


def test_kernel_distance_of_a_set_to_itself_is_below_zero_by_the_pairs_that_are_shared():
    """-2/N (mean k(x, x) - mean k(x, x')): the estimate takes both sets for independent."""
    x = gaussian(0)
    kernel = polynomial_kernel(x, degree=3, coef0=1)
    others = (kernel.sum() - np.trace(kernel)) / (400 * 399)
    expected = -2 / 400 * (np.diag(kernel).mean() - others)
    assert kernel_distance(x, x)[0] == pytest.approx(expected, rel=1e-9)


def test_kernel_distance_of_constant_features_is_zero():
    assert kernel_distance(np.ones((9, 3)), np.ones((5, 3))) == (0, 0)


# ------------------------------------------------- precision, recall, density and coverage


def prdc_by_sklearn(real, fake, k):
    def radii(x):
        return NearestNeighbors(n_neighbors=k).fit(x).kneighbors()[0][:, -1]

    distances = np.linalg.norm(real[:, None] - fake, axis=2)
    in_real = distances <= radii(real)[:, None]
    return {
        "precision": in_real.any(0).mean(),
        "recall": (distances <= radii(fake)).any(1).mean(),
        "density": in_real.sum() / (k * len(fake)),
        "coverage": in_real.any(1).mean(),
    }


@pytest.mark.parametrize(("n", "m", "k"), [(4, 5, 3), (300, 200, 5), (1500, 1100, 1)])
def test_prdc_equals_its_definition(n, m, k):
    real, fake = gaussian(0, n), 0.7 * gaussian(0, m) + 0.5
    assert prdc(real, fake, k) == pytest.approx(prdc_by_sklearn(real, fake, k), rel=1e-12)


@pytest.mark.parametrize(("n", "m", "k"), [(20, 20, 3), (30, 50, 5)])
def test_density_and_coverage_of_equal_distributions(n, m, k):
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(600, n + m, 3))
    scores = [prdc(x[:n], x[n:], k) for x in draws]
    assert_mean([s["density"] for s in scores], 1)
    i = np.arange(1, k + 1)
    assert_mean([s["coverage"] for s in scores], 1 - np.prod((n - i) / (n + m - i)))


def test_truncated_samples_lose_recall_and_wide_ones_precision():
    rng = np.random.default_rng(0)
    real, narrow = rng.normal(size=(1000, 4)), rng.normal(size=(9000, 4))
    narrow = narrow[np.linalg.norm(narrow, axis=1) < 1.2][:1000]
    narrow, wide = prdc(real, narrow), prdc(real, 2 * rng.normal(size=(1000, 4)))
    assert narrow["precision"] > 0.99 and narrow["density"] > 1
    assert narrow["recall"] < 0.5 and narrow["coverage"] < 0.6
    assert wide["recall"] > 0.95 and wide["precision"] < 0.6 and wide["density"] < 0.5


def test_samples_moved_away_lose_all_four():
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 600, 4))
    scores = [list(prdc(real, fake + shift).values()) for shift in (0, 1, 2, 5)]
    assert (np.diff(scores, axis=0) < 0).all()
    assert max(scores[-1]) < 0.01


def test_copies_and_collapse():
    real = gaussian(0)
    copies, collapsed = prdc(real, real), prdc(real, np.repeat(real[:1], 50, axis=0))
    assert copies["precision"] == copies["recall"] == copies["coverage"] == 1
    assert collapsed["precision"] == 1 and collapsed["recall"] == 1 / 400
    assert collapsed["coverage"] < 0.05
    # All distances are zero here, whatever rounding makes of them.
    same = np.full((20, 3), 0.1) * [1, 1e4, 7]
    assert set(prdc(same, same).values()) == {1.0, 4.0}


@pytest.mark.parametrize("size", [3, 64])
def test_an_offset_of_all_features_changes_nothing(size):
    """A million deviations: the squares of such features leave no digit of their distances."""
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 600, size)) * [[[1]], [[0.9]]]
    expected = prdc_by_sklearn(real, fake, 5)
    assert 0 < expected["recall"] < 1
    for offset in (0, 1e6, -1e6):
        assert prdc(real + offset, fake + offset) == pytest.approx(expected, rel=1e-12)
    distance = frechet_distance(real, fake)
    assert frechet_distance(real + 1e6, fake + 1e6) == pytest.approx(distance, rel=1e-6)


def test_neighbours_in_two_crowds_far_apart():
    """No offset is common to them, and their distances within keep their digits all the same."""
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(2, 700, 3)) + 1e6 * rng.integers(0, 2, (2, 700, 1))
    assert prdc(real, fake) == pytest.approx(prdc_by_sklearn(real, fake, 5), rel=1e-12)


def test_copies_are_neighbours_whatever_the_rounding():
    """The k-th neighbour lies on the edge of the ball: in the same rows in another order too."""
    real = gaussian(0, 1100, 64)
    for copies in (real, real[::-1], real[np.random.default_rng(0).permutation(1100)]):
        scores = prdc(real, copies)
        assert scores["density"] == pytest.approx(6 / 5, rel=1e-12)  # itself and its neighbours
        assert scores["precision"] == scores["recall"] == scores["coverage"] == 1


def test_a_distance_is_never_negative():
    for seed in range(20):
        x = gaussian(seed, 200, 12)
        assert 0 <= frechet_distance(x, x[::-1]) < 1e-9


# ----------------------------------------------------------------------------------- memory


@pytest.mark.slow
@pytest.mark.parametrize("metric", [kernel_distance, prdc])
def test_memory_does_not_grow_with_the_pairs(metric):
    peaks = []
    for n in (2048, 4096):
        x = gaussian(0, n, 2).astype(np.float32)
        tracemalloc.start()
        metric(x, x)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0] < 64e6  # all pairs would take 134 MB at once


# --------------------------------------------------------------------------- Inception Score


def test_inception_score_of_extremes():
    assert inception_score(np.repeat(np.eye(7), 3, axis=0)) == pytest.approx(7, rel=1e-12)
    assert inception_score(np.full((9, 4), 0.25)) == 1
    assert inception_score(np.tile([0.0, 1.0, 0.0], (5, 1))) == 1
    # Certain answers with shares 3/4 and 1/4: the entropy of the shares is all there is.
    expected = np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert inception_score(np.eye(2)[[0, 0, 0, 1]]) == pytest.approx(expected, rel=1e-12)


def test_inception_score_is_bounded_whatever_the_rounding():
    rng = np.random.default_rng(0)
    for sharpness in (1e-9, 1, 100):
        p = rng.dirichlet(np.full(5, 1 / sharpness), 300).astype(np.float32)
        assert 1 <= inception_score(p) <= 5


# ------------------------------------------------------------------------------------ modes


def test_the_samples_of_a_mixture_reach_its_modes():
    """Within three deviations of its centre lie 1 - exp(-9/2) of a Gaussian in the plane."""
    n = 20_000
    for mixture in (densities.ring(), densities.grid()):
        scores = mixture_modes(mixture.sample(n, seed=0), mixture)
        modes, good = len(mixture.means), 1 - np.exp(-4.5)
        assert scores["modes"] == modes
        assert abs(scores["high_quality"] - good) < 4 * np.sqrt(good * (1 - good) / n)
        assert scores["reverse_kl"] < 3 * (modes - 1) / (2 * n)  # three times what chance adds


def test_lost_modes_and_poor_samples_are_counted():
    ring = densities.ring()
    three = densities.Mixture(ring.means[:3], 0.01).sample(9000, seed=0)
    scores = mixture_modes(three, ring)
    assert scores["modes"] == 3
    assert scores["reverse_kl"] == pytest.approx(np.log(8 / 3), abs=1e-3)
    # Four deviations off is near a mode, but not of high quality, and does not reach it.
    scores = mixture_modes(ring.means[[0, 1, 1]] + [[0, 0.04], [0, 0], [0, 0.029]], ring)
    assert scores["modes"] == 1 and scores["high_quality"] == pytest.approx(2 / 3)
    expected = np.log(8) + np.log(1 / 3) / 3 + 2 * np.log(2 / 3) / 3
    assert scores["reverse_kl"] == pytest.approx(expected)


def test_modes_of_unequal_width_and_weight():
    """The point 2.2 is nearer to the centre 3, but fewer deviations from the centre 0."""
    mixture = densities.Mixture([0.0, 3.0], [1.0, 0.1], weights=[3, 1])
    scores = mixture_modes(np.array([[2.2], [0.0], [-0.5], [3.0]]), mixture)
    assert scores == {"modes": 2, "high_quality": 1.0, "reverse_kl": 0.0}


def test_reverse_kl_of_labels():
    assert label_modes(np.arange(10), np.ones(10)) == {"modes": 10, "reverse_kl": 0}
    one = label_modes(np.zeros(5, int), [1, 3])
    assert one["modes"] == 1 and one["reverse_kl"] == pytest.approx(np.log(4))
    assert label_modes([0, 0, 1, 1], [1, 1, 0])["reverse_kl"] == 0  # nobody has the third


def test_chance_adds_to_the_reverse_kl_as_documented():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.full(20, 5.0))
    n = 5000
    scores = [label_modes(rng.choice(20, n, p=p), p)["reverse_kl"] for _ in range(1000)]
    assert_mean(scores, 19 / (2 * n), relative=0.01)


# -------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("metric", [frechet_distance, kernel_distance, prdc])
def test_metrics_of_features_say_what_is_wrong(metric):
    good = gaussian(0, 20, 3)
    with pytest.raises(ValueError, match=r"\(20, 3\) with \(20, 4\)"):
        metric(good, gaussian(1, 20, 4))
    with pytest.raises(ValueError, match=r"table \(N, F\)"):
        metric(good, good[0])
    with pytest.raises(ValueError, match="not all finite"):
        metric(np.where(good > 0, good, np.nan), good)
    with pytest.raises(ValueError, match="not all finite"):
        metric(good, np.where(good > 0, good, np.inf))
    with pytest.raises(ValueError, match="too few samples"):
        metric(good, good[:1])
    with pytest.raises(ValueError, match="too few samples"):
        metric(good[:0], good)


@pytest.mark.parametrize("metric", [frechet_distance, kernel_distance, prdc, inception_score])
@pytest.mark.parametrize(
    "bad",
    [None, "features", {"a": 1}, [[1, 2], [3]], np.array([[None, 1]]), np.ones((9, 2), complex)],
)
def test_what_is_no_array_is_said_in_one_sentence(metric, bad):
    arguments = (bad,) if metric is inception_score else (gaussian(0), bad)
    with pytest.raises(
        ValueError, match=r"^An array or a tensor of real numbers is needed.*[^.]+\.$"
    ):
        metric(*arguments)


def test_tensors_of_any_backend_are_arrays():
    x, y = gaussian(0).astype(np.float32), gaussian(1).astype(np.float32)
    expected = frechet_distance(x, y), kernel_distance(x, y), prdc(x, y)
    tensors = []
    if importlib.util.find_spec("torch"):
        import torch

        tensors.append(lambda a: torch.tensor(a, requires_grad=True))
        halves = torch.tensor(x).bfloat16()
        assert kernel_distance(halves, y) == kernel_distance(halves.float().numpy(), y)
    if importlib.util.find_spec("tensorflow"):
        import tensorflow as tf

        tensors.append(tf.constant)
    if importlib.util.find_spec("jax"):
        import jax.numpy

        tensors.append(jax.numpy.asarray)
    for tensor in (*tensors, np.ndarray.tolist):
        a, b = tensor(x), tensor(y)
        assert (frechet_distance(a, b), kernel_distance(a, b), prdc(a, b)) == expected


def test_features_whose_squares_are_infinite():
    with pytest.raises(ValueError, match="too large"), np.errstate(over="ignore", invalid="ignore"):
        frechet_distance(gaussian(0) * 1e200, gaussian(0))


def test_moments_and_neighbours_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"\(3, 2\) with \(4, 5\)"):
        frechet_distance(np.zeros((3, 2)), np.zeros((4, 5)))
    with pytest.raises(ValueError, match="5, where 6 are needed"):
        prdc(gaussian(0, 5), gaussian(0, 9))
    with pytest.raises(ValueError, match="k is 0"):
        prdc(gaussian(0), gaussian(0), k=0)


def test_scores_of_classes_say_what_is_wrong():
    for bad in (np.ones((3, 2)), [[np.nan, 1]], [[-0.5, 1.5]], [0.5, 0.5], np.zeros((0, 3))):
        with pytest.raises(ValueError, match="each row sums to one"):
            inception_score(bad)
    with pytest.raises(ValueError, match="class 2, 3, where none is expected"):
        label_modes([0, 2, 3], [1, 1, 0, 0])
    with pytest.raises(ValueError, match="0 to 1, not from 0 to 2"):
        label_modes([0, 2], [1, 1])
    with pytest.raises(ValueError, match=r"integers \(N,\).*float64 \(2,\)"):
        label_modes([0.0, 1.0], [1, 1])
    with pytest.raises(ValueError, match="not be negative"):
        label_modes([0, 1], [1, np.nan])
    with pytest.raises(ValueError, match="in 2 dimensions"):
        mixture_modes(np.zeros((4, 3)), densities.ring())
    with pytest.raises(ValueError, match="not all finite"):
        mixture_modes(np.full((4, 2), np.nan), densities.ring())
