"""Signs that a training is in trouble, and which cause to look at first.

`observer`, `measure`, `moves` and `outside` read the signs from the two networks as they are, and
`diagnose` ranks what they mean; `callbacks.HealthMonitor` does it all while a GAN trains. Each ill
of `ILLS` is one sign that has been on the wrong side of a limit for long. The signs of one look:

- `outside`: the share of the data that the generator's last layer cannot make.
- `generator_moves`, `discriminator_moves`: how far the weights of a player went since the look
  before, in units of their length.
- `dead`: the share of a layer's units that a ReLU holds at 0 for every sample, in the layer with
  the largest.
- `doubt`: how hard the discriminator's loss still pulls at its logits,
  `E|dL/dl(x)| + E|dL/dl(G(z))|`. At the equilibrium it is 1 for the usual losses and 2 for hinge;
  it is 0 for a discriminator that is sure of every sample. A Wasserstein critic never is.
- `gradient`: the mean length of the generator's gradient at a sample.
- `spread`, `swing`, `kinds`, `obedience`, `checkerboard`, `copies`: of the samples, by the
  functions of these names.

The limits lie between what GANs showed that are well and that were broken in the way of the row,
each at its extreme over windows of its patience, looks every 25 rounds, patience 150 rounds, five
seeds each: small dense networks on digits and on points, with seven losses and penalties
(benchmarks/doctor.py).

    sign          limit     well           broken
    moves         1e-6      above 0.01     0
    dead          0.8       below 0.3      1
    doubt         0.02      above 0.57     below 0.00002
    spread        0.2       above 0.34     below 0.11
    swing         3.8       below 3.4      above 4.2
    kinds         0.4       above 0.46     below 0.3
    obedience     0.65      above 0.7      below 0.3
    checkerboard  0.02      below 0.014    above 0.032
    copies        0.1       0              above 0.2
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from ganlib import backend
from ganlib.gan import GAN
from ganlib.interface import networks
from ganlib.internals import made_by
from ganlib.types import Tensor


class Ill(NamedTuple):
    """What can be wrong: the sign that shows it, and on which side of a limit the sign is bad."""

    sign: str
    bad: Callable
    limit: float
    seen: str
    remedy: str
    patience: int = 1  # in units of the monitor's; more where many a training begins badly


ILLS = {
    "data out of range": Ill(
        "outside",
        np.greater,
        0.01,
        "the generator's last layer cannot make such numbers",
        "2 * images - 1 for images in [0, 1], data.scale for bytes; or another last layer",
    ),
    "generator stands still": Ill(
        "generator_moves",
        np.less,
        1e-6,
        "its weights do not change",
        "a look at its learning rate and its schedule, and at which weights are trainable",
    ),
    "discriminator stands still": Ill(
        "discriminator_moves",
        np.less,
        1e-6,
        "its weights do not change",
        "a look at its learning rate and its schedule, and at which weights are trainable",
    ),
    "dead units": Ill(
        "dead",
        np.greater,
        0.8,
        "most units of a layer are 0, whatever the sample",
        "initial biases of 0",
    ),
    "discriminator wins": Ill(
        "doubt",
        np.less,
        0.02,
        "it is sure of every sample, and neither player has anything to learn from",
        "a lower learning rate for it, or an R1 penalty",
    ),
    "generator collapses": Ill(
        "spread",
        np.less,
        0.2,
        "its samples are nearly alike",
        "a lower learning rate for it, and a higher one for the discriminator",
    ),
    "oscillation": Ill(
        "swing",
        np.greater,
        3.8,
        "the samples move together, farther than they lie apart",
        "Adam with beta_1=0 or 0.5, an R1 penalty, or lower learning rates",
    ),
    "kinds are missing": Ill(
        "kinds",
        np.less,
        0.4,
        "the samples are of few of the kinds that the data have",
        "a look at whether `fit` is given all classes, and shuffled",
        patience=4,
    ),
    "labels are not obeyed": Ill(
        "obedience",
        np.less,
        0.65,
        "the samples for a label look like the data of other labels",
        "a look at whether images and labels are still in the same order",
        patience=6,
    ),
    "checkerboard": Ill(
        "checkerboard",
        np.greater,
        0.02,
        "neighbouring pixels alternate in the same way in all samples",
        "transposed convolutions whose kernel is a multiple of their stride, or upsampling",
        patience=2,
    ),
    "memorising": Ill(
        "copies",
        np.greater,
        0.1,
        "many samples are copies of images of the data",
        "more data, or changed ones: `GAN.compile(augment=...)`",
        patience=2,
    ),
}

NOT_FINITE = "a sign is not a number, or infinite", "a lower learning rate, or clipped gradients"


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
    """`model`, giving the outputs of its layers with a ReLU beside its own.

    A model inside it is not looked into.
    """
    relus, todo, seen = [], [model.outputs[0]], set()
    while todo:
        tensor = todo.pop()
        if id(tensor) not in seen:
            seen.add(id(tensor))
            layer, sources = made_by(tensor)
            todo += sources
            activation = getattr(layer, "activation", None)
            if isinstance(layer, keras.layers.ReLU) or activation is keras.activations.relu:
                relus.append(tensor)
    return keras.Model(model.inputs, {"relus": relus, "output": model.outputs[0]})


def measure(
    real: np.ndarray,
    fake: np.ndarray,
    before: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> dict[str, float]:
    """The signs that samples show, dict of floats; those that can be had of what is given.

    Args:
        real, fake: float (N, ...) and (n, ...), of one scale.
        before: the `fake` of the look before, from the same latents.
        labels: whole numbers (N,), of the real ones; the first n are those of `fake` as well.
    """
    signs: dict[str, float | None] = {"spread": spread(real, fake), "kinds": kinds(real, fake)}
    if before is not None:
        signs["swing"] = swing(fake, before)
    if real.ndim == 4:
        signs["checkerboard"] = checkerboard(real, fake)
        signs["copies"] = copies(real, fake)
    if labels is not None:
        signs["obedience"] = obedience(real, fake, labels)
    return {name: value for name, value in signs.items() if value is not None}


def _rows(samples):
    return samples.reshape(len(samples), -1).astype(np.float32)


def _deviation(rows):
    return np.sqrt(rows.var(axis=0).sum())


def _nearest(x, centres):
    """The index of the centre that is nearest to each row."""
    return ((centres**2).sum(axis=1) - 2 * x @ centres.T).argmin(axis=1)


def _distances(x, y):
    """Between the rows of x (n, d) and those of y (m, d), (n, m)."""
    squares = (x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T
    return np.sqrt(np.maximum(squares, 0))


def spread(real: np.ndarray, fake: np.ndarray) -> float:
    """The standard deviation of the samples, in units of that of the data."""
    return float(_deviation(_rows(fake)) / max(_deviation(_rows(real)), 1e-12))


def swing(fake: np.ndarray, before: np.ndarray) -> float:
    """How far the mean of the samples went since the look before, in units of their deviation."""
    x, y = _rows(before), _rows(fake)
    way = np.linalg.norm(y.mean(axis=0) - x.mean(axis=0))
    return float(way / max(_deviation(y), 1e-12))


def checkerboard(real: np.ndarray, fake: np.ndarray) -> float:
    """The share of the pixels' variance that lies between the four places in blocks of 2 x 2, alike
    in all samples, less that of the data, both images (N, H, W, C)."""
    return float(_between_places(fake) - _between_places(real))


def _between_places(images):
    grey = images.mean(axis=3)[:, : images.shape[1] // 2 * 2, : images.shape[2] // 2 * 2]
    n, height, width = grey.shape
    places = grey.reshape(n, height // 2, 2, width // 2, 2).mean(axis=(0, 1, 3))
    return places.var() / max(grey.var(), 1e-12)


def kinds(real: np.ndarray, fake: np.ndarray) -> float:
    """How many kinds the samples have, over how many the data have.

    A kind is one of ten groups into which k-means puts the data; their number is the exponential of
    the entropy of their shares. One class of ten classes of digits counts as 0.1 to 0.5 of them.
    """
    x, y = _rows(real), _rows(fake)
    centres = x[:: -(-len(x) // 10)]
    for _ in range(10):
        nearest = _nearest(x, centres)
        centres = np.stack([x[nearest == k].mean(axis=0) for k in np.unique(nearest)])

    def number(rows):
        shares = np.bincount(_nearest(rows, centres)) / len(rows)
        shares = shares[shares > 0]
        return np.exp(-(shares * np.log(shares)).sum())

    return float(number(y) / number(x))


def copies(real: np.ndarray, fake: np.ndarray) -> float | None:
    """The share of the samples that lie closer to one of the data than half its distance to any
    other; None if all the data are alike. Data that occur twice count once."""
    x, y = np.unique(_rows(real), axis=0), _rows(fake)
    if len(x) < 2:
        return None
    found = _distances(y, x)
    nearest = found.argmin(axis=1)
    apart = _distances(x[nearest], x)
    apart[np.arange(len(y)), nearest] = np.inf
    return float((found.min(axis=1) < apart.min(axis=1) / 2).mean())


def obedience(real: np.ndarray, fake: np.ndarray, labels: np.ndarray) -> float | None:
    """How often the mean of the data of its label is the nearest to a sample, over how often to one
    of the data; None where it is the nearest to fewer than 60% of these.

    The means are of the data whose labels no sample has: `labels[len(fake):]`.
    """
    x, y, n, labels = _rows(real), _rows(fake), len(fake), labels.ravel()
    classes = np.unique(labels[n:])
    if not len(classes):
        return None
    means = np.stack([x[n:][labels[n:] == label].mean(axis=0) for label in classes])
    found = (classes[_nearest(rows, means)] for rows in (x[:n], y))
    right, obeyed = ((label == labels[:n]).mean() for label in found)
    return float(obeyed / right) if right > 0.6 else None


def outside(real: np.ndarray, generator: keras.Model) -> float:
    """The share of the data that the generator's last layer cannot make, if it ends in a tanh or a
    sigmoid; 1 if it ends in a tanh and the data are never negative."""
    ending = networks.ends_in(generator)
    least, most = {"tanh": (-1, 1), "sigmoid": (0, 1)}.get(ending, (-np.inf, np.inf))
    if ending == "tanh" and real.min() >= 0:
        return 1.0
    return float(((real < least - 1e-3) | (real > most + 1e-3)).mean())


def moves(weights: list[np.ndarray], before: list[np.ndarray]) -> float:
    """How far weights went, in units of their length; 0 of no weights."""
    squares = [[(w**2).sum(), ((w - b) ** 2).sum()] for w, b in zip(weights, before, strict=True)]
    length, way = np.sum([[1e-30, 0], *squares], axis=0)
    return float(np.sqrt(way / length))


def diagnose(history: dict[str, list[float]], looks: int) -> list[str]:
    """What is wrong now, keys of `ILLS`, in a list: the cause to look at first, then other signs.

    First is what could be named first, for a cause comes before what it causes; of those that could
    be at once, the first in `ILLS`.

    Args:
        history: dict of lists, the signs of all looks so far.
        looks: how many in a row must be bad, times the ill's own `patience`.
    """
    signs = {name: np.array(values, float) for name, values in history.items()}
    if not all(np.isfinite(values[-1:]).all() for values in signs.values()):
        return ["non-finite"]
    named = {}  # how many looks ago
    for name, ill in ILLS.items():
        values = signs.get(ill.sign, np.zeros(0))
        lasted = np.cumprod(ill.bad(values, ill.limit)[::-1]).sum()
        named[name] = lasted - ill.patience * looks
    return sorted((name for name in ILLS if named[name] >= 0), key=lambda name: -named[name])
