"""The networks of the extractors, and how they are trained: a small one, and one for photographs.

They are float32 and channels last whatever Keras is set to, for what one process finds in a cache
another has put there.
"""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from keras import layers

from ganlib import data
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
    """Four residual blocks (He et al. 2016, figure 2), then the mean over all places: 128 features.

    The first convolution keeps height and width; the first and the third block halve them.
    """
    seeds = itertools.count(seed)

    def normalised(x, width, size=3, strides=1):
        conv = layers.Conv2D(
            width, size, strides, "same", use_bias=False, kernel_initializer=he(next(seeds))
        )
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(conv(x))

    def block(x, width, strides):
        y = layers.ReLU()(normalised(x, width, strides=strides))
        y = normalised(y, width)
        if strides > 1:
            x = normalised(layers.AveragePooling2D(strides, padding="same")(x), width, size=1)
        return layers.ReLU()(x + y)

    inputs = keras.Input(image_shape)
    x = layers.ReLU()(normalised(inputs, 32))
    for width, strides in ((64, 2), (64, 1), (128, 2), (128, 1)):
        x = block(x, width, strides)
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
    model: keras.Model, dataset: data.Dataset, epochs: int, seed: int, folder: Path | None = None
) -> None:
    """Train a model of images to logits, on images moved by up to four pixels and mirrored.

    SGD with momentum in batches of 128, at a rate that rises for a fifth of the time and then falls
    to zero, with decay of the weights; a tenth of the target is spread over all classes.

    Args:
        folder: from which a training that was stopped goes on after its last whole epoch, to the
            same end as one that was not; None keeps nothing.
    """
    if not epochs:
        return
    size = min(128, len(dataset))
    steps = len(dataset) // size
    targets = np.eye(model.output_shape[-1], dtype="float32")[np.asarray(dataset.labels)]
    warm = max(1, epochs * steps // 5)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, epochs * steps - warm), warmup_target=0.4, warmup_steps=warm
    )
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    model.compile(optimizer, loss)

    def order(epoch):
        return permutation(len(dataset), seed, epoch)[: steps * size].reshape(steps, size)

    def read(rows):
        images = shaken(
            data.scale(dataset.images[rows.ravel()]), np.random.default_rng(rows.ravel())
        )
        return images.reshape(*rows.shape, *images.shape[1:]), targets[rows]

    def go_on(logs):
        batches.seek(int(optimizer.iterations))

    batches = stream(order, read, steps, repeat=False, group=1)
    backup = [keras.callbacks.BackupAndRestore(folder)] if folder else []
    found = keras.callbacks.LambdaCallback(on_train_begin=go_on)
    model.fit(batches, epochs=epochs, callbacks=[*backup, found], verbose=0)


def shaken(images: np.ndarray, rng: np.random.Generator, most: int = 4) -> np.ndarray:
    """Each of the images (N, H, W, C) moved by up to `most` pixels, and mirrored or not.

    What comes in at an edge is a reflection of what is there.
    """
    n, height, width = images.shape[:3]
    around = (0, 0), (most, most), (most, most), (0, 0)
    padded = np.pad(images, around, "reflect")
    top, left = rng.integers(0, 2 * most + 1, (2, n, 1))
    columns = left + np.arange(width)
    columns = np.where(rng.random((n, 1)) < 0.5, columns[:, ::-1], columns)
    rows = (top + np.arange(height))[:, :, None]
    return padded[np.arange(n)[:, None, None], rows, columns[:, None]]
