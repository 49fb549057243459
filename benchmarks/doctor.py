"""What the health monitor names first in GANs that are well and in GANs that were broken on
purpose, and which changes mend the broken ones.

    python benchmarks/doctor.py [--seeds 5] [--output FILE]

A row is a GAN and what was named first with each seed, if anything; the share of right rows is what
counts. A broken GAN is then trained again with one change, from the same seeds: it is mended where
the monitor says nothing. The tests train some of these GANs too.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import machine
import numpy as np
from keras import layers

from ganlib import GAN, callbacks, data, models, penalties
from ganlib.models.layers import JoinLabels, MinibatchStdDev
from ganlib.training import checkpoint

DIGITS = data.load("digits")
SHAPE, LATENTS = DIGITS.image_shape, 16


@dataclass(frozen=True)
class Case:
    """A GAN, what it is trained on, and what the monitor is told.

    Args:
        images: what it is trained on; the monitor is told of `real`.
        rates: of the generator and the discriminator.
        rules: other arguments of `compile`.
    """

    generator: Any = lambda: models.mlp.generator(SHAPE, LATENTS, (64, 64))
    discriminator: Any = lambda: models.mlp.discriminator(SHAPE, (64, 64))
    images: Any = DIGITS
    real: Any = DIGITS
    batch: int = 32
    rounds: int = 400
    rates: tuple = (1e-3, 1e-3)
    beta_1: float = 0.5
    rules: dict = field(default_factory=lambda: {"penalties": [penalties.R1(1.0)]})

    def build(self, seed):
        keras.utils.set_random_seed(seed)
        gan = GAN(self.generator(), self.discriminator(), seed=seed)
        g, d = (keras.optimizers.Adam(rate, self.beta_1, 0.99) for rate in self.rates)
        gan.compile(generator_optimizer=g, discriminator_optimizer=d, **self.rules)
        return gan

    def watch(self, gan, seed):
        """The monitor, once it has seen this GAN train."""
        kind, labels = type(self.real), gan.condition is not None
        if kind is np.ndarray:
            real, batches = (self.real[:256],), {"x": self.images, "batch_size": self.batch}
            batches["epochs"] = self.rounds * self.batch // len(self.images)
        else:
            of_images = kind is data.Dataset
            given = {"repeat": True, "labels": labels} if of_images else {}
            batches = {"x": self.images.batches(self.batch, seed=seed, **given)}
            batches["steps_per_epoch"] = self.rounds
            real = (self.real.images[:256] if of_images else self.real.sample(256),)
            real += (self.real.labels[:256],) if labels else ()
        monitor = callbacks.HealthMonitor(*real, every=25, patience=150)
        gan.fit(**batches, callbacks=[monitor], verbose=0)
        return monitor

    def monitors(self, seeds):
        """A monitor for each seed; one trace serves all."""
        gan = None
        for seed in seeds:
            new = self.build(seed)
            gan = gan or new
            checkpoint.assign(gan, checkpoint.state(new))
            yield self.watch(gan, seed)


def swapped(images, seed=0):
    """These images, half of which have the label of another one."""
    rng = np.random.default_rng(seed)
    labels = images.labels.copy()
    half = rng.permutation(len(labels))[: len(labels) // 2]
    labels[half] = rng.permutation(labels[half])
    return data.Dataset("half swapped", images.images, labels, images.class_names)


def dying(initial=-20.0, activation="relu"):
    """A generator whose hidden units start far below zero."""
    bias = keras.initializers.Constant(initial)
    hidden = layers.Dense(64, activation, bias_initializer=bias)
    pixels = [layers.Dense(64, "tanh"), layers.Reshape(SHAPE)]
    return keras.Sequential([keras.Input((LATENTS,)), hidden, *pixels])


def stamping(kernel=3):
    """A generator whose last stride is 2, and 3 no multiple of it."""
    start = keras.initializers.RandomNormal(0, 0.02)
    small = [layers.Dense(256, "relu"), layers.Reshape((4, 4, 16))]
    stamp = layers.Conv2DTranspose(
        1, kernel, 2, "same", activation="tanh", kernel_initializer=start
    )
    return keras.Sequential([keras.Input((LATENTS,)), *small, stamp])


def shortsighted():
    """A discriminator that sees means of 2 x 2 pixels, and cannot punish what differs within."""
    hidden = [layers.Dense(64, "leaky_relu") for _ in range(2)]
    pooled = [layers.AveragePooling2D(2), layers.Flatten()]
    return keras.Sequential([keras.Input(SHAPE), *pooled, *hidden, layers.Dense(1)])


def normed():
    """The generator of the chapter `gan_theory`."""
    hidden = []
    for _ in range(2):
        dense = layers.Dense(256, use_bias=False)
        hidden += [dense, layers.BatchNormalization(momentum=0.9), layers.ReLU()]
    pixels = [layers.Dense(64, "tanh"), layers.Reshape(SHAPE)]
    return keras.Sequential([keras.Input((LATENTS,)), *hidden, *pixels])


def convolutional(images):
    """A DCGAN for these images."""
    return Case(
        generator=lambda: models.dcgan.generator(images.image_shape, 64, width=16),
        discriminator=lambda: models.dcgan.discriminator(images.image_shape, width=16),
        images=images,
        real=images,
        rates=(2e-3, 2e-3),
        rounds=600,
        rules={"ema": 0.98},
    )


def told():
    """Dense networks that are told the class: arguments of `Case`."""

    def hidden(x, activation):
        for _ in range(2):
            x = layers.Dense(64, activation)(x)
        return x

    def generator():
        latents, label = keras.Input((LATENTS,)), keras.Input((), dtype="int32")
        x = hidden(JoinLabels(10)(latents, label), "relu")
        image = layers.Reshape(SHAPE)(layers.Dense(64, "tanh")(x))
        return keras.Model([latents, label], image)

    def discriminator():
        image, label = keras.Input(SHAPE), keras.Input((), dtype="int32")
        x = hidden(JoinLabels(10)(layers.Flatten()(image), label), "leaky_relu")
        return keras.Model([image, label], layers.Dense(1)(x))

    return {"generator": generator, "discriminator": discriminator}


def points(density):
    """Dense networks for points in the plane."""
    return Case(
        generator=lambda: models.mlp.generator((2,), 2, (64, 64)),
        discriminator=lambda: models.mlp.discriminator((2,), (64, 64)),
        images=density,
        real=density,
        batch=96,
        rounds=1500,
        rules={},
    )


STRETCHED = 1.9 * data.scale(DIGITS.images[:1792])  # `fit` itself refuses what is beyond 2

THREES = data.Dataset("threes", DIGITS.images[DIGITS.labels == 3])
FIVE = DIGITS.take(5)

ILL = {
    "data out of range": Case(images=STRETCHED, real=STRETCHED),
    "generator stands still": Case(rates=(0.0, 1e-3)),
    "discriminator stands still": Case(rates=(1e-3, 0.0)),
    "dead units": Case(generator=dying),
    "discriminator wins": Case(rules={"loss": "minimax"}, rates=(1e-4, 1e-2)),
    "generator collapses": Case(rules={}, rates=(2e-2, 1e-4)),
    "oscillation": Case(rules={}, beta_1=0.9),
    "kinds are missing": Case(images=THREES, rounds=700),
    "labels are not obeyed": Case(**told(), images=swapped(DIGITS), rounds=1000),
    "checkerboard": Case(generator=stamping, discriminator=shortsighted),
    "memorising": Case(images=FIVE, real=FIVE, batch=5, rounds=700),
}


def well(*names):
    """The GANs that are well, by name, and a DCGAN for each of these data sets."""
    plain, batched = {"rules": {}, "rounds": 1200}, {"batch": 64, "rounds": 1200}
    fine = [penalties.GradientPenalty(10.0)]
    wasserstein = {"loss": "wasserstein", "penalties": fine, "n_critic": 5}
    return {
        "dense, R1": Case(rounds=600),
        "dense, told the class": Case(**told(), rounds=1200),
        "dense, no penalty": Case(**plain),
        "dense, no penalty, slow": Case(**plain, rates=(2e-4, 2e-4)),
        "dense, batch norm": Case(normed, rules={"ema": 0.99}, **batched),
        "dense, hinge": Case(rules={"loss": "hinge"}, rounds=600),
        "dense, least squares": Case(rules={"loss": "least_squares"}, rounds=600),
        "dense, WGAN-GP": Case(rules=wasserstein, beta_1=0.0, batch=160, rounds=600),
        "points, ring": points(data.ring()),
        "points, grid": points(data.grid()),
    } | {f"DCGAN, {name}": convolutional(data.load(name)) for name in names}


# One change to a broken GAN; the first of each is what `ganlib.health` proposes first.
CHANGES = {
    "dead units": {
        "leaky ReLU": {"generator": lambda: dying(activation="leaky_relu")},
        "initial biases of 0": {"generator": lambda: dying(initial=0.0)},
        "a tenth of both rates": {"rates": (1e-4, 1e-4)},
    },
    "discriminator wins": {
        "its rate 1e-4": {"rates": (1e-4, 1e-4)},
        "the non-saturating loss": {"rules": {}},
        "R1": {"rules": {"loss": "minimax", "penalties": [penalties.R1(1.0)]}},
    },
    "generator collapses": {
        "its rate 1e-3": {"rates": (1e-3, 1e-4)},
        "its rate 1e-4": {"rates": (1e-4, 1e-4)},
        "the other's rate 1e-3": {"rates": (2e-2, 1e-3)},
        "beta_1 = 0": {"beta_1": 0.0},
        "R1": {"rules": {"penalties": [penalties.R1(1.0)]}},
        "minibatch deviation": {"discriminator": lambda: comparing()},
    },
    "oscillation": {
        "beta_1 = 0.5": {"beta_1": 0.5},
        "beta_1 = 0": {"beta_1": 0.0},
        "R1": {"rules": {"penalties": [penalties.R1(1.0)]}},
        "a tenth of both rates": {"rates": (1e-4, 1e-4)},
    },
    "checkerboard": {
        "a kernel of 4": {"generator": lambda: stamping(4)},
        "a discriminator that sees pixels": {"discriminator": Case.discriminator},
    },
}


def comparing():
    """A discriminator that is told how much its batch varies."""
    hidden = [layers.Dense(64, "leaky_relu") for _ in range(2)]
    return keras.Sequential(
        [keras.Input(SHAPE), layers.Flatten(), *hidden, MinibatchStdDev(), layers.Dense(1)]
    )


def measure(*, seeds=5):
    """What is named first, and what mends."""
    diagnoses, mended = {}, {}
    for name, case in (ILL | well("glyphs", "mnist")).items():
        diagnoses[name] = [monitor.cause for monitor in case.monitors(range(seeds))]
        first = Counter(cause or "nothing" for cause in diagnoses[name])
        print(f"{name:28}", ", ".join(f"{k} {n}" for k, n in first.items()), flush=True)
    for name, changes in CHANGES.items():
        for change, parts in changes.items():
            case = replace(ILL[name], **parts)
            silent = sum(not monitor.found for monitor in case.monitors(range(seeds)))
            mended[f"{name}: {change}"] = silent
            print(f"{name + ': ' + change:60}{silent}", flush=True)
    return {"first": diagnoses, "mended": mended}


if __name__ == "__main__":
    machine.main(__doc__, measure)
