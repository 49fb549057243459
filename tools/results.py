"""Write the page of results: the table that the committed runs make, and what is not in it.

python tools/results.py

A result counts if anyone can make it again: `run.json` must say which commit ran, with which
parameters, and these must be the ones of the run's YAML file and, for the rest, the chapter's.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from ganlib.runs.parameters import check_parameters, parameters_of, read_values

BOOK = Path(__file__).resolve().parent.parent / "book"
PAGE = BOOK / "results.md"
LARGEST = 2_000_000  # bytes of a network that is committed
TEXT = """\
<!-- Written by `make results` from book/results/; edit tools/results.py instead. -->

# Results

Every full run that the chapters show, in one table. It is read from what the runs left in
`book/results/NAME/`: `metrics.json` has the scores, `run.json` how they came about. Nothing is
typed in by hand, and a test compares this page with the files. A result is refused, and the test
fails, when its run did not complete, when the commit whose code ran is unknown or had been changed,
or when its parameters are not those of `book/runs/NAME.yaml` and, for the rest, the defaults of the
chapter.

How to read it:

- A dash stands for what a run did not measure. Nothing is filled in later.
- Only scores with the same data, the same features and the same numbers of images compare. The
  features are those of a small classifier of our own, so no FID or KID here compares with one in a
  paper; {doc}`evaluation` says why.
- *scored* is what was compared with held-out real images. *generator* is the one that the notebook
  saved; in a run for a table of trainings it is not what the table says, which the chapter shows.
  *real* are more real images: no generator can be expected to do better.
- *parameters* are the values of the YAML file; all others are the chapter's defaults.
- *seconds* are those of the whole run: every training in the notebook, the scores, the figures; but
  not the trainings that it found in a folder, where other runs had left them.
- *command* repeats the run into `outputs/`, from a clone at the commit in the column *code*.
- *data* is the name of a data set, or the path of a folder of images. The YAML file tells what was
  in that folder, and the command needs it there.

