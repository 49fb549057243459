"""The rules of a game, as `GAN.compile` takes them and looks at them."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from ganlib.game import losses
from ganlib.game.augment import get as get_augment
from ganlib.game.penalties import get as get_penalty
from ganlib.game.players import teams
from ganlib.game.pool import get as get_pool
from ganlib.interface import watch
from ganlib.interface.networks import ends_in
from ganlib.internals import sublayers


class Ruled(keras.Model):
    """A pair of players once it has rules; `ganlib.GAN` is the model."""

    def compile(
        self,
        loss: Any = "non_saturating",
        penalties: Sequence[str | Callable] = (),
        generator_optimizer: keras.optimizers.Optimizer | str | None = None,
        discriminator_optimizer: keras.optimizers.Optimizer | str | None = None,
        n_critic: int = 1,
        ema: float | None = None,
        generator_penalties: Sequence[Callable] = (),
        augment: str | Callable = "",
        generator_terms: dict[str, Callable] | None = None,
        discriminator_terms: dict[str, Callable] | None = None,
        pool: int = 0,
        **kwargs: Any,
    ) -> None:
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
            generator_terms, discriminator_terms: dicts from a name to a function of (fake, real,
                condition) to a scalar, which is added to that player's loss and logged as
                `generator_NAME` or `discriminator_NAME`; see `ganlib.terms`. As with
                penalties, only what is registered with Keras can be loaded from a saved GAN; a
                `Checkpoint` takes any function.
            pool: how many earlier fakes are kept, of which the discriminator is shown one in the
                place of every second; 0 for none, 50 is CycleGAN's.
            kwargs: Keras's own: jit_compile, run_eagerly, steps_per_execution.

        Raises:
            ValueError: an unknown name, n_critic < 1, a decay outside (0, 1), one optimizer for
                both, a sigmoid at the discriminator's end, terms that are no functions, or that ask
                a generator which is not its own helper, a helper without terms, a pool for a
                discriminator that takes a condition or has terms, or on several devices, an
                augmentation that follows signs which the loss gives no meaning, or `metrics`.
        """
        _check_settings(kwargs, loss, self.discriminator)
        _check_numbers(n_critic, ema)
        self.looked = False
        self.n_critic, self.ema = n_critic, ema
        self.rules = losses.get(loss)
        single = self.discriminator.output_shape[1:][-1:] in ((), (1,))  # one logit for each
        self.boundary = getattr(self.rules, "boundary", None) if single else None
        self.penalties = [get_penalty(penalty) for penalty in penalties]
        _check_norms(self.penalties, self.discriminator)
        self.generator_penalties = list(generator_penalties)
        self.generator_terms = _terms(generator_terms, "generator", self)
        self.discriminator_terms = _terms(discriminator_terms, "discriminator", self)
        terms = [*self.generator_terms.values(), *self.discriminator_terms.values()]
        # Held where Keras finds them: their state is part of the model's.
        parts = [*self.penalties, *self.generator_penalties, *terms]
        seeds = [getattr(part, "seed_generator", None) for part in parts]
        self.penalty_seeds = [seed for seed in seeds if seed is not None]
        self.penalty_counts = [count for part in parts for count in getattr(part, "counts", [])]
        self.augment = get_augment(augment)
        _check_signs(self.augment, self.rules)
        if isinstance(self.augment, keras.layers.Layer) and not self.augment.built:
            self.augment.build(self.generator.output_shape)
        self.pool = get_pool(pool, self)
        self.ema_generator = None if ema is None else _copy(self.generator)
        names = ["discriminator_loss", "generator_loss"]
        names += [] if self.boundary is None else watch.ACCURACIES
        names += [f"generator_{name}" for name in self.generator_terms]
        names += [f"discriminator_{name}" for name in self.discriminator_terms]
        self.means = {name: keras.metrics.Mean(name=name) for name in names}
        movers = teams(self)
        # In half precision small gradients would vanish. Keras's own loss scale adapts itself, but
        # only to one player.
        half = any(layer.compute_dtype == "float16" for layer in sublayers(self))
        super().compile(
            optimizer=_both(
                _adam(generator_optimizer),
                _adam(discriminator_optimizer),
                movers["generator"],
                loss_scale_factor=1024.0 if half else None,
            ),
            **{"auto_scale_loss": False, **kwargs},
        )
        self.optimizer.build([*movers["generator"], *movers["discriminator"]])

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return list(self.means.values())

    @property
    def generator_optimizer(self) -> keras.optimizers.Optimizer:
        return self.optimizer.optimizers[0]

    @property
    def discriminator_optimizer(self) -> keras.optimizers.Optimizer:
        return self.optimizer.optimizers[1]

    def get_compile_config(self) -> dict[str, Any]:
        if not self.compiled:
            return {}
        parts = {
            "loss": self.rules,
            "penalties": list(self.penalties),
            "generator_penalties": list(self.generator_penalties),
            "augment": self.augment,
            "generator_terms": dict(self.generator_terms),
            "discriminator_terms": dict(self.discriminator_terms),
            "generator_optimizer": self.generator_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }
        return {
            **{k: keras.saving.serialize_keras_object(part) for k, part in parts.items()},
            "n_critic": self.n_critic,
            "ema": self.ema,
            "pool": 0 if self.pool is None else self.pool.size,
        }

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))


