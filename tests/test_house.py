"""The rooms of ganlib: what may import what, and how large a file and a function may be."""

import ast
import graphlib

import pytest
from sources import ROOT

# From the top floor to the ground. A room imports from the floors below its own, and from itself.
FLOORS = [
    {"ganlib", "run", "sweep"},  # the front door, and the two commands
    {"runs"},
    {"training"},
    {"gan"},
    {"interface"},
    {"game", "metrics"},
    {"models", "data", "start"},
    {"internals", "works"},
    {"backend", "checks", "files", "pixels", "plots", "webm"},
    {"types"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
LONGEST_FILE, LONGEST_FUNCTION = 400, 60  # lines; a function's docstring is not counted


def module(file):
    """The name by which a file of ganlib is imported."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


SOURCES = {module(f): f.read_text(encoding="utf-8") for f in (ROOT / "ganlib").rglob("*.py")}


def room(name):
    """The package, or the module beside the packages, that a module is or belongs to."""
    return name.split(".")[1] if "." in name else name


def imported(source, modules):
    """Those of `modules` that a source imports, also where only a function of it does."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(whence, names):
                assert not node.level, "write imports with the whole name of the module"
                parts = {f"{whence}.{alias.name}" for alias in names}
                found |= {part if part in modules else whence for part in parts}
    return found & set(modules)


def drawn(sources):
    """The arrows: from the name of each module to those of the modules that it imports."""
    return {name: imported(source, sources) - {name} for name, source in sources.items()}


def upwards(graph):
    """The arrows that do not lead to a floor further down, in words."""
    return [
        f"{name} imports {other}"
        for name, others in graph.items()
        for other in sorted(others)
        if room(name) != room(other) and FLOOR[room(name)] >= FLOOR[room(other)]
    ]


def reached(graph, name):
    """The rooms of all that a module needs, itself and what the others need among them."""
    seen, ahead = set(), {name}
    while ahead:
        seen |= ahead
        ahead = set().union(*(graph[one] for one in ahead)) - seen
    return {room(one) for one in seen}


def long_functions(source):
    """The names of functions with too many lines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node) is not None:
                lines -= node.body[0].end_lineno - node.body[0].lineno + 1
            if lines > LONGEST_FUNCTION:
                yield node.name


def test_every_room_is_on_one_floor():
    assert sorted(FLOOR) == sorted(room for rooms in FLOORS for room in rooms)
    assert set(FLOOR) == {room(name) for name in SOURCES}


def test_no_arrow_leads_upwards():
    graph = drawn(SOURCES)
    assert sum(map(len, graph.values())) > 50, "the arrows are found"
    assert upwards(graph) == []


def test_no_modules_import_each_other():
    graphlib.TopologicalSorter(drawn(SOURCES)).prepare()  # raises CycleError, with their names


def test_the_game_and_the_data_know_nothing_of_each_other():
    graph = drawn(SOURCES)
    ground = {"internals", "backend", "pixels", "types"}
    assert reached(graph, "ganlib.gan") == {"gan", "interface", "game", "models"} | ground
    of_the_game = {"gan", "interface", "game", "models", "training", "runs"}
    for name in SOURCES:
        if room(name) in ("data", "metrics", "plots", "checks"):
            assert not reached(graph, name) & of_the_game, name


def test_the_algorithm_is_short():
    """What a person reads who wants to know how a GAN is trained here."""
    first = (
        "ganlib.game",
        "ganlib.gan",
        "ganlib.backend",
        "ganlib.models.mlp",
        "ganlib.models.dcgan",
    )
    read = [name for name in SOURCES if name in first or name.startswith("ganlib.game.")]
    assert len(read) > 10
    assert sum(len(SOURCES[name].splitlines()) for name in read) < 2200


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_files_and_functions_are_short(name):
    assert len(SOURCES[name].splitlines()) <= LONGEST_FILE
    assert list(long_functions(SOURCES[name])) == []


# --- What these tests see ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, source, found",
    [
        ("ganlib.data", "from ganlib import metrics", "ganlib.metrics"),
        ("ganlib.models", "from ganlib.gan import GAN", "ganlib.gan"),
        ("ganlib.gan", "def fit():\n    import ganlib.training.lab", "ganlib.training.lab"),
        ("ganlib.game", "from ganlib import GAN", "ganlib"),
        ("ganlib.models", "from ganlib.data import scale", "ganlib.data"),  # of the same floor
    ],
)
def test_an_arrow_upwards_is_seen(name, source, found):
    graph = drawn(dict.fromkeys(SOURCES, "") | {name: source})
    assert upwards(graph) == [f"{name} imports {found}"]


def test_a_cycle_and_a_long_function_are_seen():
    names = "ganlib.data.cache", "ganlib.data.stored"
    circle = {names[0]: f"import {names[1]}", names[1]: "from ganlib.data.cache import user"}
    with pytest.raises(graphlib.CycleError, match="ganlib.data.stored"):
        graphlib.TopologicalSorter(drawn(circle)).prepare()
    short = "def f():\n" + '    """One\n    two."""\n' + "    pass\n" * (LONGEST_FUNCTION - 1)
    assert list(long_functions(short)) == []
    assert list(long_functions(short + "    pass\n")) == ["f"]
