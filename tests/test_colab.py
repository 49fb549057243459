"""A chapter alone in an empty folder, as on Colab: its first cell installs ganlib.

That cell is the same in every chapter (test_notebooks.py), so it runs once, and behind it what each
chapter imports.

The environment is new and has every package of the book but ganlib. Git takes the repository's
public address to mean this checkout, so what is installed is its last commit, without a network.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell
from sources import CHAPTERS, ROOT, URL, code_cells, notebook

EXECUTE = """\
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.execute(notebook, kernel_name="python3", cwd=".")
print(notebook.cells[-1].outputs[0].text)
"""
PROBE = "print(ganlib.__file__)"


def is_committed():
    """Whether this is the top of a git repository that has a commit."""
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "rev-parse"]
    command += ["--show-toplevel", "HEAD"]
    if shutil.which("git") is None:
        return False
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.returncode == 0 and Path(answer.stdout.splitlines()[0]).resolve() == ROOT


pytestmark = pytest.mark.skipif(
    not is_committed(), reason="there is no git repository with a commit to install from"
)


@pytest.fixture
def colab(tmp_path_factory):
    """The Python of a new environment, and the environment variables to call it with."""
    folder = tmp_path_factory.mktemp("colab")
    environment, packages, home = (folder / name for name in ("env", "packages", "home"))
    venv.create(environment, symlinks=True)
    packages.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if "ganlib" not in entry.name and entry.suffix != ".pth":
            (packages / entry.name).symlink_to(entry)
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "packages.pth").write_text(f"{packages}\n")

    stand_in = folder / "stand_in"
    (stand_in / "google" / "colab").mkdir(parents=True)
    (stand_in / "google" / "colab" / "__init__.py").touch()
    home.mkdir()
    (home / ".gitconfig").write_text(
        f'[url "{ROOT.as_uri()}"]\n\tinsteadOf = {URL}\n[safe]\n\tdirectory = *\n'
    )
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "GIT_", "JUPYTER_", "PYTHON", "XDG_"))
    } | {
        "HOME": str(home),
        "PYTHONPATH": str(stand_in),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads this as the value of build isolation
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    python = environment / "bin" / "python"
    subprocess.run(
        [python, "-m", "ipykernel", "install", "--sys-prefix"],
        env=variables,
        check=True,
        capture_output=True,
    )
    return python, variables


@pytest.mark.slow
def test_a_chapter_installs_ganlib_when_it_stands_alone(colab, tmp_path):
    python, variables = colab
    alone = notebook(CHAPTERS[0])
    setup, *_ = code_cells(CHAPTERS[0])
    imports = [cell for chapter in CHAPTERS for cell in code_cells(chapter)[1:3]]
    alone.cells = [new_code_cell("import google.colab"), setup, *imports, new_code_cell(PROBE)]
    nbformat.write(alone, tmp_path / "chapter.ipynb")

    ran = subprocess.run(
        [python, "-c", EXECUTE, "chapter.ipynb"],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    installed = Path(ran.stdout.strip().splitlines()[-1]).resolve()
    assert installed.is_relative_to(python.parent.parent.resolve())
    assert sys.prefix not in str(installed)
