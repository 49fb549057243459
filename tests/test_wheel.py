"""The wheel alone: it installs without a network, holds what it should, and works.

Its dependencies are those of this environment. What is installed here of ganlib itself is out of
the way: the wheel's comes first on the path, in a folder where there is nothing else.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution

import keras
import pytest
from packaging.requirements import Requirement
from sources import NEEDS, ROOT
from test_backends import available
from test_project import PROJECT

from ganlib import outputs, pretrained
from ganlib.start import missing_backend_named

pytestmark = pytest.mark.slow

PRETRAINED = """
import ganlib

print(ganlib.outputs.results(), ganlib.pretrained.load("dcgan-tiny").sample(4).shape)
print(*ganlib.pretrained.names())
print(ganlib.outputs.committed("dcgan-mnist")["run"]["status"])
"""

WITHOUT_BACKEND = """
import sys

sys.modules.update(dict.fromkeys(("tensorflow", "jax", "torch")))  # importing one of them fails
import ganlib, numpy as np

ganlib.check("checks need no backend", 1, equals=1)
print(ganlib.plots.tile(np.zeros((4, 2, 2, 1), "uint8")).shape)
for use in (lambda: ganlib.GAN, lambda: ganlib.data, ganlib.repeatable):
    try:
        use()
    except ModuleNotFoundError as error:
        print(error)
"""

RUN_WITHOUT_BACKEND = """
import sys

sys.modules.update(dict.fromkeys(("tensorflow", "jax", "torch")))
from ganlib.run import main

print(main([sys.argv[1], "--output", sys.argv[2]]))
"""

TRAINING = """
import ganlib

ganlib.repeatable()
mlp = ganlib.models.mlp
gan = ganlib.GAN(mlp.generator((2,)), mlp.discriminator((2,)))
gan.compile()
gan.fit(ganlib.data.ring().batches(16), steps_per_epoch=2, verbose=0)
print(gan.sample(3).shape, ganlib.__file__)
"""


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    left_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ganlib", folder / "ganlib", ignore=left_out)
    results = "book/results"
    shutil.copytree(ROOT / results, folder / results)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    outputs.keep(folder / results / "dcgan-tiny", generator=model)
    offline = ("--no-deps", "--no-index", "--no-build-isolation")
    pip("wheel", "--quiet", *offline, "--wheel-dir", str(folder / "dist"), str(folder))
    (file,) = (folder / "dist").glob("*.whl")
    return file


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    pip("install", "--quiet", "--no-deps", "--no-index", "--target", str(folder), str(wheel))
    return folder


def run(installed, *arguments, where=ROOT / "tests", **variables):
    """What a program prints that finds ganlib in the folder `installed`, and runs elsewhere."""
    environment = {**os.environ, "PYTHONPATH": str(installed), **variables}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_it_holds_the_library_and_nothing_else(wheel):
    assert wheel.name == f"ganlib-{PROJECT['version']}-py3-none-any.whl"
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ganlib").rglob("*.py")}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        left = {name for name in names if name.startswith("ganlib/results/")}
        assert names - left == files | {"ganlib/py.typed"}
        assert {name.rpartition(".")[2] for name in left} == {"keras", "json", "npz"}
        assert "ganlib/results/dcgan-tiny/generator.keras" in left
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())


def test_it_says_what_it_needs_and_forces_no_backend(installed):
    (found,) = Distribution.discover(name="ganlib", path=[str(installed)])
    needed = [line for line in found.requires if "extra ==" not in line]
    assert set(map(Requirement, needed)) == set(map(Requirement, PROJECT["dependencies"]))
    assert not any(line.startswith(("tensorflow", "jax", "torch")) for line in needed)
    assert set(found.metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])


def test_without_a_backend_it_says_what_to_install(installed):
    *works, first, second, third = run(installed, "-c", WITHOUT_BACKEND).splitlines()
    assert works == ["✓ checks need no backend", "(5, 5)"]
    name = os.environ["KERAS_BACKEND"]
    assert first == second == third
    assert first.startswith(
        f"Keras would run on {name}, which is not installed: pip install {name}"
    )
    assert "-p NAME VALUE" in run(installed, "-m", "ganlib.run", "--help")


@pytest.mark.parametrize("chapter", ["dynamics", "dcgan"])
def test_a_run_without_a_backend_says_what_to_install(installed, tmp_path, chapter):
    """Whether the chapter reads data before it begins or not; it leaves nothing behind."""
    notebook = ROOT / "book" / f"{chapter}.ipynb"
    command = "import sys; sys.stderr = sys.stdout" + RUN_WITHOUT_BACKEND
    printed = run(installed, "-c", command, str(notebook), str(tmp_path / "out"))
    assert "is not installed: pip install" in printed and "Traceback" not in printed
    assert printed.endswith("\n2\n") and "[run]" not in printed


def test_what_a_run_needs_comes_with_it():
    """papermill brings the client, but no kernel."""
    needed = {Requirement(line).name for line in PROJECT["optional-dependencies"]["run"]}
    assert needed >= {"papermill", "ipykernel"}


def test_a_backend_that_cannot_train():
    """OpenVINO's absence is no reason to install it."""
    with pytest.raises(ImportError, match="not on openvino"), missing_backend_named():
        raise ModuleNotFoundError(name="openvino")


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_with_a_backend_it_trains(installed, backend):
    if not available(backend):
        pytest.skip(NEEDS.format(backend))
    printed = run(installed, "-c", TRAINING, KERAS_BACKEND=backend).split()
    assert printed == ["(3,", "2)", str(installed / "ganlib" / "__init__.py")]


def test_it_brings_what_the_runs_have_learnt(installed, tmp_path):
    first, second, third = run(installed, "-c", PRETRAINED, where=tmp_path).splitlines()
    assert first == f"{installed / 'ganlib' / 'results'} (4, 2)"
    assert second.split() == sorted([*pretrained.names(), "dcgan-tiny"])
    assert third == "completed"
