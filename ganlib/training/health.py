"""Signs that a training is in trouble, read from the two networks as they are.

`observer` and `measure` read them, `diagnose` names them; `callbacks.HealthMonitor` does it all
while a GAN trains. The signs of one look:

- `doubt`: how hard the discriminator's loss still pulls at its logits,
  `E|dL/dl(x)| + E|dL/dl(G(z))|`. At the equilibrium it is 1 for the usual losses and 2 for hinge;
  it is 0 for a discriminator that is sure of every sample. A Wasserstein critic never is.
- `gradient`: the mean length of the generator's gradient at a sample.
- `spread`: the standard deviation of the samples, in units of that of the data.
- `shift`: the distance of their mean from the mean of the data, in the same units.
- `drift`: the distance of their mean from where it was at the look before, in the same units.
- `checkerboard`: the share of the pixels' variance that lies between the four places in blocks of
  2 x 2, alike in all samples, less that of the data; images only.
- `dead`: the share of a layer's units that a ReLU holds at 0 for every sample, in the layer with
  the largest.
- `generator_weights`, `discriminator_weights`: their norms.

The limits lie between what small networks on digits showed, each at its extreme over windows of
150 rounds, in ten healthy trainings and in five that were broken in the way of the row
(tests/test_health.py). An oscillation needs both drift and shift.

    sign            limit     healthy         broken
    doubt           0.02      above 0.86      below 0.0001
    spread          0.25      above 0.65      below 0.14
    drift           0.6       below 0.52      above 1.0
    shift           0.5       below 0.40      above 1.1
    checkerboard    0.01      below 0.003     above 0.02
    dead            0.8       below 0.02      1

A DCGAN on glyphs crosses those of `doubt` and `spread` in its first hundred rounds, and is well:
ten of them, 1,200 rounds each, raised no alarm (benchmarks/monitor.py).
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from ganlib import backend
from ganlib.gan import GAN
from ganlib.types import Tensor

LIMITS = {
    "doubt": 0.02,
    "spread": 0.25,
    "drift": 0.6,
    "shift": 0.5,
    "checkerboard": 0.01,
    "dead": 0.8,
}

REMEDIES = {
    "non-finite": (
        "a sign is not a number, or infinite",
        "a lower learning rate, or clipped gradients (clipnorm)",
    ),
    "discriminator wins": (
        "it is sure of every sample, and neither player has anything to learn from",
        "a lower learning rate for it, batch norm, or a penalty such as R1; not the minimax loss",
    ),
    "generator collapses": (
        "its samples are nearly alike",
        "a lower learning rate for it, and MinibatchStdDev or packing in the discriminator",
    ),
    "oscillation": (
        "the samples wander from place to place and come no nearer to the data",
        "Adam with beta_1=0 or 0.5, an R1 penalty, or lower learning rates",
    ),
    "checkerboard": (
        "neighbouring pixels alternate in the same way in all samples",
        "transposed convolutions whose kernel is a multiple of their stride, or upsampling",
    ),
    "dead units": (
        "most units of a layer are 0, whatever the sample",
        "a lower learning rate, leaky ReLU, or smaller initial biases",
    ),
}


def observer(gan: GAN) -> Callable[..., dict[str, Tensor]]:
    """A function of (real, latents, labels), tensors, to what the networks make of them.

    It may be called while the GAN trains and changes nothing, not even a seed. The networks are
    used as in training. `labels` are the conditions, ignored if the GAN is not conditional, and
    `latents` if its generator takes none.

    Returns:
        dict of tensors: `fake` (n, ...), and the scalars `doubt`, `gradient` and `dead`.
    """
    generator, discriminator = _with_relus(gan.generator), _with_relus(gan.discriminator)

    def call(model, *inputs):
        """The output in float32, and of each layer with a ReLU the share of units that are 0."""
        outputs = model(inputs[0] if len(model.inputs) == 1 else list(inputs), training=True)
        shares = [
            ops.mean(
                ops.cast(ops.max(maps, axis=tuple(range(len(maps.shape) - 1))) <= 0, "float32")
            )
            for maps in outputs["relus"]
        ]
        return ops.cast(outputs["output"], "float32"), shares

    def judge(x, labels):
        return call(discriminator, gan.augment(x), labels)

    def observe(real, latents, labels):
        n = real.shape[0]
        given = [latents, labels] if gan.latent_dim is not None else [labels]
        fake, generator_dead = call(generator, *given)
        (real_logits, _), (fake_logits, dead) = judge(real, labels), judge(fake, labels)
        pulls = backend.input_gradient(
            lambda logits: gan.rules.discriminator(*ops.split(logits, 2)),
            ops.concatenate([real_logits, fake_logits]),
        )
        paired = [real_logits] if getattr(gan.rules, "paired", False) else []
        gradient = backend.input_gradient(
            lambda x: gan.rules.generator(judge(x, labels)[0], *paired), fake
        )
        lengths = ops.norm(ops.reshape(gradient, (n, -1)), axis=1)
        return {
            "fake": fake,
            "doubt": ops.sum(ops.abs(pulls)),
            "gradient": ops.sum(lengths),
            "dead": ops.max(ops.stack([ops.zeros(()), *generator_dead, *dead])),
        }

    return backend.probe(observe, gan.variables)


def _with_relus(model):
    """`model`, giving the outputs of its layers with a ReLU beside its own."""
    relus = [
        layer.output
        for layer in model.layers
        if isinstance(layer, keras.layers.ReLU)
        or getattr(layer, "activation", None) is keras.activations.relu
    ]
    return keras.Model(model.inputs, {"relus": relus, "output": model.outputs[0]})


def measure(
    real: np.ndarray, fake: np.ndarray, before: np.ndarray | None = None
) -> dict[str, float]:
    """The signs that samples show, dict of floats.

    Args:
        real, fake: float (N, ...) and (n, ...), of one scale.
        before: the `fake` of the look before, from the same latents.
    """
    x, y = (a.reshape(len(a), -1).astype(np.float64) for a in (real, fake))
    unit = np.sqrt(x.var(axis=0).sum())
    signs = {
        "spread": np.sqrt(y.var(axis=0).sum()) / unit,
        "shift": np.linalg.norm(y.mean(axis=0) - x.mean(axis=0)) / unit,
    }
    if before is not None:
        moved = (fake - before).astype(np.float64).mean(axis=0)
        signs["drift"] = np.linalg.norm(moved) / unit
    if real.ndim == 4:
        signs["checkerboard"] = _checkerboard(fake) - _checkerboard(real)
    return {name: float(value) for name, value in signs.items()}


def _checkerboard(images):
    grey = images.mean(axis=3)[:, : images.shape[1] // 2 * 2, : images.shape[2] // 2 * 2]
    n, height, width = grey.shape
    places = grey.reshape(n, height // 2, 2, width // 2, 2).mean(axis=(0, 1, 3))
    return places.var() / max(grey.var(), 1e-12)


def diagnose(history: dict[str, list[float]], looks: int) -> list[str]:
    """The names of what is wrong now, in a list; keys of `REMEDIES`.

    Args:
        history: dict of lists, the signs of all looks so far.
        looks: how many in a row must be bad. An oscillation is looked for in twice as many, of
            which the second half must be no better than the first.
    """
    signs = {name: np.array(values, float) for name, values in history.items()}
    if not all(np.isfinite(values[-1:]).all() for values in signs.values()):
        return ["non-finite"]
    last = {name: values[-looks:] for name, values in signs.items()}
    earlier = {name: values[-2 * looks : -looks] for name, values in signs.items()}

    def stays(name, compare):
        return len(last.get(name, ())) == looks and compare(last[name], LIMITS[name]).all()

    found = []
    if stays("doubt", np.less):
        found.append("discriminator wins")
    # A slow start is not a collapse if the samples grow apart.
    if stays("spread", np.less) and last["spread"][-1] <= 1.5 * last["spread"][0]:
        found.append("generator collapses")
    if (
        len(earlier["shift"]) == looks
        and all(last[name].mean() > LIMITS[name] for name in ("drift", "shift"))
        and last["shift"].mean() > 0.8 * earlier["shift"].mean()
    ):
        found.append("oscillation")
    if stays("checkerboard", np.greater):
        found.append("checkerboard")
    if stays("dead", np.greater):
        found.append("dead units")
    return found
