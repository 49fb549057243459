"""What `ganlib` takes from the inside of Keras, since nothing public gives it.

Keras may change any of this without notice. Each name stands here once, behind a function or class
that says what it is for, and `tests/test_internals.py` says which one a new Keras has changed.
"""

from collections.abc import Callable, Iterator
from typing import Any

import keras

from ganlib import backend
from ganlib.types import Tensor


def sublayers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The layer and all the layers in it, at any depth: `model.layers` stops at the first."""
    return layer._flatten_layers()


def made_by(tensor: Tensor) -> tuple[keras.Operation, list[Tensor]]:
    """The operation, a layer or a model, that a functional model's tensor comes from, and the
    tensors that it was given there."""
    operation, node, _ = tensor._keras_history
    nodes = operation._inbound_nodes
    return operation, nodes[node].input_tensors if nodes else []


def next_epoch(feed: Any, through: Callable[[Callable], Iterator]) -> None:
    """Lead the next epoch of Keras's iterator over batches through a generator of our own.

    Args:
        feed: what `Fed` keeps as `feed`.
        through: takes a function that begins the epoch, and yields as that does: the first step of
            a call, its last step, and an iterator over batches. Later epochs are Keras's again.
    """
    begin = feed._enumerate_iterator

    def epoch():
        feed.__dict__.pop("_enumerate_iterator", None)
        yield from through(begin)

    feed._enumerate_iterator = epoch


class Fed(keras.Model):
    """A model that knows, while `fit` runs, the iterator over batches that Keras has made for it.

    Keras names it before training, on TensorFlow by `_maybe_symbolic_build` and else by
    `_symbolic_build`. A callback can look at it, or set it to where a training was stopped.
    """

    feed: Any = None

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is None:  # train_on_batch
            return
        data = iterator.data_adapter.get_tf_dataset()
        backend.check_shares(self, data)
        place = data.tell() if hasattr(data, "tell") else None
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
        if place is not None:
            iterator.reset()  # a strategy has read on, of few batches into the next epoch
            data.seek(place)
        self.feed = iterator

    def _symbolic_build(self, iterator=None, data_batch=None):
        super()._symbolic_build(iterator=iterator, data_batch=data_batch)
        self.feed = iterator
