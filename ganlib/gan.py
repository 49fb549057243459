"""A GAN is two models, a loss and a few rules. The rules, one training round, are written here."""

import contextlib

import keras
import numpy as np
from keras import ops

from ganlib import backend
from ganlib.game import feed, losses, players, sampling, watch
from ganlib.game.augment import get as get_augment
from ganlib.game.penalties import check_norms
from ganlib.game.penalties import get as get_penalty
from ganlib.game.players import conditional, given
from ganlib.game.saved import Saved
from ganlib.models import layers
from ganlib.pixels import to_uint8


@keras.saving.register_keras_serializable(package="ganlib")
class GAN(Saved):
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
        self.ema_generator, self.boundary, self.seed = None, None, seed
        self.latent_dim = self.generator.inputs[0].shape[-1]
        self.classes = layers.classes(self.generator) if conditional(self.generator) else None
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
            ValueError: an unknown name, n_critic < 1, a decay outside (0, 1), one optimizer for
                both, a sigmoid at the discriminator's end, or `metrics`.
        """
        feed.check_rules(kwargs, loss, self.discriminator)
        if not (isinstance(n_critic, int) and n_critic >= 1):
            raise ValueError(
                "n_critic counts discriminator updates in a round, a whole number of at least 1, "
                f"not {n_critic!r}."
            )
        if ema is not None and not 0 < ema < 1:
            raise ValueError(f"ema is a decay between 0 and 1, such as 0.999, not {ema!r}.")
        self.looked = False  # at a batch, by `train_on_batch`
        self.rules = losses.get(loss)
        single = self.discriminator.output_shape[1:][-1:] in ((), (1,))  # one logit for each
        self.boundary = getattr(self.rules, "boundary", None) if single else None
        self.penalties = [get_penalty(penalty) for penalty in penalties]
        check_norms(self.penalties, self.discriminator)
        # Held where Keras finds them: their state is part of the model's.
        self.penalty_seeds = [
            p.seed_generator for p in self.penalties if hasattr(p, "seed_generator")
        ]
        self.generator_penalties = list(generator_penalties)
        self.augment = get_augment(augment)
        if isinstance(self.augment, keras.layers.Layer) and not self.augment.built:
            self.augment.build(self.generator.output_shape)
        self.n_critic, self.ema = n_critic, ema
        optimizers = [_adam(generator_optimizer), _adam(discriminator_optimizer)]
        if optimizers[0] is optimizers[1]:
            raise ValueError(
                "Each player needs an optimizer of its own: one object would mix their moments."
            )
        self.ema_generator = None if ema is None else players.copy(self.generator)
        # One optimizer in Keras's eyes: fit, saving and JAX's state then see the moments of both
        # players.
        generators = {id(v) for v in self.generator.trainable_variables}
        # In half precision small gradients would vanish. Keras's own loss scale adapts itself, but
        # only to one player.
        half = any(layer.compute_dtype == "float16" for layer in self._flatten_layers())
        super().compile(
            optimizer=keras.optimizers.MultiOptimizer(
                lambda v: optimizers[id(v) not in generators],
                loss_scale_factor=1024.0 if half else None,
            ),
            **{"auto_scale_loss": False, **kwargs},
        )
        self.optimizer.build(
            [*self.generator.trainable_variables, *self.discriminator.trainable_variables]
        )

    @property
    def sampler(self):
        """The generator that `sample` draws from: the average, if there is one."""
        return self.generator if self.ema_generator is None else self.ema_generator

    @property
    def generator_optimizer(self):
        return self.optimizer.optimizers[0]

    @property
    def discriminator_optimizer(self):
        return self.optimizer.optimizers[1]

    def fit(
        self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, **kwargs
    ):
        """Keras's `fit`, which looks at the first batch and at every loss.

        It runs within `callback.around(gan, x)` of every callback that has this method, a context.

        Raises:
            ValueError: a validation set or weights are given, or the data are no samples such as
                the generator makes; images are float32 in [-1, 1].
            FloatingPointError: a loss is NaN or infinite; it names the step, the player and what to
                try.
        """
        self._assert_compile_called("fit")
        if kwargs.get("validation_data") is not None or kwargs.get("validation_split"):
            raise ValueError(feed.NO_VALIDATION)
        feed.without_weights(**{k: kwargs.get(k) for k in ("class_weight", "sample_weight")})
        feed.check(self, x, batch_size, whole=not kwargs.get("steps_per_epoch"))
        kwargs.setdefault("shuffle", hasattr(x, "shape"))  # Keras warns unless x is an array
        kwargs |= {"batch_size": batch_size, "epochs": epochs, "verbose": verbose}
        callbacks = [watch.Watch(scaled=hasattr(x, "tell")), *watch.listed(callbacks)]
        with contextlib.ExitStack() as contexts:
            for callback in callbacks:
                if hasattr(callback, "around"):
                    contexts.enter_context(callback.around(self, x))
            contexts.enter_context(feed.uneven_batches_told(self.n_critic))
            contexts.enter_context(feed.unread_files_told(x))
            contexts.callback(setattr, self, "feed", None)  # it holds the data
            return super().fit(x, y, callbacks=callbacks, **kwargs)

    def train_on_batch(self, x, y=None, sample_weight=None, class_weight=None, return_dict=False):
        """Play one round with a batch, and return its losses and accuracies; raises as `fit`."""
        self._assert_compile_called("train_on_batch")
        feed.without_weights(sample_weight=sample_weight, class_weight=class_weight)
        if not self.looked:
            feed.look(self, (x,) if y is None else (x, y))
            self.looked = True
        logs = super().train_on_batch(x, y, return_dict=True)
        watch.raise_unless_finite(logs, self.classes)
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def evaluate(self, *args, **kwargs):
        """Raise ValueError: nothing is measured on data that the players do not train on."""
        raise ValueError(feed.NO_VALIDATION)

    test_on_batch = evaluate

    # Keras names the iterator over its batches to the model before training, on TensorFlow by the
    # first of these and else by the second. `callbacks.Checkpoint` sets it to where it stopped.

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is None:  # train_on_batch
            return
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
        return list(self.means.values())[: 2 if self.boundary is None else 4]

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
        if labels is None:
            labels = [None] * len(latents)
        for real, z, y in zip(real_images, latents, labels, strict=True):
            generator, discriminator = given(self.generator, y), given(self.discriminator, y)

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
        logs = {"discriminator_loss": game}
        if self.boundary is not None:
            right = {"real": real_logits > self.boundary, "fake": fake_logits < self.boundary}
            logs |= {f"{k}_accuracy": ops.mean(ops.cast(v, "float32")) for k, v in right.items()}
        return logs

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
        for average, weight in zip(self.ema_generator.weights, self.generator.weights, strict=True):
            average.assign(weight + ops.cast(decay, weight.dtype) * (average - weight))

    def latents(self, n, seed=0, truncation=None):
        """Standard normal latents (n, latent_dim), float32 numpy, the same on every backend.

        Args:
            truncation: in (0, 1]; numbers of a larger size are drawn again until they are within
                (Brock et al. 2019, section 3.1). Less is more typical, and more alike.

        Raises:
            ValueError: truncation is outside (0, 1].
        """
        return sampling.latents(n, self.latent_dim, seed, truncation)

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
            ValueError: labels are missing, not taken, or out of range; latents of another width;
                truncation outside (0, 1] or given beside latents.
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
        latents = sampling.checked(latents, self.latent_dim)
        labels = sampling.labels_for(self, labels, len(latents))
        parts = [
            ops.convert_to_numpy(
                given(self.sampler, labels[i : i + 256])(latents[i : i + 256], training=False)
            )
            for i in range(0, len(latents), 256)
        ]
        samples = np.concatenate(parts).astype("float32")
        return to_uint8(samples) if samples.ndim == 4 else samples

    def call(self, latents, training=False):
        return self.generator(latents, training=training)


def _logits(discriminator, images):
    # Losses in float32, whatever the precision of the layers.
    return ops.cast(discriminator(images, training=True), "float32")


def _adam(optimizer):
    return keras.optimizers.get(optimizer or keras.optimizers.Adam(2e-4, beta_1=0.5))
