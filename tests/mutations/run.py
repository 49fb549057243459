"""Change what a claim is about, and see whether its check notices.

    python tests/mutations/run.py                 all mutations
    python tests/mutations/run.py dcgan dynamics  those of two chapters
    python tests/mutations/run.py --dozen         those that `make test` runs

A mutation is a line of `CHAPTER.txt`:

    the claim || old code => new code
    the claim || ganlib.game.losses: old code => new code || steps = 100 || survives: the reason

The claim is a check's first argument, as it is printed. The old code is found once in the cells
of the chapter, or in the module that is named; `\\n` is the end of a line. The last two parts are
for a smaller budget, and for a mutation that no check of this claim can notice. With `*` before it
a line belongs to the dozen.

Each is run in a process of its own, forked from one that has loaded TensorFlow: the cells on which
the claim depends (`slices.py`), once as they are, where the claim must hold, and once mutated.
"""

import argparse
import contextlib
import dataclasses
import importlib
import io
import json
import linecache
import multiprocessing
import os
import re
import signal
import sys
import time
import traceback
import warnings
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
sys.path[:0] = [str(ROOT), str(FOLDER)]

if __name__ == "__main__":  # before anything imports Keras
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ["MPLBACKEND"] = "Agg"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = "1"  # as many processes as cores

import slices  # noqa: E402

LIMIT = 300  # seconds for a mutation
HEAVY = ("keras", "tensorflow", "matplotlib.pyplot", "scipy.stats", "scipy.optimize")
HEAVY += ("sklearn.datasets", "sklearn.linear_model", "PIL.Image", "IPython.display")


@dataclass(frozen=True)
class Mutation:
    """A line: where it is from, what it claims, what it changes."""

    chapter: str
    claim: str
    module: str = ""
    old: str = ""
    new: str = ""
    settings: str = ""
    survives: str = ""
    quick: bool = False

    def __str__(self):
        place = f"{self.module}: " if self.module else ""
        return f"{self.chapter}: {self.claim} || {place}{self.old} => {self.new}"

    @property
    def unchanged(self):
        return Mutation(self.chapter, self.claim, settings=self.settings)


# --- What is to be run --------------------------------------------------------------------------


def read(line, chapter):
    """The mutation in a line."""
    quick = line.startswith("* ")
    claim, change, *further = line.removeprefix("* ").split(" || ")
    module, old = re.fullmatch(r"(?:(ganlib[\w.]*): )?(.*)", change.partition(" =>")[0]).groups()
    if " =>" not in change:
        raise ValueError(f"{chapter}: no `=>` in {line!r}")
    new = change.partition(" =>")[2].removeprefix(" ")
    old, new = (text.replace("\\n", "\n") for text in (old, new))
    survives = [part.removeprefix("survives: ") for part in further if "survives: " in part]
    settings = [part for part in further if "survives: " not in part]
    return Mutation(
        chapter, claim, module or "", old, new, "".join(settings), "".join(survives), quick
    )


