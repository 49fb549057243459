"""Bring two trained translators into the reader's browser: a digit drawn there and back again.

python tools/translator.py book/results/unpaired-typefaces

Reads `generator.keras`, the way there, `back.keras` and `run.json`, which a full run left in the
folder, and writes the files that the page `book/translator.md` loads, the figure that stands in
for it, and what the tests compare the browser's images with; and puts the numbers that were
measured into the page's sentences.
"""

import sys
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from browser_network import completed, in_base64, network, origin, said, write_script

from ganlib import data, plots
from ganlib.data import pairs

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "book" / "translator.md"
FOLDER = ROOT / "book" / "_static" / "translator"
REFERENCE = ROOT / "tests" / "translator.npz"
SEED = 2**20  # of digits that no training has drawn
NOISE = 0.2  # standard deviation

# What the page says of the numbers that `measured` finds.
SENTENCES = (
    "a translation is {translated:.3f} from the right answer on average, where the digit as it was "
    "is {untouched:.3f} away; it is the nearer of the two for {nearer:,} of them.",
    "the way from STIX Italic to DejaVu Sans ends {turned:.3f} from the right answer.",
    "it is {returned:.3f} away from the paper without noise, and {noisy:.3f} with noise of a "
    "standard deviation of {noise}.",
    "{there:.1f} pixels for DejaVu Sans and {back:.1f} for STIX Italic,",
    "it maps {numbers} numbers to as many.",
)


def both(folder):
    """The networks of a run's folder, by the way that they lead."""
    files = {"there": "generator.keras", "back": "back.keras"}
    return {
        way: keras.models.load_model(folder / file, compile=False) for way, file in files.items()
    }


def sides(side, n=1000):
    """Digits that no training has drawn, float32 (n, side, side, 1): what each way is given."""
    made = pairs.typefaces(n, seed=SEED, side=side)
    return {"there": data.scale(made.sources.images), "back": data.scale(made.targets.images)}


def examples(side):
    """Of both typefaces the first of these digits of each kind, uint8 (10, side, side, 1)."""
    made = pairs.typefaces(1000, seed=SEED, side=side)
    first = [int(np.argmax(made.sources.labels == digit)) for digit in range(10)]
    return {"there": made.sources.images[first], "back": made.targets.images[first]}


def pens(side):
    """For each way a pen's radius in pixels: half the stem of a 1 at mid-height, on average."""
    made = pairs.typefaces(1000, seed=SEED, side=side)
    middle, radii = slice(side * 12 // 28, side * 16 // 28), {}
    for way, digits in (("there", made.sources), ("back", made.targets)):
        stems = digits.images[digits.labels == 1][:, middle, :, 0] / 255
        radii[way] = round(float(stems.sum(axis=2).mean()) / 2, 3)
    return radii


def apart(a, b):
    """Mean distance of images, pixel by pixel, for each pair of them."""
    return np.abs(a - b).mean(axis=(1, 2, 3))


def measured(networks, n=1000):
    """The numbers that the page mentions, over `n` digits that no training has drawn."""
    side = networks["there"].input_shape[1]
    given = sides(side, n)
    made = {way: model.predict(given[way], verbose=0) for way, model in networks.items()}
    noise = np.random.default_rng(0).standard_normal(given["there"].shape, dtype="float32")
    noisy = np.clip(made["there"] + NOISE * noise, -1, 1)
    returned = [networks["back"].predict(x, verbose=0) for x in (made["there"], noisy)]
    translated = apart(made["there"], given["back"])
    untouched = apart(given["there"], given["back"])
    return {
        "translated": translated.mean(),
        "untouched": untouched.mean(),
        "nearer": int(np.sum(translated < untouched)),
        "turned": apart(made["back"], given["there"]).mean(),
        "returned": apart(returned[0], given["there"]).mean(),
        "noisy": apart(returned[1], given["there"]).mean(),
        "noise": NOISE,
        **{way: 2 * radius for way, radius in pens(side).items()},
        "numbers": side**2,
    }


def write_reference(networks):
    """What Keras makes of examples, and of an image of noise."""
    rng, kept = np.random.default_rng(1), {}
    for way, images in examples(networks["there"].input_shape[1]).items():
        noise = rng.integers(256, size=(1, *images.shape[1:]), dtype=np.uint8)
        kept[f"{way}_in"] = np.concatenate([images, noise])
        made = networks[way].predict(data.scale(kept[f"{way}_in"]), verbose=0)
        kept[f"{way}_out"] = made
    np.savez_compressed(REFERENCE, **kept)


def write_figure(networks):
    """What the page shows: the examples, translated, the right answers, and back again."""
    digits = examples(networks["there"].input_shape[1])
    made = networks["there"].predict(data.scale(digits["there"]), verbose=0)
    returned = networks["back"].predict(made, verbose=0)
    rows = {
        "DejaVu Sans": digits["there"],
        "translated": data.to_uint8(made),
        "right answer": digits["back"],
        "back again": data.to_uint8(returned),
    }
    plots.use_style()
    plots.image_rows(list(rows.values()), list(rows))
    plt.savefig(FOLDER / "still.png", dpi=140)


def main(folder):
    """Read a run's folder, and write the translator's files."""
    described, weights = {"run": origin(completed(folder))}, {}
    networks = both(folder)
    side = networks["there"].input_shape[1]
    radii = pens(side)
    for way, model in networks.items():
        description, numbers = network(model, images=model.input_shape[1:])
        described[way] = {**description, "pen": radii[way]}
        weights[way] = in_base64(numbers)
    FOLDER.mkdir(exist_ok=True)
    write_script(FOLDER / "networks.js", "gantranslator.networks", described)
    write_script(FOLDER / "weights.js", "gantranslator.weights", weights)
    digits = {way: in_base64(images.tobytes()) for way, images in examples(side).items()}
    write_script(FOLDER / "digits.js", "gantranslator.digits", digits)
    write_reference(networks)
    write_figure(networks)
    found = measured(networks)
    PAGE.write_text(said(PAGE.read_text("utf-8"), SENTENCES, found), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
