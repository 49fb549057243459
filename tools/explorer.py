"""Bring a trained class-conditional generator into the reader's browser: the latent explorer.

python tools/explorer.py outputs/biggan-mnist

Reads `generator.keras` and `run.json`, which a full run left in the folder, and writes the files
that the page `book/latent_explorer.md` loads, the figure that stands in for it, and what the tests
compare the browser's pictures with.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import layers, ops

from ganlib import plots
from ganlib.data import to_uint8
from ganlib.models.layers import ConditionalBatchNormalization, SelfAttention, SpectralNormalization

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "book" / "_static" / "explorer"
REFERENCE = ROOT / "tests" / "explorer.npz"
DIRECTIONS = 6  # as many sliders


# ------------------------------------------------------------------------- from Keras to steps


class Translation:
    """A generator [latents, labels] -> images as a list of plain steps, and their weights.

    A step is `{"op": ..., "in": [names], "out": [names], ...}`. Beside its inputs `latents`
    (N, latent_dim) and `classes` (N, classes), the shares of each class, every name is defined by
    an earlier step; the last step makes the images. Spectral normalisation is done here, once: what
    is left of it is a divided kernel.

    Attributes:
        steps: of what a browser has to compute.
        weights: name -> (variable of the generator, what it is divided by).

    Raises:
        ValueError: the generator has a layer that no step stands for.
    """

    def __init__(self, generator):
        latents, labels = generator.inputs
        self.steps, self.weights = [], {}
        self._names = {id(latents): "latents", id(labels): "classes"}
        for operation in generator.operations:
            if not isinstance(operation, layers.InputLayer):
                names = [self._names[id(x)] for x in keras.tree.flatten(operation.input)]
                made = self._translate(operation, names)
                for tensor, name in zip(keras.tree.flatten(operation.output), made, strict=True):
                    self._names[id(tensor)] = name

    def arrays(self):
        """The weights, float32, by name."""
        return {
            name: np.asarray(ops.convert_to_numpy(variable.value / divisor), "float32")
            for name, (variable, divisor) in self.weights.items()
        }

    def _step(self, op, inputs, count=1, **details):
        """Note a step, and hand back the names of what it makes."""
        out = [f"{op}{len(self.steps)}{'abcdefgh'[i] if count > 1 else ''}" for i in range(count)]
        self.steps.append({"op": op, "in": inputs, "out": out, **details})
        return out

    def _weight(self, variable, divisor=1.0):
        name = f"w{len(self.weights)}"
        self.weights[name] = (variable, divisor)
        return name

    def _linear(self, layer, x):
        """A Dense, Conv2D or Embedding layer, spectrally normalised or not."""
        divisor = 1.0
        if isinstance(layer, SpectralNormalization):
            layer, divisor = layer.layer, layer.sigma()
        if isinstance(layer, layers.Embedding):
            return self._step("dense", x, kernel=self._weight(layer.embeddings, divisor))
        details = {"kernel": self._weight(layer.kernel, divisor)}
        if layer.use_bias:
            details["bias"] = self._weight(layer.bias)
        return self._step("dense" if isinstance(layer, layers.Dense) else "conv", x, **details)

    def _normalise(self, layer, x):
        names = {"mean": "moving_mean", "variance": "moving_variance"}
        if layer.scale:
            names.update(gain="gamma", bias="beta")
        weights = {name: self._weight(getattr(layer, own)) for name, own in names.items()}
        return self._step("normalise", x, epsilon=layer.epsilon, **weights)

    def _attention(self, layer, x):
        queries = self._linear(layer.queries, x)
        keys = self._step("pool", self._linear(layer.keys, x))
        values = self._step("pool", self._linear(layer.values, x))
        seen = self._linear(layer.outputs, self._step("attend", queries + keys + values))
        return self._step("add", x + self._step("scale", seen, by=self._weight(layer.gain)))

    def _translate(self, layer, x):
        """The steps of a layer or an operation on the names `x`, and the names of its results."""
        match layer:
            case SpectralNormalization() | layers.Dense() | layers.Conv2D() | layers.Embedding():
                return self._linear(layer, x)
            case ConditionalBatchNormalization():
                x, condition = x[:1], x[1:]
                gain, bias = (self._linear(each, condition) for each in (layer.gain, layer.bias))
                return self._step("modulate", self._normalise(layer.normalise, x) + gain + bias)
            case layers.BatchNormalization():
                return self._normalise(layer, x)
            case SelfAttention():
                return self._attention(layer, x)
            case layers.Activation() if layer.activation.__name__ in ("relu", "tanh"):
                return self._step(layer.activation.__name__, x)
            case layers.Reshape():
                return self._step("reshape", x, shape=list(layer.target_shape))
            case layers.UpSampling2D():
                return self._step("upsample", x)
            case layers.Add():
                return self._step("add", x)
            case layers.Concatenate():
                return self._step("concatenate", x)
            case _ if type(layer).__name__ == "Split":
                return self._step("split", x, count=layer.indices_or_sections)
        raise ValueError(f"The explorer has no step for {type(layer).__name__} ({layer.name}).")


def from_classes(generator):
    """The generator with shares of classes (N, classes) in place of labels (N,)."""
    copy = keras.models.clone_model(generator)
    copy.set_weights(generator.get_weights())
    embedding = copy.get_layer("embedding")
    inner = keras.Model([copy.inputs[0], embedding.output], copy.output)
    table = ops.convert_to_numpy(embedding.embeddings)
    return lambda latents, classes: ops.convert_to_numpy(
        inner([latents, (classes @ table).astype("float32")], training=False)
    )


# --------------------------------------------------------------------------------- directions


def metric(draw, latents, classes, step=0.05):
    """The mean over latents of J^T J, J the derivative of the image in the latents (D, D).

    For a short step `s`, `s @ metric @ s` is the mean squared distance by which the image moves.
    Central differences, `step` to either side.
    """
    width = latents.shape[1]
    offsets = step * np.eye(width, dtype="float32")
    total = np.zeros((width, width))
    for z, c in zip(latents, classes, strict=True):
        around = np.concatenate([z + offsets, z - offsets])
        images = draw(around, np.repeat(c[None], 2 * width, axis=0)).reshape(2 * width, -1)
        jacobian = (images[:width] - images[width:]) / (2 * step)
        total += jacobian.astype("float64") @ jacobian.T
    return total / len(latents)


def directions(matrix):
    """Its leading eigenvectors (DIRECTIONS, D), and their shares of its trace."""
    values, vectors = np.linalg.eigh(matrix)
    leading = vectors[:, ::-1][:, :DIRECTIONS].T
    signs = np.sign(leading[np.arange(DIRECTIONS), np.abs(leading).argmax(axis=1)])
    return leading * signs[:, None], values[::-1][:DIRECTIONS] / values.sum()


# ------------------------------------------------------------------------------------- output


def network(generator):
    """What a browser has to know of a generator to draw with it, and its weights as bytes."""
    translation = Translation(generator)
    arrays = translation.arrays()
    data = b"".join(array.astype("<f4").tobytes() for array in arrays.values())
    description = {
        "latentDim": generator.inputs[0].shape[1],
        "classes": generator.get_layer("embedding").input_dim,
        "imageShape": list(generator.output.shape[1:]),
        "steps": translation.steps,
        "shapes": {name: list(array.shape) for name, array in arrays.items()},
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return description, data


def sliders(generator, count=200):
    """The directions that the page offers: from `count` draws, the classes in turn."""
    classes = generator.get_layer("embedding").input_dim
    size = (count, generator.inputs[0].shape[1])
    latents = np.random.default_rng(0).standard_normal(size, dtype="float32")
    shares = np.eye(classes)[np.arange(count) % classes]
    found, of_trace = directions(metric(from_classes(generator), latents, shares))
    return {"directions": np.round(found, 6).tolist(), "shares": np.round(of_trace, 4).tolist()}


def origin(run):
    """What the page keeps of a run's `run.json`."""
    kept = {key: run[key] for key in ("parameters", "started", "versions")}
    return {"name": Path(run["file"]).stem, "revision": run["git"]["revision"], **kept}


