"""Tables whose rows search their rates: the chapters' own cells, with trainings that cost nothing.

What is searched must not see what judges it: other images, other seeds. Each row has a best rate
here, which the search has to find, and a cost, from which the rounds at equal time follow.
"""

import json
import types

import keras
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from sources import notebook

import ganlib
from ganlib.training import lab

pytestmark = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="the same everywhere"
)
BEST = {"non-saturating": 1e-3, "least squares": 5e-4, "Wasserstein, GP": 2e-3}
COSTS = {"non-saturating": 1e-3, "least squares": 2e-3, "Wasserstein, GP": 30e-3}


class Judge:
    """Of images that are numbers: an image's feature is its number."""

    def features(self, images):
        return numbers(images)[:, None].astype(float)


def numbers(images):
    return images[:, 0, 0, 0].astype(int) * 256 + images[:, 0, 1, 0]


def change_of(change):
    """The rates that a change assigns to the generator and the discriminator."""
    found = {}
    players = ("generator_optimizer", "discriminator_optimizer")
    gan = types.SimpleNamespace()
    for name in players:
        rate = types.SimpleNamespace(assign=lambda x, name=name: found.update({name: x}))
        setattr(gan, name, types.SimpleNamespace(learning_rate=rate))
    if change:
        change(gan)
    return tuple(found.get(name) for name in players)


@pytest.fixture
def trainings(monkeypatch, tmp_path):
    """The calls of `Lab.add`; data, judge and scores are stubs."""
    matplotlib.use("Agg")
    calls = []

    def add(self, variant, build, batches, change=None, rounds=(), **about):
        rates = change_of(change)
        for seed in self.seeds:
            calls.append(
                {"variant": variant, "seed": seed, "score": self.score, "rates": rates, **about}
            )
            for n in sorted(set(rounds or (self.steps,))):
                seconds = 1 + n * COSTS.get(variant, 1)
                row = {"variant": variant, "seed": seed, **about, "rounds": n, "updates": n}
                best = BEST.get(variant, 1e-3)
                fid = 5 + abs(np.log2((rates[1] or 1e-3) / best)) + seed / 1e4
                row |= {"fid": fid, "kid": 1.0, "coverage": 0.5, "seconds": seconds}
                self.table.append(row)
            self.samples.setdefault(variant, np.zeros((20, 8, 8, 1), "uint8"))
        calls[-1]["rounds"] = sorted(set(rounds or (self.steps,)))

    images = np.zeros((1000, 8, 8, 1), "uint8")
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(1000), 256)
    numbered = ganlib.data.Dataset("numbers", images)
    monkeypatch.setattr(lab.Lab, "add", add)
    monkeypatch.setattr(lab, "scores", lambda real, judge, n=1000: ("scores", real, n))
    monkeypatch.setattr(ganlib.data, "load", lambda *_, **__: numbered)
    monkeypatch.setattr(ganlib.data.Dataset, "fitted", lambda self, _: self)
    monkeypatch.setattr(ganlib.metrics, "judge", lambda images: calls.append(images) or Judge())
    monkeypatch.setattr(
        ganlib.metrics, "score", lambda *_: dict.fromkeys(("fid", "kid", "coverage"), 0.0)
    )
    return calls


def run(chapter, cells, **parameters):
    """Execute the cell of the parameters, put in others, then these cells."""
    sources = {cell.id: cell.source for cell in notebook(chapter).cells}
    tagged = {c.id for c in notebook(chapter).cells if "parameters" in c.metadata.get("tags", ())}
    space = {"print": lambda *_, **__: None}
    for name in (*tagged, *cells):
        if callable(name):
            name(space)
            continue
        exec(compile(sources[name], f"{chapter} {name}", "exec"), space)
        if name in tagged:
            space |= parameters
    plt.close("all")
    return space


def few(rows):
    def keep(space):
        space["rows"] = {name: space["rows"][name] for name in rows}

    return keep


LOSSES = ("f989ed75", "58fbbd36", "ee2a7312", "9761ced4", "ca09db71", "6c67cb56", few(BEST))
LOSSES += ("5191d5fa", "8c89ad98", "searched-rates", "searched-costs", "searched-marks")
LOSSES += ("searched-search", "1d193da2", "5bc8c0f2", "46cea655", "4d87e969", "searched-both")
SHOWN = ("searched-effects", "searched-chosen", "searched-tables", "searched-draw")
SHOWN += ("searched-figure", "searched-samples")
SMALL = {"steps": 100, "n_critic": 2, "batch_size": 8, "latent_dim": 2, "n_samples": 60}


def losses(folder, searched, seeds, **more):
    values = SMALL | {"searched": searched, "table_seeds": seeds, "output_dir": str(folder)}
    values |= {"trainings": str(folder)} | more
    return run("wgan_lsgan", (*LOSSES, *SHOWN), **values)


def test_losses_choose_on_other_images_and_seeds_than_those_of_the_table(trainings, tmp_path):
    space = losses(tmp_path, 5, 3)
    parts = [set(numbers(space[name].images[:])) for name in ("images", "validation", "held_out")]
    assert sum(map(len, parts)) == len(set.union(*parts)) and min(map(len, parts)) >= 60
    assert trainings.pop(0) is space["images"]  # all that the judge has seen
    searched = [call for call in trainings if "setting" in call]
    table = [call for call in trainings if "rate" in call]
    assert {call["score"][1] for call in searched} == {space["validation"]}
    assert {call["score"][1] for call in table} == {space["held_out"]}
    timed = [call for call in trainings if "setting" not in call and "rate" not in call]
    seeds = [{call["seed"] for call in calls} for calls in (searched, table, timed)]
    assert sum(map(len, seeds)) == len(set.union(*seeds)) and seeds[1] == {0, 1, 2}
    assert len(searched) == 3 * 5 * 2 and space["search"].steps == 25
    assert {row["rounds"] for row in space["search"].table} == {25}


