"""A GAN is two models, a loss and a few rules. The rules, one training round, are written here."""

import contextlib
import time

import keras
import numpy as np
from keras import ops

from ganlib import backend, layers, losses
from ganlib.augment import get as get_augment
from ganlib.data import to_uint8
from ganlib.penalties import get as get_penalty


@keras.saving.register_keras_serializable(package="ganlib")
class GAN(keras.Model):
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
        discriminator: model from such samples to logits (N, 1), without a sigmoid.
        seed: of the latents drawn in training. The weights are the models' own: call
            `keras.utils.set_random_seed` before building these, and the whole training repeats bit
            for bit on one machine.

    Raises:
        ValueError: the discriminator does not take what the generator makes, or it alone takes
            labels.
    """

    def __init__(self, generator, discriminator, seed=0, name="gan"):
        super().__init__(name=name)
        made, taken = generator.output_shape[1:], tuple(discriminator.inputs[0].shape[1:])
        if made != taken:
            raise ValueError(
                f"The generator makes samples of shape {made}, but the discriminator takes "
                f"{taken}: build both for the same shape."
            )
        if _conditional(discriminator) and not _conditional(generator):
            raise ValueError(
                "The discriminator takes labels, but the generator does not and cannot know which "
                "class to make: build both with classes."
            )
        self.generator = generator
        self.discriminator = discriminator
        self.ema_generator = None
        self.seed = seed
        self.latent_dim = generator.inputs[0].shape[-1]
        self.classes = layers.classes(generator) if _conditional(generator) else None
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
        generator_penalties=(),
        augment="",
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
            generator_penalties: functions of the generator to a scalar, added to its loss, such as
                `penalties.Orthogonal()`.
            augment: what is done to the images before the discriminator sees them, real ones and
                fakes, in both updates: a policy such as "translation,cutout", an object of
                `ganlib.augment`, or any differentiable function of images. Penalties too see the
                changed images: the game is between these, and their gradient is that of the
                discriminator where it is asked. (StyleGAN2-ADA's R1 goes on through the change to
                the unchanged image, which is the same length where a change keeps lengths.)
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
        self.generator_penalties = list(generator_penalties)
        self.augment = get_augment(augment)
        if isinstance(self.augment, keras.layers.Layer) and not self.augment.built:
            self.augment.build(self.generator.output_shape)
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
        # In half precision small gradients would vanish. Keras's own loss scale adapts itself, but
        # only to one player.
        half = any(layer.compute_dtype == "float16" for layer in self._flatten_layers())
        super().compile(
            optimizer=keras.optimizers.MultiOptimizer(
                lambda v: players[id(v) not in generators],
                loss_scale_factor=1024.0 if half else None,
            ),
            **{"auto_scale_loss": False, **kwargs},
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
        backend.check_shares(iterator)
        data = iterator.data_adapter.get_tf_dataset()
        place = data.tell() if hasattr(data, "tell") else None
        super()._maybe_symbolic_build(iterator=iterator, data_batch=data_batch)
        if place is not None:
            iterator.reset()  # a strategy has read on, of few batches into the next epoch
            data.seek(place)
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
        real_images, labels, _ = keras.utils.unpack_x_y_sample_weight(data)
        n = real_images.shape[0] or ops.shape(real_images)[0]  # unknown while Keras traces arrays
        if isinstance(n, int) and n % self.n_critic:
            raise ValueError(
                f"n_critic={self.n_critic} cuts a batch into as many equal parts, but it has {n} "
                "images: make it n_critic times what one discriminator update should see."
            )
        latents = backend.own_rows(
            lambda rows: keras.random.normal((rows, self.latent_dim), seed=self.seed_generator), n
        )
        parts = [ops.split(x, self.n_critic) for x in (real_images, latents)]
        if _conditional(self.generator):
            labels, stray = self._training_labels(labels)
            parts.append(ops.split(labels, self.n_critic))
        logs = self.round(*parts)
        if self.classes:
            # A compiled step cannot raise; `_FiniteLosses` knows what an accuracy of NaN means.
            logs["real_accuracy"] = ops.where(stray, np.nan, logs["real_accuracy"])
        for name, value in logs.items():
            self.means[name].update_state(value)
        return self.get_metrics_result()

    def _training_labels(self, labels):
        """The labels as int32 (N,), in range, and whether any of them was not."""
        if labels is None:
            raise ValueError(
                "The generator takes labels, but fit was given none: use fit(images, labels) or "
                "data.batches(..., labels=True)."
            )
        if tuple(labels.shape[1:]) not in ((), (1,)):
            raise ValueError(
                "Labels are whole numbers, one for each image, of shape (N,), not "
                f"{tuple(labels.shape)}."
            )
        labels = ops.cast(ops.reshape(labels, (-1,)), "int32")
        if not self.classes:
            return labels, False
        inside = ops.clip(labels, 0, self.classes - 1)
        return inside, ops.any(labels != inside)

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
            which the discriminator was right.
        """
        if labels is None:
            labels = [None] * len(latents)
        for real, z, y in zip(real_images, latents, labels, strict=True):
            generator, discriminator = _given(self.generator, y), _given(self.discriminator, y)

            def make(z=z, generator=generator):
                fake = ops.cast(generator(z, training=True), "float32")
                return [fake, *(p(self.generator) for p in self.generator_penalties)], None

            (fake, *_), _, pull = backend.pullback(
                make, self.generator.trainable_variables, self.variables
            )
            logs = self._update_discriminator(discriminator, real, ops.stop_gradient(fake))
        logs["generator_loss"] = self._update_generator(discriminator, real, fake, pull)
        if self.ema_generator is not None:
            self._update_average()
        return logs

    def _update_discriminator(self, discriminator, real, fake):
        real, fake = self.augment(real), self.augment(fake)

        def loss():
            real_logits, fake_logits = _logits(discriminator, real), _logits(discriminator, fake)
            game = self.rules.discriminator(real_logits, fake_logits)
            total = game + sum(p(discriminator, real, fake) for p in self.penalties)
            return self.discriminator_optimizer.scale_loss(total), (game, real_logits, fake_logits)

        variables = self.discriminator.trainable_variables
        _, aux, pull = backend.pullback(loss, variables, self.variables)
        self.discriminator_optimizer.apply(backend.own_share(pull()), variables)
        for penalty in self.penalties:
            if hasattr(penalty, "after_update"):
                penalty.after_update(self.discriminator)
        game, real_logits, fake_logits = aux
        return {
            "discriminator_loss": game,
            "real_accuracy": ops.mean(ops.cast(real_logits > 0, "float32")),
            "fake_accuracy": ops.mean(ops.cast(fake_logits < 0, "float32")),
        }

    def _update_generator(self, discriminator, real, fake, pull):
        scale = self.generator_optimizer.scale_loss

        def loss(images):
            logits = [_logits(discriminator, self.augment(images))]
            if getattr(self.rules, "paired", False):
                logits.append(_logits(discriminator, self.augment(real)))
            value = self.rules.generator(*logits)
            return scale(value), value

        # The chain rule in two steps: from the loss to the images, from these to the weights.
        _, value, gradient = backend.value_and_gradient(loss, fake, self.variables)
        ones = [scale(ops.ones(())) for _ in self.generator_penalties]
        gradients = backend.own_share(pull([gradient, *ones]))
        self.generator_optimizer.apply(gradients, self.generator.trainable_variables)
        return value

    def _update_average(self):
        # Batch norm's moving statistics are averaged as the weights are: they belong together.
        t = ops.cast(self.generator_optimizer.iterations, "float32")
        decay = ops.minimum(self.ema, (1 + t) / (10 + t))
        weights = zip(self.ema_generator.weights, self.generator.weights, strict=True)
        for average, current in weights:
            average.assign(current + decay * (average - current))

    def latents(self, n, seed=0, truncation=None):
        """Standard normal latents (n, latent_dim), float32 numpy, the same on every backend.

        Args:
            truncation: in (0, 1]; numbers of a larger size are drawn again until they are within
                (Brock et al. 2019, section 3.1). Less is more typical, and more alike.

        Raises:
            ValueError: truncation is outside (0, 1].
        """
        if truncation is not None and not 0 < truncation <= 1:
            raise ValueError(
                "truncation bounds the size of each latent, above 0 and at most 1, not "
                f"{truncation!r}; leave it out for the whole normal distribution."
            )
        rng = np.random.default_rng(seed)
        latents = rng.standard_normal((n, self.latent_dim), dtype="float32")
        if truncation is not None:
            beyond = np.abs(latents) > truncation
            # One draw from the law that drawing again and again has: the normal's within the bound.
            from scipy.special import ndtr, ndtri

            share = rng.uniform(ndtr(-truncation), ndtr(truncation), beyond.sum())
            latents[beyond] = ndtri(share).clip(-truncation, truncation)
        return latents

    def sample(self, n=None, seed=0, latents=None, labels=None, truncation=None):
        """Draw from the generator, from its moving average if there is one, in inference mode.

        Args:
            n: how many; by default as many as there are labels, or 16.
            seed: of the latents; the same seed gives the same images.
            latents: (n, latent_dim), instead of `n` and `seed`.
            labels: for a conditional generator, whole numbers (n,), or one for all.
            truncation: of the latents, in (0, 1]; none by default.

        Returns:
            numpy: images as uint8 (n, height, width, channels), other samples as float32.

        Raises:
            ValueError: labels are missing, not taken, or out of range; truncation outside (0, 1] or
                given beside latents.
        """
        if latents is None:
            if n is None:
                n = len(labels) if np.ndim(labels) else 16
            latents = self.latents(n, seed, truncation)
        elif truncation is not None:
            raise ValueError(
                "truncation is of the latents that sample draws, and it was given latents: draw "
                "them with gan.latents(n, seed, truncation)."
            )
        latents = np.asarray(latents, "float32")
        labels = self._sampling_labels(labels, len(latents))
        generator = self.generator if self.ema_generator is None else self.ema_generator
        parts = [
            ops.convert_to_numpy(
                _given(generator, labels[i : i + 256])(latents[i : i + 256], training=False)
            )
            for i in range(0, len(latents), 256)
        ]
        samples = np.concatenate(parts).astype("float32")
        return to_uint8(samples) if samples.ndim == 4 else samples

    def _sampling_labels(self, labels, n):
        """Labels (n,), int32, checked."""
        if not _conditional(self.generator):
            if labels is not None:
                raise ValueError("The generator takes no labels: sample without them.")
            return np.zeros(n, "int32")  # unused
        known = f" from 0 to {self.classes - 1}" if self.classes else ""
        if labels is None:
            raise ValueError(
                f"The generator takes labels: sample(labels=...) needs whole numbers{known}, one "
                "for each image or one for all."
            )
        labels = np.asarray(labels)
        if not np.issubdtype(labels.dtype, np.integer) or (
            self.classes and ((labels < 0) | (labels >= self.classes)).any()
        ):
            raise ValueError(
                f"Labels are whole numbers{known} for this generator, not "
                f"{np.unique(labels).tolist()}."
            )
        if labels.ndim and labels.shape != (n,):
            raise ValueError(
                f"{n} samples need labels of shape ({n},), or one label for all, not of shape "
                f"{labels.shape}."
            )
        return np.broadcast_to(labels, (n,)).astype("int32")

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
            "generator_penalties": list(self.generator_penalties),
            "augment": self.augment,
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


