"""A GAN is two models, a loss and a few rules. One training round is written here."""

import keras
from keras import ops

from ganlib import backend
from ganlib.game import feed, players, watch
from ganlib.game.fakes import Fakes
from ganlib.game.fitting import Fitted
from ganlib.game.players import conditional, given
from ganlib.game.rules import Ruled
from ganlib.game.sampling import Sampled
from ganlib.game.saved import Saved
from ganlib.models import layers


@keras.saving.register_keras_serializable(package="ganlib")
class GAN(Ruled, Fitted, Sampled, Saved):
    """Two networks that train each other through Keras's own `fit`.

    One `fit` step is one round (Goodfellow et al. 2014, algorithm 1). The batch is cut into
    `n_critic` equal parts; on each the discriminator is updated once, against as many fresh fake
    samples; then the generator is updated once, on the last of these fakes, so that its forward
    pass serves both players.

    A conditional GAN is one whose generator takes [latents, labels], labels being whole numbers
    (N,) from 0; its discriminator may take [samples, labels]. `fit` is then given batches of
    (samples, labels), as `Dataset.batches(..., labels=True)` makes them. The fakes get the labels
    of the real samples that they are compared with: classes are then as frequent in both, so that
    the discriminator learns nothing from frequencies, and what lies between a real and a fake
    sample, where some penalties look, is of one class.

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
        seed: of the latents drawn in training. The weights are the models' own: call
            `keras.utils.set_random_seed` before building these, and the whole training repeats bit
            for bit on one machine.

    Raises:
        ValueError: the discriminator does not take what the generator makes, or it alone takes
            labels; a model's input is not known, or its images are channels first.
    """

    def __init__(self, generator, discriminator, seed=0, name="gan"):
        super().__init__(name=name)
        self.generator, self.discriminator = players.pair(generator, discriminator)
        self.ema_generator, self.boundary, self.seed, self.means = None, None, seed, {}
        self.latent_dim = self.generator.inputs[0].shape[-1]
        self.classes = layers.classes(self.generator) if conditional(self.generator) else None
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def train_step(self, *args):
        return backend.train_step(self, self._step, *args)

    def _step(self, data):
        real_images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        n = real_images.shape[0] or ops.shape(real_images)[0]  # unknown while Keras traces arrays
        if isinstance(n, int):
            feed.divide(n, self.n_critic)
        real_images = ops.cast(real_images, "float32")
        latents = backend.own_rows(
            lambda rows: keras.random.normal((rows, self.latent_dim), seed=self.seed_generator), n
        )
        parts = [ops.split(x, self.n_critic) for x in (real_images, latents)]
        if conditional(self.generator):
            labels, stray = feed.training_labels(labels, self.classes)
            parts.append(ops.split(labels, self.n_critic))
        logs = self.round(*parts)
        if self.classes:
            for name, sign in watch.STRAY_LABELS.items():
                logs[name] = ops.where(stray, sign, logs[name])
        for name, value in logs.items():
            self.means[name].update_state(value)
        return self.get_metrics_result()

    def round(self, real_images, latents, labels=None):
        """Play one round and return its logs.

        Args:
            real_images: n_critic batches (B, ...), float32; images in [-1, 1].
            latents: n_critic batches (B, latent_dim), float32.
            labels: for a conditional GAN, n_critic batches (B,), int32, of the real and of the fake
                images.

        Returns:
            dict of scalars: `discriminator_loss`, without penalties, and `generator_loss`;
            `real_accuracy` and `fake_accuracy`, the shares of the last real and fake images on
            which the discriminator was right, if the loss has a boundary between them.
        """
        labels = [None] * len(latents) if labels is None else labels
        for real, z, y in zip(real_images, latents, labels, strict=True):
            fakes = Fakes(self.generator, self.generator_penalties, z, y, self.variables)
            logs = self.move("discriminator", self.discriminator_loss, fakes, real, y)
        logs |= self.move("generator", self.generator_loss, fakes, real, y)
        self.move_average()
        return logs

    def discriminator_loss(self, made, real, labels):
        """What the discriminator descends, and its logs.

        Args:
            made: a list that begins with the fakes (B, ...).
            real: as many real samples.
            labels: (B,), of both, or None.
        """
        discriminator = given(self.discriminator, labels)
        real, fake = self.augment(real), self.augment(made[0])
        real_logits, fake_logits = _logits(discriminator, real), _logits(discriminator, fake)
        game = self.rules.discriminator(real_logits, fake_logits)
        loss = game + sum(penalty(discriminator, real, fake) for penalty in self.penalties)
        logs = {"discriminator_loss": game}
        if self.boundary is not None:
            right = {"real": real_logits > self.boundary, "fake": fake_logits < self.boundary}
            logs |= {f"{k}_accuracy": ops.mean(ops.cast(v, "float32")) for k, v in right.items()}
        return loss, logs

    def generator_loss(self, made, real, labels):
        """What the generator descends, and its logs.

        Args:
            made: a list of the fakes (B, ...) and of the values of the generator's penalties.
            real, labels: as for `discriminator_loss`.
        """
        discriminator = given(self.discriminator, labels)
        fake, *penalties = made
        logits = [_logits(discriminator, self.augment(fake))]
        if getattr(self.rules, "paired", False):
            logits.append(_logits(discriminator, self.augment(real)))
        game = self.rules.generator(*logits)
        return game + sum(penalties), {"generator_loss": game}

    def move(self, player, loss, fakes, real, labels):
        """Move a player one step down its loss, and return the logs.

        The discriminator's gradient ends at the fakes; the generator's goes through them.

        Args:
            player: "generator" or "discriminator".
            loss: function of (made, real, labels) to a scalar and logs.
        """
        optimizer = getattr(self, f"{player}_optimizer")
        through = player == "generator"
        variables = [] if through else self.discriminator.trainable_variables

        def scaled(*made):
            value, logs = loss(made or [fakes.images], real, labels)
            return optimizer.scale_loss(value), logs

        _, logs, pull = backend.pullback(
            scaled, variables, self.variables, fakes.made if through else ()
        )
        gradients = pull()
        if through:
            gradients, variables = fakes.pull(gradients), fakes.variables
        optimizer.apply(backend.own_share(gradients), variables)
        if not through:
            for penalty in self.penalties:
                if hasattr(penalty, "after_update"):
                    penalty.after_update(self.discriminator)
        return logs

    def move_average(self):
        """Let the average of the generator, if there is one, follow it."""
        if self.ema_generator is None:
            return
        # Batch norm's moving statistics are averaged as the weights are: they belong together.
        t = ops.cast(self.generator_optimizer.iterations, "float32")
        decay = ops.minimum(self.ema, (1 + t) / (10 + t))
        for average, weight in zip(self.ema_generator.weights, self.generator.weights, strict=True):
            average.assign(weight + ops.cast(decay, weight.dtype) * (average - weight))

    def call(self, latents, training=False):
        return self.generator(latents, training=training)


def _logits(discriminator, images):
    # Losses in float32, whatever the precision of the layers.
    return ops.cast(discriminator(images, training=True), "float32")