def test_every_loss_is_trained_at_its_rate_and_read_at_both_budgets(trainings, tmp_path):
    space = losses(tmp_path, 5, 3)
    assert space["rates"] == BEST
    for call in trainings[1:]:
        if "rate" in call:
            assert call["rates"] == (BEST[call["variant"]],) * 2
    # The critic reads two batches in a round of 30 ms: half as many rounds give it as many images.
    marks = {"non-saturating": 1500, "least squares": 750, "Wasserstein, GP": 50}
    assert space["marks"] == marks
    left = json.loads((tmp_path / "metrics.json").read_text())
    for key, rounds in (("equal_updates", dict.fromkeys(BEST, 100)), ("equal_time", marks)):
        assert {(r["variant"], r["rounds"]) for r in left[key]} == set(rounds.items())
        assert len(left[key]) == 9
    assert left["rates"] == BEST and left["at_the_edge"] == []
    times = [row["seconds"] - 1 for row in left["equal_time"]]
    np.testing.assert_allclose(times, times[0])


@pytest.mark.parametrize(("searched", "seeds"), [(1, 1), (2, 1), (1, 5)])
def test_few_rates_and_few_seeds_are_shown_as_well(trainings, tmp_path, searched, seeds):
    space = losses(tmp_path, searched, seeds)
    assert len(space["both"]["equal_time"]) == 3 * seeds
    assert set(space["both"]["grid"]) >= set(space["rates"].values())


def test_without_a_search_each_loss_is_trained_once_at_the_one_rate(trainings):
    space = losses("", 0, 2)
    assert {call["rates"] for call in trainings[1:]} == {(1e-3, 1e-3)}
    assert len(trainings) == 1 + 3 * 2
    assert space["both"]["grid"] == [5e-4, 1e-3, 2e-3]  # the committed run is shown


def test_a_folder_of_other_parameters_is_refused(trainings, tmp_path):
    losses(tmp_path, 1, 1)
    losses(tmp_path, 2, 2, steps=50)  # which the files' names tell apart
    with pytest.raises(ValueError, match="has trainings with width = 0, not 4: use another folder"):
        losses(tmp_path, 1, 1, width=4)
    losses(tmp_path / "unsearched", 0, 1)
    with pytest.raises(ValueError, match="has trainings with seed = 0, not 1"):
        losses(tmp_path / "unsearched", 0, 1, seed=1)


TRICKS = ("97982fda", "9034c8d0", "e4c7185e", "39be77fb", "7b09ba11", "14f61d96", "b72ce92c")
TRICKS += ("0b437abf",)
ROWS = ("baseline", "least squares", "Wasserstein, GP")


def name_rows(space):
    space["rows"] = {name: object() for name in ROWS}
    space["amounts"] = {"least squares": (50, 16)}


TRICKS += (name_rows, "tricks-search", "tricks-train", "8663181f")
FIXED = "rates 0.0001 and 0.0004"


def tricks(folder, **more):
    few = {"steps": 100, "every_row": True, "table_seeds": 3, "batch_size": 8, "n_samples": 100}
    return run("training_tricks", TRICKS, **few | {"trainings": str(folder)} | more)


def test_tricks_choose_on_other_images_and_seeds_than_those_of_the_table(trainings, tmp_path):
    space = tricks(tmp_path)
    parts = [set(numbers(space[name].images[:])) for name in ("images", "validation", "held_out")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 1000
    assert trainings.pop(0) is space["images"]
    assert set(space["known"][:, 0]) == parts[1]
    searched = [call for call in trainings if call["score"] is space["by_distance"]]
    table = [call for call in trainings if call["score"] is not space["by_distance"]]
    assert {call["score"][1] for call in table} == {space["held_out"]}
    assert {call["seed"] for call in searched} == {100}
    assert {call["seed"] for call in table} == {0, 1, 2}
    assert len(searched) == 3 * 4 and len(table) == 4 * 3
    for call in table:
        chosen = {"baseline": 0.5, "least squares": 0.25, "Wasserstein, GP": 1, FIXED: None}
        share = chosen[call["variant"]]
        assert call.get("setting") == share
        rates = (4e-3 * share, 2e-3 * share) if share else (1e-4, 4e-4)
        assert call["rates"] == rates
    half = {row["rounds"] for row in space["choice"] if row["variant"] == "least squares"}
    assert half == {50}  # a search is as long as the trainings of its row
    order = list(dict.fromkeys(row["variant"] for row in space["table"]))
    assert order == [*ROWS, FIXED]


def test_rows_that_nobody_has_are_named(trainings):
    space = tricks("", only="least squares; ", every_row=False)
    assert {row["variant"] for row in space["table"]} == {"baseline", "least squares"}
    with pytest.raises(ValueError, match=r"No row is called \['dropuot'\]"):
        tricks("", only="dropuot; least squares")


def test_tricks_of_other_parameters_use_another_folder(trainings, tmp_path):
    tricks(tmp_path)
    with pytest.raises(ValueError, match="has trainings with batch_size = 8, not 16"):
        tricks(tmp_path, batch_size=16)
