"""How soon is it good? The book's DCGAN beside two that many readers start from, on MNIST.

    python benchmarks/time_to_quality.py [--seconds 900] [--dataset mnist] [--output FILE]

Three recipes train in turns, from one score to the next, so that a busy hour of the machine slows
all of them: the TensorFlow tutorial's DCGAN, the one of the Keras-GAN collection, and the book's.
The peers' networks and settings are theirs; their rounds are compiled here, which their authors'
code is not always.

Every recipe is scored by the same Frechet distance, of 5,000 samples to 5,000 images that nobody
trained on, in the features of one small classifier. It compares the rows of this table and nothing
else. The clock runs from the first round, tracing included, and stops while a score is taken.
"""

import math
import time

import keras
import machine
import numpy as np
import tensorflow as tf
from keras import layers
from round import tutorial_discriminator, tutorial_generator

import ganlib

# Seconds of training after which each recipe is scored.
SCORES_AT = [2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 40, 60, 90, 120, 150, 180, 240, 300]
SCORES_AT += range(360, 3601, 60)


def keras_gan_generator():
    def grown(channels):
        return [
            layers.UpSampling2D(),
            layers.Conv2D(channels, 3, padding="same"),
            layers.BatchNormalization(momentum=0.8),
            layers.ReLU(),
        ]

    return keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(7 * 7 * 128, activation="relu"),
            layers.Reshape((7, 7, 128)),
            *grown(128),
            *grown(64),
            layers.Conv2D(1, 3, padding="same", activation="tanh"),
        ]
    )


def keras_gan_discriminator():
    def shrunk(channels, strides, norm=True):
        norms = [layers.BatchNormalization(momentum=0.8)] if norm else []
        conv = layers.Conv2D(channels, 3, strides, "same")
        return [conv, *norms, layers.LeakyReLU(0.2), layers.Dropout(0.25)]

    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *shrunk(32, 2, norm=False),
            *[*shrunk(64, 2), *shrunk(128, 2), *shrunk(256, 1)],
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


def peer(generator, discriminator, adams, at_once):
    """A round of a peer, compiled.

    Both players from the same pass (`at_once`, the tutorial), or the discriminator on real, then on
    fake images, then the generator on new latents (Keras-GAN).
    """
    latent_dim = generator.input_shape[-1]
    g_adam, d_adam = adams
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def loss(logits, label):
        return entropy(label * tf.ones_like(logits), logits)

    def apply(tape, value, model, adam):
        variables = model.trainable_variables
        adam.apply(tape.gradient(value, variables), variables)

    def draw(real):
        return generator(tf.random.normal((len(real), latent_dim)), training=True)

    @tf.function
    def together(real):
        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            fake = draw(real)
            real_logits = discriminator(real, training=True)
            fake_logits = discriminator(fake, training=True)
            g_loss = loss(fake_logits, 1.0)
            d_loss = loss(real_logits, 1.0) + loss(fake_logits, 0.0)
        apply(g_tape, g_loss, generator, g_adam)
        apply(d_tape, d_loss, discriminator, d_adam)

    @tf.function
    def in_turn(real):
        fake = generator(tf.random.normal((len(real), latent_dim)), training=False)
        for images, label in ((real, 1.0), (fake, 0.0)):
            with tf.GradientTape() as tape:
                value = loss(discriminator(images, training=True), label)
            apply(tape, value, discriminator, d_adam)
        with tf.GradientTape() as tape:
            value = loss(discriminator(draw(real), training=True), 1.0)
        apply(tape, value, generator, g_adam)

    play = together if at_once else in_turn

    def train(stream, rounds):
        for _ in range(rounds):
            play(next(stream))

    def sample(latents):
        return generator.predict_on_batch(latents)

    return train, sample, latent_dim


def tutorial(data):
    adams = [keras.optimizers.Adam(1e-4) for _ in range(2)]
    stream = iter(data.batches(256, repeat=True))
    return stream, *peer(tutorial_generator(), tutorial_discriminator(), adams, at_once=True)


