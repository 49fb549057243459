import io

import numpy as np
import pytest
from keras import layers, ops

from ganlib import checks
from ganlib.checks import ClaimFailed, check, settings


@pytest.fixture(autouse=True)
def tested_settings():
    yield
    checks._untested = None


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (0.51, {"equals": 0.5, "tol": 0.02}),
        (0.52, {"equals": 0.5, "tol": 0.02}),  # tol is included, whatever the last bit
        (3, {"equals": 3}),
        (2.0, {"above": 1.0}),
        (2.0, {"above": 1.0, "below": 3.0}),
        (np.array([1.0, 2.0]), {"above": 0.5, "below": 2.5}),
        (np.ones((2, 3)), {"equals": np.ones(3)}),
        (True, {}),
        (np.array([True, True]), {}),
        (np.float32(0.1) > 0, {}),
        (ops.convert_to_tensor([0.5, 0.5]), {"equals": 0.5}),
        ([1, 2], {"equals": [1, 2]}),
    ],
)
def test_a_claim_that_holds_is_printed_without_its_number(capsys, value, bounds):
    check("it is so", value, **bounds)
    assert capsys.readouterr().out == "✓ it is so\n"


@pytest.mark.parametrize(
    ("value", "bounds", "sentence"),
    [
        (0.731, {"equals": 0.5, "tol": 0.02}, "✗ c: 0.731 is not within 0.02 of 0.5"),
        (1, {"equals": 2}, "✗ c: 1 is not 2"),
        (0.5, {"above": 0.5}, "✗ c: 0.5 is not above 0.5"),
        (0.5, {"below": 0.5}, "✗ c: 0.5 is not below 0.5"),
        (0.50001, {"equals": 0.5}, "✗ c: 0.50001 is not 0.5"),
        (np.array([[0.0, 3.0], [9.0, 1.0]]), {"below": 2}, "✗ c: 9 at [1, 0] is not below 2"),
        ([1.0, 2.0], {"equals": [1.0, 4.0], "tol": 1}, "✗ c: 2 at [1] is not within 1 of 4"),
        (np.nan, {"equals": 0.0, "tol": np.inf}, "✗ c: nan is not finite"),
        ([1.0, np.inf], {"above": 0.0}, "✗ c: inf at [1] is not finite"),
        (np.nan, {"below": 0.0}, "✗ c: nan is not finite"),
        (False, {}, "✗ c: False is not true"),
        ([True, False], {}, "✗ c: False at [1] is not true"),
    ],
)
def test_a_claim_that_fails_names_the_worst_number(capsys, value, bounds, sentence):
    with pytest.raises(ClaimFailed) as failure:
        check("c", value, **bounds)
    assert str(failure.value) == sentence
    assert capsys.readouterr().out == ""


def test_a_bound_that_is_nan_fails():
    with pytest.raises(ClaimFailed, match="is not above nan"):
        check("c", 1.0, above=np.nan)


@pytest.mark.parametrize(
    ("value", "bounds", "sentence"),
    [
        (0.7, {}, "needs equals=, above= or below="),
        ([], {"above": 0}, "array is empty"),
        (0.7, {"above": 0, "tol": 0.1}, "tol= without equals="),
        (np.ones(3), {"equals": np.ones(2)}, r"shape \(3,\) with shape \(2,\)"),
    ],
)
def test_a_claim_that_compares_nothing_is_an_error_of_its_own(value, bounds, sentence):
    with pytest.raises(ValueError, match=sentence):
        check("c", value, **bounds)


def test_with_the_settings_that_were_tested_a_claim_that_fails_stops(capsys):
    settings({"dataset": "glyphs", "steps": 8}, tested={"dataset": "glyphs", "steps": 8})
    assert capsys.readouterr().out == ""
    with pytest.raises(ClaimFailed):
        check("c", 1, above=2)


@pytest.mark.parametrize("value", [1, np.nan, []])
def test_with_other_settings_it_is_marked_and_the_chapter_goes_on(capsys, value):
    settings({"dataset": "cats", "steps": 8}, tested={"dataset": "glyphs", "steps": 8})
    sentence = capsys.readouterr().out
    assert "dataset = 'cats'" in sentence
    assert "dataset = 'glyphs'" in sentence
    assert "steps" not in sentence
    check("it is so", value, above=2)
    assert capsys.readouterr().out.startswith("– not here: it is so: ")
    check("it is so", 3, above=2)
    assert capsys.readouterr().out == "✓ it is so\n"


def test_settings_hold_until_the_next_ones():
    settings({"steps": 1}, tested={"steps": 8})
    settings({"steps": 8}, tested={"steps": 8})
    with pytest.raises(ClaimFailed):
        check("c", 1, above=2)


