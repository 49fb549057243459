"""Checks that bite: a change of code that makes a claim false is noticed by the claim's check.

All of them take two hours: `make mutations`. Here a fixed dozen is run, and every line is looked
at: its claim is in the chapter, its old code too, and the one depends on the other.
"""

import json
import os
import re
import subprocess
import sys

import pytest
import run
import slices
from sources import CHAPTERS

LINES = list(run.lines())
LEAST = 120


@pytest.mark.parametrize("mutation", LINES, ids=str)
def test_a_line_says_what_is_there(mutation):
    assert run.plan(mutation)


def test_there_are_enough_of_them_and_few_survive():
    assert len(LINES) >= LEAST
    assert len(set(LINES)) == len(LINES)
    assert sum(bool(it.survives) for it in LINES) <= 0.05 * len(LINES)
    assert {it.chapter for it in LINES} <= set(CHAPTERS)
    assert len([it for it in LINES if it.quick]) <= 12


@pytest.fixture(scope="module")
def verdicts():
    """What became of the dozen, run in a process beside this one."""
    jobs = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
    command = [sys.executable, run.__file__, "--dozen", "--json", "--jobs", jobs]
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    results = map(json.loads, done.stdout.splitlines())
    found = {run.Mutation(**line): verdict for line, verdict in results}
    assert found, done.stderr[-2000:]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("mutation", [it for it in LINES if it.quick], ids=str)
def test_the_check_notices(mutation, verdicts):
    assert verdicts[mutation] == "caught"


# --- What the harness sees -----------------------------------------------------------------------

CHAPTER = """\
import numpy as np

---
def build():
    return Model()

---
def train(model, rate=1):
    model.fit(rate)

---
def play(rounds):
    for _ in range(rounds):
        train(other)

---
model = build()
other = build()

---
size = 3

---
train(model, rate=size)

---
np.abs(model(1))

---
play(2)

---
if size:
    size = 4

---
check("it learns", model(size))

---
model = build()

---
check("it does not", model(1))

---
check(f"it learns in {size} steps", other(1))

---
pair = Pair(model, other)
learn = partial(train, pair)

---
learn()

---
check("they do now", model(1), other(1))
"""
CELLS = re.split("(?m)^---$", CHAPTER)


@pytest.mark.parametrize(
    ("claim", "needed"),
    [
        (10, [1, 2, 4, 5, 6, 9, 10]),
        (12, [1, 11, 12]),  # a new model, whatever became of the old one
        (13, [1, 2, 3, 4, 5, 8, 9, 13]),
        (16, [1, 2, 3, 4, 8, 11, 14, 15, 16]),
    ],
)
def test_a_claim_needs_what_made_and_trained_its_things(claim, needed):
    assert slices.slice_of(tuple(CELLS), claim) == needed


def test_a_claim_is_found_by_its_text():
    assert list(slices.claims(CELLS[10])) == [r"it\ learns"]
    (pattern,) = slices.claims(CELLS[13])
    assert re.fullmatch(pattern, "it learns in 4 steps")


def test_a_line_is_read():
    line = "* of 2 it is || ganlib.game.losses: a || b => c\\nd || steps = 5, seed = 1"
    with pytest.raises(ValueError, match="no `=>`"):
        run.read(line, "dcgan")
    line = line.replace("a || b", "a | b")
    expected = run.Mutation(
        "dcgan",
        "of 2 it is",
        "ganlib.game.losses",
        "a | b",
        "c\nd",
        "steps = 5, seed = 1",
        "",
        True,
    )
    assert run.read(line, "dcgan") == expected
    survivor = run.read("c || x =>  || survives: it is luck", "dcgan")
    assert (survivor.old, survivor.new, survivor.survives) == ("x", "", "it is luck")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"claim": "it learned"}, "the claim is made in 0 cells"),
        ({"old": "model.fix"}, "0 cells have the old code"),
        ({"old": "model = build()"}, "2 cells have the old code"),
        ({"old": "play(2)"}, "does not depend on the cell"),
        ({"old": "e"}, "cells have the old code"),
        ({"old": "rounds", "claim": "it learns in 4 steps"}, "has 2 places"),
        ({"module": "ganlib.checks", "old": "no such thing"}, "has 0 places"),
    ],
)
def test_a_line_that_has_lost_its_place_is_an_error(monkeypatch, change, sentence):
    monkeypatch.setattr(run, "sources_of", lambda _: (CELLS, 0))
    line = {"chapter": "dcgan", "claim": "it learns", "old": "model.fit(rate)", "new": "pass"}
    chosen = run.plan(run.Mutation(**line))
    assert chosen[1] == (2, CELLS[2].replace("model.fit(rate)", "pass"))
    with pytest.raises(ValueError, match=sentence):
        run.plan(run.Mutation(**line | change))


CLAIM = """\
from ganlib import check

---
def doubled(x):
    return 2 * x

---
check("it doubles", doubled(2), equals=4)
check(f"of {(n := 0)} it is 0", doubled(n), equals=0)
"""
TRIPLED = {"claim": "it doubles", "old": "2 * x", "new": "3 * x"}
ERROR = {"module": "ganlib.checks", "old": "tol * (1 + 1e-9)"}
JUDGED = [
    (TRIPLED, "caught"),
    (TRIPLED | {"new": "x + x"}, "survived"),
    (TRIPLED | {"claim": "of 0 it is 0"}, "survived"),
    (TRIPLED | {"new": "unknown"}, "NameError"),
    (TRIPLED | ERROR | {"new": "9"}, "survived"),
    (TRIPLED | ERROR | {"new": "(-9)"}, "caught"),
]


@pytest.mark.slow
def test_a_mutation_is_judged_by_its_claim():
    mutations = [run.Mutation("dcgan", **line) for line, _ in JUDGED]
    program = f"""if True:
        import re, run
        from run import Mutation
        run.sources_of = lambda _: (re.split("(?m)^---$", {CLAIM!r}), 0)
        for _, verdict, _ in run.run({mutations!r}, 1):
            print(repr(verdict))"""
    printed = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(run.FOLDER)},
        capture_output=True,
        text=True,
    )
    found = printed.stdout.splitlines()
    assert len(found) == len(JUDGED), printed.stderr
    for verdict, (_, expected) in zip(found, JUDGED, strict=True):
        assert expected in verdict