def keras_gan(data):
    adams = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2)]
    stream = iter(data.batches(32, repeat=True))
    return stream, *peer(keras_gan_generator(), keras_gan_discriminator(), adams, at_once=False)


def book(data):
    """The recipe of the chapter `dcgan`, with the Adam of its exercise on a quick start."""
    adams = [keras.optimizers.Adam(2e-3, beta_1=0.5, beta_2=0.9) for _ in range(2)]
    shape = data.image_shape
    gan = ganlib.GAN(ganlib.models.dcgan.generator(shape), ganlib.models.dcgan.discriminator(shape))
    gan.compile(generator_optimizer=adams[0], discriminator_optimizer=adams[1], ema=0.995)

    def train(stream, rounds):
        gan.fit(stream, steps_per_epoch=rounds, verbose=0)

    def sample(latents):
        return gan.ema_generator.predict_on_batch(latents)

    return data.batches(32, repeat=True), train, sample, gan.latent_dim


RECIPES = {"TensorFlow tutorial": tutorial, "Keras-GAN": keras_gan, "this book": book}


def race(recipe, data, score, seconds):
    """Train; yield (seconds of training, rounds, score) every now and then."""
    keras.utils.set_random_seed(0)
    stream, train, sample, latent_dim = recipe(data)
    latents = np.random.default_rng(0).standard_normal((5000, latent_dim), dtype="float32")
    spent, rounds, pace = 0.0, 0, math.inf
    for due in [s for s in SCORES_AT if s <= seconds]:
        while spent < due:
            start = time.perf_counter()
            count = max(1, int((due - spent) / pace))
            train(stream, count)
            took = time.perf_counter() - start
            if rounds:  # the first also traced
                pace = took / count
            spent, rounds = spent + took, rounds + count
        images = [sample(part) for part in np.split(latents, 10)]
        yield spent, rounds, score(ganlib.data.to_uint8(np.concatenate(images)))


def first(trail, bar):
    """Seconds until a score of at most `bar`, or None."""
    return next((spent for spent, _, score in trail if score <= bar), None)


def measure(*, seconds=900.0, dataset="mnist"):
    """Train every recipe for so many seconds and score it on the way."""
    data, held_out = ganlib.data.load(dataset).split(5000 / 60_000)
    judge = ganlib.metrics.Classifier(data, epochs=2)
    real = judge.features(held_out.images)

    def score(images):
        return ganlib.metrics.frechet_distance(real, judge.features(images))

    races = [race(recipe, data, score, seconds) for recipe in RECIPES.values()]
    trails = {name: [] for name in RECIPES}
    print(" ".join(f"{name:>32}" for name in RECIPES))
    for points in zip(*races, strict=True):
        for trail, point in zip(trails.values(), points, strict=True):
            trail.append(point)
        print(" ".join(f"{s:7.1f} s {n:7,} rounds {v:7.1f}" for s, n, v in points), flush=True)
    bar = min(score for _, _, score in trails["TensorFlow tutorial"])
    at = first(trails["TensorFlow tutorial"], bar)
    print(f"\nThe tutorial's best score is {bar:.1f}, after {at:.0f} s.")
    print(f"{'recipe':<22}{'best':>8}{'s to ' + format(bar, '.0f'):>12}{'sooner':>9}", end="")
    print(f"{'s to a quarter':>16}")
    for name, trail in trails.items():
        there, quarter = first(trail, bar), first(trail, bar / 4)
        print(
            f"{name:<22}{min(s for *_, s in trail):8.1f}"
            f"{'never' if there is None else format(there, '.0f'):>12}"
            f"{'' if there is None else format(at / there, '.0f') + 'x':>9}"
            f"{'never' if quarter is None else format(quarter, '.0f'):>16}"
        )
    return {"dataset": dataset, "trails": trails}


if __name__ == "__main__":
    machine.main(__doc__, measure)
