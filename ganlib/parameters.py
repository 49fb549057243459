"""The parameters of a notebook: what its `parameters` cell declares, and what a person gives."""

import ast
import contextlib
import difflib
from pathlib import Path
from typing import Any, NamedTuple

KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}


class Parameter(NamedTuple):
    """A line of a `parameters` cell. `kind` is a key of KINDS, or None for another type or none."""

    kind: str | None
    default: Any


def parameters_of(notebook: Path) -> dict[str, Parameter]:
    """Read the cell tagged `parameters`; a default that is not a literal is given as its source.

    Papermill's own inspection goes line by line and loses a line whose comment has another `=`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a notebook, or has no cell tagged `parameters`.
    """
    import nbformat

    if not notebook.is_file():
        raise FileNotFoundError(f"There is no notebook {notebook}.")
    try:
        cells = nbformat.read(notebook, as_version=4).cells
    except Exception:  # nbformat has a type of its own for each way a file can be wrong
        raise ValueError(f"{notebook} is not a notebook that Jupyter can read.") from None
    sources = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if not sources:
        raise ValueError(f"{notebook} has no cell tagged `parameters`; tag the one that sets them.")
    try:
        statements = ast.parse(sources[0]).body
    except SyntaxError as error:
        raise ValueError(f"The parameters cell of {notebook} is not Python: {error}.") from None
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
        found[name] = Parameter(kind if kind in KINDS else None, default)
    return found


def read_values(file: Path) -> dict[str, Any]:
    """Read a YAML file of parameter values; an empty one means the defaults.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not YAML, or not a mapping.
    """
    import yaml

    if not file.is_file():
        raise FileNotFoundError(f"There is no parameter file {file}.")
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
    1e-4 for text. 1e5 and 2.0 count as whole numbers. True is not a number.

    Raises:
        ValueError: the value is of another type.
    """
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "bool" and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    if kind in ("int", "float") and type(value) in (int, float, str):
        if kind == "float":
            return float(value)
        with contextlib.suppress(ValueError):
            return int(str(value))
        if float(value).is_integer():
            return int(float(value))
    raise ValueError


def guess(text: str) -> Any:
    """Read the `-p` value of a parameter without a type, as papermill does."""
    if text in ("True", "False", "None"):
        return ast.literal_eval(text)
    for number in (int, float):
        with contextlib.suppress(ValueError):
            return number(text)
    return text


def check_parameters(parameters: dict[str, Parameter], given: dict[str, Any]) -> dict[str, Any]:
    """Return `given` with every value in its declared type.

    Raises:
        ValueError: a name is unknown (the nearest is suggested), or a value is of the wrong type.
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
        except ValueError:
            raise ValueError(f"{name} must be {KINDS[kind]} ({kind}), not {value!r}.") from None
    return checked
