"""Bring two generators of typefaces and a reader of them into the reader's browser: the alphabet.

python tools/alphabet.py book/results/art-glyphs

Reads `generator.keras`, the creative network, `plain.keras`, `styles.keras`, `metrics.json` and
`run.json`, which a full run left in the folder, and writes the files that the page
`book/alphabet.md` loads, the figure that stands in for it, and what the tests compare the browser's
numbers with; and puts the numbers that the run measured into the page's sentences.
"""

import hashlib
import json
import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from browser_network import completed, in_base64, network, origin, said, write_script
from matplotlib.patches import PathPatch
from PIL import Image

from ganlib import data, plots, works

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "alphabet.md"
FOLDER = ROOT / "book" / "_static" / "alphabet"
REFERENCE = ROOT / "tests" / "alphabet.npz"
FILES = {"creative": "generator", "plain": "plain", "styles": "styles"}
NAMES = ("DejaVu Sans", "DejaVu Sans, bold oblique", "DejaVu Serif, bold", "STIX, italic")
NAMES += ("Computer Modern", "Computer Modern, typewriter")  # in the order of the reader's classes

# What the page says of the numbers that `measured` finds.
SENTENCES = (
    "in the middle itself the reader is unsure by {middle:.0f}% of what equal shares would be, at "
    "half the usual radius by {half:.0f}%, at the usual one by {usual:.0f}%, and at twice that by "
    "{twice:.0f}%.",
    "of 1,000 digits a reader of digits then still reads {legible:.0f}.",
    "it is unsure of the plain network's digits by {plain:.0f}%, of the creative one's by "
    "{creative:.0f}%, and of real ones by {real:.0f}%.",
)


def before_shares(reader):
    """The reader of typefaces up to its logits: the page makes shares of these."""
    *_, last = (layer for layer in reader.layers if isinstance(layer, keras.layers.Dense))
    return keras.Model(reader.inputs, last.output)


def three(folder):
    """The networks of a run's folder, as the page runs them."""
    found = {
        name: keras.models.load_model(folder / f"{file}.keras", compile=False)
        for name, file in FILES.items()
    }
    return found | {"styles": before_shares(found["styles"])}


def sizes(generator):
    """How many latents it takes, and how many modes: pairs of a digit and a typeface."""
    [table] = [x for x in generator.layers if isinstance(x, keras.layers.Embedding)]
    return generator.inputs[0].shape[1], table.input_dim


def in_three_bytes(data):
    """The leading three bytes of each float32: 16 binary digits, and a quarter less to load."""
    rounded = np.frombuffer(data, "<u4") + np.uint32(0x80)
    return rounded.astype("<u4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()


def scripts(networks):
    """What a browser has to know of the networks, and their weights."""
    described, weights = {"names": NAMES}, {}
    for name, model in networks.items():
        if name == "styles":
            inputs = {"images": list(model.input_shape[1:])}
        else:
            inputs = dict(zip(("latents", "modes"), ([size] for size in sizes(model)), strict=True))
        description, numbers = network(model, **inputs)
        short = in_three_bytes(numbers)
        description |= {"bytes": 3, "sha256": hashlib.sha256(short).hexdigest()}
        described[name], weights[name] = description, in_base64(short)
    return described, weights


def measured(metrics):
    """The numbers that the page mentions, from those that the run has recorded."""
    spheres = metrics["by_radius"]["creative"]
    of_equal = 100 / np.log(len(NAMES))  # an entropy in hundredths of that of equal shares
    radii = {"middle": "0.0", "half": "0.5", "usual": "1.0", "twice": "2.0"}
    unsure = {name: of_equal * spheres[radius]["entropy"] for name, radius in radii.items()}
    whole = {name: of_equal * entropy for name, entropy in metrics["style_entropy"].items()}
    return unsure | whole | {"legible": 1000 * spheres["2.0"]["read"]}


def write_reference(networks):
    """What Keras makes of each digit, from latents near and far, and what the reader says of it."""
    dim, modes = sizes(networks["creative"])
    latents = np.random.default_rng(1).standard_normal((20, dim), dtype="float32")
    latents[::4] *= 2
    kept = {"latents": latents, "modes": np.arange(20) % 10 * (modes // 10)}
    for name in ("creative", "plain"):
        kept[name] = networks[name].predict([latents, kept["modes"]], verbose=0)
    kept["styles"] = networks["styles"].predict(kept["creative"], verbose=0)
    np.savez_compressed(REFERENCE, **kept)


def write_figure(networks, typefaces=8):
    """What the page shows: the digits of the creative network round a circle of latents."""
    dim, modes = sizes(networks["creative"])
    axes = np.linalg.qr(np.random.default_rng(3).standard_normal((dim, 3)))[0].T * np.sqrt(dim)
    turn = 2 * np.pi * np.arange(typefaces)[:, None] / typefaces
    z = (axes[0] + np.cos(turn) * axes[1] + np.sin(turn) * axes[2]) / np.sqrt(2)
    digits = np.tile(np.arange(10), typefaces)
    given = [z.repeat(10, axis=0).astype("float32"), digits * (modes // 10)]
    images = data.to_uint8(networks["creative"].predict(given, verbose=0))
    high, wide = images.shape[1:3]
    plots.use_style()
    fig, ax = plt.subplots(figsize=(plots.WIDTH, plots.WIDTH * typefaces / 10))
    fig.set_layout_engine("none")
    fig.patch.set(facecolor="#f4efe4", alpha=1)
    ax.set_position([0, 0, 1, 1])
    ax.set_axis_off()
    ax.set(xlim=(0, wide * 10), ylim=(high * typefaces, 0))
    for i, image in enumerate(images):
        at = (wide * (i % 10), high * (i // 10))
        path = works.curve(works.outline(image), at=at)
        ax.add_patch(PathPatch(path, color="#1b1b1f", linewidth=0))
    fig.savefig(FOLDER / "still.png", dpi=140, facecolor=fig.get_facecolor())
    with Image.open(FOLDER / "still.png") as drawn:
        drawn.convert("RGB").quantize(8).save(FOLDER / "still.png", optimize=True)


def main(folder):
    """Read a run's folder, and write the alphabet's files."""
    run, networks = origin(completed(folder)), three(folder)
    described, weights = scripts(networks)
    FOLDER.mkdir(exist_ok=True)
    write_script(FOLDER / "networks.js", "ganalphabet.networks", {"run": run, **described})
    write_script(FOLDER / "weights.js", "ganalphabet.weights", weights)
    write_reference(networks)
    write_figure(networks)
    found = measured(json.loads((folder / "metrics.json").read_text(encoding="utf-8")))
    PAGE.write_text(said(PAGE.read_text("utf-8"), SENTENCES, found), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