"""


class Row(NamedTuple):
    """A set of samples that a run scored. What the run did not measure is None."""

    run: str
    chapter: str
    data: str
    parameters: dict[str, Any]  # those of the YAML file, without the data; the rest are defaults
    scored: str  # what the run calls it, such as "real"; "generator" if it calls it nothing
    n_real: int | None
    n_fake: int | None
    features: str | None
    fid: float | None
    kid: float | None
    coverage: float | None
    seconds: float  # of the whole run
    hardware: str
    revision: str  # 40 hexadecimal digits: the commit whose code ran
    command: str


def runs(book: Path) -> list[str]:
    """Names of the runs that a book describes, sorted: the YAML files of its folder `runs`."""
    return sorted(file.stem for file in (book / "runs").glob("*.yaml"))


def without_result(book: Path) -> list[str]:
    """Names of the runs of which no result is kept."""
    return [name for name in runs(book) if not (book / "results" / name).is_dir()]


def table(book: Path) -> list[Row]:
    """The rows of every result in a book's folder `results`, sorted by the names of the runs.

    Raises:
        ValueError: as `read` does.
    """
    folders = sorted(path for path in (book / "results").iterdir() if path.is_dir())
    return [row for folder in folders for row in rows(folder)]


def rows(folder: Path) -> list[Row]:
    """A row for each set of samples that was scored; one without scores if there was none.

    Raises:
        ValueError: as `read` does.
    """
    record, metrics, given = read(folder)
    name = folder.name
    common = {
        "run": name,
        "chapter": _chapter(name),
        "data": record["parameters"].get("dataset"),
        "parameters": {key: value for key, value in given.items() if key != "dataset"},
        "seconds": record["seconds"],
        "hardware": _hardware(record["hardware"]),
        "revision": record["git"]["revision"],
        "command": f"make run RUN={name}",
    }
    measured = ("n_real", "n_fake", "features", "fid", "kid", "coverage")
    found = list(_scored(metrics)) or [("generator", {})]
    return [
        Row(scored=scored, **common, **{key: scores.get(key) for key in measured})
        for scored, scores in found
    ]


def read(folder: Path) -> tuple[dict, dict, dict]:
    """Read and check BOOK/results/NAME: its `run.json`, its `metrics.json`, the values of its YAML.

    Raises:
        ValueError: a file is missing or not JSON; the run did not complete; nobody knows the code
            that ran; the parameters are not those that the run has now; weights are not those that
            it left, or larger than `LARGEST`.
    """
    name, book = folder.name, folder.parents[1]
    again = f"run it again, with --output {folder.as_posix()}."
    record, metrics = (_json(folder / file, again) for file in ("run.json", "metrics.json"))
    if record.get("status") != "completed":
        raise ValueError(f"The run of {folder} is {record.get('status')}, not completed: {again}")
    git = record.get("git") or {}
    if not re.fullmatch("[0-9a-f]{40}", git.get("revision") or ""):
        raise ValueError(f"{folder} does not record which code made it: {again}")
    if git.get("dirty") is not False:
        raise ValueError(f"{folder} was made by code that was not committed: commit it and {again}")
    if Path(record.get("file") or "").name != f"{name}.yaml":
        raise ValueError(f"{folder} was not run from {name}.yaml: {again}")
    try:
        parameters = parameters_of(book / f"{_chapter(name)}.ipynb")
        given = check_parameters(parameters, read_values(book / "runs" / f"{name}.yaml"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder} belongs to no run of book/runs: {error}") from None
    asked = {key: parameter.default for key, parameter in parameters.items()} | given
    for key, value in record["parameters"].items():
        # A parameter that was added later did not matter; the folder may be anywhere.
        if key != "output_dir" and (key not in asked or asked[key] != value):
            now = repr(asked[key]) if key in asked else "no longer there"
            raise ValueError(
                f"{folder} was made with {key} = {value!r}, which in its run is {now}: put the "
                f"value in {name}.yaml, or {again}"
            )
    _check_weights(folder, record.get("weights", {}), again)
    missing = sorted(given.keys() - record["parameters"].keys())
    if missing:
        raise ValueError(f"{folder} was made without {', '.join(missing)} of {name}.yaml: {again}")
    return record, metrics, given


def _check_weights(folder, left, again):
    """Raise ValueError unless all networks in the folder are those that the run `left`."""
    for file in sorted(folder.glob("*.keras")):
        content = file.read_bytes()
        if hashlib.sha256(content).hexdigest() != left.get(file.name):
            raise ValueError(f"{file} is not what the run left: {again}")
        if len(content) > LARGEST:
            raise ValueError(
                f"{file} has {len(content):,} bytes, and {LARGEST:,} are allowed: make it of a "
                f"smaller network, or commit the result without it."
            )


def markdown(rows: list[Row]) -> str:
    """A Markdown table of rows; a dash where nothing was measured."""
    heads = ["run", "chapter", "data", "parameters", "scored", "real, generated", "features"]
    heads += ["FID", "KID", "coverage", "seconds", "hardware", "code", "command"]
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        counts = [f"{n:,}" for n in (row.n_real, row.n_fake) if n is not None]
        lines.append(
            [
                row.run,
                row.chapter,
                row.data,
                ", ".join(f"`{key}={value}`" for key, value in row.parameters.items()),
                row.scored,
                ", ".join(counts),
                row.features,
                _number(row.fid, ".4g"),
                _number(row.kid, ".4g"),
                _number(row.coverage, ".3f"),
                f"{row.seconds:,.0f}",
                row.hardware,
                f"`{row.revision[:10]}`",
                f"`{row.command}`",
            ]
        )
    cells = ([str(cell or "–").replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def _chapter(name):
    return name.split("-")[0]


def _json(file, again):
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{file.parent} has no {file.name}: {again}") from None
    except ValueError:
        raise ValueError(f"{file} is not JSON: {again}") from None


def _scored(metrics, names=()):
    """Every dict with a FID, however deep, and its name: its own, or the keys below the first."""
    if isinstance(metrics.get("fid"), int | float):
        yield metrics.get("scored", ", ".join(names[1:] or names) or "generator"), metrics
    for key, part in metrics.items():
        if isinstance(part, dict):
            yield from _scored(part, (*names, key))


def _hardware(machine):
    gpus = ", ".join(machine["gpus"]) or "no GPU"
    return f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gb']:g} GB, {gpus}"


def _number(value, form):
    return None if value is None else format(value, form)


def page(book: Path = BOOK) -> str:
    """The page's text."""
    text = TEXT + markdown(table(book))
    missing = without_result(book)
    if missing:
        text += "\nDescribed in `book/runs/` but without a committed result, so nothing is claimed "
        text += f"of them here: {', '.join(f'`{name}`' for name in missing)}.\n"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"Wrote {PAGE.relative_to(BOOK.parent)}.")