def _conditional(model):
    return len(model.inputs) == 2


def _given(model, labels):
    """`model` as a function of its first input alone."""
    if not _conditional(model):
        return model
    return lambda x, training=None: model([x, labels], training=training)


def _logits(discriminator, images):
    # Losses in float32, whatever the precision of the layers.
    return ops.cast(discriminator(images, training=True), "float32")


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
        # An accuracy is finite, whatever the logits, except where `_step` says that labels are not.
        for name in ("discriminator_loss", "generator_loss", "real_accuracy"):
            if not np.isfinite(logs[name]):
                self.broken.append((batch, name, float(logs[name])))
        if self.broken:
            time.sleep(0.1)  # the thread of an earlier step may be a little later than this one
            step, name, loss = min(self.broken)
            if name == "real_accuracy":
                raise ValueError(
                    f"The labels of step {step + 1} of epoch {self.epoch + 1} are not all from 0 "
                    f"to {self.model.classes - 1}, the classes that the generator was built for."
                )
            player = name.removesuffix("_loss")
            raise FloatingPointError(
                f"The {player}'s loss is {loss} at step {step + 1} of epoch {self.epoch + 1}: "
                "try a lower learning rate, clipped gradients (clipnorm) or a gradient "
                "penalty, and check that the data are finite and images lie in [-1, 1]."
            )
