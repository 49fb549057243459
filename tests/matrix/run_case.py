"""Run cases of the matrix, each in a process of its own, and say what became of them.

    python tests/matrix/run_case.py dcgan three-classes few-steps
    python tests/matrix/run_case.py all digits all --jobs 2
    python tests/matrix/run_case.py dcgan/digits/few-steps biggan/digits/max-seconds

A case runs as papermill would run it: the code cells in order, in a fresh namespace, the parameters
after the cell that is tagged so, in the notebook's folder. Only what all of them import is imported
once: each process is a fork of this one, which saves the seconds that TensorFlow takes to start.
"""

import argparse
import contextlib
import importlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

if __name__ == "__main__":  # before anything imports Keras
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ["MPLBACKEND"] = "Agg"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[name] = "1"  # two cases at a time have a core each

import cases  # noqa: E402
import pictures  # noqa: E402

LIMIT = 900  # seconds for a case; one that hangs takes longer
HEAVY = ("keras", "tensorflow", "matplotlib.pyplot", "scipy.stats", "scipy.optimize")
HEAVY += ("sklearn.datasets", "sklearn.linear_model", "IPython.core.interactiveshell", "PIL.Image")
HEAVY += ("ganlib", "ganlib.data", "ganlib.metrics", "ganlib.models", "ganlib.plots")
HEAVY += ("ganlib.training.lab",)


# --- One case, in the process that is its own ---------------------------------------------------


class Fits:
    """Counts the trainings begun, of whatever kind."""

    def __init__(self):
        import keras

        import ganlib

        self.begun = 0
        for owner in {*keras.Model.__mro__, *ganlib.GAN.__mro__}:
            if "fit" in vars(owner):
                self._watch(owner)

    def _watch(self, owner):
        fit = owner.fit

        def watched(model, *args, **kwargs):
            self.begun += 1
            return fit(model, *args, **kwargs)

        owner.fit = watched