def test_a_reason_is_said_once(capsys):
    checks.untested("a training was stopped after 2 s")
    assert capsys.readouterr().out == ""  # there are no claims
    settings({}, tested={})
    for _ in range(3):
        checks.untested("a training was stopped after 2 s")
    assert capsys.readouterr().out.count("\n") == 1


def test_a_misuse_is_an_error_with_any_settings():
    settings({}, tested={})
    checks.untested("a reason")
    with pytest.raises(ValueError, match="needs equals="):
        check("c", 0.7)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"steps": 0}, "steps must be at least 1, not 0."),
        ({"steps": float("nan")}, "steps must be at least 1, not nan."),
        ({"share": 0.95}, "share must be at most 0.9, not 0.95."),
        ({"seed": -1}, "seed must be at least 0, not -1."),
        ({"max_seconds": -0.5}, "max_seconds must be at least 0, not -0.5."),
    ],
)
def test_a_value_out_of_its_bounds_is_refused(values, sentence):
    with pytest.raises(ValueError, match=sentence):
        settings(values, tested={}, least={"steps": 1, "share": 0.1}, most={"share": 0.9})


def test_the_bounds_themselves_are_allowed():
    bounds = {"least": {"steps": 1, "share": 0.1}, "most": {"share": 0.9}}
    settings({"steps": 1, "share": 0.1}, tested={}, **bounds)
    settings({"steps": 9, "share": 0.9}, tested={}, **bounds)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_claims_are_printed_in_any_encoding(monkeypatch, encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr("sys.stdout", stream)
    check("größer als ½", 1, above=0)
    stream.flush()
    assert "gr" in stream.buffer.getvalue().decode(encoding)


def grade_double(double):
    check("of 2 it is 4", double(2), equals=4)
    check("of every number", all(double(x) == 2 * x for x in range(9)))


def blank(x):
    return ...


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        (..., "– not answered yet\n"),
        (blank, "– not answered yet\n"),
        (lambda x: (1, ...), "– not answered yet\n"),
        (lambda x: 3 * x, "✗ of 2 it is 4: 6 is not 4\n"),
        (lambda x: x**2, "✓ of 2 it is 4\n✗ of every number\n"),
        (lambda x: x + x, "✓ of 2 it is 4\n✓ of every number\n"),
        (lambda x: [], "✗ The claim 'of 2 it is 4' has no value to check: the array is empty.\n"),
        (lambda x: np.nan, "✗ of 2 it is 4: nan is not finite\n"),
    ],
)
def test_an_answer_is_graded_in_words_that_stop_nothing(capsys, answer, sentences):
    checks.attempt(grade_double, answer)
    assert capsys.readouterr().out == sentences


def test_an_answer_of_another_shape_is_wrong(capsys):
    checks.attempt(lambda a: check("they are 1 and 2", a, equals=[1, 2]), [1, 2, 3])
    assert capsys.readouterr().out == (
        "✗ The claim 'they are 1 and 2' compares shape (3,) with shape (2,).\n"
    )


def test_an_answer_is_wrong_whatever_the_settings(capsys):
    checks.settings({"steps": 1}, tested={"steps": 2})
    capsys.readouterr()
    checks.attempt(lambda a: check("it is 3", a, equals=3), 4)
    assert capsys.readouterr().out == "✗ it is 3: 4 is not 3\n"
    check("it is 3", 4, equals=3)
    assert capsys.readouterr().out == "– not here: it is 3: 4 is not 3\n"


def test_an_answer_with_one_of_its_blanks_open_is_none(capsys):
    for answers in [(1, ...), (1, (2, ...)), ([...], 2), (1, {"a": {"b": ...}})]:
        checks.attempt(lambda a, b: check("a is b", a, equals=b), *answers)
    assert capsys.readouterr().out == 4 * "– not answered yet\n"


def test_a_layer_is_an_answer(capsys):
    class Doubled(layers.Layer):
        def __init__(self):
            super().__init__()
            self.by = 2

        def call(self, x):
            return self.by * x

    class Blank(layers.Layer):
        def call(self, x):
            return ...

    class Loss:
        def __call__(self, x):
            return ...

    for answer in (Blank, Loss, Doubled):
        checks.attempt(grade_layer, answer)
    assert capsys.readouterr().out == 2 * "– not answered yet\n" + "✓ it doubles\n"


def grade_layer(layer):
    check("it doubles", ops.sum(layer()(np.ones((1, 3)))) + 0.0, equals=6)


def test_an_error_in_an_answer_is_shown_whole():
    with pytest.raises(ZeroDivisionError):
        checks.attempt(grade_double, lambda x: 1 / 0)
