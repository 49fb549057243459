"""Write the status page, and the times on the first page, from what executions have recorded.

python tools/status.py
"""

import json
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"

PAGE = """\
# Status

What this copy of the book was made with, what its chapters took, and when. `tools/status.py` writes
this page from the records of the executions, and `make test` fails when it is out of date.

## Chapters

The outputs of every chapter are committed. `make test` executes all of them again and compares
what they print with what you read, to the last character. Of more than a
thousand cells that print something it leaves out fewer than forty, whose numbers vary and are
followed by checks, and it leaves out the figures. The time is
that of one execution of all cells with the default parameters, from the start of the kernel; the
memory is the most that the kernel held.

{chapters}

{missing}Time depends on the machine, and on what else it does.

The trainings at full size, with what each took, are on the page of {{doc}}`results`.

## Versions

The book is built and tested with exactly these packages, pinned with all they need in
`requirements.txt`. Python is 3.11, 3.12 or 3.13.

{versions}
"""


def table(head, rows, numbers=()):
    """A Markdown table; the columns whose numbers are given stand to the right."""
    rule = ["---:" if i in numbers else "---" for i in range(len(head))]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in [head, rule, *rows])


def chapters():
    """The notebooks among the pages, in the book's order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    pages = [page["file"] for part in toc["parts"] for page in part["chapters"]]
    return [Path(page).name for page in pages if (ROOT / f"{page}.ipynb").exists()]


def link(name):
    """A link to a chapter that shows its short name."""
    return f"{{doc}}`{name} <{name}>`"


def machine(record):
    """The processor in words."""
    return f"{record['cores']} cores, {record['cpu']}"


def recorded():
    """What the last execution of each chapter took."""
    return json.loads((BOOK / "executed.json").read_text(encoding="utf-8"))


def time_of(record):
    """Seconds in words."""
    return f"{record['seconds']:.0f} s"


def executions():
    """The table of the chapters that have a record, and a sentence on those that have none."""
    records = recorded()
    named = chapters()
    rows = [
        (
            link(name),
            records[name]["executed"].replace("-", "\N{NON-BREAKING HYPHEN}"),
            time_of(records[name]),
            f"{records[name]['peak_memory_mb']:,}\N{NO-BREAK SPACE}MB",
            machine(records[name]),
            f"{records[name]['versions']['tensorflow']}, {records[name]['versions']['keras']}",
        )
        for name in named
        if name in records
    ]
    head = ("chapter", "executed", "time", "memory", "machine", "TensorFlow, Keras")
    missing = [link(name) for name in named if name not in records]
    sentence = (
        f"No execution has been recorded yet of {', '.join(missing)}; `make execute CHAPTER=NAME` "
        "records one. "
        if missing
        else ""
    )
    return table(head, rows, (2, 3)) if rows else "", sentence


def versions():
    """The table of what requirements.in pins."""
    text = (ROOT / "requirements.in").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w-]+)==(\S+)\s+# (.*)$", text, re.MULTILINE)
    return table(("package", "version", "what for"), pins)


def render():
    """The whole page."""
    told, missing = executions()
    return PAGE.format(chapters=told, missing=missing, versions=versions())


def with_times(page):
    """The first page, with the recorded time of every chapter in the second column of its map.

    Without a record it is what `make test` holds every chapter to.
    """
    records = recorded()
    for name in chapters():
        took = time_of(records[name]) if name in records else "under 60 s"
        page = re.sub(rf"(?m)^(\| {{doc}}`{name}` \| )[^|]*", rf"\g<1>{took} ", page)
    return page


def main():
    """Write the page, and the times of the other."""
    (BOOK / "status.md").write_text(render(), encoding="utf-8")
    first = BOOK / "intro.md"
    first.write_text(with_times(first.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
