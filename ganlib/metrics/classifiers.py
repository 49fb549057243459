"""The networks of the extractors, and how they are trained: a small one, and one for photographs.

They are float32 and channels last whatever Keras is set to, for what one process finds in a cache
another has put there.
"""

import contextlib
import itertools
from collections.abc import Iterator
from functools import partial

import keras
import numpy as np
from keras import layers

from ganlib import data
from ganlib.data import cache
from ganlib.data.batches import permutation, stream
from ganlib.types import Shape, Tensor

Ends = tuple[Tensor, Tensor]  # the inputs of a network, and its features (N, F)


@contextlib.contextmanager
def float32_channels_last() -> Iterator[None]:
    """Keras's own settings, as long as a network is built or trained."""
    config = keras.config
    before = config.floatx(), config.dtype_policy(), config.image_data_format()

    def use(floatx, policy, data_format):
        config.set_floatx(floatx)
        config.set_dtype_policy(policy)
        config.set_image_data_format(data_format)

    use("float32", "float32", "channels_last")
    try:
        yield
    finally:
        use(*before)


def he(seed: int) -> keras.initializers.Initializer:
    """He's initialiser."""
    return keras.initializers.HeNormal(seed)


def small(image_shape: Shape, seed: int) -> Ends:
    """Two convolutions and a dense layer: 64 features."""
    inputs = keras.Input(image_shape)
    x = layers.Conv2D(32, 3, 2, "same", activation="relu", kernel_initializer=he(seed))(inputs)
    x = layers.Conv2D(64, 3, 2, "same", activation="relu", kernel_initializer=he(seed + 1))(x)
    x = layers.Flatten()(x)
    return inputs, layers.Dense(64, activation="relu", kernel_initializer=he(seed + 2))(x)


def residual(image_shape: Shape, seed: int) -> Ends:
    """Three residual blocks (He et al. 2016, figure 2), and the mean over all places: 128 features.

    The first convolution keeps height and width; each block halves them.
    """
    seeds = itertools.count(seed)

    def normalised(x, width, size=3, strides=1):
        conv = layers.Conv2D(
            width, size, strides, "same", use_bias=False, kernel_initializer=he(next(seeds))
        )
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(conv(x))

    def block(x, width):
        y = layers.ReLU()(normalised(x, width, strides=2))
        y = normalised(y, width)
        x = normalised(layers.AveragePooling2D(2, padding="same")(x), width, size=1)
        return layers.ReLU()(x + y)

    inputs = keras.Input(image_shape)
    x = layers.ReLU()(normalised(inputs, 32))
    for width in (48, 96, 128):
        x = block(x, width)
    return inputs, layers.GlobalAveragePooling2D()(x)


def train_small(model: keras.Model, dataset: data.Dataset, epochs: int, seed: int) -> None:
    """Train a model of images to logits: Adam, batches of 64."""
    model.compile(
        keras.optimizers.Adam(2e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    size, labels = min(64, len(dataset)), np.asarray(dataset.labels)
    for epoch in range(epochs):
        order = permutation(len(dataset), seed, epoch)
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            model.train_on_batch(data.scale(dataset.images[rows]), labels[rows])


def train_residual(
    model: keras.Model, dataset: data.Dataset, epochs: int, seed: int, unfinished: str
) -> None:
    """Train a model of images to logits, on images that are moved a little and mirrored.

    SGD with momentum in batches of 128, at a rate that rises for a fifth of the time and then falls
    to zero, with decay of the weights; a tenth of the target is spread over all classes. For seven
    tenths of the time the images are cut to three quarters of height and width, which takes little
    more than half as long and was right more often after equal time.

    Args:
        unfinished: the name under which `cache` keeps the training after each epoch. One that was
            stopped goes on from there, to the same end as one that was not.
    """
    if not epochs:
        return
    size = min(128, len(dataset))
    steps = len(dataset) // size
    targets = np.eye(model.output_shape[-1], dtype="float32")[np.asarray(dataset.labels)]
    warm = max(1, epochs * steps // 5)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, epochs * steps - warm), warmup_target=0.2, warmup_steps=warm
    )
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-3)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    inputs = keras.Input((None, None, model.input_shape[-1]))  # of any height and width
    trained = keras.models.clone_model(model, input_tensors=inputs)
    trained.set_weights(model.get_weights())
    trained.compile(
        optimizer, keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    )

    def order(epoch):
        return permutation(len(dataset), seed, epoch)[: steps * size].reshape(steps, size)

    def read(rows, share):
        rng = np.random.default_rng(rows.ravel())
        images = shaken(data.scale(dataset.images[rows.ravel()]), rng, share)
        return images.reshape(*rows.shape, *images.shape[1:]), targets[rows]

    optimizer.build(trained.trainable_variables)
    state = [*trained.weights, *optimizer.variables]
    for variable, value in zip(state, cache.kept(unfinished) or (), strict=False):
        variable.assign(value)
    done = int(optimizer.iterations) // steps
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: cache.keep(
            unfinished, [keras.ops.convert_to_numpy(v) for v in state]
        )
    )
    first = 7 * epochs // 10
    for share, start, end in ((0.75, 0, first), (1.0, first, epochs)):
        batches = stream(order, partial(read, share=share), steps, repeat=False, group=1)
        found = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs, seek=batches.seek: seek(int(optimizer.iterations))
        )
        trained.fit(
            batches,
            initial_epoch=max(start, done),
            epochs=end,
            callbacks=[found, keep],
            shuffle=False,
            verbose=0,
        )
    model.set_weights(trained.get_weights())


def shaken(
    images: np.ndarray, rng: np.random.Generator, share: float = 1.0, most: int = 4
) -> np.ndarray:
    """Each of the images (N, H, W, C) moved by up to `most` pixels, and mirrored or not.

    What comes in at an edge is a reflection of what is there.

    Args:
        share: of height and width that is cut out of the middle after the move.
    """
    (n, *sides), cut = images.shape[:3], [round(share * side) for side in images.shape[1:3]]
    edges = [max(0, most - (side - part) // 2) for side, part in zip(sides, cut, strict=True)]
    padded = np.pad(images, ((0, 0), *((edge, edge) for edge in edges), (0, 0)), "reflect")
    room = [whole - part + 1 for whole, part in zip(padded.shape[1:3], cut, strict=True)]
    top, left = (rng.integers(0, places, (n, 1)) for places in room)
    rows, columns = top + np.arange(cut[0]), left + np.arange(cut[1])
    columns = np.where(rng.random((n, 1)) < 0.5, columns[:, ::-1], columns)
    return padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None]]
