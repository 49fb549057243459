"""Differentiable augmentation: the discriminator never sees an image as it is.

Every image is changed at random before the discriminator sees it, a generated one as well as a real
one, in its own update and in the generator's (Zhao et al. 2020, "DiffAugment"). With few images a
discriminator learns them by heart; here it never sees the same one twice. If only the real images
were changed, the generator would learn to draw changed ones. The gradient reaches the generator
through the change, which therefore must be differentiable. With T for it, and any loss,

    L_D = discriminator(l(T(x)), l(T(G(z)))),    L_G = generator(l(T(G(z)))),

every T drawn anew. That is the usual game between the distributions of T(x) and T(G(z)). It has the
usual end if these differ whenever those of x and G(z) do (Karras et al. 2020, section 2.2).

An operation is a pure function of (images, seed): float32 (N, H, W, C), and a seed or a
`keras.random.SeedGenerator`; each image has its own numbers. Pixels that come in from outside are
0, a medium grey, as in the authors' code.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops

from ganlib import backend
from ganlib.game.names import known
from ganlib.types import Seed, Shape, Tensor


def _uniform(images, seed, low, high):
    """A number for each image, (N, 1, 1, 1)."""
    return backend.own_rows(
        lambda n: keras.random.uniform((n, 1, 1, 1), low, high, seed=seed), ops.shape(images)[0]
    )


def _whole(images, seed, low, high):
    """A whole number for each image from low to high, both included, float32 (N, 1)."""
    drawn = backend.own_rows(
        lambda n: keras.random.randint((n, 1), low, high + 1, seed=seed), ops.shape(images)[0]
    )
    return ops.cast(drawn, "float32")


def brightness(images: Tensor, seed: Seed) -> Tensor:
    """Add a number in [-0.5, 0.5] to all pixels of an image."""
    return images + _uniform(images, seed, -0.5, 0.5)


def saturation(images: Tensor, seed: Seed) -> Tensor:
    """Multiply what the channels differ by from their mean by a factor in [0, 2]. Grey stays."""
    grey = ops.mean(images, axis=3, keepdims=True)
    return grey + _uniform(images, seed, 0.0, 2.0) * (images - grey)


def contrast(images: Tensor, seed: Seed) -> Tensor:
    """Multiply what the pixels differ by from the image's mean by a factor in [0.5, 1.5]."""
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + _uniform(images, seed, 0.5, 1.5) * (images - mean)


def translation(images: Tensor, seed: Seed) -> Tensor:
    """Move by whole pixels, by up to an eighth of the height and of the width."""
    rows, columns = (
        ops.arange(side, dtype="float32") + _whole(images, seed, -reach, reach)
        for side, reach in ((side, int(side / 8 + 0.5)) for side in images.shape[1:3])
    )
    return _resample(images, rows, columns)


def scaling(images: Tensor, seed: Seed) -> Tensor:
    """Scale about the centre, by a factor in [1/1.25, 1.25] whose logarithm is uniform."""
    bound = math.log(1.25)
    factor = ops.exp(_uniform(images, seed, -bound, bound))[:, :, 0, 0]
    rows, columns = (
        (side - 1) / 2 + (ops.arange(side, dtype="float32") - (side - 1) / 2) / factor
        for side in images.shape[1:3]
    )
    return _resample(images, rows, columns)


def rotation(images: Tensor, seed: Seed) -> Tensor:
    """Turn about the centre, by up to 15 degrees either way."""
    _, height, width, channels = images.shape
    bound = math.radians(15)
    angle = _uniform(images, seed, -bound, bound)[..., 0]
    y = (ops.arange(height, dtype="float32") - (height - 1) / 2)[:, None]
    x = ops.arange(width, dtype="float32") - (width - 1) / 2
    row = (height - 1) / 2 + ops.cos(angle) * y - ops.sin(angle) * x
    column = (width - 1) / 2 + ops.sin(angle) * y + ops.cos(angle) * x
    # Bilinear: the four pixels around the place that each pixel comes from.
    n = ops.shape(images)[0]
    first = (ops.arange(n, dtype="int32") * (height * width))[:, None, None]
    pixels, turned = ops.reshape(images, (-1, channels)), 0.0
    for i in (ops.floor(row), ops.floor(row) + 1):
        for j in (ops.floor(column), ops.floor(column) + 1):
            weight = (1 - ops.abs(row - i)) * (1 - ops.abs(column - j))
            within = (i >= 0) & (i < height) & (j >= 0) & (j < width)
            weight = ops.where(within, weight, 0.0)
            at = ops.clip(i, 0, height - 1) * width + ops.clip(j, 0, width - 1)
            turned += weight[..., None] * ops.take(pixels, first + ops.cast(at, "int32"), axis=0)
    return turned


def cutout(images: Tensor, seed: Seed) -> Tensor:
    """Paint a grey rectangle, half as high and wide, anywhere, perhaps partly outside."""
    _, height, width, _ = images.shape
    inside = []
    for side in (height, width):
        size = int(side / 2 + 0.5)
        start = _whole(images, seed, 0, side - size % 2) - size // 2
        place = ops.arange(side, dtype="float32") - start
        inside.append((place >= 0) & (place < size))
    rectangle = inside[0][:, :, None, None] & inside[1][:, None, :, None]
    return ops.where(rectangle, 0.0, images)


def noise(images: Tensor, seed: Seed) -> Tensor:
    """Add normal noise of standard deviation 0.1; for samples of any shape (N, ...)."""
    n, *shape = ops.shape(images)
    drawn = backend.own_rows(lambda rows: keras.random.normal((rows, *shape), seed=seed), n)
    return images + 0.1 * drawn


