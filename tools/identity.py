"""Draw the logo and the figures of the first page, from the committed results alone.

python tools/identity.py
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

from ganlib import plots

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "book" / "_static"
RACE = ROOT / "benchmarks" / "time_to_quality_adam.json"
SAMPLES = ROOT / "book" / "results" / "dcgan-mnist" / "samples.png"
SIDE, SCALE = 28, 2  # a digit's pixels, and how many times as large the samples are drawn
RECIPES = {  # the colour of each line, and where its name ends
    "TensorFlow tutorial": (plots.GREY, (480, 800)),
    "Keras-GAN": ("#b8962e", (95, 50)),
    "this book": (plots.FAKE, (28, 9)),
}

LOGO = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 40" role="img" aria-label="Two \
densities: the data's, and the generator's on its way there">
  <g fill="none" stroke-width="4" stroke-linecap="round" stroke-linejoin="round">
    <path d="{data}" stroke="{real}" stroke-dasharray="0.1 7"/>
    <path d="{generated}" stroke="{fake}"/>
  </g>
</svg>
"""


def logo():
    """The logo as SVG: the density of the data, dotted, and that of the generator."""
    x = np.linspace(4, 60, 29)

    def path(centre, width, height):
        y = 36 - height * np.exp(-(((x - centre) / width) ** 2) / 2)
        return "M" + " L".join(f"{a:g} {b:.1f}" for a, b in zip(x, y, strict=True))

    return LOGO.format(
        data=path(36, 7, 30), generated=path(25, 8, 22), real=plots.REAL, fake=plots.FAKE
    )


def digits():
    """The committed samples one by one, uint8 (N, 28, 28)."""
    sheet = np.asarray(Image.open(SAMPLES).convert("L"))
    step = (SIDE + 1) * SCALE
    tops, lefts = (range(0, size, step) for size in sheet.shape)
    side = SIDE * SCALE
    cells = [sheet[y : y + side : SCALE, x : x + side : SCALE] for y in tops for x in lefts]
    return np.stack(cells)


def race(ax):
    """How near the samples of three recipes come to real images, over the seconds."""
    for name, trail in json.loads(RACE.read_text(encoding="utf-8"))["trails"].items():
        seconds, _, distances = np.transpose(trail)
        colour, place = RECIPES[name]
        ax.plot(seconds, distances, color=colour, lw=2)
        ax.text(*place, name, color=colour, ha="right")
    ax.set(xscale="log", yscale="log", xticks=(2, 10, 60, 480), xticklabels=(2, 10, 60, 480))
    ax.minorticks_off()
    ax.set(xlabel="seconds of training on two cores", ylabel="Fréchet distance to real digits")


def race_figure():
    """The left figure of the first page."""
    plots.use_style()
    figure, ax = plt.subplots(figsize=(4, 4))
    race(ax)
    return figure


def drawn_digits():
    """The right figure of the first page, uint8 (height, width, 4): orange ink on no paper."""
    ink = plots.tile(digits(), columns=10)
    orange = np.rint(255 * np.array(to_rgb(plots.FAKE))).astype("uint8")
    picture = np.concatenate([np.broadcast_to(orange, (*ink.shape, 3)), ink[..., None]], -1)
    return picture.repeat(SCALE, axis=0).repeat(SCALE, axis=1)


def main():
    """Write the three files."""
    (STATIC / "logo.svg").write_text(logo(), encoding="utf-8")
    race_figure().savefig(STATIC / "race.png", dpi=150)
    Image.fromarray(drawn_digits()).save(STATIC / "digits.png", optimize=True)


if __name__ == "__main__":
    main()
