"""What differs between TensorFlow, JAX and PyTorch; the only file that imports any of them.

Keras chooses the backend from `KERAS_BACKEND` (TensorFlow if unset). A training round needs some
things of it that Keras does not offer in common:

- `pullback`, `input_gradient`: derivatives with respect to variables and to images;
- `train_step`: JAX wants a pure function of the whole state, the others a method that changes it;
- `own_rows`, `own_share`, `of_all_rows`: under `tf.distribute` every replica runs the round on its
  part of the batch, and optimizers add up their gradients; on JAX one program sees the whole batch.

The second half of the file serves what goes on around the rounds: `fit`, checkpoints, `health`.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import keras

from ganlib.types import Tensor

NAME = keras.config.backend()
if NAME == "tensorflow":
    import tensorflow as tf
elif NAME == "jax":
    import jax
elif NAME == "torch":
    import torch
else:
    raise ImportError(
        f"ganlib runs on tensorflow, jax or torch, not on {NAME!r}: set KERAS_BACKEND."
    )


def _zeros_for_none(gradients, inputs):
    return [
        keras.ops.zeros_like(x) if g is None else g for g, x in zip(gradients, inputs, strict=True)
    ]


if NAME == "tensorflow":

    def pullback(function, variables, state, inputs=()):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*(v.value for v in variables), *inputs])
            output, aux = function(*inputs)

        def pull(cotangent=None):
            sources = [*variables, *inputs]
            gradients = tape.gradient(output, sources, output_gradients=cotangent)
            # An embedding's is sparse: optimizers would treat it otherwise than the other backends.
            gradients = [
                tf.convert_to_tensor(g) if isinstance(g, tf.IndexedSlices) else g for g in gradients
            ]
            n = len(variables)
            return gradients[:n] + _zeros_for_none(gradients[n:], inputs)

        return output, aux, pull

    def input_gradient(function, inputs):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            output = function(inputs)
        return tape.gradient(output, inputs)

elif NAME == "torch":

    def pullback(function, variables, state, inputs=()):
        inputs = [x.detach().requires_grad_() for x in inputs]
        output, aux = function(*inputs)

        def pull(cotangent=None):
            sources = [*(v.value for v in variables), *inputs]
            gradients = list(torch.autograd.grad(output, sources, cotangent, allow_unused=True))
            n = len(variables)
            return gradients[:n] + _zeros_for_none(gradients[n:], inputs)

        return output, aux, pull

    def input_gradient(function, inputs):
        if not inputs.requires_grad:  # what depends on others goes on doing so
            inputs = inputs.detach().requires_grad_()
        return torch.autograd.grad(function(inputs), inputs, create_graph=True)[0]

else:

    def pullback(function, variables, state, inputs=()):
        # A Keras scope shows only what it was given, so it is given all of `state`.
        before = [(v, v.value) for v in state]

        def pure(values, *inputs):
            replaced = zip(variables, values, strict=True)
            with keras.StatelessScope(state_mapping=[*before, *replaced]) as scope:
                output, aux = function(*inputs)
            return output, (aux, [scope.get_current_value(v) for v in state])

        output, pull, (aux, values) = jax.vjp(
            pure, [v.value for v in variables], *inputs, has_aux=True
        )
        kept = {id(v) for v in variables}
        for variable, value in zip(state, values, strict=True):
            if id(variable) not in kept:
                variable.assign(value)

        def pulled(cotangent=None):
            of_variables, *of_inputs = pull(
                jax.numpy.ones_like(output) if cotangent is None else cotangent
            )
            return [*of_variables, *of_inputs]

        return output, aux, pulled

    def input_gradient(function, inputs):
        return jax.grad(function)(inputs)


pullback.__doc__ = """Run `function(*inputs)` and return `(output, aux, pull)`.

    Args:
        function: of the inputs, to `(output, aux)`; only `output`, a tensor, is differentiated.
        variables: the Keras variables to differentiate with respect to.
        state: every Keras variable that `function` may read or assign (JAX needs to know).
        inputs: float tensors to differentiate with respect to as well.

    `pull(cotangent)` returns the gradients of `sum(output * cotangent)`, one for each variable and
    then one for each input; without an argument the cotangent is one. A variable that the output
    does not depend on has none, None, but for JAX, where it is zero; Keras's optimizers warn and
    leave it. Call it once.
    """
input_gradient.__doc__ = """Return the gradient of the scalar `function(inputs)` with respect to
`inputs`, itself differentiable."""


def train_step(model: keras.Model, step: Callable, *args: Any) -> Any:
    """Run `step(data)`, which assigns variables, as Keras's `train_step` must.

    On JAX `state` comes before the data and the new state goes back beside the logs.
    """
    if NAME == "jax":
        return _stateless_step(model, step, *args)
    logs = step(*args)
    if NAME == "tensorflow" and on_many_machines(model):
        # Keras averages the logs of several machines over an axis, and a scalar has none.
        logs = {name: value[None] for name, value in logs.items()}
    return logs


def _stateless_step(model, step, state, data):
    groups = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    mapping = [
        pair
        for variables, values in zip(groups, state, strict=True)
        for pair in zip(variables, values, strict=True)
    ]
    with keras.StatelessScope(state_mapping=mapping) as scope:
        logs = step(data)
    return logs, tuple([scope.get_current_value(v) for v in variables] for variables in groups)


def on_many_machines(model: keras.Model) -> bool:
    """Whether a compiled model trains in several processes at once."""
    if NAME == "tensorflow":
        return model.distribute_strategy.extended._in_multi_worker_mode()
    return NAME == "jax" and jax.process_count() > 1


def _replica():
    """How many replicas share a step, and which of them this is."""
    context = tf.distribute.get_replica_context() if NAME == "tensorflow" else None
    if context is None:  # also in a strategy's scope, but outside of a step
        return 1, 0
    return context.num_replicas_in_sync, context.replica_id_in_sync_group


def own_rows(draw: Callable[[Any], Tensor], n: Any) -> Tensor:
    """Random rows of this replica of a training: its `n` of `draw(n * replicas)`.

    Together the replicas draw what a single device would.
    """
    replicas, index = _replica()
    if replicas == 1:
        return draw(n)
    rows = draw(n * replicas)
    return tf.reshape(rows[index * n : (index + 1) * n], (n, *rows.shape[1:]))


def own_share(gradients: list) -> list:
    """A replica's gradients, such that their sum over all replicas is the mean."""
    replicas, _ = _replica()
    if replicas == 1:
        return gradients
    return [None if g is None else g / replicas for g in gradients]


