"""The lab against trainings done by hand."""

import json

import keras
import numpy as np
import pytest

from ganlib import GAN, augment, data, metrics, models
from ganlib.training.lab import Lab, compare, scores, show

RING = data.ring(sigma=0.1)
built = []


def build(seed, augmentation="noise", rate=0.01):
    gan = GAN(models.mlp.generator((2,), 3, (8,)), models.mlp.discriminator((2,), (8,)), seed=seed)
    adams = [keras.optimizers.Adam(rate, beta_1=0.5) for _ in range(2)]
    gan.compile("non_saturating", (), *adams, ema=0.9, augment=augment.DiffAugment(augmentation))
    built.append(gan)
    return gan


def batches(seed):
    return RING.batches(8, seed=seed)


def score(gan):
    points = gan.sample(50, seed=3)
    return {"mean": points.mean(), "both": points.mean(axis=0), "n": np.int64(50)}


def by_hand(seed, steps=5, **arguments):
    keras.utils.set_random_seed(seed)
    gan = build(seed, **arguments)
    gan.fit(batches(seed), steps_per_epoch=steps, verbose=0)
    return gan.sample(50, seed=3).mean()


@pytest.fixture(scope="module")
def lab():
    built.clear()
    lab = Lab(score, steps=5, seeds=(0, 3))
    lab.add("plain", build, batches)

    def faster(gan):
        gan.generator_optimizer.learning_rate.assign(0.05)

    lab.add("faster", build, batches, faster)
    lab.again = lab.add("plain again", build, batches)
    return lab


def test_every_training_is_that_of_a_new_gan(lab):
    """The trace, the moments, the average, the seeds and the rates of the one before are gone."""
    expected = [by_hand(0), by_hand(3)]
    np.testing.assert_array_equal(lab.column("plain", "mean"), expected)
    np.testing.assert_array_equal(lab.column("plain again", "mean"), expected)
    assert (lab.column("faster", "mean") != expected).all()


def test_one_gan_is_traced_for_each_way_to_build_it(lab):
    assert lab.again is built[0]
    other = Lab(score, steps=5, seeds=(3,))
    assert other.add("elsewhere", build, batches) is built[0]
    assert other.column("elsewhere", "mean") == lab.column("plain", "mean")[1]


def test_the_table_is_tidy_and_plain(lab):
    assert [(row["variant"], row["seed"]) for row in lab.table[:3]] == [
        ("plain", 0),
        ("plain", 3),
        ("faster", 0),
    ]
    assert all(row["n"] == 50 and len(row["both"]) == 2 for row in lab.table)
    assert all(0 < row["seconds"] < 60 for row in lab.table)
    assert json.loads(json.dumps(lab.table)) == lab.table
    assert lab.samples["plain"].shape == (20, 2)


def test_show_prints_a_line_for_each_variant(lab, capsys):
    table = [
        {"variant": "a", "seed": 0, "fid": 1.0, "kid": 5.0},
        {"variant": "a", "seed": 1, "fid": 3.0, "kid": 7.0},
        {"variant": "longer", "seed": 0, "fid": 8.0, "kid": 0.25},
    ]
    show(table, "fid", "kid")
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.split() == ["fid", "range", "kid"]
    assert second.split() == ["a", "2", "1", "-", "3", "6"]
    assert third.split() == ["longer", "8", "8", "-", "8", "0.25"]
    lab.show("mean")
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_a_training_ends_after_its_seconds():
    lab = Lab(lambda gan: {"rounds": int(gan.generator_optimizer.iterations)}, 100_000, (0,), 0.2)
    lab.add("short", build, batches)
    assert 0 < lab.table[0]["rounds"] < 100_000


def test_a_training_that_cannot_be_scored_costs_no_other():
    def score(gan):
        if len(lab.table) == 1:
            raise RuntimeError("no judge\nsecond line")
        return {"mean": 1.0}

    lab = Lab(score, steps=1, seeds=(0, 3))
    with pytest.warns(UserWarning, match="No scores of 'plain', seed 0: RuntimeError: no judge$"):
        lab.add("plain", build, batches)
    assert [set(row) - {"variant", "seed", "seconds"} for row in lab.table] == [set(), {"mean"}]
    np.testing.assert_array_equal(lab.column("plain", "mean"), [np.nan, 1])
    assert lab.samples["plain"].shape == (20, 2)


