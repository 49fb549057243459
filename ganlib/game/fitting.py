"""How a GAN goes through Keras's `fit`: what is looked at before, and what Keras is told."""

import contextlib
from typing import Any, NoReturn

import keras

from ganlib.game import feed, watch
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
            contexts.enter_context(feed.uneven_batches_told(self.n_critic))
            contexts.enter_context(feed.unread_files_told(x))
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

    def evaluate(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise ValueError: nothing is measured on data that the players do not train on."""
        raise ValueError(feed.NO_VALIDATION)

    test_on_batch = evaluate


def _demand_compiled(gan):
    if not gan.compiled:
        raise ValueError("A GAN has no rules yet: call `compile` before it trains.")
