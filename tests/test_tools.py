"""The scripts behind the Makefile."""

import shutil
import subprocess
import sys

import pytest
from sources import ROOT, URL

TOLD_ABOUT = ["_config.yml", "pyproject.toml", "CITATION.cff", "README.md", "CHANGELOG.md", "book"]


@pytest.fixture
def copy(tmp_path):
    """The files that name the repository, and the script that rewrites them."""
    for name in [*TOLD_ABOUT, "tools"]:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    return tmp_path


def repository(folder, url):
    command = [sys.executable, folder / "tools" / "repository.py", url]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def mentions(folder, text):
    files = [folder / name for name in TOLD_ABOUT[:-1]]
    files += [*(folder / "book").glob("*.md"), *(folder / "book").glob("*.ipynb")]
    return {path: path.read_text(encoding="utf-8").count(text) for path in files}


def test_repository_is_rewritten_wherever_it_is_named_any_number_of_times(copy):
    old = URL.removeprefix("https://github.com/")
    before = mentions(copy, old)
    assert sum(before.values()) >= 4
    another = f"https://github.com/{old}-data"
    with (copy / "README.md").open("a") as readme:
        readme.write(another)
    for new in ("ann/gan", "ben/book"):
        done = repository(copy, f"https://github.com/{new}.git")
        assert done.returncode == 0, done.stderr
        assert mentions(copy, new) == before
    assert sum(mentions(copy, "ann/gan").values()) == 0
    assert (copy / "README.md").read_text().endswith(another)


@pytest.mark.parametrize("url", ["", "ann/gan", "https://example.org/a/b", "https://github.com/a"])
def test_an_address_that_cannot_be_is_refused_in_one_sentence(copy, url):
    before = mentions(copy, "github")
    refused = repository(copy, url)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1 and "make repository URL=" in refused.stderr
    assert mentions(copy, "github") == before


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ("exit 1", "needs Python 3.11, 3.12 or 3.13"),
        ('case "$2" in *version*) exit 0;; *) exit 1;; esac', "cannot make a virtual environment"),
    ],
)
def test_a_python_that_will_not_do_is_named_in_one_sentence(copy, answers, sentence):
    python = copy / "old-python"
    python.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2 && exit\n{answers}\n')
    python.chmod(0o755)
    command = [copy / "tools" / "make-environment", python]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert sentence in refused.stderr
    assert "sudo apt install git make python3-venv" in refused.stderr
    assert not (copy / ".venv").exists()