def of_all_rows(n: Any, mean: Tensor) -> tuple[Any, Tensor]:
    """How many rows the whole batch has, and the mean over them, of a replica's `n` and theirs."""
    replicas, _ = _replica()
    if replicas == 1:
        return n, mean
    context = tf.distribute.get_replica_context()
    return n * replicas, context.all_reduce(tf.distribute.ReduceOp.MEAN, mean)


# --- Around the rounds ------------------------------------------------------------------------


def repeat_trainings() -> None:
    """Set the backend so that equal trainings end with equal weights; see `ganlib.repeatable`."""
    if NAME == "tensorflow":
        tf.config.list_physical_devices()  # looks for a GPU, and complains, now rather than later
        # With the first of these passes over its graphs TensorFlow 2.21 does not always train
        # alike: from one state 3 of 200 trainings of a small GAN ended with other weights, without
        # it none (benchmarks/repeat.py). The second then writes errors to stderr. A round takes as
        # long without them.
        tf.config.optimizer.set_experimental_options(
            {"dependency_optimization": False, "remapping": False}
        )


def groups_are_quick() -> bool:
    """Whether a convolution in groups takes no longer here than as many small ones."""
    if NAME == "tensorflow":
        return bool(tf.config.list_physical_devices("GPU"))
    return NAME == "torch" or jax.default_backend() != "cpu"


def shares_batches(model: keras.Model) -> bool:
    """Whether a process sees no more than a part of the batches, or in parts."""
    replicas = NAME == "tensorflow" and model.distribute_strategy.num_replicas_in_sync
    return replicas > 1 or on_many_machines(model)


def check_shares(model: keras.Model, data: Any) -> None:
    """Raise ValueError if the replicas' shares of the batches of a tf.data set may differ in size:
    the mean of their gradients would then not be the batch's."""
    replicas = model.distribute_strategy.num_replicas_in_sync
    if replicas == 1 or isinstance(data, tf.distribute.DistributedDataset):  # shared already
        return
    for spec in tf.nest.flatten(data.element_spec):
        size = spec.shape[0]
        if size is None or size % replicas:
            raise ValueError(
                f"{replicas} replicas share every batch equally, the last one as well, but a "
                f"batch has {size or 'an unknown number of'} rows: take a multiple of "
                f"{replicas}, and drop_remainder=True with data of your own."
            )


def iterate(batches: list, like: Any) -> Iterator:
    """An iterator over a list of batches that were taken from the iterator `like`.

    It is for a compiled step that takes `like`: on TensorFlow of the same type, or the step would
    be traced again.
    """
    if NAME != "tensorflow":
        return iter(batches)

    @tf.autograph.experimental.do_not_convert
    def loosely(*batch):  # of no certain shape where other batches may have another
        pairs = zip(tf.nest.flatten(batch), tf.nest.flatten(like.element_spec), strict=True)
        return tf.nest.pack_sequence_as(
            like.element_spec,
            [tf.compat.v1.placeholder_with_default(tensor, s.shape) for tensor, s in pairs],
        )

    sets = [tf.data.Dataset.from_tensors(batch) for batch in batches]
    data = functools.reduce(lambda one, other: one.concatenate(other), sets)
    if data.element_spec != like.element_spec:
        data = data.map(loosely)
    options = tf.data.Options()
    options.autotune.enabled = False  # see `ganlib.data.batches`
    return iter(data.with_options(options))


def probe(function: Callable, state: list[keras.Variable]) -> Callable:
    """Return `function`, compiled where the backend compiles, to be called on tensors while the
    variables change.

    What it assigns, such as batch norm's moving statistics or the state of a seed, is lost: to look
    changes nothing.

    Args:
        function: of tensors, to tensors.
        state: every Keras variable that it may read or assign.
    """
    if NAME == "jax":

        @jax.jit
        def pure(values, *args):
            with keras.StatelessScope(list(zip(state, values, strict=True))):
                return function(*args)

        return lambda *args: pure([v.value for v in state], *args)

    # Keras's dropout draws from PyTorch's own generator.
    apart = torch.random.fork_rng if NAME == "torch" else contextlib.nullcontext

    def observed(*args):
        with apart(), keras.StatelessScope():
            return function(*args)

    return tf.function(observed, autograph=False) if NAME == "tensorflow" else observed


def random_state() -> list:
    """State of random numbers that no Keras variable holds, since Keras's dropout on PyTorch draws
    from PyTorch's own seed: a list of arrays, empty but for PyTorch."""
    if NAME != "torch":
        return []
    return [state.numpy() for state in (torch.get_rng_state(), *torch.cuda.get_rng_state_all())]


def set_random_state(arrays: list) -> None:
    """Put back what `random_state` returned; of another backend or machine, nothing."""
    if len(arrays) == len(random_state()) > 0:
        first, *others = map(torch.from_numpy, arrays)
        torch.set_rng_state(first)
        torch.cuda.set_rng_state_all(others)
