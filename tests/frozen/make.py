"""Small trainings whose weights are kept beside this file: a change of the round cannot hide.

    KERAS_BACKEND=jax .venv/bin/python tests/frozen/make.py [--keep]

prints a digest of everything for each training and number of rounds: on one machine two versions
of the code with equal digests train bit for bit alike. `--keep` writes BACKEND.npz again, which is
right only where a training is meant to change. Other processors round otherwise, so
tests/test_frozen.py compares these arrays with a tolerance.

Every training starts from NumPy's numbers. Adam's epsilon is large: with the usual one a gradient
that is 0 but for rounding would become a whole step, of either sign.
"""

import argparse
import hashlib
from pathlib import Path

import keras
import numpy as np

import ganlib
from ganlib import GAN, layers, losses, models, penalties

SHAPE, LATENT_DIM, CLASSES, BATCH = (8, 8, 1), 4, 3, 8
ROUNDS = 1, 50


def adam():
    return keras.optimizers.Adam(0.01, beta_1=0.5, epsilon=1e-2)


def sgd():
    return keras.optimizers.SGD(0.02, momentum=0.5)


def mlp():
    """Points in the plane, the default game."""
    pair = models.mlp.generator((2,), LATENT_DIM, (8,)), models.mlp.discriminator((2,), (8,))
    return pair, {"optimizer": adam}


def wgan_gp():
    """A conditional critic, twice in a round, with a gradient penalty."""
    pair = (
        models.dcgan.generator(SHAPE, LATENT_DIM, 2, CLASSES),
        models.dcgan.discriminator(SHAPE, 2, CLASSES, norm="layer"),
    )
    rules = {"loss": "wasserstein", "penalties": [penalties.GradientPenalty(5.0)], "n_critic": 2}
    return pair, {"optimizer": adam, **rules}


def augmented():
    """A DCGAN with augmentation, R1 and an average."""
    pair = (
        models.dcgan.generator(SHAPE, LATENT_DIM, 2),
        models.dcgan.discriminator(SHAPE, 2, norm="spectral"),
    )
    rules = {"penalties": [penalties.R1(1.0)], "augment": "color,translation,cutout", "ema": 0.95}
    return pair, {"optimizer": adam, **rules}


def relativistic():
    """A generator's loss that sees the real logits as well."""
    pair = models.mlp.generator(SHAPE, LATENT_DIM, (8,)), models.mlp.discriminator(SHAPE, (8,))
    return pair, {"optimizer": sgd, "loss": losses.Relativistic(), "penalties": ["r1", "r2"]}


def orthogonal():
    """Hinge, conditional batch norm, projection and a penalty of the generator's."""
    z, labels = keras.Input((LATENT_DIM,)), keras.Input((), dtype="int32")
    x = keras.layers.Reshape((4, 4, 2))(keras.layers.Dense(32)(z))
    x = layers.ConditionalBatchNormalization(CLASSES)(x, labels)
    x = keras.layers.UpSampling2D()(keras.layers.Activation("relu")(x))
    made = keras.layers.Conv2D(1, 3, padding="same", activation="tanh")(x)
    image, classes = keras.Input(SHAPE), keras.Input((), dtype="int32")
    x = keras.layers.Conv2D(4, 3, 2, "same", activation="leaky_relu")(image)
    logit = layers.Projection(CLASSES)(keras.layers.Flatten()(x), classes)
    pair = keras.Model([z, labels], made), keras.Model([image, classes], logit)
    terms = {"generator_penalties": [penalties.Orthogonal(1e-2)], "ema": 0.9}
    return pair, {"optimizer": sgd, "loss": "hinge", **terms}


TRAININGS = {f.__name__: f for f in (mlp, wgan_gp, augmented, relativistic, orthogonal)}


def build(name, gan_class=GAN):
    """The compiled GAN of a training, at its start."""
    keras.utils.set_random_seed(0)
    pair, rules = TRAININGS[name]()
    gan = gan_class(*pair)
    optimizer = rules.pop("optimizer")
    gan.compile(generator_optimizer=optimizer(), discriminator_optimizer=optimizer(), **rules)
    rng = np.random.default_rng(0)
    for weight in [*pair[0].weights, *pair[1].weights]:
        # A kernel's numbers keep the size of what it is applied to; a variance is positive.
        scale = 1 / np.sqrt(max(1, np.prod(weight.shape[:-1])))
        numbers = rng.normal(scale=scale, size=weight.shape)
        weight.assign(np.abs(numbers) if "variance" in weight.path else numbers)
    if gan.ema_generator is not None:
        gan.ema_generator.set_weights(gan.generator.get_weights())
    return gan


def train(gan):
    """Yield, after 1 round of `fit` and after 50, the weights and the mean losses since then."""
    rng, size = np.random.default_rng(1), BATCH * gan.n_critic
    real = rng.uniform(-1, 1, (size * ROUNDS[-1], *gan.generator.output_shape[1:]))
    labels = rng.integers(0, CLASSES, len(real))
    before = 0
    for rounds in ROUNDS:
        part = slice(before * size, rounds * size)
        data = (real[part], labels[part]) if gan.classes else (real[part],)
        logs = gan.fit(*data, batch_size=size, shuffle=False, verbose=0).history
        yield [*gan.get_weights(), *(np.float32(logs[name]) for name in sorted(logs))]
        before = rounds


def excerpt(arrays):
    """Up to twelve numbers from all over each array, float32, in one row."""
    rows = [np.asarray(a, "float32").ravel() for a in arrays]
    return np.concatenate([row[:: -(-len(row) // 12)] for row in rows])


def digest(arrays):
    """SHA-256 of every number, as text."""
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


def main():
    """Print the digests, and write the excerpts if they are to be kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true")
    ganlib.repeatable()
    keep, kept = parser.parse_args().keep, {}
    for name in TRAININGS:
        for rounds, arrays in zip(ROUNDS, train(build(name)), strict=True):
            kept[f"{name}_{rounds}"] = excerpt(arrays)
            print(f"{name:14}{rounds:4}  {digest(arrays)}", flush=True)
    if keep:
        np.savez_compressed(Path(__file__).with_name(f"{keras.config.backend()}.npz"), **kept)


if __name__ == "__main__":
    main()
