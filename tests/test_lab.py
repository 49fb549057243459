"""The lab against trainings done by hand."""

import json
import re
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
from scipy import stats

from ganlib import GAN, augment, data, metrics, models
from ganlib.training.lab import Lab, compare, scores, shared, show
from ganlib.training.tables import factor

RING = data.ring(sigma=0.1)
PLAIN = {"variant", "seed", "rounds", "updates", "seconds", "processor"}  # of every row
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


@pytest.mark.slow
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
    assert all(row["rounds"] == row["updates"] == 5 for row in lab.table)
    assert all(0 < row[name] < 60 for row in lab.table for name in ("seconds", "processor"))
    assert json.loads(json.dumps(lab.table)) == lab.table
    assert lab.samples["plain"].shape == (20, 2)


@pytest.mark.slow
def test_one_training_is_scored_after_several_rounds():
    """And goes on as if nobody had looked."""
    lab = Lab(score, steps=5)
    lab.add("plain", build, batches, rounds=(2, 4, 5))
    assert (
        [row["rounds"] for row in lab.table] == [row["updates"] for row in lab.table] == [2, 4, 5]
    )
    assert lab.column("plain", "mean").tolist() == [by_hand(0, steps) for steps in (2, 4, 5)]
    assert (np.diff([row["seconds"] for row in lab.table]) > 0).all()


def test_a_training_has_rounds():
    with pytest.raises(ValueError, match="one round or more, not 0"):
        Lab(score, steps=0).add("plain", build, batches)
    with pytest.raises(ValueError, match="one round or more, not -1"):
        Lab(score, steps=3).add("plain", build, batches, rounds=(-1, 2))


def test_looking_is_no_part_of_the_seconds(monkeypatch):
    now = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0], process_time=lambda: now[0])
    monkeypatch.setattr("ganlib.training.lab.time", clock)

    def slow(gan):
        now[0] += 10
        return score(gan)

    lab = Lab(slow, steps=3)
    lab.add("plain", build, batches, rounds=(1, 2, 3))
    assert lab.column("plain", "seconds").tolist() == [0, 0, 0]


@pytest.mark.slow
def test_a_finished_training_is_not_repeated(tmp_path):
    def faster(gan):
        built.append("faster")
        gan.generator_optimizer.learning_rate.assign(0.05)

    def play(seeds):
        lab = Lab(score, steps=5, seeds=seeds, folder=tmp_path / "trainings")
        for name, change in (("plain", None), ("as fast / faster", faster)):
            lab.add(name, build, batches, change, rounds=(2, 5), rate=0.05)
        return lab

    first = play((0,))
    both = play((0, 3))
    assert built.count("faster") == 2  # one of each seed
    assert both.table[:2] == first.table[:2] and both.table[4:6] == first.table[2:]
    assert both.table[0]["rate"] == 0.05
    again = play((0, 3))
    assert again.table == both.table
    for name, drawn in both.samples.items():
        np.testing.assert_array_equal(again.samples[name], drawn)
    assert again.add("plain", build, batches, rounds=(2, 5), rate=0.05) is None
    again.seeds = (3,)
    for rounds in ((2, 4), (3, 5)):  # another training
        again.add("plain", build, batches, rounds=rounds, rate=0.05)
        assert tuple(row["rounds"] for row in again.table[-2:]) == rounds
    long = "plain" * 99
    assert again.add(long, build, batches) and again.add(long, build, batches) is None


def test_a_damaged_file_of_a_training_is_written_anew(tmp_path):
    def play():
        lab = Lab(score, steps=2, folder=tmp_path)
        lab.add("plain", build, batches)
        return lab.table[0]["mean"]

    mean = play()
    (file,) = tmp_path.iterdir()
    for content in (b"", file.read_bytes()[:200], b"junk"):
        file.write_bytes(content)
        assert play() == mean and len(file.read_bytes()) > 200