def _check_settings(settings, loss, discriminator):
    """Look at what `compile` was given beside its own arguments.

    Raises:
        ValueError: an argument that has no meaning for a GAN, or a discriminator that ends in a
            probability, where the loss takes logits.
    """
    if settings.get("optimizer") is not None:
        raise ValueError(
            "A GAN has two players, each with an optimizer of its own: "
            "compile(generator_optimizer=..., discriminator_optimizer=...)."
        )
    for name in ("metrics", "weighted_metrics", "loss_weights"):
        if settings.get(name) is not None:
            raise ValueError(
                f"A GAN has no use for {name}, as nothing says what its samples should have been: "
                "score them with callbacks.Monitor."
            )
    ending = ends_in(discriminator)
    if type(losses.get(loss)) in losses.NAMES.values() and ending in ("sigmoid", "softmax"):
        raise ValueError(
            f"The discriminator ends in a {ending}, and the losses take a logit: leave it out."
        )


def _check_numbers(n_critic, ema):
    if not (isinstance(n_critic, int) and n_critic >= 1):
        raise ValueError(
            "n_critic counts discriminator updates in a round, a whole number of at least 1, "
            f"not {n_critic!r}."
        )
    if ema is not None and not 0 < ema < 1:
        raise ValueError(f"ema is a decay between 0 and 1, such as 0.999, not {ema!r}.")


def _check_norms(penalties, discriminator):
    """Raise ValueError if a penalty of gradients meets batch norm."""
    if any(getattr(penalty, "of_gradient", True) for penalty in penalties) and any(
        isinstance(layer, keras.layers.BatchNormalization) for layer in sublayers(discriminator)
    ):
        raise ValueError(
            "A gradient penalty needs a discriminator without batch norm: with it each logit "
            "depends on the whole batch, and the gradient at one image is not its own."
        )


def _check_signs(augment, rules):
    """Raise ValueError if an augmentation follows signs of logits that say nothing."""
    if hasattr(augment, "observe") and getattr(rules, "boundary", 0.0) != 0.0:
        raise ValueError(
            f"{type(augment).__name__} follows the sign of the logits of real images, which does "
            f"not tell these from fakes with the loss {type(rules).__name__}: take one whose "
            'boundary is 0, such as "non_saturating" or "hinge", or DiffAugment.'
        )


def _terms(terms, player, gan):
    """The terms of a player as a dict; ValueError if they are none, leave its helper idle, or ask
    the generator for more where it does not help itself."""
    terms = {} if terms is None else terms
    if (
        not isinstance(terms, dict)
        or not all(isinstance(name, str) and callable(term) for name, term in terms.items())
        or "loss" in terms
    ):
        raise ValueError(
            f"{player}_terms is a dict from names, but not 'loss', to functions of (fake, real, "
            f"condition), not {terms!r}."
        )
    if getattr(gan, f"{player}_helper") is not None and not terms:
        raise ValueError(
            f"The {player}'s helper would learn nothing: give it a loss by {player}_terms."
        )
    asking = [t for t in terms.values() if getattr(t, "asks_generator", False)]
    if asking and gan.generator_helper is None:
        raise ValueError(
            f"{type(asking[0]).__name__} asks the generator for more than the fakes: let it be its "
            "own helper, GAN(generator, discriminator, generator_helper=generator)."
        )
    return dict(terms)


def _copy(generator):
    """A model with the same layers and weights, which is not trained."""
    copied = keras.models.clone_model(generator)
    copied.set_weights(generator.get_weights())
    copied.trainable = False
    return copied


def _adam(optimizer):
    return keras.optimizers.get(optimizer or keras.optimizers.Adam(2e-4, beta_1=0.5))


def _both(generator_optimizer, discriminator_optimizer, generators, **kwargs):
    """One optimizer in Keras's eyes: fit, saving and JAX's state then see the moments of both."""
    if generator_optimizer is discriminator_optimizer:
        raise ValueError(
            "Each player needs an optimizer of its own: one object would mix their moments."
        )
    generators = {id(v) for v in generators}
    return keras.optimizers.MultiOptimizer(
        lambda v: generator_optimizer if id(v) in generators else discriminator_optimizer, **kwargs
    )
