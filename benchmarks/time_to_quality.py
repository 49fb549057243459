"""How soon is it good? The book's DCGAN beside four that readers start from, on MNIST.

    python benchmarks/time_to_quality.py [--seconds 480] [--epochs 50] [--dataset mnist]
        [--output FILE]

Five recipes train in turns, from one score to the next, so that a busy hour of the machine slows
all of them: the TensorFlow tutorial's DCGAN, that of the Keras-GAN collection, the WGAN-GP of
keras.io, one in the style of R3GAN, and the book's. The peers' networks and settings are theirs;
their rounds are compiled here, which their authors' code is not always. R3GAN's authors have no
recipe for a laptop: its width is ours here, its loss, its Adam and its weights theirs at the start.

After so many seconds of each the tutorial goes on alone to the end of its own training, of so many
epochs, or until it has the best score of the book's.

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

TUTORIAL_BATCH = 256
# Seconds of training after which each recipe is scored.
SCORES_AT = [2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 30, 40, 60, 90, 120, 150, 180, 240, 300]
SCORES_AT += [360, 420, 480, *range(600, 14_401, 120)]


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


def keras_io_generator():
    def up(channels, activation):
        conv = layers.Conv2D(channels, 3, padding="same", use_bias=False)
        return [layers.UpSampling2D(), conv, layers.BatchNormalization(), activation]

    return keras.Sequential(
        [
            keras.Input((128,)),
            layers.Dense(4 * 4 * 256, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Reshape((4, 4, 256)),
            *up(128, layers.LeakyReLU(0.2)),
            *up(64, layers.LeakyReLU(0.2)),
            *up(1, layers.Activation("tanh")),
            layers.Cropping2D(2),
        ]
    )


def keras_io_discriminator():
    def down(channels, *dropout):
        return [layers.Conv2D(channels, 5, 2, "same"), layers.LeakyReLU(0.2), *dropout]

    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.ZeroPadding2D(2),
            *down(64),
            *down(128, layers.Dropout(0.3)),
            *down(256, layers.Dropout(0.3)),
            *down(512),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(1),
        ]
    )


def apply(tape, value, model, adam):
    variables = model.trainable_variables
    adam.apply(tape.gradient(value, variables), variables)


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

    return driven(together if at_once else in_turn, generator)


def driven(play, generator):
    """What `race` asks of a peer: to train, to sample, the size of its latents."""

    def train(stream, rounds):
        for _ in range(rounds):
            play(next(stream))

    return train, generator.predict_on_batch, generator.input_shape[-1]


def wasserstein_peer(generator, discriminator, adams, critic_steps=3, weight=10.0):
    """The round of keras.io's WGAN-GP, compiled: every critic step sees the same real images."""
    g_adam, d_adam = adams

    def draw(real):
        latents = tf.random.normal((len(real), generator.input_shape[-1]))
        return generator(latents, training=True)

    def penalty(real, fake):
        between = real + tf.random.uniform((len(real), 1, 1, 1)) * (fake - real)
        with tf.GradientTape() as tape:
            tape.watch(between)
            logits = discriminator(between, training=True)
        slopes = tape.gradient(logits, between)
        norms = tf.sqrt(tf.reduce_sum(slopes**2, axis=[1, 2, 3]) + 1e-12)
        return tf.reduce_mean((norms - 1) ** 2)

    @tf.function
    def play(real):
        for _ in range(critic_steps):
            with tf.GradientTape() as tape:
                fake = draw(real)
                apart = discriminator(fake, training=True) - discriminator(real, training=True)
                value = tf.reduce_mean(apart) + weight * penalty(real, fake)
            apply(tape, value, discriminator, d_adam)
        with tf.GradientTape() as tape:
            value = -tf.reduce_mean(discriminator(draw(real), training=True))
        apply(tape, value, generator, g_adam)

    return driven(play, generator)


def tutorial(data):
    adams = [keras.optimizers.Adam(1e-4) for _ in range(2)]
    stream = iter(data.batches(TUTORIAL_BATCH, repeat=True))
    return stream, *peer(tutorial_generator(), tutorial_discriminator(), adams, at_once=True)


def keras_gan(data):
    adams = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2)]
    stream = iter(data.batches(32, repeat=True))
    return stream, *peer(keras_gan_generator(), keras_gan_discriminator(), adams, at_once=False)


def keras_io(data):
    adams = [keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.9) for _ in range(2)]
    networks = keras_io_generator(), keras_io_discriminator()
    return iter(data.batches(512, repeat=True)), *wasserstein_peer(*networks, adams)


