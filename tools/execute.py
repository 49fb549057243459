"""Execute a chapter in place and leave in it only what belongs in the repository.

python tools/execute.py book/NAME.ipynb
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def execute(path):
    """Run all cells from the first; nothing is written when one of them fails."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata = nbformat.from_dict(METADATA)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
        coalesce_streams=True,
    )
    client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)  # the kernel has added its exact version
    for cell in notebook.cells:  # and an editor its own notes
        for key in set(cell.metadata) - {"tags", "mystnb"}:
            del cell.metadata[key]
    nbformat.write(notebook, path)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"Executing {name}")
        execute(Path(name))
