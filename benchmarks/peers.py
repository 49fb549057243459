"""Six recipes that `time_to_quality` compares: five that readers start from, and the book's.

The networks, the rates and the batches of the peers are their authors', for MNIST. For images of
another size or in colour a generator begins with a map of a fourth or an eighth of that size, and
ends in as many channels. A peer is a `ganlib.GAN` with another round, theirs, so that Keras's `fit`
compiles it on TensorFlow and JAX alike.

- TensorFlow tutorial: `site/en/tutorials/generative/dcgan.ipynb` of tensorflow/docs.
- Keras-GAN: `dcgan/dcgan.py` of eriklindernoren/Keras-GAN. Its players share one Adam, which Keras
  no longer allows; here each has its own. Its discriminator ends in a sigmoid, here in the logit.
- keras.io WGAN-GP: `examples/generative/wgan_gp.py` of keras-team/keras-io, written for
  Fashion-MNIST, whose images are of the same size. Until August 2023 it drew the places of the
  penalty from a normal distribution; here as since then, between the images.
- PyTorch-GAN: `implementations/dcgan/dcgan.py` of eriklindernoren/PyTorch-GAN, for MNIST enlarged
  to 32 pixels; here 28 pixels get a border, which is cut off again. Its `BatchNorm2d(n, 0.8)` sets
  the epsilon, as here, and not the momentum, as its author may have meant.
- R3GAN narrow: its authors have no recipe for a laptop. The width is ours here, the loss, the Adam
  and the weights those with which they start Stacked-MNIST; over its first 20 million images they
  change along a cosine, of which no training here sees more than a fiftieth.
- this book: the recipe of the chapter `dcgan`.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
from keras import layers, ops

import ganlib
from ganlib import backend

MNIST = (28, 28, 1)


class Peer(ganlib.GAN):
    """A GAN whose subclass writes the round."""

    def step(self, player, loss):
        """Move a player one step down `loss()`, and return the loss."""
        own = getattr(self, player).trainable_variables
        value, _, pull = backend.pullback(lambda: (loss(), None), own, self.variables)
        getattr(self, f"{player}_optimizer").apply(pull(), own)
        return value

    def fake(self, latents):
        return self.generator(latents, training=True)

    def logits(self, images):
        return self.discriminator(images, training=True)


def called(logits, real):
    """The cross-entropy of logits whose images are all called real, or all fake."""
    return ops.mean(ops.softplus(-logits if real else logits))


class Tutorial(Peer):
    """Both players move at once, from one pass of each network."""

    def round(self, real_images, latents, conditions=None):
        (real,), (z,), state = real_images, latents, self.variables
        of_generator = self.generator.trainable_variables
        of_discriminator = self.discriminator.trainable_variables

        def game():
            fake = self.fake(z)

            def losses():
                real_logits, fake_logits = self.logits(real), self.logits(fake)
                d_loss = called(real_logits, True) + called(fake_logits, False)
                return d_loss, called(fake_logits, True)

            d_loss, g_loss, pull = backend.pullback(losses, of_discriminator, state)
            return g_loss, (d_loss, pull())

        g_loss, (d_loss, gradients), pull = backend.pullback(game, of_generator, state)
        self.generator_optimizer.apply(pull(), of_generator)
        self.discriminator_optimizer.apply(gradients, of_discriminator)
        return {"discriminator_loss": d_loss, "generator_loss": g_loss}


class KerasGAN(Peer):
    """The discriminator moves on real images, then on fakes, which the generator makes in inference
    mode; then the generator moves on the same latents."""

    def round(self, real_images, latents, conditions=None):
        (real,), (z,) = real_images, latents
        fake = self.generator(z, training=False)
        on_real = self.step("discriminator", lambda: called(self.logits(real), True))
        on_fake = self.step("discriminator", lambda: called(self.logits(fake), False))
        g_loss = self.step("generator", lambda: called(self.logits(self.fake(z)), True))
        return {"discriminator_loss": on_real + on_fake, "generator_loss": g_loss}


class WassersteinGP(Peer):
    """Three steps of the critic on the same real images, each with new fakes; then the
    generator's."""

    def round(self, real_images, latents, conditions=None):
        (real,), (z,) = real_images, latents
        rows, seed = ops.shape(real)[0], self.seed_generator

        def critic():
            fake = self.fake(keras.random.normal((rows, self.latent_dim), seed=seed))
            apart = ops.mean(self.logits(fake)) - ops.mean(self.logits(real))
            place = keras.random.uniform((rows, 1, 1, 1), seed=seed)
            looked_at = real + place * (fake - real)
            norms = ganlib.penalties.gradient_norms(self.discriminator, looked_at)
            return apart + 10 * ops.mean((norms - 1) ** 2)

        for _ in range(3):
            d_loss = self.step("discriminator", critic)
        g_loss = self.step("generator", lambda: -ops.mean(self.logits(self.fake(z))))
        return {"discriminator_loss": d_loss, "generator_loss": g_loss}