def of_ganlib(data, networks, *rules, adam, ema):
    """A recipe of ganlib's parts with a batch of 32; `adam` makes an optimizer."""
    gan = ganlib.GAN(*networks)
    gan.compile(*rules, generator_optimizer=adam(), discriminator_optimizer=adam(), ema=ema)

    def train(stream, rounds):
        gan.fit(stream, steps_per_epoch=rounds, verbose=0)

    def sample(latents):
        return gan.ema_generator.predict_on_batch(latents)

    return data.batches(32, repeat=True), train, sample, gan.latent_dim


def r3gan(data):
    """Their settings for the start of Stacked-MNIST: over its first 20 million images they change
    along a cosine, of which no recipe here sees a fiftieth."""
    models, size = ganlib.models.r3gan, {"width": 32, "groups": 4}
    shape = data.image_shape
    return of_ganlib(
        data,
        (models.generator(shape, **size), models.discriminator(shape, **size)),
        ganlib.losses.Relativistic(),
        [ganlib.penalties.R1(1.0), ganlib.penalties.R2(1.0)],
        adam=lambda: keras.optimizers.Adam(2e-4, beta_1=0.0, beta_2=0.9),
        ema=0.999,
    )


def book(data):
    """The recipe of the chapter `dcgan`."""
    models, shape = ganlib.models.dcgan, data.image_shape
    return of_ganlib(
        data,
        (models.generator(shape), models.discriminator(shape)),
        adam=lambda: keras.optimizers.Adam(1e-3, beta_1=0.5, beta_2=0.99),
        ema=0.995,
    )


RECIPES = {
    "TensorFlow tutorial": tutorial,
    "Keras-GAN": keras_gan,
    "keras.io WGAN-GP": keras_io,
    "R3GAN, narrow": r3gan,
    "this book": book,
}


def race(recipe, data, score):
    """Train; yield (seconds of training, rounds, score) at each of SCORES_AT."""
    keras.utils.set_random_seed(0)
    stream, train, sample, latent_dim = recipe(data)
    latents = np.random.default_rng(0).standard_normal((5000, latent_dim), dtype="float32")
    spent, rounds, pace = 0.0, 0, math.inf
    for due in SCORES_AT:
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


def best(trail):
    return min(score for _, _, score in trail)


def report(trails, bar):
    """When each recipe had a score of `bar`, and a quarter of that."""
    at = first(trails["TensorFlow tutorial"], bar)
    print(f"\nThe tutorial's best score by then is {bar:.1f}, after {at:.0f} s.")
    print(f"{'recipe':<22}{'best':>8}{'s to ' + format(bar, '.0f'):>12}{'sooner':>9}", end="")
    print(f"{'s to a quarter':>16}")
    for name, trail in trails.items():
        there, quarter = first(trail, bar), first(trail, bar / 4)
        print(
            f"{name:<22}{best(trail):8.1f}"
            f"{'never' if there is None else format(there, '.0f'):>12}"
            f"{'' if there is None else format(at / there, '.0f') + 'x':>9}"
            f"{'never' if quarter is None else format(quarter, '.0f'):>16}"
        )


def measure(*, seconds=480.0, epochs=50, dataset="mnist"):
    """Train every recipe for so many seconds, then the tutorial's for its epochs, and score."""
    data, held_out = ganlib.data.load(dataset).split(5000 / 60_000)
    judge = ganlib.metrics.Classifier(data, epochs=2)
    real = judge.features(held_out.images)

    def score(images):
        return ganlib.metrics.frechet_distance(real, judge.features(images))

    races = {name: race(recipe, data, score) for name, recipe in RECIPES.items()}
    trails = {name: [] for name in RECIPES}
    for _ in [due for due in SCORES_AT if due <= seconds]:
        for name, trail in trails.items():
            trail.append(next(races[name]))
            print("{}: {:.1f} s, {:,} rounds, {:.1f}".format(name, *trail[-1]), flush=True)
    tutorial = trails["TensorFlow tutorial"]
    report(trails, best(tutorial))
    rounds = epochs * (len(data) // TUTORIAL_BATCH)
    while tutorial[-1][1] < rounds and best(tutorial) > best(trails["this book"]):
        tutorial.append(next(races["TensorFlow tutorial"]))
        print("alone: {:.1f} s, {:,} rounds, {:.1f}".format(*tutorial[-1]), flush=True)
    report(trails, best(tutorial))
    return {"dataset": dataset, "trails": trails}


if __name__ == "__main__":
    machine.main(__doc__, measure)
