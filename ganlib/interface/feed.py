"""What a GAN is fed with, looked at before the first step: one sentence, and no cost per step."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from ganlib import backend
from ganlib.interface.networks import ends_in, of_classes
from ganlib.internals import next_epoch
from ganlib.types import Shape, Tensor

NO_VALIDATION = (
    "A GAN has no validation loss, since a loss measures one player against the other: score its "
    "samples with callbacks.Monitor."
)


def without_weights(**given: Any) -> None:
    """Raise ValueError if any weight of classes or samples is given."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"A GAN takes no {name}, since its losses weigh all samples alike: let what should "
                "count more be in the data more often."
            )


def check(gan: keras.Model, x: Any, batch_size: int | None, whole: bool) -> None:
    """Look at what `fit` was given, before Keras does.

    Args:
        whole: whether an epoch goes on to the last batch of an array.

    Raises:
        ValueError: it is nothing that can be trained on, or its last batch has another size than
            `n_critic` can cut.
    """
    if not hasattr(x, "__iter__") and not hasattr(x, "__getitem__"):
        raise ValueError(
            f"fit takes an array of samples, or batches such as data.batches(64), not {x!r}."
        )
    if isinstance(x, list | tuple | dict):
        raise ValueError(
            "fit takes one array of samples, and labels as its second argument, not a "
            f"{type(x).__name__}: fit(images, labels)."
        )
    if not hasattr(x, "shape"):
        return
    if not len(x):
        raise ValueError("fit was given an array without samples.")
    _numbers(x)
    size = batch_size or 32  # Keras's
    if len(x) > size:
        divide(size, gan.n_critic)
        if whole:
            divide(len(x) % size, gan.n_critic, "the last batch")


def divide(n: int, n_critic: int, batch: str = "it") -> None:
    """Raise ValueError if n images cannot be cut into `n_critic` equal parts."""
    if n % n_critic:
        raise ValueError(
            f"n_critic={n_critic} cuts a batch into as many equal parts, but {batch} has {n} "
            "images: make it n_critic times what one discriminator update should see"
            f"{'' if batch == 'it' else f', and leave out the last {n} images'}."
        )


@contextlib.contextmanager
def batches_told(x: Any, n_critic: int) -> Iterator[None]:
    """A context in which a batch that cannot be made, or not cut into `n_critic` parts, is told in
    one sentence. TensorFlow makes a hundred lines of it."""
    try:
        yield
    except Exception as error:
        if getattr(x, "failed", None):
            raise x.failed.pop() from None
        if "Number of ways to split" not in str(error):
            raise
        raise ValueError(
            f"n_critic={n_critic} cuts a batch into as many equal parts, but one of the batches "
            "has another number of images: leave out a remainder (drop_remainder=True)."
        ) from None


def training_condition(gan: keras.Model, given: Tensor | None) -> tuple[Tensor, Tensor]:
    """The conditions of a batch as the generator takes them, and whether a class was out of range.

    Classes are int32 (N,), in range.
    """
    if not of_classes(gan.generator):
        _condition_shape(gan.condition, given)
        return ops.cast(given, gan.condition.dtype), False
    if given is None:
        raise ValueError(
            "The generator takes labels, but fit was given none: use fit(images, labels) or "
            "data.batches(..., labels=True)."
        )
    if tuple(given.shape[1:]) not in ((), (1,)):
        raise ValueError(
            "Labels are whole numbers, one for each image, of shape (N,), not "
            f"{tuple(given.shape)}."
        )
    labels = ops.cast(ops.reshape(given, (-1,)), "int32")
    if not gan.classes:
        return labels, False
    inside = ops.clip(labels, 0, gan.classes - 1)
    return inside, ops.any(labels != inside)


