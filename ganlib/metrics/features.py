"""Features to compare images by: from a classifier trained here, from Inception, from your model.

An extractor has `features(images)`, and `name`. One that also classifies has
`features_and_probabilities(images)`, which costs one pass, not two, and `class_names` if the
classes are those of the data. Any function of uint8 images does as well.
"""

import hashlib
import os
import socket
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from ganlib import cache, data


class _Extractor:
    """What both networks share: `model` gives features and probabilities of `_prepare(images)`."""

    _batch_size: int

    def features(self, images):
        """Features float32 (N, F) of uint8 images (N, H, W, C)."""
        return self.features_and_probabilities(images)[0]

    def probabilities(self, images):
        """Class probabilities float32 (N, classes) of uint8 images (N, H, W, C)."""
        return self.features_and_probabilities(images)[1]

    def features_and_probabilities(self, images):
        """Both, in one pass. Raises ValueError if the images are not uint8 or of another shape."""
        features, probabilities = _in_batches(
            lambda batch: self.model(self._prepare(batch), training=False), images, self._batch_size
        )
        return features, probabilities


class Classifier(_Extractor):
    """A small convolutional classifier, trained on the spot; its last hidden layer is the features.

    It knows what tells the classes of one data set apart and nothing else: scores from its features
    compare with no others, Inception's least of all. The trained weights are kept in the data
    folder (`ganlib.cache.folder`) and found there by the next one of the same data and
    arguments.

    Args:
        dataset: a `ganlib.data.Dataset` with labels, and images of every class.
        epochs: passes over it, in batches of 64.
        seed: of the weights and of the order.

    Attributes:
        name: the data, the epochs and the seed, for the record.
        class_names: of the data set.

    Raises:
        ValueError: the data set has no labels, or no image of some class.
    """

    _batch_size = 512
    _VERSION = 1  # part of the cache's key: raise it when the network or its training changes

    def __init__(self, dataset, epochs=3, seed=0):
        if dataset.labels is None:
            raise ValueError(f"A classifier needs labels, and {dataset} has none.")
        self.class_names = dataset.class_names or tuple(map(str, range(dataset.labels.max() + 1)))
        missing = sorted(set(range(len(self.class_names))) - set(dataset.labels.tolist()))
        if missing:
            names = ", ".join(repr(self.class_names[i]) for i in missing[:10])
            raise ValueError(
                f"A classifier needs images of every class, and {dataset} has none of {names}."
            )
        self.name = f"classifier of {dataset}, epochs={epochs}, seed={seed}"
        seeds = iter(range(seed, seed + 4))

        def he():
            return keras.initializers.HeNormal(next(seeds))

        inputs = keras.Input(dataset.image_shape)
        x = layers.Conv2D(32, 3, 2, "same", activation="relu", kernel_initializer=he())(inputs)
        x = layers.Conv2D(64, 3, 2, "same", activation="relu", kernel_initializer=he())(x)
        x = layers.Dense(64, activation="relu", kernel_initializer=he())(layers.Flatten()(x))
        classes = layers.Dense(len(self.class_names), kernel_initializer=he())(x)
        self.model = keras.Model(inputs, [x, layers.Softmax()(classes)])
        key = f"classifier-{self._key(dataset, epochs, seed)}"
        weights = cache.kept(key)
        if weights is None:
            self._train(keras.Model(inputs, classes), dataset, epochs, seed)
            cache.keep(key, self.model.get_weights())
        else:
            self.model.set_weights(weights)
        self.model.trainable = False  # spares PyTorch the notes for a gradient

    def _key(self, dataset, epochs, seed):
        """A name for the weights: all that they depend on, except the machine."""
        settings = (self._VERSION, keras.__version__, keras.config.backend(), epochs, seed)
        key = hashlib.sha256(repr((settings, dataset.image_shape, self.class_names)).encode())
        key.update(cache.digest(dataset.labels).encode())
        for start in range(0, len(dataset), 512):  # a folder's images are read as they are needed
            key.update(dataset.images[start : start + 512].tobytes())
        return key.hexdigest()[:24]

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
                model.train_on_batch(data.scale(dataset.images[rows]), dataset.labels[rows])

    def _prepare(self, images):
        if images.shape[1:] != self.model.input_shape[1:]:
            raise ValueError(
                f"The classifier was trained on images {self.model.input_shape[1:]}, "
                f"these are {images.shape[1:]}."
            )
        return data.scale(images)


class Inception(_Extractor):
    """InceptionV3 as Keras has it, trained on ImageNet: 2,048 features and 1,000 classes.

    Images are resized to 299x299, bilinear and without aliasing (Parmar et al. 2022: how an image
    is resized changes its score), and grey ones repeated to three channels. The weights are not
    those of the papers, which use an older Inception: compare with other scores from here only.

    Raises:
        FileNotFoundError: the weights are not here and could not be downloaded.
    """

    name = "InceptionV3 (Keras, ImageNet)"
    _batch_size = 32

    def __init__(self):
        timeout = socket.getdefaulttimeout()
        socket.setdefaulttimeout(30)  # a silent network would otherwise be waited for without end
        try:
            network = keras.applications.InceptionV3()
        except Exception as error:  # Keras raises a bare Exception
            folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
            raise FileNotFoundError(
                f"InceptionV3's weights could not be downloaded ({data.first_line(error)}): "
                "put inception_v3_weights_tf_dim_ordering_tf_kernels.h5, from "
                "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/, "
                f"into {folder}; or use a Classifier, which needs no network."
            ) from None
        finally:
            socket.setdefaulttimeout(timeout)
        pooled = network.get_layer("avg_pool").output
        self.model = keras.Model(network.input, [pooled, network.output])
        self.model.trainable = False

    def _prepare(self, images):
        if images.shape[-1] not in (1, 3):
            raise ValueError(
                f"Inception sees grey or colour, 1 or 3 channels: not {images.shape[1:]}."
            )
        colour = np.broadcast_to(images, (*images.shape[:-1], 3))
        return ops.image.resize(
            data.scale(colour), (299, 299), antialias=True, data_format="channels_last"
        )


def extract(extractor, images):
    """Features of images, whatever they are to come from.

    Args:
        extractor: `Classifier`, `Inception`, anything that has their `features`, or a function of
            uint8 images (n, H, W, C) that returns features (n, F).
        images: uint8 (N, H, W, C).

    Returns:
        (features (N, F), class probabilities (N, classes) or None).

    Raises:
        ValueError: the images are not uint8 (N, H, W, C), or not what the extractor takes.
    """
    if hasattr(extractor, "features_and_probabilities"):
        return extractor.features_and_probabilities(images)
    function = getattr(extractor, "features", extractor)
    return _in_batches(lambda batch: [function(batch)], images, 512)[0], None


def _in_batches(function, images, size):
    """Join what `function`, given batches of images, returns: a list of NumPy arrays."""
    images = images if hasattr(images, "dtype") else np.asarray(images)
    if images.dtype != np.uint8 or len(images.shape) != 4 or len(images) == 0:
        raise ValueError(
            f"Images are uint8 (N, H, W, C), from 0 to 255, not {images.dtype} {images.shape}: "
            "ganlib.data.to_uint8 converts floats in [-1, 1]."
        )
    parts = (function(images[start : start + size]) for start in range(0, len(images), size))
    # To NumPy batch by batch: a tensor of PyTorch's would hold on to all that led to it.
    arrays = [list(map(ops.convert_to_numpy, part)) for part in parts]
    return [np.concatenate(column) for column in zip(*arrays, strict=True)]
