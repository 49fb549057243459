"""Bring a trained class-conditional generator into the reader's browser: a latent explorer.

python tools/explorer.py outputs/biggan-mnist explorer
python tools/explorer.py outputs/biggan-photographs photographs

Reads `generator.keras` and `run.json`, which a full run left in the folder, and writes the files
that a page loads, `book/latent_explorer.md` or `book/photographs.md`, the figure that stands in for
it, and what the tests compare the browser's pictures with.
"""

import sys
from pathlib import Path

import browser_network
import keras
import matplotlib.pyplot as plt
import numpy as np
from browser_network import completed, in_base64, origin, write_script
from keras import ops

from ganlib import plots
from ganlib.data import to_uint8

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "book" / "_static"
DIRECTIONS = 6  # as many sliders


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
    latent_dim = generator.inputs[0].shape[1]
    classes = generator.get_layer("embedding").input_dim
    description, data = browser_network.network(generator, latents=[latent_dim], classes=[classes])
    return {"latentDim": latent_dim, "classes": classes, **description}, data


def sliders(generator, count=200):
    """The directions that the page offers: from `count` draws, the classes in turn."""
    classes = generator.get_layer("embedding").input_dim
    size = (count, generator.inputs[0].shape[1])
    latents = np.random.default_rng(0).standard_normal(size, dtype="float32")
    shares = np.eye(classes)[np.arange(count) % classes]
    found, of_trace = directions(metric(from_classes(generator), latents, shares))
    return {"directions": np.round(found, 6).tolist(), "shares": np.round(of_trace, 4).tolist()}


def reference(page):
    """The file of what Keras makes of a page's generator."""
    return ROOT / "tests" / f"{page}.npz"


def write_scripts(folder, description, data):
    """The network and its weights."""
    write_script(folder / "generator.js", "ganexplorer.generator", description)
    write_script(folder / "weights.js", "ganexplorer.weights", {"generator": in_base64(data)})


def write_reference(path, generator):
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
    np.savez_compressed(path, latents=latents, classes=shares, images=images)


def write_figure(path, generator, ways):
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
    plt.savefig(path, dpi=140)


def main(folder, page):
    """Read a run's folder, and write the files of a page."""
    run = completed(folder)
    generator = keras.models.load_model(folder / "generator.keras", compile=False)
    (STATIC / page).mkdir(exist_ok=True)
    description, data = network(generator)
    description = {"run": origin(run), **description, **sliders(generator)}
    write_scripts(STATIC / page, description, data)
    write_reference(reference(page), generator)
    write_figure(STATIC / page / "still.png", generator, np.array(description["directions"]))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2])
