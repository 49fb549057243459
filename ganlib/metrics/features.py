"""Features to compare images by."""

import keras
import numpy as np
from keras import layers, ops

from ganlib.data import scale


class Classifier:
    """A small convolutional classifier, trained on the spot; its last hidden layer is the features.

    It knows what tells the classes of one data set apart and nothing else: scores from its features
    compare with no others, Inception's least of all.

    Args:
        dataset: a `ganlib.data.Dataset` with labels.
        epochs: passes over it, in batches of 64.
        seed: of the weights and of the order.

    Raises:
        ValueError: the data set has no labels.
    """

    def __init__(self, dataset, epochs=3, seed=0):
        if dataset.labels is None:
            raise ValueError(f"A classifier needs labels, and {dataset} has none.")
        seeds = iter(range(seed, seed + 4))

        def he():
            return keras.initializers.HeNormal(next(seeds))

        inputs = keras.Input(dataset.image_shape)
        x = layers.Conv2D(32, 3, 2, "same", activation="relu", kernel_initializer=he())(inputs)
        x = layers.Conv2D(64, 3, 2, "same", activation="relu", kernel_initializer=he())(x)
        x = layers.Dense(64, activation="relu", kernel_initializer=he())(layers.Flatten()(x))
        classes = layers.Dense(len(dataset.class_names), kernel_initializer=he())(x)
        self.model = keras.Model(inputs, [x, classes])
        self._train(keras.Model(inputs, classes), dataset, epochs, seed)

    def _train(self, model, dataset, epochs, seed):
        model.compile(
            keras.optimizers.Adam(2e-3),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        size = min(64, len(dataset))
        for epoch in range(epochs):
            order = np.random.default_rng([seed, epoch]).permutation(len(dataset))
            for start in range(0, len(order) - size + 1, size):
                rows = order[start : start + size]
                model.train_on_batch(scale(dataset.images[rows]), dataset.labels[rows])

    def _outputs(self, images):
        parts = [self.model(scale(images[i : i + 512])) for i in range(0, len(images), 512)]
        return [
            np.concatenate(list(map(ops.convert_to_numpy, p))) for p in zip(*parts, strict=True)
        ]

    def features(self, images):
        """Features float32 (N, 64) of uint8 images (N, H, W, C)."""
        return self._outputs(images)[0]

    def probabilities(self, images):
        """Class probabilities float32 (N, classes) of uint8 images (N, H, W, C)."""
        return ops.convert_to_numpy(ops.softmax(self._outputs(images)[1]))