def _resample(images, rows, columns):
    """Read images at other rows (N, H) and columns (N, W), linear between pixels, 0 outside."""
    _, height, width, channels = images.shape

    def read(tables, places, length):
        """Tables (N, length, K), read at places (N, length)."""
        # Two matrix products cost a quarter of gathering pixels, and their gradient less still.
        weights = ops.relu(1 - ops.abs(places[:, :, None] - ops.arange(length, dtype="float32")))
        return ops.matmul(weights, tables)

    images = read(ops.reshape(images, (-1, height, width * channels)), rows, height)
    images = ops.swapaxes(ops.reshape(images, (-1, height, width, channels)), 1, 2)
    images = read(ops.reshape(images, (-1, width, height * channels)), columns, width)
    return ops.swapaxes(ops.reshape(images, (-1, width, height, channels)), 1, 2)


_ALL = brightness, saturation, contrast, translation, scaling, rotation, cutout, noise
OPERATIONS = {operation.__name__: operation for operation in _ALL}
COLOR = "brightness", "saturation", "contrast"


@keras.saving.register_keras_serializable(package="ganlib")
class DiffAugment(layers.Layer):
    """Random changes of images, in the order of the policy; with an empty policy, none.

    float32 (N, H, W, C) to the same. `translation`, `scaling`, `rotation` and `cutout` keep the
    range of the pixels. The others may leave [-1, 1] and are not clipped, since a clipped pixel has
    no gradient.

    Args:
        policy: names of this module's operations, joined by commas, such as
            "translation,cutout"; "color" stands for brightness, saturation and contrast.
        seed: of the numbers, whose state a training carries along.

    Raises:
        ValueError: the policy has an unknown name.
    """

    def __init__(
        self, policy: str = "color,translation,cutout", seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.policy, self.seed = policy, seed
        self.operations = []
        for name in filter(None, policy.replace(" ", "").split(",")):
            known(name, (*OPERATIONS, "color"), "augmentation")
            self.operations += COLOR if name == "color" else [name]
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images: Tensor) -> Tensor:
        if set(self.operations) - {"noise"} and len(images.shape) != 4:
            raise ValueError(
                f"{self.policy!r} changes images (N, height, width, channels), not samples of "
                f'shape {tuple(images.shape)}: only "noise" does for any.'
            )
        for name in self.operations:
            images = self.changed(name, images)
        return images

    def changed(self, name: str, images: Tensor) -> Tensor:
        """The images after one operation of the policy."""
        return OPERATIONS[name](images, self.seed_generator)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The same."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "policy": self.policy, "seed": self.seed}


@keras.saving.register_keras_serializable(package="ganlib")
class AdaptiveAugment(DiffAugment):
    """Each operation changes an image with a probability that follows the discriminator (Karras et
    al. 2020, section 3, "ADA").

    What tells of memorising is `r = E[sign l(x)]`, of the real images of an update: 0 for a
    discriminator that guesses, 1 for one that is always right. Where it is above the target the
    probability rises by the number of these images over `images`, where it is below it falls as
    much, between 0 and 1.
    It starts at 0, and is `gan.augment.probability`. `compile` refuses it beside a loss in which
    the sign of a logit does not tell real from fake, such as `losses.Relativistic`. With a
    probability below 1 even operations whose end cannot be told from their beginning, such as turns
    by any angle, leave the generator a way to the unchanged images.

    Args:
        policy, seed: as for `DiffAugment`.
        target: of r; 0.6 is the paper's.
        images: so many real images take the probability from 0 to 1; 500,000 are the paper's.

    Raises:
        ValueError: the policy has an unknown name; the target is not in (-1, 1); `images` is not
            positive.
    """

    def __init__(
        self,
        policy: str = "color,translation,cutout",
        target: float = 0.6,
        images: float = 500_000,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(policy, seed, **kwargs)
        if not (-1 < target < 1 and images > 0):
            raise ValueError(
                f"target is a mean of signs, between -1 and 1, and images a positive number, not "
                f"{target!r} and {images!r}."
            )
        self.target, self.images = target, images

    def build(self, input_shape: Shape) -> None:
        """Make the probability."""
        self.probability = self.add_weight(
            shape=(),
            initializer="zeros",
            trainable=False,
            name="probability",
            aggregation="mean",
        )

    def changed(self, name: str, images: Tensor) -> Tensor:
        all_of_them = super().changed(name, images)
        place = (-1, *[1] * (len(images.shape) - 1))
        coins = ops.reshape(_uniform(images, self.seed_generator, 0.0, 1.0), place)
        return ops.where(coins < self.probability, all_of_them, images)

    def observe(self, real_logits: Tensor) -> None:
        """Let the probability follow the logits (N, ...) of real images, as the game calls it."""
        n, right = backend.of_all_rows(ops.shape(real_logits)[0], ops.mean(ops.sign(real_logits)))
        step = ops.cast(n, "float32") / self.images
        moved = self.probability + step * ops.sign(right - self.target)
        self.probability.assign(ops.clip(moved, 0.0, 1.0))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target": self.target, "images": self.images}


def get(augment: str | Callable) -> Callable:
    """Return `DiffAugment` of that policy, or `augment` itself if it is callable.

    Raises:
        ValueError: the policy has an unknown name, or the object is not callable.
    """
    if isinstance(augment, str):
        return DiffAugment(augment)
    if not callable(augment):
        raise ValueError(
            f'augment is a policy, such as "translation,cutout", or a function of images, not '
            f"{augment!r}."
        )
    return augment