def lines():
    """All mutations, in the order of the chapters' names."""
    for file in sorted(FOLDER.glob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                yield read(line, file.stem)


def sources_of(chapter):
    """The sources of a chapter's code cells, and the number of the one with the parameters."""
    text = (ROOT / "book" / f"{chapter}.ipynb").read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    tagged = ["parameters" in cell["metadata"].get("tags", ()) for cell in cells]
    return ["".join(cell["source"]) for cell in cells], tagged.index(True)


def mutated(text, old, new, where):
    """A text with the one place changed. Raises ValueError where there is not exactly one."""
    if text.count(old) != 1:
        raise ValueError(f"{where} has {text.count(old)} places with {old!r}, not one")
    return text.replace(old, new)


def module_file(name):
    """The file of a module of the library."""
    path = ROOT / Path(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def plan(mutation):
    """The cells to run, as (number, source), the mutated one changed; the claim is in the last.

    Raises:
        ValueError: the claim or the old code is not there once, or the one is not reached by the
            other.
    """
    sources, _ = sources_of(mutation.chapter)
    made = slices.making(sources, mutation.claim)
    if len(made) != 1:
        raise ValueError(f"{mutation}: the claim is made in {len(made)} cells, not in one")
    chosen = set(slices.slice_of(tuple(sources), made[0]))
    if mutation.module:
        text = module_file(mutation.module).read_text(encoding="utf-8")
        mutated(text, mutation.old, mutation.new, mutation)
    elif mutation.old:
        found = [number for number, source in enumerate(sources) if mutation.old in source]
        if len(found) != 1:
            raise ValueError(f"{mutation}: {len(found)} cells have the old code, not one")
        if found[0] not in chosen:
            raise ValueError(f"{mutation}: the claim does not depend on the cell that is changed")
        changed = mutated(sources[found[0]], mutation.old, mutation.new, mutation)
        more = slices.mentioned(changed) - slices.mentioned(sources[found[0]])
        sources = [*sources[: found[0]], changed, *sources[found[0] + 1 :]]
        if more:
            chosen |= set(slices.slice_of(tuple(sources), made[0]))
    return [(number, sources[number]) for number in sorted(chosen)]


# --- One of them, in a process of its own --------------------------------------------------------


def import_mutated(mutation):
    """Have the module that a mutation names imported as it is changed."""
    file = str(module_file(mutation.module))
    get_code = SourceFileLoader.get_code

    def changed(loader, name):
        if loader.path != file:
            return get_code(loader, name)
        text = Path(file).read_text(encoding="utf-8")
        return compile(mutated(text, mutation.old, mutation.new, mutation), file, "exec")

    SourceFileLoader.get_code = changed


def execute(mutation, cells):
    """Run the cells and return what was printed; a claim that fails stops nothing."""
    if mutation.module:
        import_mutated(mutation)
    import keras

    import ganlib
    from ganlib import checks

    warnings.simplefilter("ignore")
    ganlib.repeatable()
    keras.utils.set_random_seed(0)
    os.chdir(ROOT / "book")
    checks._untested, checks.settings = ["it is mutated"], lambda *_, **__: None
    _, parameters = sources_of(mutation.chapter)
    values, printed = {"ganlib": ganlib, "__name__": "__main__"}, io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        for number, source in sorted({*cells, *settings_cell(mutation, parameters)}):
            name = f"<cell {number}>"
            lines_of = source.splitlines(keepends=True)
            linecache.cache[name] = len(source), None, lines_of, name  # for TensorFlow's AutoGraph
            exec(compile(source, name, "exec"), values)
    return printed.getvalue()


def settings_cell(mutation, parameters):
    """A cell with the settings of a mutation, below that of the parameters."""
    return [(parameters + 0.5, mutation.settings.replace(", ", "; "))] if mutation.settings else []


def too_long(*_):
    raise TimeoutError(f"it took {LIMIT} seconds")


def judge(mutation):
    """Run a mutation in this process.

    Returns:
        The mutation and what became of the claim: "fails", "holds", or an error.
    """
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LIMIT)
    start = time.monotonic()
    try:
        printed = execute(mutation, plan(mutation)).splitlines()
    except Exception:
        found = traceback.format_exc(limit=-2)
    else:
        failed = any(line.startswith(f"– not here: {mutation.claim}: ") for line in printed)
        held = f"✓ {mutation.claim}" in printed
        found = "fails" if failed else "holds" if held else "the claim is not reached"
    return mutation, found, round(time.monotonic() - start, 1)


# --- All of them ---------------------------------------------------------------------------------


def run(mutations, jobs):
    """Run mutations, `jobs` at a time; yield each with its verdict and its seconds.

    The verdict is "caught", "survived", or a sentence on what is wrong with the line.
    """
    for name in HEAVY:
        importlib.import_module(name)
    todo = list(dict.fromkeys([it for m in mutations for it in (m.unchanged, m)]))
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        found, holds = {}, {}
        for mutation, what, seconds in pool.imap(judge, todo, chunksize=1):
            if not mutation.old:
                holds[mutation] = what
                continue
            found[mutation] = {"fails": "caught", "holds": "survived"}.get(what, what)
            if holds[mutation.unchanged] != "holds":
                found[mutation] = f"as it is, the claim {holds[mutation.unchanged]}"
            yield mutation, found[mutation], seconds


def main():
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("chapter", nargs="*", help="the chapters; all of them if none is named")
    parser.add_argument("--dozen", action="store_true", help="those of `make test`")
    parser.add_argument("--jobs", type=int, default=min(4, os.cpu_count() or 1))
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each")
    args = parser.parse_args()
    chosen = [
        it
        for it in lines()
        if (not args.chapter or it.chapter in args.chapter) and (it.quick or not args.dozen)
    ]
    counts, wrong = {}, 0
    for mutation, verdict, seconds in run(chosen, args.jobs):
        expected = "survived" if mutation.survives else "caught"
        counts[verdict] = counts.get(verdict, 0) + 1
        wrong += verdict != expected
        if args.json:
            print(json.dumps([dataclasses.asdict(mutation), verdict]), flush=True)
        else:
            reason = f" ({mutation.survives})" if mutation.survives else ""
            print(f"{verdict}{reason}, {seconds} s: {mutation!s:.300}", flush=True)
    if not args.json:
        print(f"{len(chosen)} mutations: {counts.get('caught', 0)} caught", end=", ")
        print(f"{counts.get('survived', 0)} survived, {wrong} not as the lines say")
    return int(wrong > 0)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
