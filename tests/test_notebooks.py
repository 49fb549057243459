"""What every chapter keeps: executed, small cells, checked claims, described figures."""

import ast
import itertools
import re
import statistics
from collections import Counter

import pytest
import yaml
from sources import CHAPTERS, ROOT, SETUP, code_cells, notebook, parameters

TYPES = {"int": int, "float": float, "str": str, "bool": bool}
SHARED = {  # parameters of every chapter that trains on images
    "dataset",
    "image_size",
    "steps",
    "batch_size",
    "latent_dim",
    "seed",
    "n_samples",
    "output_dir",
    "max_seconds",
}
# Parameters on which no claim depends: it was tested with several seeds, and stopping is noticed.
# The others say how much more to train, or what else to score.
FREE = {"seed", "max_seconds", "output_dir", "samples", "every_row", "all_images"}
FREE |= {"table_seeds", "ablation_seeds", "ladder_seeds", "only", "trainings", "label_trainings"}
FREE |= {"widths"}
MACHINE_PATH = re.compile(r"/(?:home|root|Users|tmp|work|content|mnt|opt)/|[A-Z]:\\\\")

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS)


def tags(cell):
    return cell.metadata.get("tags", [])


def name_of(statement):
    return statement.target.id


def texts(cell):
    """A cell's source and its outputs, without the images."""
    yield cell.source
    for output in cell.get("outputs", []):
        yield output.get("text", "")
        yield from (
            str(content)
            for kind, content in output.get("data", {}).items()
            if not kind.startswith("image/")
        )


def figures(chapter):
    """The cells of a chapter whose output is a picture."""
    for cell in code_cells(chapter):
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        if any(kind.startswith("image/") for kind in kinds):
            yield cell


def calls_of_check(cell):
    tree = ast.parse(cell.source)
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return sum("check" in (getattr(f, "id", None), getattr(f, "attr", None)) for f in calls)


def test_there_are_chapters():
    assert {"gan_theory", "dcgan"} <= set(CHAPTERS)


@each_chapter
def test_executed_from_first_to_last_cell_in_a_fresh_kernel(chapter):
    counts = [cell.execution_count for cell in code_cells(chapter)]
    assert counts == list(range(1, len(counts) + 1))


@each_chapter
def test_no_error_and_no_noise(chapter):
    for cell in code_cells(chapter):
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", f"{cell.source}\nprinted {output.text}"
            kinds = set(output.get("data", {}))
            assert "application/vnd.jupyter.widget-view+json" not in kinds, cell.source


@each_chapter
def test_cells_are_small(chapter):
    lengths = [len(cell.source.splitlines()) for cell in code_cells(chapter)]
    assert min(lengths) > 0
    assert max(lengths) <= 30
    assert statistics.median(lengths) <= 8


@each_chapter
def test_starts_with_the_setup_cell(chapter):
    """The same in every chapter; `make repository` keeps its address that of _config.yml."""
    cell = code_cells(chapter)[0]
    assert cell.source == SETUP
    assert tags(cell) == ["remove-cell"]


@each_chapter
def test_parameters_are_annotated_and_explained(chapter):
    cell = code_cells(chapter)[1]
    assert tags(cell) == ["parameters"]
    for statement in parameters(chapter):
        line = ast.get_source_segment(cell.source, statement)
        assert isinstance(statement, ast.AnnAssign), f"annotate: {line}"
        kind = TYPES[statement.annotation.id]
        assert type(ast.literal_eval(statement.value)) is kind, line
    for line in cell.source.splitlines():
        assert re.fullmatch(r"\w+: \w+ = .+  # .+", line), f"one parameter and a comment: {line}"


@each_chapter
def test_image_chapters_share_their_parameters(chapter):
    names = {name_of(statement) for statement in parameters(chapter)}
    if chapter == "dcgan" or "dataset" in names:
        assert names >= SHARED


