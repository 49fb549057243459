"""Features to compare images by: from a classifier trained here, from Inception, from your model.

An extractor has `features(images)`, and `name`. One that also classifies has
`features_and_probabilities(images)`, which costs one pass, not two, and `class_names` if the
classes are those of the data. Any function of uint8 images does as well.
"""

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from keras import layers, ops

from ganlib import data
from ganlib.data import cache
from ganlib.data.stored import downloading
from ganlib.metrics import classifiers
from ganlib.metrics.inputs import array


class Extractor(Protocol):
    """What has features of images, and their names for the record."""

    name: str

    def features(self, images: Any) -> np.ndarray:
        """Features (N, F) of uint8 images (N, H, W, C)."""


Features = Extractor | Callable[[np.ndarray], Any]


def judge(dataset: data.Dataset, epochs: int = 3, seed: int = 0) -> "Classifier | Untrained":
    """What to compare images of this data set by: a `Classifier`, if it has classes.

    Without labels of two classes or more an `Untrained` network, which a printed line says.

    Args:
        dataset: a `ganlib.data.Dataset`.
        epochs, seed: as for `Classifier`.
    """
    if dataset.labels is not None and len(np.unique(dataset.labels)) > 1:
        return Classifier(dataset, epochs, seed)
    print(
        "No labels of two classes or more: images are judged by the features of an untrained "
        "network, and scores compare only with others of the same."
    )
    return Untrained(dataset.image_shape, seed)


class _Extractor:
    """What the networks share: `model` gives features of `_prepare(images)`, or more."""

    name: str
    model: keras.Model

    _batch_size = 512

    def features(self, images: np.ndarray | data.ImageFolder) -> np.ndarray:
        """Features float32 (N, F) of uint8 images (N, H, W, C)."""
        return self._outputs(images)[0]

    def _outputs(self, images):
        """All outputs of the network. Raises ValueError if the images are not uint8, or not what
        the network takes."""

        def outputs(batch):
            return keras.tree.flatten(self.model(self._prepare(batch), training=False))

        return _in_batches(outputs, images, self._batch_size)

    def _prepare(self, images):
        if images.shape[1:] != self.model.input_shape[1:]:
            raise ValueError(
                f"The {self.name} takes images of shape {self.model.input_shape[1:]}, "
                f"not {images.shape[1:]}."
            )
        return data.scale(images)


class _Classifying(_Extractor):
    """The same of those whose `model` gives features and probabilities."""

    def probabilities(self, images: np.ndarray | data.ImageFolder) -> np.ndarray:
        """Class probabilities float32 (N, classes) of uint8 images (N, H, W, C)."""
        return self._outputs(images)[1]

    def features_and_probabilities(
        self, images: np.ndarray | data.ImageFolder
    ) -> tuple[np.ndarray, np.ndarray]:
        """Both, in one pass. Raises ValueError if the images are not uint8 or of another shape."""
        features, probabilities = self._outputs(images)
        return features, probabilities


class Trained(_Classifying):
    """A classifier that was trained elsewhere, as `ganlib.pretrained.judge` reads one.

    Args:
        model: from images float32 (N, H, W, C) in [-1, 1] to [features (N, F), probabilities
            (N, classes)].
        name: says what it was trained on, for the record.
        class_names: of its classes, if these are the data's.
    """

    def __init__(self, model: keras.Model, name: str, class_names: Sequence[str] = ()) -> None:
        self.model, self.name, self.class_names = model, name, tuple(class_names)
        model.trainable = False  # PyTorch then keeps nothing for a gradient


class Untrained(_Extractor):
    """The network of a `Classifier` up to its features, as it is before training.

    Random filters tell images apart as well, if less sharply: enough to compare the samples of one
    data set that has no labels. The weights are He's, the same in every process of a backend.

    Args:
        image_shape: (height, width, channels).
        seed: of the weights.

    Attributes:
        name: the shape and the seed, for the record.
        class_names: none.
    """

    class_names = ()

    def __init__(self, image_shape: tuple[int, ...], seed: int = 0) -> None:
        self.name = f"untrained network of {'x'.join(map(str, image_shape))}, seed={seed}"
        with classifiers.float32_channels_last():
            inputs, features = classifiers.small(tuple(image_shape), seed)
            self.model = keras.Model(inputs, [features])
        self.model.trainable = False  # PyTorch then keeps nothing for a gradient