class PyTorchGAN(Peer):
    """The generator moves first, then the discriminator on real images and the same fakes."""

    def round(self, real_images, latents, conditions=None):
        (real,), (z,) = real_images, latents
        own = self.generator.trainable_variables

        def game():
            fake = self.fake(z)
            return called(self.logits(fake), True), fake

        g_loss, fake, pull = backend.pullback(game, own, self.variables)
        self.generator_optimizer.apply(pull(), own)

        def halves():
            return (called(self.logits(real), True) + called(self.logits(fake), False)) / 2

        return {"discriminator_loss": self.step("discriminator", halves), "generator_loss": g_loss}


def border(shape):
    """What images lack on each side to be 32 pixels wide and high."""
    return [max(0, 32 - side) // 2 for side in shape[:2]]


def tutorial_generator(shape):
    start = [side // 4 for side in shape[:2]]

    def norm():
        return [layers.BatchNormalization(), layers.LeakyReLU(0.3)]

    def up(channels, strides, **rest):
        return layers.Conv2DTranspose(channels, 5, strides, "same", use_bias=False, **rest)

    return keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(start[0] * start[1] * 256, use_bias=False),
            *norm(),
            layers.Reshape((*start, 256)),
            *[up(128, 1), *norm()],
            *[up(64, 2), *norm()],
            up(shape[2], 2, activation="tanh"),
        ]
    )


def tutorial_discriminator(shape):
    def down(channels):
        conv = layers.Conv2D(channels, 5, 2, "same")
        return [conv, layers.LeakyReLU(0.3), layers.Dropout(0.3)]

    return keras.Sequential(
        [keras.Input(shape), *down(64), *down(128), layers.Flatten(), layers.Dense(1)]
    )


def keras_gan_generator(shape):
    start = [side // 4 for side in shape[:2]]

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
            layers.Dense(start[0] * start[1] * 128, activation="relu"),
            layers.Reshape((*start, 128)),
            *grown(128),
            *grown(64),
            layers.Conv2D(shape[2], 3, padding="same", activation="tanh"),
        ]
    )


