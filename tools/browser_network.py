"""What the live pages share: a network of Keras's as plain steps, which a browser can execute.

`book/_static/live/network.js` executes them. `tools/explorer.py`, `tools/translator.py` and
`tools/alphabet.py` write what their pages load.
"""

import base64
import hashlib
import json
import re
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from ganlib.models.layers import ConditionalBatchNormalization, SelfAttention, SpectralNormalization
from ganlib.models.r3gan import Basis, GroupedConv2D
from ganlib.models.resampling import Resampled


class Translation:
    """A network as a list of plain steps, and their weights.

    A step is `{"op": ..., "in": [names], "out": [names], ...}`. Beside the inputs every name is
    defined by an earlier step; the last step makes what the network makes. Spectral normalisation
    is done here, once: what is left of it is a divided kernel. Dropout, in use, leaves nothing out,
    and no step stands for it.

    Args:
        model: a functional model of one output.
        inputs: the names that its inputs get in the steps.

    Attributes:
        steps: of what a browser has to compute.
        weights: name -> (variable of the network, what it is divided by).

    Raises:
        ValueError: the network has a layer that no step stands for.
    """

    def __init__(self, model, inputs):
        self.steps, self.weights = [], {}
        self._names = {id(x): name for x, name in zip(model.inputs, inputs, strict=True)}
        for operation in model.operations:
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
        """A Dense, Embedding or convolutional layer, spectrally normalised or not."""
        divisor = 1.0
        if isinstance(layer, SpectralNormalization):
            layer, divisor = layer.layer, layer.sigma()
        if isinstance(layer, layers.Embedding):
            return self._step("dense", x, kernel=self._weight(layer.embeddings, divisor))
        details = {"kernel": self._weight(layer.kernel, divisor)}
        if layer.use_bias:
            details["bias"] = self._weight(layer.bias)
        if isinstance(layer, layers.Dense):
            return self._activated(layer, self._step("dense", x, **details))
        if layer.strides != (1, 1):
            details["stride"] = list(layer.strides)
        if layer.padding != "same":
            details["padding"] = layer.padding
        if getattr(layer, "groups", 1) > 1:
            details["groups"] = layer.groups
        op = "transposed" if isinstance(layer, layers.Conv2DTranspose) else "conv"
        return self._activated(layer, self._step(op, x, **details))

    def _activated(self, layer, x):
        """What a layer makes of the names `x` by its activation."""
        name = layer.activation.__name__
        if name not in ("linear", "relu", "tanh"):
            raise ValueError(f"A live page has no step for {name} ({layer.name}).")
        return x if name == "linear" else self._step(name, x)

    def _normalise(self, op, layer, x):
        """By the statistics that batch norm keeps, or by those of each image."""
        names = {"gain": layer.gamma} if layer.scale else {}
        names |= {"bias": layer.beta} if layer.center else {}
        if op == "normalise":
            names = {"mean": layer.moving_mean, "variance": layer.moving_variance} | names
        weights = {name: self._weight(variable) for name, variable in names.items()}
        return self._step(op, x, epsilon=layer.epsilon, **weights)

    def _attention(self, layer, x):
        queries = self._linear(layer.queries, x)
        keys = self._step("pool", self._linear(layer.keys, x))
        values = self._step("pool", self._linear(layer.values, x))
        seen = self._linear(layer.outputs, self._step("attend", queries + keys + values))
        return self._step("add", x + self._step("scale", seen, by=self._weight(layer.gain)))

    def _translate(self, layer, x):
        """The steps of a layer or an operation on the names `x`, and the names of its results."""
        match layer:
            case SpectralNormalization() | layers.Dense() | layers.Embedding():
                return self._linear(layer, x)
            case layers.Conv2D() if _plain(layer) or type(layer) is GroupedConv2D:
                return self._linear(layer, x)
            case layers.Conv2DTranspose() if _plain(layer) and layer.padding == "same":
                return self._linear(layer, x)
            case ConditionalBatchNormalization():
                x, condition = x[:1], x[1:]
                gain, bias = (self._linear(each, condition) for each in (layer.gain, layer.bias))
                normed = self._normalise("normalise", layer.normalise, x)
                return self._step("modulate", normed + gain + bias)
            case layers.BatchNormalization():
                return self._normalise("normalise", layer, x)
            case layers.GroupNormalization() if layer.groups == layer.output.shape[-1]:
                return self._normalise("instance", layer, x)
            case SelfAttention():
                return self._attention(layer, x)
            case layers.Activation() if layer.activation.__name__ in ("relu", "tanh"):
                return self._step(layer.activation.__name__, x)
            case layers.ReLU() if layer.max_value is None and not layer.negative_slope:
                return self._step("relu", x)
            case layers.LeakyReLU():
                return self._step("leaky", x, slope=round(float(layer.negative_slope), 6))
            case layers.Dropout():
                return x
            case layers.Reshape():
                return self._step("reshape", x, shape=list(layer.target_shape))
            case layers.Flatten():
                return self._step("reshape", x, shape=[layer.output.shape[-1]])
            case Basis():
                return self._step("scale", x, by=self._weight(layer.map))
            case Resampled() if layer.rule == "doubled":
                return self._step("doubled", x)
            case _ if type(layer).__name__ == "GetItem" and layer.output.shape[1:-1] == (1, 1):
                return self._step("reshape", x, shape=list(layer.output.shape[1:]))
            case layers.UpSampling2D():
                return self._step("upsample", x)
            case layers.Add():
                return self._step("add", x)
            case layers.Concatenate():
                return self._step("concatenate", x)
            case _ if type(layer).__name__ == "Split":
                return self._step("split", x, count=layer.indices_or_sections)
            case _ if type(layer).__name__ == "Pad" and layer.mode == "reflect":
                return self._step("mirror", x, ring=[list(sides) for sides in layer.pad_width])
        raise ValueError(f"A live page has no step for {type(layer).__name__} ({layer.name}).")


