"""A pool of earlier fakes, so that the discriminator does not forget what it has learnt of them."""

from typing import Any

import keras
from keras import layers, ops

from ganlib import backend
from ganlib.game.players import conditional
from ganlib.types import Shape, Tensor


class Pool(layers.Layer):
    """Fakes of which some are earlier ones (Shrivastava et al. 2017, section 2.3; CycleGAN's has
    50).

    Each fake of a batch draws a place in the pool, no two the same. If the place is empty, the fake
    is put there. If not, it changes places with the fake that is there with a probability of 1/2:
    half of what the discriminator is shown is then of earlier updates, on average of `2 * size /
    batch` ago. (CycleGAN's code fills the places in order; the difference is gone once all
    are full.)

    Args:
        size: places.
        seed: of the draws, whose state a training carries along.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        super().__init__(dtype="float32", name="pool", trainable=False)
        self.size = size
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, shape: Shape) -> None:
        """Make the empty places."""
        places = {"initializer": "zeros", "trainable": False}
        self.kept = self.add_weight(shape=(self.size, *shape[1:]), name="kept", **places)
        self.full = self.add_weight(shape=(self.size,), name="full", **places)

    def call(self, fakes: Tensor) -> Tensor:
        n = fakes.shape[0] or ops.shape(fakes)[0]
        order, coins = (keras.random.uniform((self.size,), seed=self.seed_generator) for _ in "12")
        places, coins = ops.argsort(order)[:n], coins[:n]
        kept, full = ops.take(self.kept, places, axis=0), ops.take(self.full, places)

        def each(values):
            return ops.reshape(values, (-1, *[1] * (len(fakes.shape) - 1)))

        given = (full == 1) & (coins < 0.5)
        put = given | (full == 0)
        at = places[:, None]
        self.kept.assign(ops.scatter_update(self.kept, at, ops.where(each(put), fakes, kept)))
        self.full.assign(ops.scatter_update(self.full, at, ops.ones_like(full)))
        return ops.where(each(given), kept, fakes)

    def check(self, n: int) -> None:
        """Raise ValueError if an update is on more fakes than there are places."""
        if n > self.size:
            raise ValueError(
                f"A pool of {self.size} fakes has no place for each of the {n} of an update: "
                "choose a larger pool, or smaller batches."
            )


def get(size: int, gan: keras.Model, seed: int = 0) -> Any:
    """A pool for a GAN's fakes, or None for a size of 0.

    Raises:
        ValueError: the size is no whole number; the discriminator would be told a condition that is
            not an earlier fake's; several replicas share a batch.
    """
    if not (isinstance(size, int) and size >= 0):
        raise ValueError(f"pool is a number of earlier fakes, such as 50, or 0, not {size!r}.")
    if not size:
        return None
    if conditional(gan.discriminator) or gan.discriminator_terms:
        raise ValueError(
            "A pool shows the discriminator earlier fakes without the conditions that they were "
            "made of, which this one takes, or terms of its loss: compile without a pool."
        )
    if backend.shares_batches(gan):
        raise ValueError(
            "A pool keeps the fakes of a training on one device, and here several share a batch: "
            "compile without a pool."
        )
    pool = Pool(size, seed)
    pool.build(gan.generator.output_shape)
    return pool
