"""What `fit` is fed with: the same batches, in the same order, on every backend."""

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np


def permutation(n: int, seed: int, epoch: int = 0, purpose: int = 0) -> np.ndarray:
    """The order of `n` images in one epoch, int64 (n,): a function of its arguments alone.

    No state is carried from epoch to epoch, so a training can resume at any batch. Orders for
    another purpose have nothing in common with these, whatever their epochs. (NumPy cuts large
    seeds into words of 32 bits: a seed of 2**33 in epoch 0 would be that of 0 in epoch 2.)
    """
    return np.random.default_rng([seed, epoch, purpose]).permutation(n)


def stream(chunk: Callable, finish: Callable, steps: int, repeat: bool, group: int) -> Any:
    """Batches from chunks of `steps` batches each; a chunk is an epoch, unless batches never end.

    Args:
        chunk: `chunk(k)` is the k-th chunk, an array (steps, ...); a pure function of k.
        finish: makes float32 batches (n, batch, ...) of n rows of a chunk, or a tuple of arrays,
            such as these and labels (n, batch), int32.
        repeat: go on with the next chunk for ever, or only when iterated anew.
        group: how many batches to make at a time, on TensorFlow, where a call to Python is dear.

    Returns:
        A `tf.data.Dataset` when Keras runs on TensorFlow, else a `keras.utils.PyDataset`, with two
        methods for a training that resumes. `tell()` is the batch, counted from the first of all,
        with which the next iteration begins. `seek(batch)` lets it begin with that one, or up to a
        chunk earlier; it returns how many to drop.
    """
    chunk = functools.lru_cache(maxsize=1)(chunk)
    dropped, filler = 0, None

    def finish_or_fill(rows):
        # Batches that will be dropped are not made: reading a folder's images takes long.
        nonlocal dropped, filler
        dropped -= len(rows)
        if dropped < 0:
            return finish(rows)
        filler = finish(rows[:1]) if filler is None else filler
        return keras.tree.map_structure(lambda array: array.repeat(len(rows), axis=0), filler)

    make = _tf_batches if keras.config.backend() == "tensorflow" else _NumpyBatches
    place = SimpleNamespace(chunk=0)  # where the next iteration begins
    failed = []  # what `finish` raised, since TensorFlow turns it into an error of its own

    def finish_or_fail(rows):
        try:
            return finish_or_fill(rows)
        except Exception as error:
            failed.append(error)
            raise

    batches = make(chunk, finish_or_fail, steps, repeat, group, place)
    batches.failed = failed

    def seek(batch):
        nonlocal dropped
        place.chunk, dropped = divmod(batch, steps)
        return dropped

    batches.tell = lambda: 0 if repeat else place.chunk * steps
    batches.seek = seek
    return batches


# In both, an epoch is over once all its batches have been asked for. Keras offers no better sign:
# it looks at a first batch to build a model, it calls `on_epoch_end` before the first epoch, it
# never asks for the batch after the last, and `fit(shuffle=True)` asks in any order.


class _NumpyBatches(keras.utils.PyDataset):
    def __init__(self, chunk, finish, steps, repeat, group, place) -> None:
        super().__init__()
        self._chunk, self._finish, self._steps, self._repeat = chunk, finish, steps, repeat
        self._place, self._asked = place, set()

    @property
    def num_batches(self):
        return None if self._repeat else self._steps

    def __getitem__(self, index):
        number, step = divmod(index, self._steps) if self._repeat else (0, index)
        if not 0 <= step < self._steps:
            raise IndexError(f"There is no batch {index}: an epoch has {self._steps}.")
        rows = self._chunk(self._place.chunk + number)[step : step + 1]
        self._asked.add(step)
        if len(self._asked) == self._steps and not self._repeat:
            self._place.chunk += 1
            self._asked.clear()
        batch = self._finish(rows)
        return tuple(array[0] for array in batch) if isinstance(batch, tuple) else batch[0]


def _tf_batches(chunk, finish, steps, repeat, group, place):
    from ganlib.backend import tf

    # The last batch is a group of its own, so that it is made only when it is asked for.
    bounds = [*range(0, steps - 1, group), steps - 1, steps]

    # `tf.numpy_function` and not `from_generator`, which writes to stderr and tunes malloc.
    def make(count):
        number, part = divmod(int(count), len(bounds) - 1)
        rows = chunk(place.chunk + number)[bounds[part] : bounds[part + 1]]
        if bounds[part + 1] == steps and not repeat:
            place.chunk += 1
        return finish(rows)

    like = finish(chunk(0)[:1])
    types = tf.nest.map_structure(lambda array: tf.as_dtype(array.dtype), like)

    @tf.autograph.experimental.do_not_convert
    def call(count):
        made = tf.numpy_function(make, [count], types)
        made = tuple(made) if isinstance(like, tuple) else made
        return tf.nest.map_structure(
            lambda tensor, array: tf.ensure_shape(tensor, (None, *array.shape[1:])), made, like
        )

    counts = tf.data.Dataset.counter() if repeat else tf.data.Dataset.range(len(bounds) - 1)
    cardinality = tf.data.INFINITE_CARDINALITY if repeat else steps
    options = tf.data.Options()
    # With autotune the end of `fit` waits for a sleeping thread, for up to as long as it trained.
    options.autotune.enabled = False
    # Nor is anything read ahead: TensorFlow would do so in a thread of its own, which waits for
    # Python while Python, as it collects the iterator, waits for the thread.
    batches = counts.map(call).unbatch()
    return batches.apply(tf.data.experimental.assert_cardinality(cardinality)).with_options(options)
