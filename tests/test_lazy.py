"""Penalties of every few rounds: what they are when due, and that their counts are kept."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from ganlib import GAN, models, penalties
from ganlib.game.penalties import Lazy, PathLength
from ganlib.models.stylegan2 import Mixing


def array(tensor):
    return ops.convert_to_numpy(tensor)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, dtype="float32")


def players():
    keras.utils.set_random_seed(0)
    generator = models.stylegan2.generator((8, 8, 1), latent_dim=6, layers=2, base=64, widest=8)
    sizes = [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(16, "softplus")]
    return generator, keras.Sequential([*sizes, layers.Dense(1)])


def game(every=4, **rules):
    gan = GAN(*players(), seed=1)
    adams = [keras.optimizers.Adam(1e-3, beta_1=0.0) for _ in range(2)]
    gan.compile("non_saturating", [Lazy(penalties.R1(2.0), every)], *adams, **rules)
    return gan


def fit(gan, rounds, first=0):
    images = np.tanh(numbers(8 * 8, 8, 8, 1))[8 * first : 8 * (first + rounds)]
    gan.fit(images, batch_size=8, shuffle=False, verbose=0)


def test_it_is_due_every_k_th_time_and_k_times_as_large():
    _, discriminator = players()
    real, fake = (ops.convert_to_tensor(numbers(4, 8, 8, 1, seed=s)) for s in (0, 1))
    r1 = array(penalties.R1(2.0)(discriminator, real, fake))
    lazy = Lazy(penalties.R1(2.0), 3)
    found = [array(lazy(discriminator, real, fake)) for _ in range(7)]
    np.testing.assert_allclose(found, [3 * r1, 0, 0, 3 * r1, 0, 0, 3 * r1], rtol=1e-5)


@pytest.mark.slow
def test_of_every_round_it_is_the_penalty_itself():
    lazy, plain = game(every=1), game()
    plain.compile(
        "non_saturating",
        [penalties.R1(2.0)],
        *[keras.optimizers.Adam(1e-3, beta_1=0.0) for _ in range(2)],
    )
    for gan in (lazy, plain):
        fit(gan, 3)
    for ours, theirs in zip(lazy.trainable_variables, plain.trainable_variables, strict=True):
        np.testing.assert_allclose(array(ours), array(theirs), atol=1e-5)


@pytest.mark.slow
def test_a_round_that_is_not_due_has_no_penalty():
    """The second round of a training: equal weights before it, with and without the penalty."""
    ends = []
    for rounds in (0, 1):  # counted before: the penalty is due at first, or not
        gan = game(every=2)
        gan.penalties[0].rounds.assign(rounds)
        fit(gan, 1)
        ends.append([array(v) for v in gan.discriminator.trainable_variables])
    plain = game()
    plain.compile(
        "non_saturating", (), *[keras.optimizers.Adam(1e-3, beta_1=0.0) for _ in range(2)]
    )
    fit(plain, 1)
    bare = [array(v) for v in plain.discriminator.trainable_variables]
    assert max(abs(a - b).max() for a, b in zip(ends[0], bare, strict=True)) > 1e-4
    for ours, theirs in zip(ends[1], bare, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("penalty", ["gradient_penalty", penalties.DRAGAN()])
def test_one_that_draws_numbers_is_refused(penalty):
    with pytest.raises(ValueError, match="draws numbers.*take R1 or R2"):
        Lazy(penalty)


@pytest.mark.parametrize("wrap", [Lazy, lambda p: penalties.Scheduled(p, lambda t: 1.0)])
def test_what_adds_nothing_to_a_loss_is_refused(wrap):
    with pytest.raises(ValueError, match="WeightClipping acts by itself.*compile as it is"):
        wrap("weight_clipping")


def test_what_counts_rounds_is_not_counted_again():
    for wrap in (Lazy, lambda p: penalties.Scheduled(p, lambda t: 1.0)):
        for counted in (Lazy("r1"), PathLength(), penalties.Scheduled("r1", lambda t: 1.0)):
            with pytest.raises(ValueError, match="counts rounds already"):
                wrap(counted)


def test_they_look_at_a_gradient_if_the_penalty_does():
    flat = penalties.Orthogonal()
    assert Lazy("r1").of_gradient and penalties.Scheduled("r2", float).of_gradient
    assert not Lazy(flat).of_gradient and not penalties.Scheduled(flat, float).of_gradient


def test_one_of_the_generator_is_lazy_too():
    generator, _ = players()
    plain, lazy = penalties.Orthogonal(1.0), Lazy(penalties.Orthogonal(1.0), 2)
    found = [array(lazy(generator)) for _ in range(3)]
    once = array(plain(generator))
    np.testing.assert_allclose(found, [2 * once, 0, 2 * once], rtol=1e-5)


@pytest.mark.parametrize("every", [0, 1.5, "4"])
def test_every_counts_rounds(every):
    for kind in (Lazy, PathLength):
        with pytest.raises(ValueError, match="whole number of at least 1"):
            kind(every=every)


# ------------------------------------------------------------------------------------- scheduled


def test_its_weight_follows_the_schedule():
    _, discriminator = players()
    real, fake = (ops.convert_to_tensor(numbers(4, 8, 8, 1, seed=s)) for s in (0, 1))
    r1 = array(penalties.R1(1.0)(discriminator, real, fake))
    schedule = keras.optimizers.schedules.CosineDecay(2.0, 4, alpha=0.1)
    scheduled = penalties.Scheduled(penalties.R1(1.0), schedule)
    found = [array(scheduled(discriminator, real, fake)) / r1 for _ in range(6)]
    cosine = [0.2 + 1.8 * (1 + np.cos(np.pi * min(t, 4) / 4)) / 2 for t in range(6)]
    np.testing.assert_allclose(found, cosine, rtol=1e-4)
    again = penalties.Scheduled.from_config(scheduled.get_config())
    assert again.penalty.weight == 1.0 and again.schedule.alpha == 0.1
    np.testing.assert_allclose(array(again(discriminator, real, fake)), 2 * r1, rtol=1e-5)


@pytest.mark.slow
def test_a_scheduled_penalty_that_draws_numbers_draws_new_ones():
    gan = game()
    schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 10)
    gan.compile(penalties=[penalties.Scheduled("gradient_penalty", schedule)])
    before = [array(seed.state).copy() for seed in gan.penalty_seeds]
    fit(gan, 2)
    assert len(before) == 1 and int(array(gan.penalties[0].rounds)) == 2
    assert (array(gan.penalty_seeds[0].state) != before[0]).any()


# --------------------------------------------------------------------------------- path length


def linear(matrix):
    """A generator without bends: an image is `matrix` times the latents."""
    pixels, dim = matrix.shape
    z = keras.Input((dim,))
    mapping = keras.Sequential([keras.Input((dim,)), layers.Identity()], name="mapping")
    w = keras.Input((1, dim))
    dense = layers.Dense(pixels, use_bias=False)
    draw = keras.Model(w, layers.Reshape((pixels, 1, 1))(dense(w)), name="synthesis")
    dense.kernel.assign(matrix.T)
    return keras.Model(z, draw(Mixing(1, name="mixing")(mapping(z))))


def test_a_linear_generator_has_the_lengths_of_its_matrix():
    matrix = numbers(12, 5)
    penalty = PathLength(weight=2.0, batch_size=4000, every=1, decay=0.0)
    generator = linear(matrix)
    value = array(penalty(generator))
    y = numbers(100_000, 12, seed=3) / 12**0.5
    lengths = np.linalg.norm(y @ matrix, axis=1)
    assert float(penalty.average) == pytest.approx(lengths.mean(), rel=0.02)
    assert value == pytest.approx(2 * lengths.var(), rel=0.1)


def test_of_many_styles_and_channels_it_is_the_root_mean_square_a_pixel():
    """An image (3, 4, 2) that is linear in two styles; 12 pixels, of 24 numbers."""
    matrices = numbers(2, 24, 5)
    w = keras.Input((2, 5))
    parts = [layers.Dense(24, use_bias=False) for _ in "12"]
    made = layers.Add()([part(w[:, i]) for i, part in enumerate(parts)])
    draw = keras.Model(w, layers.Reshape((3, 4, 2))(made), name="synthesis")
    for part, matrix in zip(parts, matrices, strict=True):
        part.kernel.assign(matrix.T)
    mapping = keras.Sequential([keras.Input((5,)), layers.Identity()], name="mapping")
    z = keras.Input((5,))
    generator = keras.Model(z, draw(Mixing(2, name="mixing")(mapping(z))))
    penalty = PathLength(weight=3.0, batch_size=4000, every=1, decay=0.0)
    value = array(penalty(generator))
    y = numbers(50_000, 24, seed=3) / 12**0.5
    lengths = np.sqrt(np.mean([((y @ matrix) ** 2).sum(axis=1) for matrix in matrices], axis=0))
    assert float(penalty.average) == pytest.approx(lengths.mean(), rel=0.02)
    assert value == pytest.approx(3 * lengths.var(), rel=0.1)


def test_it_counts_as_often_as_it_waits():
    """And by default as the authors' does."""
    generator = linear(np.eye(6, dtype="float32"))
    found = []
    for every in (1, 5):
        keras.utils.set_random_seed(0)
        found.append(array(PathLength(batch_size=50, every=every, decay=0.0)(generator)))
    assert found[1] == pytest.approx(5 * found[0], rel=1e-5)
    default = PathLength()
    assert (default.weight, default.every, default.decay) == (2.0, 4, 0.99)


