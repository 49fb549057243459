"""The parameters of a notebook: what its `parameters` cell declares, and what a person gives."""

import ast
import contextlib
import difflib
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ganlib.checks import out_of_bounds
from ganlib.start import quietly

# What `data.load` takes but no path.
DATA_SETS = "glyphs", "letters", "digits", "mnist", "fashion_mnist", "cifar10"
KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}


class Parameter(NamedTuple):
    """A line of a `parameters` cell, and the bounds that `checks.settings` sets, None if none.

    `kind` is a key of KINDS, or None for another type or none.
    """

    kind: str | None
    default: Any
    least: float | None = None
    most: float | None = None


def parameters_of(notebook: Path) -> dict[str, Parameter]:
    """Read the cell tagged `parameters`; a default that is not a literal is given as its source.

    Papermill's own inspection goes line by line and loses a line whose comment has another `=`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a notebook, or has no cell tagged `parameters`.
    """
    import nbformat

    if not notebook.is_file():
        raise FileNotFoundError(f"There is no notebook {os.path.abspath(notebook)}.")
    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except Exception:  # nbformat raises a different type for each kind of damage
        raise ValueError(f"{notebook} is not a notebook that Jupyter can read.") from None
    sources = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if not sources:
        raise ValueError(f"{notebook} has no cell tagged `parameters`; tag the one that sets them.")
    try:
        statements = ast.parse(sources[0]).body
    except SyntaxError as error:
        raise ValueError(f"The parameters cell of {notebook} is not Python: {error}.") from None
    bounds = _bounds(cell.source for cell in cells if cell.cell_type == "code")
    found = {}
    for statement in statements:
        match statement:
            case ast.AnnAssign(ast.Name(name), annotation, ast.expr() as value):
                kind = ast.unparse(annotation).strip("'\"")
            case ast.Assign([ast.Name(name)], value):
                kind = None
            case _:
                continue
        try:
            default = ast.literal_eval(value)
        except ValueError:
            default = ast.unparse(value)
        kind = kind if kind in KINDS else None
        found[name] = Parameter(kind, default, bounds["least"].get(name), bounds["most"].get(name))
    return found


def _bounds(sources: Iterable[str]) -> dict[str, dict[str, float]]:
    """What `settings(..., least={...}, most={...})` gives literally, by "least" and "most"."""
    found: dict[str, dict[str, float]] = {"least": {}, "most": {}}
    for source in sources:
        try:
            nodes = list(ast.walk(ast.parse(source)))
        except SyntaxError:  # a cell with a magic
            continue
        for node in nodes:
            match node:
                case ast.Call(ast.Name("settings") | ast.Attribute(attr="settings")):
                    for keyword in node.keywords:
                        if keyword.arg in found:
                            with contextlib.suppress(ValueError, TypeError):  # it is computed
                                found[keyword.arg] |= ast.literal_eval(keyword.value)
    return found


def check_data(notebook: Path, given: dict[str, Any]) -> None:
    """Look for the data early, if the notebook calls `data.load(dataset, size=image_size)`.

    Raises:
        ValueError: `image_size` is no size, or there is neither a data set nor a folder `dataset`.
    """
    if "data.load(dataset" not in notebook.read_text(encoding="utf-8"):
        return
    with quietly():  # Keras comes with it
        from ganlib.data import pictures

    pictures.size_of(given.get("image_size"))
    name = str(given.get("dataset", DATA_SETS[0]))
    places = [home / os.path.expanduser(name) for home in (notebook.absolute().parent, Path.cwd())]
    if name in DATA_SETS or name and any(map(os.path.exists, places)):
        return
    tried = f", whether {places[0]} or {places[1]}" if name else ""
    raise ValueError(
        f"dataset={name!r} is neither a data set ({', '.join(DATA_SETS)}) nor a folder{tried}."
    )


def read_values(file: Path) -> dict[str, Any]:
    """Read a YAML file of parameter values; an empty one means the defaults.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not YAML, or not a mapping.
    """
    import yaml

    if not file.is_file():
        raise FileNotFoundError(f"There is no parameter file {os.path.abspath(file)}.")
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is not YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(values, dict | None):
        raise ValueError(f"{file} must hold a mapping, one `name: value` on each line.")
    return values or {}


def convert(value: Any, kind: str) -> Any:
    """Return `value` in the type that `kind` names, a key of KINDS.

    Text that reads as a number, or as true or false, counts as one: `-p` gives text, and YAML takes
    1e-4 for text. 1e5 and 2.0 count as whole numbers. True, infinity and NaN are not numbers.

    Raises:
        ValueError: the value is of another type.
    """
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "bool" and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    if kind in ("int", "float") and type(value) in (int, float, str):
        if kind == "int":
            with contextlib.suppress(ValueError):
                return int(str(value))
        number = float(value)
        if kind == "float" and math.isfinite(number):
            return number
        if number.is_integer():
            return int(number)
    raise ValueError


def guess(text: str) -> Any:
    """Read the `-p` value of a parameter without a type: as papermill does, and lists and dicts.

    A tuple becomes a list, since papermill has no way to give one to a notebook.
    """
    if text in ("True", "False", "None"):
        return ast.literal_eval(text)
    if text.startswith(("[", "(", "{")):
        with contextlib.suppress(ValueError, SyntaxError):
            value = ast.literal_eval(text)
            return list(value) if isinstance(value, tuple | set) else value
    for number in (int, float):
        with contextlib.suppress(ValueError):
            return number(text)
    return text


def check_parameters(parameters: dict[str, Parameter], given: dict[str, Any]) -> dict[str, Any]:
    """Return `given` with every value in its declared type.

    Raises:
        ValueError: a name is unknown (the nearest is suggested), or a value is of the wrong type or
            out of its bounds.
    """
    checked = {}
    for name, value in given.items():
        if name not in parameters:
            near = difflib.get_close_matches(str(name), parameters, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            known = ", ".join(parameters) or "none"
            raise ValueError(f"There is no parameter {name}{hint}; this notebook has: {known}.")
        kind = parameters[name].kind
        try:
            checked[name] = convert(value, kind) if kind else value
        except (ValueError, OverflowError):
            wanted = f"{KINDS[kind]} ({kind})" if kind else "something else"
            raise ValueError(f"{name} must be {wanted}, not {value!r}.") from None
    # What is no number, where no type is declared, the chapter itself will judge.
    numbers = {name: value for name, value in checked.items() if isinstance(value, int | float)}
    least = {name: p.least for name, p in parameters.items() if p.least is not None}
    most = {name: p.most for name, p in parameters.items() if p.most is not None}
    if problem := out_of_bounds(numbers, least, most):
        raise ValueError(problem)
    return checked
