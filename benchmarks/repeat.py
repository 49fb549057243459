"""Does a training from the same state end with the same weights? On TensorFlow, it depends.

    python benchmarks/repeat.py [--trainings 200] [--all-passes] [--output FILE]

A small GAN with a gradient penalty behind spectral normalisation trains again and again in one
process from the same weights, seeds and moments, 15 rounds each; counted are the trainings whose
weights are not those that most of them end with. `ganlib.repeatable` turns two passes of
TensorFlow's graph optimiser off, `--all-passes` turns them on again. A processor that is busy with
something else shows more.
"""

from collections import Counter

import keras
import machine
import numpy as np
from keras import layers

import ganlib
from ganlib import GAN, penalties
from ganlib.training import checkpoint


def build():
    """Two networks of a few hundred weights."""
    generator = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4),
            layers.BatchNormalization(),
            layers.Dense(4, activation="tanh"),
        ]
    )
    discriminator = keras.Sequential(
        [
            keras.Input((4,)),
            ganlib.layers.SpectralNormalization(layers.Dense(4)),
            layers.LeakyReLU(),
            layers.Dense(1),
        ]
    )
    gan = GAN(generator, discriminator)
    adam = [keras.optimizers.Adam(0.02, beta_1=0.5) for _ in range(2)]
    gan.compile("non_saturating", [penalties.GradientPenalty()], *adam, ema=0.9)
    return gan


def measure(*, trainings=200, all_passes=False):
    """Train as often as asked for and count how often the end was another one."""
    if all_passes:
        import tensorflow as tf

        tf.config.optimizer.set_experimental_options(
            {"dependency_optimization": True, "remapping": True}
        )
    keras.utils.set_random_seed(0)
    gan = build()
    points = np.random.default_rng(0).uniform(-1, 1, (50, 4)).astype("float32")
    first, ends = checkpoint.state(gan), []
    for _ in range(trainings):
        keras.utils.set_random_seed(0)
        checkpoint.assign(gan, first)
        gan.fit(points, batch_size=10, epochs=3, shuffle=False, verbose=0)
        ends.append(b"".join(weights.tobytes() for weights in gan.get_weights()))
    other = trainings - Counter(ends).most_common(1)[0][1]
    print(f"{other} of {trainings} trainings ended with other weights than most")
    return {"trainings": trainings, "other": other}


if __name__ == "__main__":
    machine.main(__doc__, measure)
