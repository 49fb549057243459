"""The pages of the library: every public name is described, and its example runs."""

import doctest
import re

import pytest
from sources import PAGES, ROOT

import ganlib
import ganlib.data.messy  # which nothing imports before it is used

ROOMS = [page for page in PAGES if page.startswith("book/library")]
TEXTS = {page: (ROOT / f"{page}.md").read_text(encoding="utf-8") for page in ROOMS}
DESCRIBED = {page: re.findall(r"auto\w+:: ([\w.]+)", text) for page, text in TEXTS.items()}
BLOCK = re.compile(r"```pycon\n(.*?)```", re.DOTALL)
MODULES = ["losses", "penalties", "terms", "augment", "layers", "data", "data.pairs", "metrics"]
MODULES += ["callbacks", "plots", "works", "lab", "data.messy", "health", "outputs", "pretrained"]
MODULES += ["checks"]
MODELS = "models.mlp", "models.dcgan", "models.resnet", "models.biggan", "models.translation"
MODELS += ("models.stylegan2", "models.r3gan", "models.reuse")
# For those who write a penalty, an extractor or a message: their source is the place to look.
INSIDE = {
    "checks.check",  # it is `ganlib.check`
    "checks.first_line",
    "checks.say",
    "metrics.Features",
    "outputs.plain",
    "outputs.read_json",
    "penalties.Penalty",
    "penalties.Counted",
    "penalties.Random",
    "penalties.after_update",
    "penalties.gradient_norms",
    "penalties.squared_gradient_norms",
    "terms.values",
}


def public(name):
    """The public names of a module, as a user writes them."""
    module = ganlib
    for part in name.split("."):
        module = getattr(module, part)
    own = [
        key
        for key, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and not key.startswith("_")
    ]
    return {f"{name}.{key}" for key in getattr(module, "__all__", own)}


@pytest.mark.parametrize("name", [*MODULES, *MODELS])
def test_every_public_name_is_described(name):
    described = {it.removeprefix("ganlib.") for names in DESCRIBED.values() for it in names}
    assert public(name) - described <= INSIDE


def test_every_public_name_of_the_package_has_a_room():
    rooms = "\n".join(TEXTS.values())
    assert [name for name in ganlib.__all__ if f"ganlib.{name}" not in rooms] == []


@pytest.mark.parametrize("page", ROOMS)
def test_every_name_is_in_an_example(page):
    examples = "".join(BLOCK.findall(TEXTS[page]))
    # The models' functions share their names: `dcgan.generator`.
    names = [
        ".".join(name.split(".")[-2 if ".models." in name else -1 :]) for name in DESCRIBED[page]
    ]
    assert [name for name in names if not re.search(rf"\b{name}\b", examples)] == []
    assert max(map(len, examples.splitlines())) <= len(">>> ") + 80


@pytest.mark.slow
@pytest.mark.parametrize("page", ROOMS)
def test_its_examples_run(page, monkeypatch):
    monkeypatch.chdir(ROOT)
    names, run = {}, doctest.DocTestRunner(verbose=False)
    for block in BLOCK.findall(TEXTS[page]):
        test = doctest.DocTestParser().get_doctest(block, names, page, page, 0)
        assert run.run(test, clear_globs=False).failed == 0
        names = test.globs
