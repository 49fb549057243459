"""A GAN is two models, a loss and a few rules. The rules, one training round, are written here."""

import contextlib
import time

import keras
import numpy as np
from keras import ops

from ganlib import backend, losses
from ganlib.data import to_uint8
from ganlib.penalties import get as get_penalty


@keras.saving.register_keras_serializable(package="ganlib")
class GAN(keras.Model):
    """Two networks that train each other through Keras's own `fit`.

    One `fit` step is one round (Goodfellow et al. 2014, algorithm 1). The batch is cut into
    `n_critic` equal parts; on each the discriminator is updated once, against as many fresh fake
    samples; then the generator is updated once, on the last of these fakes, so that its forward
    pass serves both players.

    Args:
        generator: model from latents (N, latent_dim) to samples (N, ...); images are float32 in
            [-1, 1].
        discriminator: model from such samples to logits (N, 1), without a sigmoid.
        seed: of the latents drawn in training. The weights are the models' own: call
            `keras.utils.set_random_seed` before building these, and the whole training repeats bit
            for bit on one machine.

    Raises:
        ValueError: the discriminator does not take what the generator makes.
    """

    def __init__(self, generator, discriminator, seed=0, name="gan"):
        super().__init__(name=name)
        made, taken = generator.output_shape[1:], discriminator.input_shape[1:]
        if made != taken:
            raise ValueError(
                f"The generator makes samples of shape {made}, but the discriminator takes "
                f"{taken}: build both for the same shape."
            )
        self.generator = generator
        self.discriminator = discriminator
        self.ema_generator = None
        self.seed = seed
        self.latent_dim = generator.input_shape[-1]
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.means = {
            name: keras.metrics.Mean(name=name)
            for name in ("discriminator_loss", "generator_loss", "real_accuracy", "fake_accuracy")
        }
        self.built = True

    def compile(
        self,
        loss="non_saturating",
        penalties=(),
        generator_optimizer=None,
        discriminator_optimizer=None,
        n_critic=1,
        ema=None,
        **kwargs,
    ):
        """Choose the rules of the game.

        Args:
            loss: a name, such as "non_saturating" or "hinge", or an object of `ganlib.losses`.
            penalties: names or objects of `ganlib.penalties`, added to the discriminator's loss, or
                any functions of (discriminator, real, fake) to a scalar.
            generator_optimizer, discriminator_optimizer: two Keras optimizers, one for each player;
                by default Adam with Radford et al.'s learning rate 2e-4 and beta_1 0.5.
            n_critic: discriminator updates in a round; the batch given to `fit` must divide by it.
            ema: decay in (0, 1) of an exponential moving average of the generator, from which
                `sample` then draws. At round t the decay is min(ema, (1 + t) / (10 + t)), so that a
                short training forgets its random start.
            kwargs: Keras's own: jit_compile, run_eagerly, steps_per_execution.

        Raises:
            ValueError: an unknown name, n_critic < 1, a decay outside (0, 1), or one optimizer for
                both players.
        """
        if not (isinstance(n_critic, int) and n_critic >= 1):
            raise ValueError(
                "n_critic counts discriminator updates in a round, a whole number of at least 1, "
                f"not {n_critic!r}."
            )
        if ema is not None and not 0 < ema < 1:
            raise ValueError(f"ema is a decay between 0 and 1, such as 0.999, not {ema!r}.")
        self.rules = losses.get(loss)
        self.penalties = [get_penalty(penalty) for penalty in penalties]
        if any(getattr(p, "of_gradient", True) for p in self.penalties) and any(
            isinstance(layer, keras.layers.BatchNormalization)
            for layer in self.discriminator._flatten_layers()
        ):
            raise ValueError(
                "A gradient penalty needs a discriminator without batch norm: with it each logit "
                "depends on the whole batch, and the gradient at one image is not its own."
            )
        # Held where Keras finds them: their state is part of the model's.
        self.penalty_seeds = [
            p.seed_generator for p in self.penalties if hasattr(p, "seed_generator")
        ]
        self.n_critic = n_critic
        self.ema = ema
        players = [_adam(generator_optimizer), _adam(discriminator_optimizer)]
        if players[0] is players[1]:
            raise ValueError(
                "Each player needs an optimizer of its own: one object would mix their moments."
            )
        self.ema_generator = None if ema is None else _copy(self.generator)
        # One optimizer in Keras's eyes: fit, saving and JAX's state then see the moments of both
        # players.
        generators = {id(v) for v in self.generator.trainable_variables}
        super().compile(
            optimizer=keras.optimizers.MultiOptimizer(lambda v: players[id(v) not in generators]),
            **kwargs,
        )
        self.optimizer.build(
            [*self.generator.trainable_variables, *self.discriminator.trainable_variables]
        )

    @property
    def generator_optimizer(self):
        return self.optimizer.optimizers[0]

    @property
    def discriminator_optimizer(self):
        return self.optimizer.optimizers[1]

    def fit(self, x=None, *args, callbacks=(), **kwargs):
        """Keras's `fit`, which stops with a sentence when a loss is no longer finite.

        It runs within `callback.around(gan, x)` of every callback that has this method, a context.

        Raises:
            FloatingPointError: a loss is NaN or infinite; it names the step, the player and what to
                try.
        """
        kwargs.setdefault("shuffle", hasattr(x, "shape"))  # Keras warns unless x is an array
        callbacks = [_FiniteLosses(), *(callbacks or ())]
        with contextlib.ExitStack() as contexts:
            for callback in callbacks:
                if hasattr(callback, "around"):
                    contexts.enter_context(callback.around(self, x))
            contexts.callback(setattr, self, "feed", None)  # it holds the data
            return super().fit(x, *args, callbacks=callbacks, **kwargs)

    # Keras names the iterator over its batches to the model before training, on TensorFlow by the
    # first of these and else by the second. `callbacks.Checkpoint` sets it to where it stopped.

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
        self.feed = iterator

    def _symbolic_build(self, iterator=None, data_batch=None):
        super()._symbolic_build(iterator=iterator, data_batch=data_batch)
        self.feed = iterator

    @property
    def metrics(self):
        return list(self.means.values())

    def train_step(self, *args):
        return backend.train_step(self, self._step, *args)

    def _step(self, data):
        real_images, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        n = real_images.shape[0] or ops.shape(real_images)[0]  # unknown while Keras traces arrays
        if isinstance(n, int) and n % self.n_critic:
            raise ValueError(
                f"n_critic={self.n_critic} cuts a batch into as many equal parts, but it has {n} "
                "images: make it n_critic times what one discriminator update should see."
            )
        latents = keras.random.normal((n, self.latent_dim), seed=self.seed_generator)
        logs = self.round(ops.split(real_images, self.n_critic), ops.split(latents, self.n_critic))
        for name, value in logs.items():
            self.means[name].update_state(value)
        return self.get_metrics_result()

    def round(self, real_images, latents):
        """Play one round and return its logs.

        Args:
            real_images: n_critic batches (B, ...), float32; images in [-1, 1].
            latents: n_critic batches (B, latent_dim), float32.

        Returns:
            dict of scalars: `discriminator_loss`, without penalties, and `generator_loss`;
            `real_accuracy` and `fake_accuracy`, the shares of the last real and fake images on
            which the discriminator was right.
        """
        for real, z in zip(real_images, latents, strict=True):
            fake, _, pull = backend.pullback(
                lambda z=z: (self.generator(z, training=True), None),
                self.generator.trainable_variables,
                self.variables,
            )
            logs = self._update_discriminator(real, ops.stop_gradient(fake))
        logs["generator_loss"] = self._update_generator(real, fake, pull)
        if self.ema_generator is not None:
            self._update_average()
        return logs

    def _update_discriminator(self, real, fake):
        def loss():
            real_logits = self.discriminator(real, training=True)
            fake_logits = self.discriminator(fake, training=True)
            game = self.rules.discriminator(real_logits, fake_logits)
            total = game + sum(p(self.discriminator, real, fake) for p in self.penalties)
            return total, (game, real_logits, fake_logits)

        variables = self.discriminator.trainable_variables
        _, aux, pull = backend.pullback(loss, variables, self.variables)
        self.discriminator_optimizer.apply(pull(), variables)
        for penalty in self.penalties:
            if hasattr(penalty, "after_update"):
                penalty.after_update(self.discriminator)
        game, real_logits, fake_logits = aux
        return {
            "discriminator_loss": game,
            "real_accuracy": ops.mean(ops.cast(real_logits > 0, "float32")),
            "fake_accuracy": ops.mean(ops.cast(fake_logits < 0, "float32")),
        }

    def _update_generator(self, real, fake, pull):
        def loss(images):
            logits = [self.discriminator(images, training=True)]
            if getattr(self.rules, "paired", False):
                logits.append(self.discriminator(real, training=True))
            return self.rules.generator(*logits), None

        # The chain rule in two steps: from the loss to the images, from these to the weights.
        value, _, gradient = backend.value_and_gradient(loss, fake, self.variables)
        self.generator_optimizer.apply(pull(gradient), self.generator.trainable_variables)
        return value

    def _update_average(self):
        # Batch norm's moving statistics are averaged as the weights are: they belong together.
        t = ops.cast(self.generator_optimizer.iterations, "float32")
        decay = ops.minimum(self.ema, (1 + t) / (10 + t))
        weights = zip(self.ema_generator.weights, self.generator.weights, strict=True)
        for average, current in weights:
            average.assign(current + decay * (average - current))

    def latents(self, n, seed=0):
        """Standard normal latents (n, latent_dim), float32 numpy, the same on every backend."""
        return np.random.default_rng(seed).standard_normal((n, self.latent_dim), dtype="float32")

    def sample(self, n=16, seed=0, latents=None):
        """Draw from the generator, from its moving average if there is one, in inference mode.

        Args:
            n: how many. seed: of the latents; the same seed gives the same images.
            latents: (n, latent_dim), instead of `n` and `seed`.

        Returns:
            numpy: images as uint8 (n, height, width, channels), other samples as float32.
        """
        latents = self.latents(n, seed) if latents is None else np.asarray(latents, "float32")
        generator = self.generator if self.ema_generator is None else self.ema_generator
        parts = [
            ops.convert_to_numpy(generator(latents[i : i + 256], training=False))
            for i in range(0, len(latents), 256)
        ]
        samples = np.concatenate(parts)
        return to_uint8(samples) if samples.ndim == 4 else samples

    def call(self, latents, training=False):
        return self.generator(latents, training=training)

    def get_config(self):
        return {
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        models = {
            k: keras.saving.deserialize_keras_object(config[k])
            for k in ("generator", "discriminator")
        }
        return cls(**{**config, **models})

    def get_compile_config(self):
        if not self.compiled:
            return {}
        parts = {
            "loss": self.rules,
            "penalties": list(self.penalties),
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
        return {
            **{k: keras.saving.serialize_keras_object(part) for k, part in parts.items()},
            "n_critic": self.n_critic,
            "ema": self.ema,
        }

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))


def _adam(optimizer):
    return keras.optimizers.get(optimizer or keras.optimizers.Adam(2e-4, beta_1=0.5))


def _copy(generator):
    copy = keras.models.clone_model(generator)
    copy.set_weights(generator.get_weights())
    copy.trainable = False
    return copy


class _FiniteLosses(keras.callbacks.Callback):
    async_safe = True  # Keras may call it from a thread, so that JAX does not wait for every step

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.broken = epoch, []

    def on_train_batch_end(self, batch, logs=None):
        for player in ("discriminator", "generator"):
            loss = logs[f"{player}_loss"]
            if not np.isfinite(loss):
                self.broken.append((batch, player, float(loss)))
        if self.broken:
            time.sleep(0.1)  # the thread of an earlier step may be a little later than this one
            step, player, loss = min(self.broken)
            raise FloatingPointError(
                f"The {player}'s loss is {loss} at step {step + 1} of epoch {self.epoch + 1}: "
                "try a lower learning rate, clipped gradients (clipnorm) or a gradient "
                "penalty, and check that the data are finite and images lie in [-1, 1]."
            )