def test_show_without_some_scores(capsys):
    table = [
        {"variant": "a", "seed": 0, "fid": 1.0, "modes": 7},
        {"variant": "a", "seed": 1, "fid": 3.0},
        {"variant": "b", "seed": 0, "modes": 10},
    ]
    show(table, "fid", "reverse_kl", "modes")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines == [["fid", "range", "modes"], ["a", "2", "1", "-", "3", "-"], ["b", *"--", "10"]]
    show(table, "reverse_kl")
    assert capsys.readouterr().out.split() == ["a", "b"]
    for row in table:
        row["seconds"] = 1.0
    (b,) = compare(table)
    assert np.isnan(b["ratio"]) and b["verdict"] == "no clear difference"


class Stub:
    """Answers with the same images."""

    def __init__(self, images):
        self.images = images

    def sample(self, n, seed):
        assert (n, seed) == (len(self.images), 1)
        return self.images


def test_scores_are_those_of_the_metrics_and_tell_a_collapse():
    digits = data.load("digits").take(80)
    first, second = digits.images[:40], digits.images[40:]
    real = data.Dataset("half", first, digits.labels[:40], digits.class_names)

    def features(images):
        return images.reshape(len(images), -1)[:, 2::6].astype(float)

    score = scores(real, features, n=40)
    found = score(Stub(second))
    expected = metrics.score(first, second, features)
    assert set(found) == {
        *("fid", "kid", "precision", "recall", "density", "coverage", "collapsed")
    }
    assert all(found[name] == expected[name] for name in found if name != "collapsed")
    assert not found["collapsed"] and score(Stub(np.repeat(second[:1], 40, axis=0)))["collapsed"]


def test_scores_that_cannot_be_computed_are_absent():
    digits = data.load("digits").take(44)
    score = scores(digits, lambda images: images.reshape(len(images), -1)[:, 2::6].astype(float), 4)
    few = "No precision, recall, density, coverage: .* too few"
    fewer = "4 samples do not determine a covariance"
    with pytest.warns(UserWarning, match=few), pytest.warns(UserWarning, match=fewer):
        assert set(score(Stub(digits.images[:4]))) == {"fid", "kid", "collapsed"}


def test_compare_asks_every_training():
    values = {
        "plain": [4.0, 5.0, 6.0],
        "good": [1.0, 2.0, 3.9],
        "bad": [6.1, 7.0, 8.0],
        "mixed": [3.9, 9.0, 9.0],
    }
    table = [
        {"variant": name, "seed": i, "fid": fid, "seconds": seconds, "collapsed": fid > 7}
        for name, fids in values.items()
        for i, fid in enumerate(fids)
        for seconds in [(2.0 + 10 * i) * (1.5 if name == "bad" else 1)]
    ]
    found = {row.pop("variant"): row for row in compare(table)}
    assert [row["verdict"] for row in found.values()] == ["better", "worse", "no clear difference"]
    assert found["good"]["ratio"] == pytest.approx(2 / 5)
    assert (found["mixed"]["low"], found["mixed"]["high"]) == pytest.approx((3.9 / 5, 9 / 5))
    assert found["bad"]["cost"] == pytest.approx(1.5) and found["good"]["cost"] == 1
    assert [row["collapsed"] for row in found.values()] == [0, 1, 2]


def test_a_training_that_breaks_costs_no_other():
    def ruin(gan):
        gan.generator_optimizer.learning_rate.assign(1e30)

    lab = Lab(score, steps=20)
    with pytest.warns(UserWarning, match="No scores of 'ruined', seed 0: The .* loss is"):
        lab.add("ruined", build_wasserstein, batches, ruin)
    lab.add("plain", build_wasserstein, batches)
    assert set(lab.table[0]) == {"variant", "seed", "seconds"}
    assert np.isfinite(lab.column("plain", "mean")).all()
    assert set(lab.samples) == {"ruined", "plain"}


def build_wasserstein(seed):
    gan = GAN(models.mlp.generator((2,), 3, (8,)), models.mlp.discriminator((2,), (8,)), seed=seed)
    gan.compile("wasserstein", (), *[keras.optimizers.SGD(0.01) for _ in range(2)])
    return gan