def run_cells(notebook, given) -> tuple[list, dict | None]:
    """Run the code cells of a notebook.

    Returns:
        The seconds of each cell, as (number, seconds), and None or what failed: the `cell`, its
        `source`, the `kind` of error, its `text` and the `trace`.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    shell = InteractiveShell.instance(config=config)
    warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
    seconds = []
    for number, cell in enumerate(json.loads(notebook.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] != "code":
            continue
        start = time.monotonic()
        sources = ["".join(cell["source"])]
        if "parameters" in cell["metadata"].get("tags", ()):
            sources.append("\n".join(f"{name} = {value!r}" for name, value in given.items()))
        for source in sources:
            done = shell.run_cell(source, store_history=False)
            error = done.error_before_exec or done.error_in_exec or draw_figures()
            if error is not None:
                trace = "".join(traceback.format_exception(error))
                failed = {"cell": number, "source": source, "trace": trace}
                return seconds, failed | {"kind": type(error).__name__, "text": str(error)}
        seconds.append((number, round(time.monotonic() - start, 2)))
    return seconds, None


def draw_figures() -> Exception | None:
    """Draw what a cell has shown, as a notebook does at its end; return the error, if any."""
    from matplotlib import pyplot

    try:
        for number in pyplot.get_fignums():
            pyplot.figure(number).savefig(io.BytesIO(), dpi=20, bbox_inches="tight")
    except Exception as error:
        return error
    finally:
        pyplot.close("all")
    return None


def faults(case, output_dir) -> list[str]:
    """What is wrong with the files that a case has left."""
    import keras
    import numpy as np
    from PIL import Image

    missing = [
        name
        for name in ("samples.npz", "samples.png", "generator.keras", "metrics.json")
        if not (output_dir / name).exists()
    ]
    if missing:
        return [f"not saved: {', '.join(missing)}"]
    found = []
    with np.load(output_dir / "samples.npz") as file:
        images = file["images"]
    least = 1 if case[0] in cases.OF_HELD_OUT else cases.N_SAMPLES
    enough = least <= len(images) <= cases.N_SAMPLES
    if images.dtype != np.uint8 or images.ndim != 4 or not enough:
        found.append(f"samples.npz holds {images.dtype} of shape {images.shape}")
    with Image.open(output_dir / "samples.png") as picture:
        picture.load()
    generator = keras.saving.load_model(output_dir / "generator.keras")
    if tuple(generator.output_shape[1:]) != images.shape[1:]:
        found.append(f"generator.keras makes {generator.output_shape}, samples {images.shape}")
    latents = [
        np.zeros((2, *x.shape[1:]), "int32" if i else "float32")
        for i, x in enumerate(generator.inputs)
    ]
    made = np.asarray(generator(latents if len(latents) > 1 else latents[0]))
    if not np.isfinite(made).all():
        found.append("generator.keras makes what is not finite")
    text = (output_dir / "metrics.json").read_text(encoding="utf-8")

    def refuse(constant):
        found.append(f"metrics.json holds {constant}, which is no JSON")

    if not isinstance(json.loads(text, parse_constant=refuse), dict):
        found.append("metrics.json holds no dictionary")
    return found + wrong_shape(case[1], images.shape)


def wrong_shape(kind, shape) -> list[str]:
    """Channels and proportions that are not those of the data."""
    _, height, width, channels = shape
    grey = pictures.FOLDERS[kind][4] if kind in pictures.FOLDERS else True
    if channels != (1 if grey else 3) or (height < width) != (kind in cases.NOT_SQUARE):
        return [f"{kind} came out as images of {height}x{width}x{channels}"]
    return []


def judge(case, folder, dataset) -> dict:
    """Run a case in this process and return what became of it."""
    output_dir = folder / "output"
    start, fits = time.monotonic(), Fits()
    os.chdir(cases.BOOK)
    given = cases.parameters(case, dataset, output_dir)
    seconds, failed = run_cells(cases.BOOK / f"{case[0]}.ipynb", given)
    result = {"status": "ok", "fits": fits.begun, "slowest": sorted(seconds, key=lambda s: -s[1])}
    if failed:
        sentence = failed["kind"] == "ValueError" and "\n" not in failed["text"].strip()
        refused = sentence and not fits.begun and cases.may_refuse(case)
        result |= failed | {"status": "refused" if refused else "FAILED"}
    else:
        problems = faults(case, output_dir)
        if problems:
            result |= {"status": "FAILED", "text": "; ".join(problems)}
    cpu = round(time.process_time(), 1)
    return result | {"seconds": round(time.monotonic() - start, 1), "cpu": cpu}


# --- All of them --------------------------------------------------------------------------------


def start(case, folder, data) -> int:
    """Fork a process for a case, which writes `result.json`, and return its id."""
    folder.mkdir(parents=True)
    dataset = pictures.make(data, case[1]) if case[1] in pictures.FOLDERS else case[1]
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    signal.alarm(LIMIT)
    for stream, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), stream)
        getattr(sys, name).reconfigure(encoding="utf-8")  # as a kernel's streams are, anywhere
    try:
        result = judge(case, folder, dataset)
    except BaseException as error:
        result = {"status": "FAILED", "text": repr(error), "trace": traceback.format_exc()}
        result["seconds"] = 0
    sys.stdout.flush()
    sys.stderr.flush()
    part = folder / "result.part"
    part.write_text(json.dumps(result), encoding="utf-8")
    part.rename(folder / "result.json")
    os._exit(0)


def finish(folder, status) -> dict:
    """The result of a process that has ended."""
    streams = {name: (folder / name).read_text("utf-8", "replace") for name in ("stdout", "stderr")}
    if (folder / "result.json").exists():
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    else:
        signalled = os.WIFSIGNALED(status) and signal.Signals(os.WTERMSIG(status)).name
        result = {"status": "FAILED", "text": f"the process died ({signalled or status})"}
        result["seconds"] = LIMIT
    if result["status"] == "ok" and "Traceback (most recent call last)" in streams["stderr"]:
        result |= {"status": "FAILED", "text": "a traceback in stderr"}
    return result | {name: text[-2000:] for name, text in streams.items()}


def report(result) -> str:
    """What one has to know of a case that failed."""
    lines = []
    for name in ("cell", "source", "kind", "text"):
        if name in result:
            lines.append(f"{name}: {result[name]}")
    lines += ["trace:", *result.get("trace", "").splitlines()[-25:]]
    lines += ["stdout:", *result.get("stdout", "").splitlines()[-8:]]
    lines += ["stderr:", *result.get("stderr", "").splitlines()[-8:]]
    return "\n".join(lines)


def run(chosen, folder, data, jobs):
    """Run cases, `jobs` at a time, below `folder`; yield each with its result as it ends."""
    for name in HEAVY:
        importlib.import_module(name)
    waiting, running = list(chosen), {}
    while waiting or running:
        while waiting and len(running) < jobs:
            case = waiting.pop(0)
            place = folder / "-".join(case)
            running[start(case, place, data)] = case, place
        pid, status = os.wait()
        case, place = running.pop(pid)
        yield case, finish(place, status)


def table(results) -> str:
    """What became of each case: a row for each chapter, a column for each kind of data.

    In a cell stand the two budgets, each "ok", "refused" or "FAILED" with its seconds.
    """
    kinds = [kind for kind in cases.DATA if any(kind == case[1] for case in results)]
    lines = [f"{'':<17}" + "".join(f"{kind:>14}" for kind in kinds)]
    for chapter in cases.SMALL:
        for budget in cases.STEPS:
            cells = []
            for kind in kinds:
                result = results.get((chapter, kind, budget))
                cells.append(f"{result['status']} {result['seconds']:.0f}" if result else "")
            if any(cells):
                lines.append(
                    f"{chapter:<17}" + "".join(f"{cell:>14}" for cell in cells) + f"  {budget}"
                )
    return "\n".join(lines)


def chosen_from(words) -> list[tuple]:
    """The cases that the command line names. Raises ValueError where it names none."""
    patterns = [word.split("/") for word in words] if "/" in words[0] else [words]
    chosen = [
        case
        for case in cases.ALL
        for pattern in patterns
        if len(pattern) == 3
        and all(w in ("all", part) for w, part in zip(pattern, case, strict=True))
    ]
    if not chosen:
        raise ValueError(
            "A case is a chapter, a kind of data and a budget, each of them one of these, or all: "
            + "; ".join(", ".join(names) for names in (cases.SMALL, cases.DATA, cases.STEPS))
        )
    return chosen


def main() -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("case", nargs="+", help="CHAPTER DATA BUDGET, or CHAPTER/DATA/BUDGET ...")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time")
    parser.add_argument("--keep", type=Path, help="a new folder for all that they leave")
    parser.add_argument("--data", type=Path, help="where the folders of images are, or will be")
    parser.add_argument("--times", action="store_true", help="show the slowest cells")
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each case")
    args = parser.parse_args()
    try:
        chosen = chosen_from(args.case)
    except ValueError as error:
        parser.error(str(error))
    folder = Path(args.keep or tempfile.mkdtemp()).absolute()
    results = {}
    try:
        for case, result in run(chosen, folder, args.data or folder / "data", args.jobs):
            results[case] = result
            say(case, result, args)
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if not args.json and len(results) > 1:
        print(table(results))
    return int(any(result["status"] == "FAILED" for result in results.values()))


def say(case, result, args) -> None:
    """Print what became of a case."""
    if args.json:
        print(json.dumps([case, result]), flush=True)
        return
    seconds = f"{result['seconds']:.0f} s, {result.get('cpu', 0):.0f} s of CPU"
    print(f"{' '.join(case)}: {result['status']} ({seconds})")
    if result["status"] == "FAILED":
        print(report(result))
    elif result["status"] == "refused":
        print(f"    {result['text']}")
    if args.times:
        print(f"    (cell, seconds): {result.get('slowest', [])[:10]}")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sys.exit(main())