def _plain(layer):
    """Whether a convolution has neither dilation nor groups nor a padding of its output."""
    spread = layer.dilation_rate != (1, 1) or getattr(layer, "groups", 1) > 1
    return not spread and getattr(layer, "output_padding", None) is None


def network(model, **inputs):
    """What a browser has to know of a network to run it, and its weights as bytes.

    `inputs` are the shapes of its inputs, without that of a batch, by the names that they get.
    """
    translation = Translation(model, inputs)
    arrays = translation.arrays()
    data = b"".join(array.astype("<f4").tobytes() for array in arrays.values())
    description = {
        "inputs": {name: list(shape) for name, shape in inputs.items()},
        "imageShape": list(model.outputs[0].shape[1:]),
        "steps": translation.steps,
        "shapes": {name: list(array.shape) for name, array in arrays.items()},
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return description, data


def completed(folder):
    """The `run.json` of a run's folder, if a page may show what it has learnt.

    Raises:
        SystemExit: it did not complete, or was not of committed code.
    """
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if run["status"] != "completed" or run["git"]["dirty"]:
        raise SystemExit(f"{folder}: not a completed run of committed code.")
    return run


def origin(run):
    """What a page keeps of a run's `run.json`."""
    kept = {key: run[key] for key in ("parameters", "started", "versions")}
    return {"name": Path(run["file"]).stem, "revision": run["git"]["revision"], **kept}


def said(text, sentences, found):
    """A page's text with these numbers in these sentences of it.

    Raises:
        ValueError: it does not have a sentence once.
    """
    for sentence in sentences:
        parts = map(re.escape, re.split(r"\{.*?\}", sentence))
        pattern = r"[\d,]*\.?\d+".join(parts)
        text, count = re.subn(pattern, sentence.format(**found), text)
        if count != 1:
            raise ValueError(f"The page does not say once: {sentence}")
    return text


def write_script(path, name, values):
    """A script, not a data file: a page that was opened as a file may load only these.

    `name` is that of an object and of its member that the values become: "ganexplorer.generator".
    """
    own, member = name.split(".")
    lines = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in values.items())
    path.write_text(f"(globalThis.{own} ??= {{}}).{member} = {{\n{lines}\n}};\n", encoding="utf-8")


def read_script(path):
    """The values that `write_script` wrote."""
    return json.loads(path.read_text(encoding="utf-8").split(" = ", 1)[1][:-2])


def in_base64(data):
    """Bytes as a text that a script can hold."""
    return base64.b64encode(data).decode()
