"""A GAN is two models, a loss and a few rules. One training round is written here."""

import itertools
from collections.abc import Callable, Sequence

import keras
from keras import ops

from ganlib import backend
from ganlib.game import players, terms
from ganlib.game.fakes import Fakes
from ganlib.game.penalties import after_update
from ganlib.interface import networks
from ganlib.interface.fitting import Fitted
from ganlib.interface.rules import Ruled
from ganlib.interface.sampling import Sampled
from ganlib.interface.saved import Saved
from ganlib.types import Tensor

Loss = tuple[Tensor, dict[str, Tensor]]  # what a player descends, and its logs


@keras.saving.register_keras_serializable(package="ganlib")
class GAN(Ruled, Fitted, Sampled, Saved):
    """Two networks that train each other through Keras's own `fit`.

    One `fit` step is one round (Goodfellow et al. 2014, algorithm 1). The batch is cut into
    `n_critic` equal parts; on each the discriminator is updated once, against as many fresh fake
    samples; then the generator is updated once, on the last of these fakes, so that its forward
    pass serves both players.

    A conditional GAN is one whose generator takes [latents, condition]; its discriminator may take
    [samples, condition]. `fit` is then given batches of (samples, conditions). A condition is a
    class, a whole number from 0, as `Dataset.batches(..., labels=True)` gives them, if that input
    is of whole numbers, as keras.Input((), dtype="int32"); otherwise it is a vector or an image,
    float32 (N, ...). The fakes get the conditions of the real samples that they are compared with:
    classes are then as frequent in both, so that the discriminator learns nothing from
    frequencies, and what lies between a real and a fake sample, where some penalties look, is of
    one class.

    A generator with one input that is no vector takes a condition and no latents, as an image that
    becomes another one (Isola et al. 2017, "pix2pix"); its only noise is its own, as of dropout.
    With `models.translation.both_ways` one image becomes two others, each of the other side's
    (Zhu et al. 2017, "CycleGAN").

    On several devices the training is that of one with the same batches, if the GAN is built and
    compiled in the scope of a `tf.distribute` strategy, or on JAX once
    `keras.distribution.set_distribution` was given a `DataParallel`. TensorFlow makes two
    exceptions. What batch norm, `MinibatchStdDev`, `DRAGAN` and the parts of `n_critic` take from
    a batch, they take from a replica's share of it; and dropout leaves out the same units in every
    share.

    Args:
        generator: model from latents (N, latent_dim) to samples (N, ...); images are float32 in
            [-1, 1].
        discriminator: model from such samples to logits (N, 1), without a sigmoid. A model that
            does not say what it takes, such as a subclass of `keras.Model`, is called once before;
            as a discriminator it need not be, unless it takes labels. `gan.generator` then is a
            functional model around it, with the same weights.
        generator_helper, discriminator_helper: a third network, which learns with that player: it
            descends the player's loss, of which `compile(generator_terms=...)` must have a term
            that uses it, and moves by the player's optimizer. An encoder of InfoGAN helps the
            generator, a classifier of AC-GAN the discriminator. Layers that it shares with a player
            are moved by that player. A generator may help itself: `terms.Cycle` then asks it again.
        seed: of the latents drawn in training. The weights are the models' own: call
            `keras.utils.set_random_seed` before building these, and the whole training repeats bit
            for bit on one machine.

    Raises:
        ValueError: the discriminator does not take what the generator makes, or it alone takes
            labels; a model's input is not known, or its images are channels first; a helper is no
            model with weights.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        seed: int = 0,
        name: str = "gan",
        generator_helper: keras.Model | None = None,
        discriminator_helper: keras.Model | None = None,
    ) -> None:
        super().__init__(name=name)
        self.generator, self.discriminator = networks.matched(generator, discriminator)
        self.generator_helper = networks.helper(generator_helper, "generator_helper")
        self.discriminator_helper = networks.helper(discriminator_helper, "discriminator_helper")
        self.ema_generator, self.boundary, self.seed, self.means = None, None, seed, {}
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def round(
        self,
        real_images: Sequence[Tensor],
        latents: Sequence[Tensor] | None = None,
        conditions: Sequence[Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Play one round and return its logs.

        Args:
            real_images: n_critic batches (B, ...), float32; images in [-1, 1].
            latents: n_critic batches (B, latent_dim), float32, if the generator takes such.
            conditions: for a conditional GAN, n_critic batches of what the real and the fake images
                have in common: classes (B,), int32, or float32 (B, ...).

        Returns:
            dict of scalars: `discriminator_loss` and `generator_loss`, without penalties and terms;
            `real_accuracy` and `fake_accuracy`, the shares of the last real and fake images on
            which the discriminator was right, if the loss has a boundary between them; the terms.
        """
        none = [None] * len(real_images)
        latents, conditions = (none if x is None else x for x in (latents, conditions))
        for real, z, condition in zip(real_images, latents, conditions, strict=True):
            fakes = Fakes(self.generator, z, condition, self.variables)
            if self.pool is not None:  # of some fakes an earlier one is judged
                fakes.images = self.pool(fakes.images)
            logs = self.move("discriminator", self.discriminator_loss, fakes, real, condition)
            after_update(self.penalties, self.discriminator)
        logs |= self.move("generator", self.generator_loss, fakes, real, condition)
        self.move_average()
        return logs

    def discriminator_loss(self, fake: Tensor, real: Tensor, condition: Tensor | None) -> Loss:
        """What the discriminator descends, and its logs.

        Args:
            fake: samples (B, ...) of the generator.
            real: as many real samples.
            condition: of both, or None.
        """
        discriminator = players.given(self.discriminator, condition)
        seen_real, seen_fake = self.augment(real), self.augment(fake)
        real_logits = _logits(discriminator, seen_real)
        fake_logits = _logits(discriminator, seen_fake)
        if hasattr(self.augment, "observe"):  # how often it changes images follows these
            self.augment.observe(real_logits)
        game = self.rules.discriminator(real_logits, fake_logits)
        penalties = [penalty(discriminator, seen_real, seen_fake) for penalty in self.penalties]
        added = terms.values(self, "discriminator", fake, real, condition)
        logs = {"discriminator_loss": game, **added}
        if self.boundary is not None:
            right = {"real": real_logits > self.boundary, "fake": fake_logits < self.boundary}
            logs |= {f"{k}_accuracy": ops.mean(ops.cast(v, "float32")) for k, v in right.items()}
        return game + sum(penalties) + sum(added.values()), logs

    def generator_loss(self, fake: Tensor, real: Tensor, condition: Tensor | None) -> Loss:
        """What the generator descends, and its logs; arguments as for `discriminator_loss`."""
        discriminator = players.given(self.discriminator, condition)
        logits = [_logits(discriminator, self.augment(fake))]
        if getattr(self.rules, "paired", False):
            logits.append(_logits(discriminator, self.augment(real)))
        game = self.rules.generator(*logits)
        penalties = [penalty(self.generator) for penalty in self.generator_penalties]
        added = terms.values(self, "generator", fake, real, condition)
        return game + sum(penalties) + sum(added.values()), {"generator_loss": game, **added}

    def move(
        self,
        player: str,
        loss: Callable[..., Loss],
        fakes: Fakes,
        real: Tensor,
        condition: Tensor | None,
    ) -> dict[str, Tensor]:
        """Move a player, and what helps it, one step down its loss, and return the logs.

        The discriminator's gradient ends at the fakes; the generator's goes through them.

        Args:
            player: "generator" or "discriminator".
            loss: function of (fake, real, condition) to a scalar and logs.
        """
        optimizer = getattr(self, f"{player}_optimizer")
        through = player == "generator"
        own, made = players.teams(self)[player], [fakes.made] if through else []

        def scaled(fake=fakes.images):
            value, logs = loss(fake, real, condition)
            return optimizer.scale_loss(value), logs

        _, logs, pull = backend.pullback(scaled, own, self.variables, made)
        gradients = pull()
        if through:
            # Penalties, and some terms, use the generator's weights directly: this is added.
            *direct, of_made = gradients
            gradients = _sums(fakes.pull(of_made), direct)
        optimizer.apply(backend.own_share(gradients), own)
        return logs

    def move_average(self) -> None:
        """Let the average of the generator, if there is one, follow it."""
        if self.ema_generator is None:
            return
        # Batch norm's moving statistics are averaged as the weights are: they belong together.
        t = ops.cast(self.generator_optimizer.iterations, "float32")
        decay = ops.minimum(self.ema, (1 + t) / (10 + t))
        for average, weight in zip(self.ema_generator.weights, self.generator.weights, strict=True):
            average.assign(weight + ops.cast(decay, weight.dtype) * (average - weight))

    def call(self, latents: Tensor, training: bool = False) -> Tensor:
        return self.generator(latents, training=training)


def _logits(discriminator, images):
    # Losses in float32, whatever the precision of the layers.
    return ops.cast(discriminator(images, training=True), "float32")


def _sums(gradients, more):
    """The sums of two lists of gradients, either may be shorter; None stands for no gradient."""
    pairs = itertools.zip_longest(gradients, more)
    return [a if b is None else b if a is None else a + b for a, b in pairs]
