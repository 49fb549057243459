"""Checks on a page: which statements fold, and what is seen of them."""

import ast

import pytest
import ticks
from bs4 import BeautifulSoup
from sources import CHAPTERS, code_cells

ONE = 'check("one", 1, equals=1)'
LOOP = 'for i in range(3):\n    check(f"{i}", i, below=3)'


@pytest.mark.parametrize(
    ("rest", "checks"),
    [
        ("", ONE),
        ("", f"{ONE}\n{ONE}"),
        ("", LOOP),
        ("", f"if full:\n    {ONE}\nelse:\n    {ONE}"),
        ("x = 1", ONE),
        ("x = 1", f"# why\n# so\n{ONE}"),
        (f"{ONE}\nprint(1)", f"{LOOP}\n{ONE}"),
        ("x = 1", ""),
        (f"{ONE}\nx = 1", ""),
        ("for i in range(3):\n    x = i\n    check('a', i)", ""),
        ("checks.attempt(grade, x)", ""),
        ("%pip install\ncheck('a', True)", ""),
    ],
)
def test_the_checks_at_the_end_are_parted_from_the_rest(rest, checks):
    source = f"{rest}\n{checks}" if rest and checks else rest or checks
    assert ticks.split_source(source) == (rest, checks)


def test_the_ticked_lines_at_the_end_are_theirs():
    assert ticks.split_output("a\n✓ b\nc\n✓ d\n✓ e\n") == ("a\n✓ b\nc", ["✓ d", "✓ e"])
    assert ticks.split_output("– not here: a\n") == ("– not here: a", [])


def printed(cell):
    """The lines that a cell has printed."""
    return [line for output in cell.outputs for line in output.get("text", "").splitlines()]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_a_cell_ends_with_has_left_its_ticks(chapter):
    for cell in code_cells(chapter):
        checks = ast.parse(ticks.split_source(cell.source)[1]).body
        always = [it for it in checks if isinstance(it, ast.Expr)]
        assert sum(line.startswith("✓ ") for line in printed(cell)) >= len(always), cell.source


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_shows_all_its_code_and_all_its_claims(site, chapter):
    """Whatever is folded is still there."""
    text = (site / "book" / f"{chapter}.html").read_text(encoding="utf-8")
    page = BeautifulSoup(text, "html.parser").article
    shown = [
        cell for cell in code_cells(chapter) if "remove-cell" not in cell.metadata.get("tags", [])
    ]
    words = " ".join(block.get_text() for block in page.select(".cell_input pre"))
    assert words.split() == " ".join(cell.source for cell in shown).split()
    claims = [(cell, line) for cell in shown for line in printed(cell) if line.startswith("✓ ")]
    assert page.get_text().count("✓ ") >= len(claims)
    folded = [line.get_text().strip() for line in page.select(".ticks > summary > span")]
    assert set(folded) <= {line for _, line in claims}
    # An answer to an exercise is judged in a function of its own, whose claims do not fold.
    assert len(folded) > 0.5 * sum("grade_" not in cell.source for cell, _ in claims)