def keras_gan_discriminator(shape):
    def shrunk(channels, strides, *more):
        conv = layers.Conv2D(channels, 3, strides, "same")
        return [conv, *more, layers.LeakyReLU(0.2), layers.Dropout(0.25)]

    def norm():
        return layers.BatchNormalization(momentum=0.8)

    return keras.Sequential(
        [
            keras.Input(shape),
            *shrunk(32, 2),
            *shrunk(64, 2, layers.ZeroPadding2D(((0, 1), (0, 1))), norm()),
            *shrunk(128, 2, norm()),
            *shrunk(256, 1, norm()),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


def keras_io_generator(shape):
    start = [(side + 2 * ring) // 8 for side, ring in zip(shape, border(shape), strict=False)]

    def up(channels, activation):
        conv = layers.Conv2D(channels, 3, padding="same", use_bias=False)
        return [layers.UpSampling2D(), conv, layers.BatchNormalization(), activation]

    return keras.Sequential(
        [
            keras.Input((128,)),
            layers.Dense(start[0] * start[1] * 256, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(0.2),
            layers.Reshape((*start, 256)),
            *up(128, layers.LeakyReLU(0.2)),
            *up(64, layers.LeakyReLU(0.2)),
            *up(shape[2], layers.Activation("tanh")),
            layers.Cropping2D(border(shape)),
        ]
    )


def keras_io_discriminator(shape):
    def down(channels, *dropout):
        return [layers.Conv2D(channels, 5, 2, "same"), layers.LeakyReLU(0.2), *dropout]

    return keras.Sequential(
        [
            keras.Input(shape),
            layers.ZeroPadding2D(border(shape)),
            *down(64),
            *down(128, layers.Dropout(0.3)),
            *down(256, layers.Dropout(0.3)),
            *down(512),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(1),
        ]
    )


def pytorch_gan_generator(shape):
    start = [(side + 2 * ring) // 4 for side, ring in zip(shape, border(shape), strict=False)]

    def grown(channels):
        conv = layers.Conv2D(channels, 3, padding="same", kernel_initializer=small())
        return [layers.UpSampling2D(), conv, norm(0.8), layers.LeakyReLU(0.2)]

    return keras.Sequential(
        [
            keras.Input((100,)),
            layers.Dense(start[0] * start[1] * 128),
            layers.Reshape((*start, 128)),
            norm(1e-5),
            *grown(128),
            *grown(64),
            layers.Conv2D(shape[2], 3, padding="same", kernel_initializer=small()),
            layers.Activation("tanh"),
            layers.Cropping2D(border(shape)),
        ]
    )


def pytorch_gan_discriminator(shape):
    def shrunk(channels, *more):
        conv = layers.Conv2D(channels, 3, 2, "valid", kernel_initializer=small())
        # A ring of zeros on all sides, of which PyTorch's strides leave the last out.
        ring = layers.ZeroPadding2D(((1, 0), (1, 0)))
        return [ring, conv, layers.LeakyReLU(0.2), layers.SpatialDropout2D(0.25), *more]

    return keras.Sequential(
        [
            keras.Input(shape),
            layers.ZeroPadding2D(border(shape)),
            *shrunk(16),
            *shrunk(32, norm(0.8)),
            *shrunk(64, norm(0.8)),
            *shrunk(128, norm(0.8)),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


def small():
    return keras.initializers.RandomNormal(stddev=0.02)


def norm(epsilon):
    """PyTorch's batch norm, whose momentum counts the other way round."""
    gain = keras.initializers.RandomNormal(1.0, 0.02)
    return layers.BatchNormalization(momentum=0.9, epsilon=epsilon, gamma_initializer=gain)


def compiled(gan, rate, *rules, ema=None, **betas):
    """The GAN with an Adam for each player."""
    adams = [keras.optimizers.Adam(rate, **betas) for _ in range(2)]
    names = "generator_optimizer", "discriminator_optimizer"
    gan.compile(*rules, ema=ema, **dict(zip(names, adams, strict=True)))
    return gan


def tutorial(seed, shape):
    return compiled(Tutorial(tutorial_generator(shape), tutorial_discriminator(shape), seed), 1e-4)


def keras_gan(seed, shape):
    networks = keras_gan_generator(shape), keras_gan_discriminator(shape)
    return compiled(KerasGAN(*networks, seed), 2e-4, beta_1=0.5)


def keras_io(seed, shape):
    networks = keras_io_generator(shape), keras_io_discriminator(shape)
    return compiled(WassersteinGP(*networks, seed), 2e-4, beta_1=0.5, beta_2=0.9)


def pytorch_gan(seed, shape):
    networks = pytorch_gan_generator(shape), pytorch_gan_discriminator(shape)
    return compiled(PyTorchGAN(*networks, seed), 2e-4, beta_1=0.5)


def r3gan(seed, shape):
    models, size = ganlib.models.r3gan, {"width": 32, "groups": 4}
    gan = ganlib.GAN(models.generator(shape, **size), models.discriminator(shape, **size), seed)
    rules = ganlib.losses.Relativistic(), [ganlib.penalties.R1(1.0), ganlib.penalties.R2(1.0)]
    return compiled(gan, 2e-4, *rules, ema=0.999, beta_1=0.0, beta_2=0.9)


def book(seed, shape):
    models = ganlib.models.dcgan
    gan = ganlib.GAN(models.generator(shape), models.discriminator(shape), seed)
    return compiled(gan, 1e-3, ema=0.995, beta_1=0.5, beta_2=0.99)


class Recipe(NamedTuple):
    """A function of a seed and a shape to a compiled GAN, its batch, and the rounds after which it
    ends: those of its authors; the last two have no end of their own, and get as many as the
    tutorial. PyTorch-GAN has 200 epochs, which nobody waits for here: it gets as many too."""

    make: Callable
    batch: int
    rounds: int


OF_TUTORIAL = 50 * (60_000 // 256)  # 50 epochs
RECIPES = {
    "TensorFlow tutorial": Recipe(tutorial, 256, OF_TUTORIAL),
    "Keras-GAN": Recipe(keras_gan, 32, 4000),
    "keras.io WGAN-GP": Recipe(keras_io, 512, 20 * (60_000 // 512)),  # 20 epochs
    "PyTorch-GAN": Recipe(pytorch_gan, 64, OF_TUTORIAL),
    "R3GAN narrow": Recipe(r3gan, 32, OF_TUTORIAL),
    "this book": Recipe(book, 32, OF_TUTORIAL),
}


def build(name, seed, shape=MNIST):
    """The compiled GAN of a recipe, all its random numbers from a seed."""
    keras.utils.set_random_seed(seed)
    return RECIPES[name].make(seed, shape)
