"""What ganlib uses of Keras without a promise: it is in one file, it is still there, and it works.

A new Keras may fail here first, with the name that it has changed and the place that needs it.
"""

import ast
import re

import keras
import numpy as np
import pytest
from sources import CHAPTERS, ROOT, code_cells

from ganlib import data, internals, models

BACKEND = keras.config.backend()
BUILD = "_maybe_symbolic_build" if BACKEND == "tensorflow" else "_symbolic_build"


@pytest.fixture(scope="module")
def feed():
    """The iterator over batches that Keras makes in `fit`."""

    class Trained(internals.Fed):
        def __init__(self):
            super().__init__()
            self.layer = keras.layers.Dense(1)

        def call(self, x):
            return self.layer(x)

    found = []
    seen = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: found.append(model.feed))
    model = Trained()
    model.compile("sgd", "mse")
    model.fit(np.zeros((6, 2)), np.zeros((6, 1)), batch_size=2, verbose=0, callbacks=[seen])
    assert found[0] is not None, f"Keras {keras.__version__} no longer calls {BUILD}: see Fed"
    return found[0]


NAMES = [  # what has it, the name, and what needs it
    (keras.Layer, "_flatten_layers", "sublayers"),
    (keras.Model, BUILD, "Fed"),
]
OF_THE_ITERATOR = {
    "_enumerate_iterator": "next_epoch",
    "data_adapter": "Fed and resume.rewind",
    "reset": "Fed",
    "catch_stop_iteration": "resume.rewind",
    "num_batches": "resume.rewind",
    "steps_per_epoch": "resume.rewind",
    "steps_per_execution": "resume.rewind",
}


@pytest.mark.parametrize(("owner", "name", "use"), NAMES)
def test_keras_still_has(owner, name, use):
    assert hasattr(owner, name), (
        f"Keras {keras.__version__} has no {owner.__name__}.{name}: ganlib.internals.{use} needs it"
    )


@pytest.mark.parametrize("name", OF_THE_ITERATOR)
def test_its_iterator_still_has(feed, name):
    assert hasattr(feed, name), (
        f"Keras {keras.__version__}'s {type(feed).__name__} has no {name}: "
        f"{OF_THE_ITERATOR[name]} needs it"
    )


def test_a_tensor_still_knows_where_it_comes_from():
    operation, _, _ = keras.layers.Dense(1)(keras.Input((2,)))._keras_history
    assert operation._inbound_nodes[0].input_tensors[0].shape == (None, 2)


def test_sublayers_are_all_that_are_in_a_model():
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="deep")])
    wrapped = models.layers.SpectralNormalization(keras.layers.Dense(2, name="wrapped"))
    x = keras.Input((4,))
    model = keras.Model(x, wrapped(inner(x)))
    names = [layer.name for layer in internals.sublayers(model)]
    assert names[0] == model.name and {"deep", "wrapped", inner.name, wrapped.name} < set(names)
    assert len(names) == len(set(names))


def test_a_tensor_s_operation_and_what_it_was_given():
    x = keras.Input((4,))
    layer = keras.layers.Dense(3)
    operation, given = internals.made_by(layer(x))
    assert operation is layer and given[0] is x
    assert internals.made_by(x)[1] == []


def test_an_epoch_goes_through_a_generator_once(feed):
    led = []

    def through(epoch):
        for part in epoch():
            led.append(part[:2])
            yield part

    internals.next_epoch(feed, through)
    lengths = []
    for _ in range(2):
        lengths.append(0)
        with feed.catch_stop_iteration():
            for _, _, batches in feed:
                next(batches) if BACKEND != "torch" else batches
                lengths[-1] += 1
    assert lengths == [3, 3] and led == [(0, 0), (1, 1), (2, 2)]


def test_a_gan_knows_its_iterator_while_it_trains():
    ring = data.ring()
    from ganlib import GAN

    gan = GAN(models.mlp.generator((2,)), models.mlp.discriminator((2,)))
    gan.compile()
    found = []
    seen = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: found.append(gan.feed))
    gan.fit(ring.batches(8), steps_per_epoch=1, verbose=0, callbacks=[seen])
    assert found[0] is not None and gan.feed is None


# --- Nothing else is used ------------------------------------------------------------------------

SOURCES = {
    file.relative_to(ROOT): file.read_text("utf-8")
    for folder in ("ganlib", "benchmarks", "tools")
    for file in (ROOT / folder).rglob("*.py")
} | {
    f"book/{chapter}.ipynb": "\n".join(cell.source for cell in code_cells(chapter))
    for chapter in CHAPTERS
}
# Of TensorFlow's inside, in the file that speaks to it.
ALLOWED = {"_in_multi_worker_mode"}


def defined(tree):
    """Names that a source gives to functions, classes, attributes of objects and variables."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name) | ast.ClassDef(name) | ast.Name(name, ast.Store()):
                yield name
            case ast.Attribute(ast.Name("self" | "cls"), name, ast.Store()):
                yield name


def test_no_private_name_of_keras_is_used_elsewhere():
    trees = {file: ast.parse(source.replace("%pip", "#")) for file, source in SOURCES.items()}
    inside = ROOT / "ganlib/internals.py"
    own = {name for file, tree in trees.items() if ROOT / file != inside for name in defined(tree)}
    found = {
        f"{file}: {node.attr}"
        for file, tree in trees.items()
        if ROOT / file != inside
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in own | ALLOWED
    }
    assert found == set()
    inherited = {name for name in dir(keras.Model) if re.match("_[a-z]", name)}
    assert own & inherited == set(), "a method of Keras's would be replaced"