class Classifier(Trained):
    """A convolutional classifier, trained on the spot; its last hidden layer is the features.

    It knows what tells the classes of one data set apart and nothing else: scores from its features
    compare with no others, Inception's least of all. The trained weights are kept in the user's
    cache folder (`ganlib.data.cache`) and found there by the next one of the same data and
    arguments.

    Args:
        dataset: a `ganlib.data.Dataset` with labels of two classes or more.
        epochs: passes over it.
        seed: of the weights, of the order and of what is done to photographs.
        photographs: a residual network, which learns from images that are moved a little and
            mirrored (`classifiers.residual`). It is meant for tens of thousands of photographs and
            tens of epochs; by default the network is small, for what is as simple as digits.

    Attributes:
        name: the data, the epochs and the seed, for the record.
        class_names: of the data set.
        model: from images float32 in [-1, 1] to [features, probabilities].

    Warns:
        UserWarning: no image of some class, which the classifier then hardly ever answers.

    Raises:
        ValueError: the data set has no labels, or only one class.
    """

    _VERSION = 1  # part of the cache's key: raise it when the network or its training changes

    def __init__(
        self, dataset: data.Dataset, epochs: int = 3, seed: int = 0, photographs: bool = False
    ) -> None:
        classes = _classes(dataset)
        key = f"classifier-{self._key(dataset, classes, epochs, seed, photographs)}"
        with classifiers.float32_channels_last():
            make = classifiers.residual if photographs else classifiers.small
            inputs, features = make(dataset.image_shape, seed)
            last = layers.Dense(len(classes), kernel_initializer=classifiers.he(seed + 3))
            logits = last(features)
            model = keras.Model(inputs, [features, layers.Softmax()(logits)])
            weights, unfinished = cache.kept(key), f"{key}-unfinished"
            if weights is None:
                trained = keras.Model(inputs, logits)
                if photographs:
                    classifiers.train_residual(trained, dataset, epochs, seed, unfinished)
                else:
                    classifiers.train_small(trained, dataset, epochs, seed)
                cache.keep(key, model.get_weights())
            else:
                model.set_weights(weights)
            cache.forget(unfinished)
        kind = "residual classifier" if photographs else "classifier"
        super().__init__(model, f"{kind} of {dataset}, epochs={epochs}, seed={seed}", classes)

    def _key(self, dataset, classes, epochs, seed, photographs):
        """A name for the weights: all that they depend on, except the machine."""
        settings = (self._VERSION, keras.__version__, keras.config.backend(), epochs, seed)
        settings += ("photographs",) if photographs else ()
        key = hashlib.sha256(repr((settings, dataset.image_shape, classes)).encode())
        key.update(cache.digest(dataset.labels).encode())
        for start in range(0, len(dataset), 512):  # a folder's images are read as they are needed
            key.update(dataset.images[start : start + 512].tobytes())
        return key.hexdigest()[:24]


def _classes(dataset) -> tuple[str, ...]:
    """The names of its classes. Raises ValueError, or warns, as `Classifier` says."""
    if dataset.labels is None:
        raise ValueError(f"A classifier needs labels, and {dataset} has none.")
    there = set(dataset.labels.tolist())
    if len(there) < 2:
        raise ValueError(f"A classifier needs two classes, and {dataset} has images of one.")
    classes = dataset.class_names or tuple(map(str, range(max(there) + 1)))
    missing = sorted(set(range(len(classes))) - there)
    if missing:
        names = ", ".join(repr(classes[i]) for i in missing[:10])
        warnings.warn(
            f"{dataset} has no image of {names}: the classifier will not know it.", stacklevel=3
        )
    return classes


class Inception(_Classifying):
    """InceptionV3 as Keras has it, trained on ImageNet: 2,048 features and 1,000 classes.

    Images are resized to 299x299, bilinear and without aliasing (Parmar et al. 2022: how an image
    is resized changes its score), and grey ones repeated to three channels. The weights are not
    those of the papers, which use an older Inception: compare with other scores from here only.

    Raises:
        FileNotFoundError: the weights are not here and could not be downloaded.
    """

    name = "InceptionV3 (Keras, ImageNet)"
    _batch_size = 32

    def __init__(self) -> None:
        folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
        instead = (
            "put inception_v3_weights_tf_dim_ordering_tf_kernels.h5, from "
            "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/, "
            f"into {folder}; or use a Classifier, which needs no network."
        )
        with downloading("InceptionV3's weights", instead), classifiers.float32_channels_last():
            network = keras.applications.InceptionV3()
        pooled = network.get_layer("avg_pool").output
        self.model = keras.Model(network.input, [pooled, network.output])
        self.model.trainable = False

    def _prepare(self, images):
        if images.shape[-1] not in (1, 3):
            raise ValueError(f"Inception takes images of 1 or 3 channels, not {images.shape[1:]}.")
        colour = np.broadcast_to(images, (*images.shape[:-1], 3))
        return ops.image.resize(
            data.scale(colour), (299, 299), antialias=True, data_format="channels_last"
        )


def extract(
    extractor: Features, images: np.ndarray | data.ImageFolder
) -> tuple[np.ndarray, np.ndarray | None]:
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
    function: Any = getattr(extractor, "features", extractor)
    return _in_batches(lambda batch: [function(batch)], images, 512)[0], None


def _in_batches(function, images, size):
    """Join what `function`, given batches of images, returns: a list of NumPy arrays."""
    if not isinstance(images, data.ImageFolder):
        images = array(images)
    if images.dtype != np.uint8 or len(images.shape) != 4 or len(images) == 0:
        raise ValueError(
            f"Images are uint8 (N, H, W, C), from 0 to 255, not {images.dtype} {images.shape}: "
            "ganlib.data.to_uint8 converts floats in [-1, 1]."
        )
    parts = (function(images[start : start + size]) for start in range(0, len(images), size))
    # To NumPy batch by batch: a PyTorch tensor would keep in memory everything it came from.
    arrays = [list(map(array, part)) for part in parts]
    return [np.concatenate(column) for column in zip(*arrays, strict=True)]