def settings_of(chapter):
    """The arguments of a chapter's only call of `checks.settings`, and the cell it is in."""
    found = [
        (cell, node)
        for cell in code_cells(chapter)
        for node in ast.walk(ast.parse(cell.source.replace("%pip", "#")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "checks.settings"
    ]
    ((cell, call),) = found
    assert ast.unparse(call.args[0]) == "globals()"
    return cell, {k.arg: ast.literal_eval(k.value) for k in call.keywords}


@each_chapter
def test_claims_are_made_for_the_defaults_and_numbers_have_bounds(chapter):
    cell, settings = settings_of(chapter)
    kinds = {name_of(s): s.annotation.id for s in parameters(chapter)}
    defaults = {name_of(s): ast.literal_eval(s.value) for s in parameters(chapter)}
    assert settings["tested"] == {k: v for k, v in defaults.items() if k not in FREE}
    numbers = {name for name, kind in kinds.items() if kind in ("int", "float")}
    numbers -= {"seed", "max_seconds"}  # of which `settings` knows
    least = settings.get("least", {})
    assert set(least) == numbers
    assert set(settings.get("most", {})) <= numbers
    assert all(least[name] <= defaults[name] for name in numbers)
    assert "claims" not in {n.id for c in code_cells(chapter)[1:] for n in names(c)}


def names(cell):
    return [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)]


@each_chapter
def test_claims_are_checked(chapter):
    """At least five checks, and one after every cell whose output is not compared."""
    checks, unchecked = 0, None
    for cell in code_cells(chapter)[1:]:
        here = calls_of_check(cell)
        checks += here
        if here:
            unchecked = None
        if "nbval-ignore-output" in tags(cell) and not here:
            assert unchecked is None, f"no check follows:\n{unchecked}"
            unchecked = cell.source
    assert unchecked is None, f"no check follows:\n{unchecked}"
    assert checks >= 5


def test_few_outputs_are_not_compared():
    """As many as the README and the status page say."""
    printing = [cell for name in CHAPTERS for cell in code_cells(name) if cell.outputs]
    ignored = sum("nbval-ignore-output" in tags(cell) for cell in printing)
    assert ignored < 40 and 1000 < len(printing) < 1700


@each_chapter
def test_every_theorem_leads_to_its_check(chapter):
    """A box labelled `thm-x` is proved, links to the target `check-x`, and code there checks it."""
    cells = notebook(chapter).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    boxes = re.findall(r"```+\{prf:(theorem|proposition|lemma|corollary)\}.*\n:label: (.+)", text)
    assert text.count("{prf:proof}") == len(boxes)
    for kind, label in boxes:
        prefix, _, name = label.partition("-")
        assert prefix == {"theorem": "thm", "proposition": "prop", "lemma": "lem"}.get(kind, "cor")
        assert re.search(rf"\{{ref\}}`[^`]*<check-{name}>`", text), f"no link to check-{name}"
        (start,) = [i for i, cell in enumerate(cells) if f"(check-{name})=\n" in cell.source]
        assert f"{{prf:ref}}`{label}`" in cells[start].source, f"check-{name} does not name {label}"
        # Its code runs until the next check begins, or the next section.
        following = itertools.takewhile(
            lambda cell: cell.cell_type == "code" or not re.search(r"^(#|\(check-)", cell.source),
            cells[start + 1 :],
        )
        checks = sum(calls_of_check(cell) for cell in following if cell.cell_type == "code")
        assert checks, f"nothing is checked at check-{name}"


@each_chapter
def test_every_figure_has_a_caption_a_name_and_a_description(chapter):
    for cell in figures(chapter):
        mystnb = cell.metadata.get("mystnb", {})
        assert mystnb.get("figure", {}).get("caption"), f"no caption:\n{cell.source}"
        assert mystnb.get("figure", {}).get("name"), f"no name:\n{cell.source}"
        assert mystnb.get("image", {}).get("alt"), f"no alt text:\n{cell.source}"


def test_names_of_figures_are_unique():
    names = Counter(c.metadata.mystnb.figure.name for n in CHAPTERS for c in figures(n))
    assert [name for name, times in names.items() if times > 1] == []


@each_chapter
def test_holds_nothing_of_the_machine_it_ran_on(chapter):
    content = notebook(chapter)
    assert set(content.metadata) <= {"kernelspec", "language_info"}
    assert content.metadata.kernelspec.name == "python3"
    assert content.metadata.kernelspec.display_name == "Python 3"
    assert set(content.metadata.language_info) <= {"name", "pygments_lexer"}
    for cell in content.cells:
        assert set(cell.metadata) <= {"tags", "mystnb"}, cell.source
        for text in texts(cell):
            assert not MACHINE_PATH.search(text), text
            assert "numpy=" not in text, f"the last digits are the machine's: {text}"


@each_chapter
def test_nothing_is_kept_from_the_comparison(chapter):
    for cell in code_cells(chapter):
        assert set(tags(cell)).isdisjoint({"nbval-skip", "raises-exception"}), cell.source
        assert "NBVAL_" not in cell.source, "use a tag"


@each_chapter
def test_file_is_small(chapter):
    assert (ROOT / "book" / f"{chapter}.ipynb").stat().st_size < 2_000_000


@pytest.mark.parametrize("run", sorted(path.stem for path in (ROOT / "book/runs").glob("*.yaml")))
def test_run_files_give_known_parameters_of_the_right_type(run):
    """In particular YAML reads 1e-4 as a string: it must be written 1.0e-4."""
    chapter = run.split("-")[0]
    annotated = {name_of(s): TYPES[s.annotation.id] for s in parameters(chapter)}
    values = yaml.safe_load((ROOT / f"book/runs/{run}.yaml").read_text(encoding="utf-8"))
    for name, value in values.items():
        assert name in annotated, f"{chapter} has no parameter {name}"
        allowed = (int, float) if annotated[name] is float else annotated[name]
        assert isinstance(value, allowed), f"{name}: {value!r}"
        assert isinstance(value, bool) == (annotated[name] is bool), f"{name}: {value!r}"
