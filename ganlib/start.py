"""How the chapters begin: without the backend's start-up notes, and so that trainings repeat."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator


def repeatable() -> None:
    """Load Keras and its backend silently, and let equal trainings end with equal weights.

    Importing `ganlib` alone changes nothing in a program. This does, for the whole process: call it
    first, once, as every chapter does. On TensorFlow it leaves two passes over graphs out, which
    costs no time. The seeds are yours to set, as with `keras.utils.set_random_seed`.
    """
    with quietly(), missing_backend_named():
        from ganlib import backend

        backend.repeat_trainings()


@contextlib.contextmanager
def missing_backend_named() -> Iterator[None]:
    """Say in one sentence what to install where Keras does not find its backend."""
    try:
        yield
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name == "openvino":  # the one backend of Keras's that cannot train
            raise ImportError(
                "ganlib runs on tensorflow, jax or torch, not on openvino: set KERAS_BACKEND."
            ) from None
        if name not in ("tensorflow", "jax", "torch"):
            raise
        raise ModuleNotFoundError(
            f"Keras would run on {name}, which is not installed: pip install {name}, or set "
            "KERAS_BACKEND to the one of tensorflow, jax and torch that is.",
            name=name,
        ) from None


def to_install(error: ModuleNotFoundError) -> str:
    """What to install for a run, in one sentence: a backend, or what else it needs."""
    try:
        with missing_backend_named():
            raise error
    except ImportError as named:
        return (
            f"{error}: install what a run needs with ganlib[run]." if named is error else str(named)
        )


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Hold back what native libraries write to stderr; show it only if an error is raised.

    TensorFlow's C++ start-up notes ignore every log level and would be part of a notebook's output.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # no stderr at all, as under pythonw
        yield
        return
    with tempfile.TemporaryFile() as held:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(stderr, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