def test_the_average_length_follows_and_waits():
    penalty = PathLength(batch_size=500, every=2, decay=0.75)
    generator = linear(np.eye(6, dtype="float32"))
    averages = []
    for _ in range(5):
        value = array(penalty(generator))
        averages.append(float(penalty.average))
        assert (value > 0) == (len(averages) % 2 == 1)
    first = averages[0] / 0.25  # the mean length, of which a quarter was taken
    np.testing.assert_array_equal(averages[1::2], averages[:-1:2])
    np.testing.assert_allclose(averages[::2], [first * (1 - 0.75**k) for k in (1, 2, 3)], rtol=0.05)


@pytest.mark.slow
def test_it_moves_the_generator_when_due():
    ends = []
    for counted in (None, 0, 1):
        path = PathLength(weight=50.0, batch_size=4, every=2)
        gan = game(generator_penalties=[] if counted is None else [path])
        path.rounds.assign(counted or 0)
        fit(gan, 1)
        ends.append([array(v) for v in gan.generator.trainable_variables])
    bare, due, not_due = ends
    assert max(abs(a - b).max() for a, b in zip(bare, due, strict=True)) > 1e-4
    for ours, theirs in zip(not_due, bare, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_another_generator_is_refused():
    size = {"base": 64, "widest": 8, "layers": 1}
    with_classes = models.stylegan2.generator((8, 8, 1), 4, classes=3, **size)
    for generator in (models.mlp.generator((2,), 3, (8,)), with_classes):
        with pytest.raises(ValueError, match="PathLength asks.*leave the penalty out"):
            PathLength()(generator)


# -------------------------------------------------------------------------------- kept with a GAN


@pytest.mark.slow
def test_it_is_taken_once_a_round():
    path = PathLength(batch_size=4, every=3)
    gan = game(n_critic=2, generator_penalties=[path])
    fit(gan, 4)  # batches of 8 are parts of 4
    assert int(array(path.rounds)) == 4
    assert int(array(gan.penalties[0].rounds)) == 8


@pytest.mark.slow
def test_what_it_counted_is_saved_and_goes_on(tmp_path):
    options = {"every": 3, "generator_penalties": [PathLength(batch_size=4, every=2)], "ema": 0.9}
    whole = game(**options)
    fit(whole, 5)
    options["generator_penalties"] = [PathLength(batch_size=4, every=2)]
    gan = game(**options)
    fit(gan, 2)
    gan.save(tmp_path / "gan.keras")
    again = keras.saving.load_model(tmp_path / "gan.keras")
    assert int(again.penalties[0].rounds) == 2
    path = again.generator_penalties[0]
    assert float(path.average) == float(gan.generator_penalties[0].average) > 0
    assert path.batch_size == 4 and again.penalties[0].penalty.weight == 2.0
    fit(again, 3, first=2)
    for ours, theirs in zip(again.weights, whole.weights, strict=True):
        np.testing.assert_array_equal(array(ours), array(theirs), err_msg=ours.path)
