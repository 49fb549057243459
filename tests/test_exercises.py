"""The exercises: marked by kind and difficulty, judged where they can be, solved and tested."""

import ast
import re
from collections import Counter
from dataclasses import dataclass, field

import pytest
from sources import CHAPTERS, notebook

KINDS = ("derive", "predict", "write", "repair", "measure", "design")
LEVELS = ("easy", "medium", "hard")
FURTHER = ("your images", "open")
BLANK = "– not answered yet\n"

# What the book has at least; it grows with the chapters whose exercises are marked, to 100.
LEAST = {"exercises": 125, "starters": 100, "repair": 22}

START = re.compile(r"^```\{exercise(?:-start)?\} ?(.*)\n:label: (.+)", re.MULTILINE)
SOLUTION = re.compile(r"^```\{solution-start\} (.+)\n:class: dropdown", re.MULTILINE)
END = re.compile(r"^```\{(exercise|solution)-end\}", re.MULTILINE)


@dataclass
class Exercise:
    """An exercise of a chapter, with the code in its box and in that of its solution."""

    title: str
    label: str
    code: list = field(default_factory=list)
    solution: list = field(default_factory=list)

    @property
    def marks(self):
        return self.title.split(" · ")

    @property
    def starters(self):
        return [cell for cell in self.code if "starter" in cell.metadata.get("tags", [])]


def exercises(cells):
    """The exercises among the cells of a chapter, in order."""
    found, box = {}, None
    for cell in cells:
        if cell.cell_type == "code":
            if box is not None:
                box.append(cell)
            continue
        events = [m for pattern in (START, SOLUTION, END) for m in pattern.finditer(cell.source)]
        for event in sorted(events, key=lambda m: m.start()):
            if event.re is END:
                box = None
            elif event.re is SOLUTION:
                box = found[event[1]].solution
            else:
                found[event[2]] = Exercise(*event.groups())
                # Without a gate the box ends in its own cell.
                box = found[event[2]].code if "exercise-start" in event[0] else None
    return list(found.values())


FOUND = {chapter: exercises(notebook(chapter).cells) for chapter in CHAPTERS}
MARKED = {c: found for c, found in FOUND.items() if any(it.title for it in found)}

each_marked = pytest.mark.parametrize("chapter", MARKED)


def calls(cells, name):
    """The calls in some cells of functions whose name matches."""
    nodes = [node for cell in cells for node in ast.walk(ast.parse(cell.source))]
    named = [node for node in nodes if isinstance(node, ast.Call)]
    return [node for node in named if re.fullmatch(name, ast.unparse(node.func))]


def printed(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_exercise_has_a_solution(chapter):
    for it in FOUND[chapter]:
        assert calls(it.solution, r"check|grade_\w+"), f"{it.label}: nothing in it is tested"


@each_marked
def test_every_exercise_says_its_kind_and_its_difficulty(chapter):
    for it in MARKED[chapter]:
        kind, level, *further = it.marks
        assert kind in KINDS and level in LEVELS, f"{it.label}: {it.title}"
        assert set(further) <= set(FURTHER) and len(further) <= 2, f"{it.label}: {it.title}"
    for mark in FURTHER:
        assert any(mark in it.marks for it in MARKED[chapter]), f"no exercise is marked {mark!r}"


@each_marked
def test_every_starter_is_judged_and_its_solution_by_the_same(chapter):
    for it in MARKED[chapter]:
        for starter in it.starters:
            assert starter is it.code[-1], f"{it.label}: the starter comes last in its box"
            (attempt,) = calls([starter], r"checks\.attempt")
            grade = ast.unparse(attempt.args[0])
            assert re.fullmatch(r"grade_\w+", grade) and f"def {grade}(" in "".join(
                cell.source for cell in it.code
            ), f"{it.label}: {grade} is defined in the exercise's box"
            assert len(attempt.args) > 1, f"{it.label}: nothing is graded"
            assert calls(it.solution, grade), f"{it.label}: the solution is not graded"
        assert len(it.starters) <= 1, f"{it.label}: one starter"
        assert not calls(it.solution, r"checks\.attempt"), f"{it.label}: a solution is not tried"
        if it.marks[0] == "repair":
            assert it.starters, f"{it.label}: there is nothing to repair"


@each_marked
def test_no_starter_passes_as_it_stands(chapter):
    """Either its blank is open, or the program that it hands over is broken."""
    for it in MARKED[chapter]:
        for starter in it.starters:
            assert "nbval-ignore-output" not in starter.metadata.tags
            if it.marks[0] == "repair":
                assert re.search("^✗ ", printed(starter), re.MULTILINE), f"{it.label} is not broken"
            else:
                assert printed(starter) == BLANK, f"{it.label}: leave a blank, `...`"


def test_starters_stand_in_exercises():
    inside = sum(len(it.starters) for found in FOUND.values() for it in found)
    cells = [cell for chapter in CHAPTERS for cell in notebook(chapter).cells]
    assert inside == sum("starter" in cell.metadata.get("tags", []) for cell in cells)


def test_there_are_as_many_as_the_book_promises():
    every = [it for found in MARKED.values() for it in found]
    kinds = Counter(it.marks[0] for it in every)
    assert len(every) >= LEAST["exercises"]
    assert sum(bool(it.starters) for it in every) >= max(LEAST["starters"], len(every) / 2)
    assert kinds["repair"] >= LEAST["repair"]
    if set(MARKED) == set(CHAPTERS):
        assert len(every) >= 100 and kinds["repair"] >= 15 and set(kinds) == set(KINDS)