def _condition_shape(taken, given):
    wanted = tuple(taken.shape[1:])
    if given is None:
        raise ValueError(
            f"The generator takes conditions of shape {wanted}, but fit was given none: use "
            "fit(samples, conditions), or batches of both."
        )
    if not fits(given.shape[1:], wanted):
        raise ValueError(
            f"The generator takes conditions of shape {wanted}, but a batch of the data has "
            f"conditions of shape {tuple(given.shape)}, and should have "
            f"({', '.join(map(str, ('N', *wanted)))})."
        )


def fits(shape: Shape, wanted: Shape) -> bool:
    """Whether a shape is the one that is wanted, of which None is any size."""
    return len(shape) == len(wanted) and all(
        b is None or a == b for a, b in zip(shape, wanted, strict=True)
    )


def look(gan: keras.Model, batch: Any, scaled: bool = False) -> None:
    """Look at one batch: samples, or (samples, conditions).

    Args:
        scaled: whether the images are known to have been scaled, however pale they look.

    Raises:
        ValueError: another shape than the generator makes or takes, weights, no whole labels,
            images that are not numbers in [-1, 1].
    """
    samples, condition, weights = keras.utils.unpack_x_y_sample_weight(batch)
    without_weights(sample_weight=weights)
    made = gan.generator.output_shape[1:]
    shape = tuple(getattr(samples, "shape", ()))
    if not shape or not fits(shape[1:], made):
        raise ValueError(
            f"The generator makes samples of shape {made}, but a batch of the data has shape "
            f"{shape}, and should have (N, {', '.join(map(str, made))})."
        )
    divide(shape[0], gan.n_critic)
    if gan.pool is not None:
        gan.pool.check(shape[0] // gan.n_critic)
    if gan.condition is not None:
        _look_at_condition(gan, condition)
    _numbers(samples)
    if len(made) == 3 and not scaled:
        _in_range(ops.convert_to_numpy(samples), ends_in(gan.generator))


def _look_at_condition(gan, condition):
    if not of_classes(gan.generator):
        _condition_shape(gan.condition, condition)
        check_range(gan.condition, ops.convert_to_numpy(condition))
    elif condition is not None:
        numbers = ops.convert_to_numpy(condition)
        if not np.issubdtype(numbers.dtype, np.integer) and (numbers % 1).any():
            raise ValueError(f"Labels are whole numbers, not {numbers.ravel()[:3].tolist()}.")


def check_range(taken: Tensor, condition: np.ndarray) -> None:
    """Raise ValueError if conditions are images, and not in [-1, 1], for an input of such."""
    if len(taken.shape) == 4 and "float" in taken.dtype:
        _in_range(condition, ending=None)


def _numbers(array):
    name = str(array.dtype).rpartition(".")[2]  # "torch.float32"
    if not any(kind in name for kind in ("float", "int", "bool")):
        raise ValueError(f"Samples are float32, not {name}.")


def _in_range(images, ending):
    least, most = images.min(), images.max()
    problem = None
    if not np.issubdtype(images.dtype, np.inexact) and images.dtype.kind != "V":  # bfloat16
        problem = f"these are {images.dtype}"
    elif most > 2 or least < -2:  # noise may be added to them
        problem = f"these reach from {least:.4g} to {most:.4g}"
    elif ending == "tanh" and len(images) >= 4 and 0 <= least < 0.05 < most <= 1:
        problem = (
            f"these reach from {least:.4g} to {most:.4g} and are never negative, as what a tanh "
            "makes will be"
        )
    if problem:
        raise ValueError(
            f"Images are float32 in [-1, 1], and {problem}: scale them, uint8 ones by "
            "ganlib.data.scale(images), and those in [0, 1] by 2 * images - 1."
        )


def at_first(feed: Any, look: Callable) -> None:
    """Let `look` see the first batch that Keras's iterator `feed` will give, and lose none."""

    def looked(epoch):
        first = None
        for begin, end, batches in epoch():
            if first is None:
                first = list(itertools.islice(batches, end + 1 - begin))
                if not first:
                    raise ValueError("The data that fit was given have no batch.")
                look(first[0])
                yield begin, end, backend.iterate(first, batches)
            else:
                yield begin, end, batches

    next_epoch(feed, looked)
