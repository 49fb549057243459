"""What an image chapter leaves behind when it is given a folder.

`ready` comes before the training, `save` after it and before anything is scored, `keep` with other
networks, `record` with each score. With `output_dir=""` they do nothing. Every file is written
whole or not at all. `committed` reads what a committed run left, and
`ganlib.pretrained` its networks.
"""

import contextlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from ganlib.checks import say
from ganlib.files import try_writing, whole

# Folders whose metrics.json this run began; in any other folder it is an older run's.
_begun: set[Path] = set()


def ready(output_dir: str | os.PathLike[str]) -> str:
    """Make the folder and write a little into it, so that one that takes nothing is known early.

    Returns:
        its whole path, in which "~" is the home, for whatever else is written there; or "".

    Raises:
        ValueError: it cannot be made, no file can be written there, or "~name" is nobody's home.
    """
    if not output_dir:
        return ""
    folder = _folder(output_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try_writing(folder)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in its name
        why = getattr(error, "strerror", error)
        why = "it is a file" if os.path.isfile(folder) else why
        raise ValueError(
            f"Nothing can be written to the folder {folder} ({why}): set output_dir to another."
        ) from None
    _begun.discard(folder)
    return str(folder)


def save(
    output_dir: str | os.PathLike[str],
    generator: Any,
    images: np.ndarray,
    labels: np.ndarray | None = None,
) -> None:
    """Write `samples.npz`, `samples.png` and `generator.keras` into the folder, over older ones.

    A generator that Keras cannot save, such as one without `get_config`, leaves its weights in
    `generator.weights.h5`, and a line says why.

    Args:
        output_dir: the folder, made if it is missing.
        generator: keras.Model.
        images: uint8 (N, H, W, C). labels: int (N,) or None.
    """
    if not output_dir:
        return
    folder = _folder(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"images": images}
    if labels is not None:
        arrays["labels"] = labels
    with whole(folder / "samples.npz") as part:
        np.savez_compressed(part, **arrays)
    with whole(folder / "samples.png") as part:
        _picture(part, images)
    _save_model(folder, "generator", generator)


def keep(output_dir: str | os.PathLike[str], **networks: Any) -> None:
    """Write networks into the folder as NAME.keras, over older ones: discriminator=..., judge=...

    One that Keras cannot save leaves its weights, as in `save`.

    Args:
        output_dir: the folder, made if it is missing.
        networks: keras.Model; or a `metrics.Classifier`, whose name and class names are recorded.
    """
    if not output_dir:
        return
    folder = _folder(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in networks.items():
        if not hasattr(network, "save"):  # no keras.Model, which may have a `model` too
            about = {"name": network.name, "class_names": getattr(network, "class_names", ())}
            record(output_dir, **{name: about})
            network = network.model
        _save_model(folder, name, network)


def record(output_dir: str | os.PathLike[str], **measured: Any) -> None:
    """Write what was measured into `metrics.json`, beside what this run recorded before.

    Args:
        output_dir: the folder, made if it is missing.
        measured: numbers, text, None, arrays, and lists and dicts of them. NaN and infinity, which
            JSON lacks, become null; anything else its text.
    """
    if not output_dir:
        return
    folder = _folder(output_dir)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "metrics.json"
    before = read_json(file) if folder in _begun else {}
    text = json.dumps(before | plain(measured), indent=2, sort_keys=True, allow_nan=False)
    with whole(file) as part:
        part.write_text(text + "\n", encoding="utf-8")
    _begun.add(folder)


def results() -> Path:
    """The folder of the committed runs: what the wheel has, or `book/results` of a clone."""
    package = Path(__file__).parents[1]
    shipped = package / "results"
    return shipped if shipped.is_dir() else package.parent / "book" / "results"


def committed(name: str) -> dict[str, Any]:
    """What a run left in `results() / NAME`: its `metrics.json`, and as "run" its `run.json`.

    Empty where there is no such folder.
    """
    folder = results() / name
    metrics = read_json(folder / "metrics.json")
    return metrics and metrics | {"run": read_json(folder / "run.json")}


def read_json(file: Path) -> dict[str, Any]:
    """What a file holds; nothing if it is missing, damaged or no dict."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(file.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def _folder(output_dir) -> Path:
    folder = Path(os.path.expanduser(output_dir))
    if str(folder).startswith("~"):
        raise ValueError(
            f"This machine has no home folder for {folder}: set output_dir to another."
        )
    return folder.absolute()


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: see `record`."""
    if hasattr(value, "detach"):  # a PyTorch tensor that carries a gradient, or lies on a GPU
        value = value.detach().cpu()
    if hasattr(value, "__array__"):
        value = np.asarray(value).tolist()
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _picture(file, images):
    """Up to 100 images, as they are drawn elsewhere or twice as large where they are small."""
    from ganlib.plots import save_grid

    shown = images[:100]
    height, width = np.shape(shown)[1:3]
    zoom = 2 if max(height, width) <= 64 else 1
    columns = max(5, min(20, 1320 // (zoom * (width + 1))))
    save_grid(file, shown, columns=min(len(shown), columns), zoom=zoom)


def _save_model(folder, name, model):
    for ending, save in ((".keras", model.save), (".weights.h5", model.save_weights)):
        try:
            with whole(folder / f"{name}{ending}") as part:
                save(part)
            if ending != ".keras":  # an earlier run's
                (folder / f"{name}.keras").unlink(missing_ok=True)
            return
        except OSError:  # a full disk: nothing smaller would fit
            raise
        except Exception as error:  # whatever a layer of the reader's own raises
            reason = " ".join(str(error).split())[:200]
            say(f"{name}{ending} cannot be written: {reason}")
