"""Execute a chapter in place and leave in it only what belongs in the repository.

python tools/execute.py book/NAME.ipynb

What it took is noted in book/executed.json, for the status page.
"""

import base64
import datetime
import io
import json
import sys
import time
from pathlib import Path

import nbformat
import status
from nbclient import NotebookClient
from PIL import Image

from ganlib.runs.environment import hardware, versions
from ganlib.runs.run import kernel_manager

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def in_few_colours(png):
    """A figure, PNG in base64, with 128 colours: a third of the size, or less."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as figure:
        few = figure.quantize(128, Image.Quantize.FASTOCTREE)
    kept = io.BytesIO()
    few.save(kept, "PNG", optimize=True)
    return base64.b64encode(kept.getvalue()).decode()


def execute(path):
    """Run all cells from the first; nothing is written when one of them fails.

    Returns:
        What it took: wall-clock seconds, the kernel's peak memory in MB, the day and the machine.
    """
    memory, started = [0.0], time.monotonic()
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = nbformat.from_dict(METADATA)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        kernel_manager_class=kernel_manager(memory),
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)  # the kernel has added its exact version
    for cell in notebook.cells:  # and an editor its own notes
        for key in set(cell.metadata) - {"tags", "mystnb"}:
            del cell.metadata[key]
        if "few-colours" in cell.metadata.get("tags", ()):
            for data in (output.data for output in cell.outputs if "data" in output):
                data["image/png"] = in_few_colours(data["image/png"])
    nbformat.write(notebook, path)
    return {
        "seconds": round(time.monotonic() - started, 1),
        "peak_memory_mb": round(max(memory)),
        "executed": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "cpu": hardware()["cpu"],
        "cores": hardware()["cores"],
        "versions": versions("tensorflow"),
    }


def note(name, record):
    """Keep the record of a chapter, and write the status page again."""
    file = status.BOOK / "executed.json"
    records = json.loads(file.read_text(encoding="utf-8")) | {name: record}
    text = json.dumps(records, indent=2, sort_keys=True)
    file.write_text(text + "\n", encoding="utf-8")
    status.main()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"Executing {name}")
        note(Path(name).stem, execute(Path(name)))
