"""A training's whole state in one file, written whole or not at all.

A checkpoint is an .npz archive: the arrays "0", "1", ... are the variables of a compiled `GAN` in
Keras's order, then the backend's random state, if it has one; "about" is JSON in UTF-8 that says
what they are and where the training was. It is read without pickle, so a stranger's file runs no
code; its checksums tell a damaged one.

`callbacks.Checkpoint` writes and reads them during `fit`. `load(gan, file)` puts one into a GAN.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ganlib import backend
from ganlib.files import lock
from ganlib.gan import GAN

FORMAT = 1


class Damaged(ValueError):
    """The file was cut or changed, or never was a checkpoint."""


def variables(model: GAN) -> list[keras.Variable]:
    """All that a training changes: weights, statistics, seeds, moments, learning rates, means."""
    return [*model.variables, *model.optimizer.variables, *model.metrics_variables]


def state(model: GAN) -> list:
    """Copies of the values of `variables(model)`, numpy, and of any random state beside them."""
    if keras.config.backend() == "jax":
        model.jax_state_sync()  # within an epoch Keras holds them elsewhere
    values = [np.array(keras.ops.convert_to_numpy(v)) for v in variables(model)]
    return values + backend.random_state()


def finite(arrays: list[np.ndarray]) -> bool:
    """Whether every number is one."""
    return all(np.isfinite(a).all() for a in arrays if a.dtype.kind == "f")


def _described(model) -> list:
    return [(v.path, tuple(v.shape), v.dtype) for v in variables(model)]


def write(file: str | Path, model: GAN, arrays: list[np.ndarray], **about: Any) -> None:
    """Write `state(model)` and what is known `about` it. Raises OSError; `file` is then as it was.

    Three names of `about` are taken: "format", "variables" and "arrays".
    """
    file = Path(file)
    about = {"format": FORMAT, "variables": _described(model), "arrays": len(arrays), **about}
    text = json.dumps(about, default=lambda value: np.asarray(value).tolist())
    part = file.with_name("checkpoint.part")
    try:
        with open(part, "wb") as stream:
            numbered: dict[str, Any] = {str(i): array for i, array in enumerate(arrays)}
            np.savez(stream, about=np.frombuffer(text.encode(), np.uint8), **numbered)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, file)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    _sync(file.parent)


def _sync(folder):
    # After a power failure the file is there under its new name. Windows opens no folders.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read(file: str | Path, model: GAN) -> tuple[dict[str, Any], list[np.ndarray]]:
    """Return `(about, arrays)` of a checkpoint that fits a compiled model.

    Raises:
        Damaged: the file is no whole checkpoint.
        ValueError: it is one of another model, or of a newer ganlib.
        OSError: it cannot be opened.
    """
    with open(file, "rb") as stream:
        try:
            with np.load(stream, allow_pickle=False) as stored:
                about = json.loads(stored["about"].tobytes())
                newer = about["format"] > FORMAT
                saved = [] if newer else [(p, tuple(s), d) for p, s, d in about["variables"]]
                # As many as were written, not as the archive lists: damage can hide a file.
                arrays = [stored[str(i)] for i in range(0 if newer else about["arrays"])]
        except Exception:  # a file made by anyone may raise anything
            raise Damaged(f"{file} is damaged or no checkpoint.") from None
    if newer:
        raise ValueError(
            f"{file} was written by a newer ganlib (format {about['format']}, this one reads up to "
            f"{FORMAT}): update ganlib, or choose another folder."
        )
    difference = _difference(saved, _described(model))
    if difference:
        raise ValueError(
            f"{file} belongs to another model ({difference}): build the one that it was saved "
            "from, or choose another folder."
        )
    return about, arrays


def _difference(saved, here):
    """The first variable of another shape or dtype, in words, or None.

    Names are not compared: Keras numbers the layers of a process, whichever model they are in.
    """
    if len(saved) != len(here):
        return f"it holds {len(saved)} variables, this one has {len(here)}"
    for (path, *was), (_, *now) in zip(saved, here, strict=True):
        if was != now:
            return f"{path} is {was[1]} {was[0]} there and {now[1]} {now[0]} here"
    return None


def assign(model: GAN, arrays: list[np.ndarray]) -> None:
    """Put back what `state` returned, or `read`."""
    into = variables(model)
    for variable, array in zip(into, arrays[: len(into)], strict=True):
        if array.dtype.kind == "V":  # bfloat16, which NumPy stores as two untyped bytes
            array = array.view(keras.ops.convert_to_numpy(variable).dtype)
        variable.assign(array)
    backend.set_random_state(arrays[len(into) :])


def load(gan: GAN, file: str | Path) -> None:
    """Put a checkpoint, such as FOLDER/best.npz, into a compiled GAN; raises as `read` does."""
    assign(gan, read(file, gan)[1])


@contextlib.contextmanager
def alone(folder: str | Path) -> Iterator[None]:
    """Make the folder, and let no other training use it meanwhile.

    Raises:
        OSError: the folder cannot be made or takes no files.
        ValueError: another training is using it.
    """
    folder = Path(folder)
    held = lock(
        folder / "lock",
        f"Another training is writing its checkpoints to {folder}: wait for it, or choose another "
        "folder.",
    )
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held)
        except OSError as error:
            raise OSError(
                f"No checkpoint can be written to {folder} ({error.strerror}): choose another "
                "folder."
            ) from None
        yield
