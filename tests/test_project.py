"""What surrounds the book and the library: workflows, citation, changelog, package."""

import ast
import json
import os
import re
import subprocess
import sys
import time
import tomllib

import pytest
import yaml
from sources import CONFIG, ROOT, URL

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def steps(workflow):
    """All steps of a workflow."""
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def commands(workflow):
    """What a workflow runs, a list of words a command."""
    lines = "\n".join(step.get("run", "") for step in steps(workflow)).splitlines()
    return [line.split() for line in lines if line.strip()]


def test_there_is_one_version():
    newest = re.search(r"^## \[(.+?)\]", CHANGELOG, re.MULTILINE)[1]
    source = (ROOT / "ganlib" / "__init__.py").read_text(encoding="utf-8")
    own = re.search(r'^__version__ = "(.+)"$', source, re.MULTILINE)[1]
    assert PROJECT["version"] == own == CITATION["version"] == newest


def test_the_citation_is_that_of_the_readme_and_of_the_book():
    assert CITATION["repository-code"] == PROJECT["urls"]["Repository"] == URL
    assert [author["name"] for author in CITATION["authors"]] == [CONFIG["author"]]
    assert PROJECT["authors"] == CITATION["authors"]
    assert CITATION["title"].startswith(CONFIG["title"])
    assert f"*{CITATION['title']}.*" in README.replace("\n> ", " ")


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_what_there_is(workflow):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w -]+):(?!=)", makefile, re.MULTILINE))
    targets = {".venv/.ready"}.union(*(names.split() for names in targets))
    for first, *others in commands(workflow):
        if first == "make":
            assert others[0] in targets
        else:
            assert first.startswith(".venv/bin/"), "what is not pinned"
    for step in steps(workflow):
        assert ("run" in step) != ("uses" in step)
        assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/any@v1"))


def test_the_workflows_run_the_oldest_python_and_the_newest():
    (test,) = [path for path in WORKFLOWS if path.stem == "test"]
    assert ["make", "test-all", "PYTHON=python"] in commands(test)
    job = yaml.safe_load(test.read_text(encoding="utf-8"))["jobs"]["test"]
    oldest, newest = job["strategy"]["matrix"]["python"]
    assert PROJECT["requires-python"] == f">={oldest}"
    suits = (ROOT / "tools" / "make-environment").read_text(encoding="utf-8")
    after = re.search(r"sys.version_info < \(3, (\d+)\)", suits)[1]
    assert newest == f"3.{int(after) - 1}"


@pytest.mark.parametrize(
    ("left", "outcome", "chapter"),
    [(3600, "1 passed", []), (-1, "1.. skipped", ["--nbval", "book/dynamics.ipynb"])],
)
def test_what_there_was_no_time_for_is_not_run_but_named(left, outcome, chapter):
    wanted = ["tests/test_project.py", *chapter, "-k", "one_version or ipynb"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *wanted],
        cwd=ROOT,
        env={**os.environ, "GANBOOK_UNTIL": str(time.time() + left)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert re.search(f"= {outcome}, ", done.stdout), done.stdout
    named = "\nbook/dynamics.ipynb, tests/test_project.py\n"
    assert (named in done.stdout) == (left < 0)


def test_hooks_and_the_container_use_what_the_environment_has():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (repository,) = hooks["repos"]
    assert [hook["id"] for hook in repository["hooks"]] == [
        "ruff-check",
        "ruff-format",
        "notebooks",
    ]
    for hook in repository["hooks"]:
        assert hook["language"] == "system" and hook["entry"].startswith(".venv/bin/")
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["postCreateCommand"].split()[:2] == ["make", ".venv/.ready"]


def test_forms_ask_for_something():
    for file in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        form = yaml.safe_load(file.read_text(encoding="utf-8"))
        if file.stem == "config":
            continue
        assert {"name", "description", "body"} <= set(form)
        ids = [part["id"] for part in form["body"]]
        assert len(ids) == len(set(ids)) > 0
    assert {
        u["package-ecosystem"]
        for u in yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))[
            "updates"
        ]
    } == {"github-actions", "uv"}


def unannotated(tree, owner=""):
    """The public functions of a module and methods of its classes that lack a type somewhere."""
    for node in tree.body:
        public = not getattr(node, "name", "_").startswith("_")
        if isinstance(node, ast.If):
            yield from unannotated(node, owner)
        elif isinstance(node, ast.ClassDef) and public:
            yield from unannotated(node, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef) and (
            public or node.name in ("__init__", "__call__")
        ):
            given = node.args
            names = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            own = [name for name in names if name and name.arg not in ("self", "cls")]
            if node.returns is None or any(name.annotation is None for name in own):
                yield owner + node.name


# All but the file that has each function once for a backend.
TYPED = [file for file in sorted((ROOT / "ganlib").rglob("*.py")) if file.stem != "backend"]


@pytest.mark.parametrize("file", TYPED, ids=lambda file: file.stem)
def test_the_public_interface_has_types(file):
    assert list(unannotated(ast.parse(file.read_text(encoding="utf-8")))) == []


def test_a_missing_type_is_seen():
    source = "class A:\n def f(self, x: int): ...\n def _g(self, x): ...\ndef h(*x) -> int: ..."
    assert list(unannotated(ast.parse(source))) == ["A.f", "h"]
