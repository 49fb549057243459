"""The parameters of a notebook: their types, their bounds, and what a person gives."""

import pytest
from test_run import PARAMETERS, notebook

from ganlib.runs.parameters import (
    KINDS,
    Parameter,
    check_parameters,
    convert,
    guess,
    parameters_of,
    read_values,
)


def test_parameters_of_reads_types_and_defaults(tmp_path):
    more = "tags: list[int] = [1, 2]\nscale: float | None = None\n"
    more += "quoted: 'int' = 1\nhalf = steps // 2\n"
    found = parameters_of(notebook(tmp_path / "a.ipynb", parameters=PARAMETERS + more))
    assert {name: parameter[:2] for name, parameter in found.items()} == {
        "steps": ("int", 4),
        "rate": ("float", 0.1),
        "dataset": ("str", "glyphs"),
        "fast": ("bool", False),
        "width": (None, 8),
        "loss": (None, None),
        "output_dir": ("str", ""),
        "tags": (None, [1, 2]),
        "scale": (None, None),
        "quoted": ("int", 1),
        "half": (None, "steps // 2"),
    }


def test_parameters_of_agrees_with_papermill(tmp_path):
    import papermill

    path = notebook(tmp_path / "a.ipynb", parameters=PARAMETERS.replace("0 = none", "0 is none"))
    theirs = papermill.inspect_notebook(path)
    ours = parameters_of(path)
    assert list(ours) == list(theirs)
    for name, parameter in ours.items():
        assert str(parameter.kind) == theirs[name]["inferred_type_name"]


@pytest.mark.parametrize(
    "value, kind, expected",
    [
        ("200", "int", 200),
        ("-3", "int", -3),
        ("1e5", "int", 100_000),
        (2.0, "int", 2),
        (7, "int", 7),
        ("1e-4", "float", 1e-4),  # YAML's trap
        ("2", "float", 2.0),
        (3, "float", 3.0),
        ("true", "bool", True),
        ("False", "bool", False),
        (True, "bool", True),
        ("8", "str", "8"),
        ("", "str", ""),
    ],
)
def test_convert_accepts(value, kind, expected):
    converted = convert(value, kind)
    assert converted == expected and type(converted) is type(expected)


@pytest.mark.parametrize(
    "value, kind",
    [
        ("many", "int"),
        ("2.5", "int"),
        (2.5, "int"),
        (True, "int"),
        (None, "int"),
        ("inf", "int"),
        ("inf", "float"),
        ("nan", "float"),
        (10**400, "float"),
        ("", "float"),
        (False, "float"),
        ([1.0], "float"),
        (1, "bool"),
        ("yes", "bool"),
        (8, "str"),
        (None, "str"),
        (True, "str"),
    ],
)
def test_a_wrong_type_is_refused_by_name(value, kind):
    with pytest.raises(ValueError) as caught:
        check_parameters({"setting": Parameter(kind, None)}, {"setting": value})
    assert str(caught.value) == f"setting must be {KINDS[kind]} ({kind}), not {value!r}."


def test_an_unknown_name_is_refused_with_the_nearest_and_all_valid_ones():
    parameters = {"steps": Parameter("int", 4), "dataset": Parameter("str", "glyphs")}
    with pytest.raises(ValueError, match=r"stps \(did you mean steps\?\).*has: steps, dataset\."):
        check_parameters(parameters, {"stps": 1})
    with pytest.raises(ValueError, match="There is no parameter zzz; this notebook has"):
        check_parameters(parameters, {"zzz": 1})
    with pytest.raises(ValueError, match="There is no parameter 3; .* has: none"):
        check_parameters({}, {3: 1})


def test_a_parameter_without_a_type_takes_anything():
    parameters = {"width": Parameter(None, 8)}
    for value in (1, 2.5, "text", None, [1], {"a": 1}):
        assert check_parameters(parameters, {"width": value}) == {"width": value}


def test_guess_reads_as_papermill_does():
    from papermill.cli import _resolve_type

    for text in (
        "1",
        "-2",
        "0.5",
        "1e-4",
        "inf",
        "True",
        "False",
        "None",
        "true",
        "mnist",
        "",
        "[1",
    ):
        assert guess(text) == _resolve_type(text)


@pytest.mark.parametrize(
    "text, value",
    [
        ("[3, 4]", [3, 4]),
        ("(3, 4)", [3, 4]),  # papermill can give no tuple to a notebook
        ("[[1, 2], []]", [[1, 2], []]),
        ("{'a': 1.5}", {"a": 1.5}),
        ("[steps]", "[steps]"),
        ("(folder)", "(folder)"),
    ],
)
def test_guess_reads_lists_and_dicts(text, value):
    assert guess(text) == value and type(guess(text)) is type(value)


def test_read_values(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("steps: 20\nrate: 1e-4\ndataset: mnist\n")
    assert read_values(file) == {"steps": 20, "rate": "1e-4", "dataset": "mnist"}
    file.write_text("# every value is the default\n")
    assert read_values(file) == {}


def bounds(path, *cells):
    found = parameters_of(notebook(path, *cells))
    return {name: p[2:] for name, p in found.items() if p[2:] != (None, None)}


def test_the_bounds_are_those_of_the_chapter(tmp_path):
    cells = [
        "%matplotlib inline",
        "from ganlib import checks",
        "checks.settings(\n    globals(),\n    tested={'steps': 4},\n"
        "    least={'steps': 1, 'rate': -0.5},\n    most={'width': 64, 'steps': 9},\n)",
    ]
    assert bounds(tmp_path / "a.ipynb", *cells) == {
        "steps": (1, 9),
        "rate": (-0.5, None),
        "width": (None, 64),
    }


@pytest.mark.parametrize(
    "call",
    [
        "settings(globals(), tested={})",
        "settings(globals(), tested={}, least=limits, most=None)",
        "settings(globals(), tested={}, least={**limits}, most={'steps': 2 * width})",
        "other(least={'steps': 1})",
        "x = {'least': {'steps': 1}}",
    ],
)
def test_what_is_not_literal_or_not_there_bounds_nothing(tmp_path, call):
    assert bounds(tmp_path / "a.ipynb", call) == {}


def test_values_out_of_bounds_are_refused():
    parameters = {
        "steps": Parameter("int", 4, least=1),
        "width": Parameter(None, 8, least=1, most=64),
    }
    good = {"steps": 1, "width": 64}
    assert check_parameters(parameters, good) == good
    assert check_parameters(parameters, {"width": "wide"}) == {"width": "wide"}
    with pytest.raises(ValueError, match=r"^steps must be at least 1, not -5\.$"):
        check_parameters(parameters, {"steps": "-5"})
    with pytest.raises(ValueError, match=r"^width must be at most 64, not 64\.5\.$"):
        check_parameters(parameters, {"width": 64.5})