@pytest.mark.slow
def test_what_was_not_finished_leaves_no_file(tmp_path):
    """Stopped by hand, by the clock, or scored in part."""
    looks = []

    def interrupted(gan):
        looks.append(gan)
        if len(looks) == 2:
            raise KeyboardInterrupt
        return score(gan)

    with pytest.raises(KeyboardInterrupt):
        Lab(interrupted, steps=5, seeds=(0, 3), folder=tmp_path).add("plain", build, batches)
    assert len(list(tmp_path.iterdir())) == 1
    Lab(score, 100_000, (7,), 0.1, tmp_path).add("plain", build, batches)

    def in_part(gan):
        looks.append(gan)
        if len(looks) == 1:
            raise RuntimeError
        return score(gan)

    def ruin(gan):
        gan.generator_optimizer.learning_rate.assign(1e30)

    for make, change, marks in ((build, None, (2, 5)), (build_wasserstein, ruin, (1, 20))):
        looks.clear()
        lab = Lab(in_part, 5, (8,), folder=tmp_path)
        with pytest.warns(UserWarning, match="No scores of 'plain', seed 8"):
            lab.add("plain", make, batches, change, marks)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_takes_nothing_is_known_before_the_training(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "file").touch()
    lab = Lab(score, steps=2, folder="~/file")
    with pytest.raises(OSError, match="file"):
        lab.add("plain", build, batches)
    assert not lab.table


@pytest.mark.slow
def test_a_search_takes_the_setting_that_scores_best():
    def assign(rate):
        return lambda gan: gan.generator_optimizer.learning_rate.assign(rate)

    def far(gan):
        return {"fid": abs(float(gan.generator_optimizer.learning_rate) - 0.03)}

    lab = Lab(far, steps=1, seeds=(0, 3))
    found = lab.search("plain", build, batches, {x: assign(x) for x in (0.1, 0.03, 0.001)})
    assert found == 0.03
    assert [row["setting"] for row in lab.table] == [0.1, 0.1, 0.03, 0.03, 0.001, 0.001]
    with pytest.warns(UserWarning, match="No setting of 'plain' has 'fdi' in each training"):
        assert lab.search("plain", build, batches, {0.1: assign(0.1)}, by="fdi") == 0.1
    lab.table[2].pop("fid")  # a training of it has none
    assert lab.search("plain", build, batches, {}.fromkeys([]) | {0.1: assign(0.1)}) == 0.1


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
    assert [set(row) - PLAIN for row in lab.table] == [set(), {"mean"}]
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
    assert np.isnan([b["effect"], b["low"], b["high"], b["p"]]).all() and "collapsed" not in b


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


def test_compare_has_effect_interval_and_p():
    values = {"plain": [4.0, 5.0, 6.0, 7.0, 8.0], "good": [1.0, 2.0, 3.0, 3.5, 3.9]}
    values |= {"half": [2.0, 2.5, 3.0, 3.5, 4.0], "same": [4.1, 5.1, 5.9, 7.1, 7.9]}
    table = [
        {"variant": name, "seed": i, "fid": fid, "seconds": 2.0 + (name == "good")}
        for name, fids in values.items()
        for i, fid in enumerate(fids)
    ]
    table[5]["collapsed"] = True
    found = {row.pop("variant"): row for row in compare(table)}
    ratios = np.sort([a / b for a in values["half"] for b in values["plain"]])
    half = found["half"]
    assert (half["low"], half["effect"], half["high"]) == (ratios[2], ratios[12], ratios[22])
    assert half["effect"] == pytest.approx(0.5)
    # all five below all five: twice one order in 252; the half has one tie with it
    assert found["good"]["p"] == pytest.approx(2 / 252)
    assert found["good"]["cost"] == 1.5 and found["good"]["collapsed"] == 1
    assert found["same"]["p"] > 0.9 and found["same"]["low"] < 1 < found["same"]["high"]


@pytest.mark.parametrize(("n", "m"), [(4, 5), (5, 5), (5, 7), (6, 5)])
def test_the_interval_is_that_of_the_rank_test(n, m):
    """It holds 1 if and only if the test has p > 0.05."""
    rng = np.random.default_rng(n * m)
    for shift in np.linspace(0, 2, 50):
        values, others = np.exp(rng.normal(shift, 1, n)), np.exp(rng.normal(0, 1, m))
        _, low, high = factor(values, others)
        p = stats.mannwhitneyu(values, others, method="exact").pvalue
        assert (low <= 1 <= high) == (p > 0.05)


