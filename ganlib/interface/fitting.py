"""How a GAN goes through Keras's `fit`: what is looked at before, and what Keras is told."""

import contextlib
from typing import Any, NoReturn

import keras
from keras import ops

from ganlib import backend
from ganlib.interface import feed, watch
from ganlib.internals import Fed


class Fitted(Fed):
    """A model that plays rounds with the batches that `fit` is given; `ganlib.GAN` is the model."""

    looked: bool = False  # at a batch, by `train_on_batch`

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        **kwargs: Any,
    ) -> keras.callbacks.History:
        """Keras's `fit`, which looks at the first batch and at every loss.

        It runs within `callback.around(gan, x)` of every callback that has this method, a context,
        which may give the epoch to begin with.

        Raises:
            ValueError: a validation set or weights are given, or the data are no samples such as
                the generator makes; images are float32 in [-1, 1].
            FloatingPointError: a loss is NaN or infinite; it names the step, the player and what to
                try.
        """
        _demand_compiled(self)
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
                    epoch = contexts.enter_context(callback.around(self, x))
                    kwargs |= {"initial_epoch": epoch} if epoch else {}
            contexts.enter_context(feed.batches_told(x, self.n_critic))
            contexts.callback(setattr, self, "feed", None)  # it holds the data
            return super().fit(x, y, callbacks=callbacks, **kwargs)

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> dict[str, Any] | list:
        """Play one round with a batch, and return its losses and accuracies; raises as `fit`."""
        _demand_compiled(self)
        feed.without_weights(sample_weight=sample_weight, class_weight=class_weight)
        if not self.looked:
            feed.look(self, (x,) if y is None else (x, y))
            self.looked = True
        logs = super().train_on_batch(x, y, return_dict=True)
        watch.raise_unless_finite(logs, self.classes)
        return logs if return_dict else [logs[metric.name] for metric in self.metrics]

    def train_step(self, *args: Any) -> Any:
        return backend.train_step(self, self._step, *args)

    def _step(self, data):
        """Play a round with a batch, cut into n_critic parts, and return the means of its logs."""
        real_images, condition, _ = keras.utils.unpack_x_y_sample_weight(data)
        n = real_images.shape[0] or ops.shape(real_images)[0]  # unknown while Keras traces arrays
        if isinstance(n, int):
            feed.divide(n, self.n_critic)
        parts = {"real_images": ops.cast(real_images, "float32")}
        if self.latent_dim is not None:
            parts["latents"] = backend.own_rows(
                lambda rows: keras.random.normal((rows, self.latent_dim), seed=self.seed_generator),
                n,
            )
        stray = False
        if self.condition is not None:
            parts["conditions"], stray = feed.training_condition(self, condition)
        logs = self.round(**{name: ops.split(x, self.n_critic) for name, x in parts.items()})
        if self.classes:
            for name, sign in watch.STRAY_LABELS.items():
                logs[name] = ops.where(stray, sign, logs[name])
        for name, value in logs.items():
            self.means[name].update_state(value)
        return self.get_metrics_result()

    def evaluate(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise ValueError: nothing is measured on data that the players do not train on."""
        raise ValueError(feed.NO_VALIDATION)

    test_on_batch = evaluate


def _demand_compiled(gan):
    if not gan.compiled:
        raise ValueError("A GAN has no rules yet: call `compile` before it trains.")