def write_scripts(description, data):
    """Scripts, not data files: a page that was opened as a file may load only these."""
    lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in description.items())
    head = "(globalThis.ganexplorer ??= {})"
    (FOLDER / "generator.js").write_text(f"{head}.generator = {{\n{lines}\n}};\n")
    text = base64.b64encode(data).decode()
    (FOLDER / "weights.js").write_text(f'{head}.weights =\n  "{text}";\n')


def write_reference(generator):
    """What Keras makes of every class, and of six mixtures of two classes."""
    latent_dim = generator.inputs[0].shape[1]
    classes = generator.get_layer("embedding").input_dim
    rng = np.random.default_rng(1)
    latents = rng.standard_normal((classes + 6, latent_dim), dtype="float32")
    latents[::4] *= 0.3  # short ones too, as truncation makes them
    shares = np.eye(classes, dtype="float32")[rng.integers(classes, size=(2, classes + 6))]
    shares[:, :classes] = np.eye(classes)
    t = rng.random((classes + 6, 1), dtype="float32")
    shares = t * shares[0] + (1 - t) * shares[1]
    images = from_classes(generator)(latents, shares)
    labelled = [latents[:classes], np.arange(classes)]
    np.testing.assert_allclose(generator.predict(labelled, verbose=0), images[:classes], atol=1e-5)
    np.savez_compressed(REFERENCE, latents=latents, classes=shares, images=images)


def write_figure(generator, ways):
    """What the page shows: the classes, two directions, a walk of latents, a walk of classes."""
    draw, classes = from_classes(generator), generator.get_layer("embedding").input_dim
    rng = np.random.default_rng(7)
    a, b = rng.standard_normal((2, 1, generator.inputs[0].shape[1]), dtype="float32")
    t, hot = np.linspace(0, 1, 10)[:, None], np.eye(classes)
    rows = {
        "class": (a + 0 * t, hot[np.arange(10) % classes]),
        "direction 1": (a + (6 * t - 3) * ways[0], hot[[4] * 10]),
        "direction 2": (a + (6 * t - 3) * ways[1], hot[[4] * 10]),
        "latent": (np.cos(t * np.pi / 2) * a + np.sin(t * np.pi / 2) * b, hot[[2] * 10]),
        "class, slowly": (a + 0 * t, (1 - t) * hot[3] + t * hot[8]),
    }
    pictures = [draw(z.astype("float32"), shares) for z, shares in rows.values()]
    plots.use_style()
    plots.image_rows([to_uint8(images) for images in pictures], list(rows))
    plt.savefig(FOLDER / "still.png", dpi=140)


def main(folder):
    """Read a run's folder, and write the explorer's files."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if run["status"] != "completed" or run["git"]["dirty"]:
        sys.exit(f"{folder}: not a completed run of committed code.")
    generator = keras.models.load_model(folder / "generator.keras", compile=False)
    FOLDER.mkdir(exist_ok=True)
    description, data = network(generator)
    description = {"run": origin(run), **description, **sliders(generator)}
    write_scripts(description, data)
    write_reference(generator)
    write_figure(generator, np.array(description["directions"]))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