def test_the_interval_holds_the_factor_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [factor(2 * a, b)[1:] for a, b in np.exp(rng.standard_t(3, (4000, 2, 5)) / 3)]
    low, high = np.transpose(found)
    assert np.mean((low <= 2) & (high >= 2)) == pytest.approx(1 - 8 / 252, abs=0.01)


def test_too_few_trainings_have_no_interval():
    _, low, high = factor(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]))
    assert (low, high) == (0, np.inf)


def test_a_training_that_breaks_costs_no_other():
    def ruin(gan):
        gan.generator_optimizer.learning_rate.assign(1e30)

    lab = Lab(score, steps=20)
    with pytest.warns(UserWarning, match="No scores of 'ruined', seed 0: The .* loss is"):
        lab.add("ruined", build_wasserstein, batches, ruin)
    lab.add("plain", build_wasserstein, batches)
    assert set(lab.table[0]) == PLAIN
    assert np.isfinite(lab.column("plain", "mean")).all()
    assert set(lab.samples) == {"ruined", "plain"}


def build_wasserstein(seed):
    gan = GAN(models.mlp.generator((2,), 3, (8,)), models.mlp.discriminator((2,), (8,)), seed=seed)
    gan.compile("wasserstein", (), *[keras.optimizers.SGD(0.01) for _ in range(2)])
    return gan


def test_processes_that_share_a_folder_share_the_rows(tmp_path):
    """Each row is one process's at a time; what another has comes when that one is done with it."""
    one, other = (shared("abc", tmp_path / "new") for _ in range(2))
    order = [("one", next(one)), ("other", next(other)), ("other", next(other))]
    assert order == [("one", "a"), ("other", "b"), ("other", "c")]
    assert next(one) == "b"  # which the other has finished
    assert next(other) == "a"
    assert list(one) == ["c"] and list(other) == []


def test_a_process_that_ended_holds_no_row(tmp_path):
    gone = shared("ab", tmp_path)
    next(gone)
    gone.close()
    assert list(shared("ab", tmp_path)) == ["a", "b"]


@pytest.mark.slow
def test_a_process_that_was_killed_holds_no_row(tmp_path):
    """And what it left half written is no training."""
    code = "import sys, time; from ganlib.training.lab import shared; "
    code += "rows = shared('ab', sys.argv[1]); print(next(rows), flush=True); time.sleep(600)"
    begun = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(begun, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "a\n"
        rows = shared("ab", tmp_path)
        assert next(rows) == "b"
        other.kill()
    assert list(rows) == ["a"]


@pytest.mark.slow
def test_names_of_any_kind_make_files(tmp_path):
    """On Windows too, where a name ends in no dot or space and has none of these signs."""
    names = ["", 'a/b:c*d?<e>|f\\\\g"h\0i\n', "..", "CON", "雪" * 90, "🎲 é", "Ab", "ab", "x" * 300]
    lab = Lab(score, steps=1, folder=tmp_path)
    for name in shared(names, tmp_path):
        lab.add(name, build, batches)
    again = Lab(score, steps=1, folder=tmp_path)
    assert [again.add(name, build, batches) for name in names] == [None] * len(names)
    files = [file.name for file in tmp_path.iterdir()]
    assert len({name.lower() for name in files}) == 2 * len(names)
    assert all(re.fullmatch(r"[\w.,=+ -]{1,200}[a-z]", name, re.ASCII) for name in files)


def test_a_folder_has_trainings_of_one_kind(tmp_path):
    def begin(**settings):
        return Lab(score, steps=1, folder=tmp_path / "new", settings=settings)

    begin(width=4, data="ring").add("plain", build, batches)
    begin(data="ring", width=np.int64(4))
    for others in ({"width": 5, "data": "ring"}, {"width": 4}, {"width": 4, "data": "", "n": 1}):
        with pytest.raises(
            ValueError, match=r"new has trainings with \w+ = .*: use another folder"
        ):
            begin(**others)
    begin()  # nothing is said of it
    (tmp_path / "new" / "settings.json").write_text('{"width": ')
    begin(width=4)
    Lab(score, steps=1, settings={"width": 5})


def test_without_a_folder_there_is_nothing_to_share():
    assert list(shared(["one", "two"], "")) == ["one", "two"]
