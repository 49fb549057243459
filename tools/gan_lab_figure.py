"""Draw the figure that stands in for the GAN lab where JavaScript is off, and on paper.

python tools/gan_lab_figure.py
"""

from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgb
from scipy.special import expit

import ganlib
from ganlib import backend, models, penalties, plots

FIGURE = Path(__file__).parents[1] / "book" / "_static" / "gan-lab" / "still.png"
ROUNDS = (200, 500, 1500)
LIMIT, CELLS, ARROWS = 3, 96, 60

# The settings that the lab starts with: DEFAULTS in book/_static/gan-lab/game.js.
RATE, MOMENTUM, WEIGHT, BATCH, UNITS = 0.003, 0.5, 0.1, 128, (32, 32)


def new_gan():
    """The two players of the lab."""
    gan = ganlib.GAN(
        models.mlp.generator((2,), latent_dim=2, units=UNITS, activation="leaky_relu"),
        models.mlp.discriminator((2,), units=UNITS),
        seed=0,
    )
    gan.compile(
        loss="non_saturating",
        penalties=[penalties.R1(WEIGHT)],
        generator_optimizer=keras.optimizers.Adam(RATE, beta_1=MOMENTUM),
        discriminator_optimizer=keras.optimizers.Adam(RATE, beta_1=MOMENTUM),
        steps_per_execution=20,
    )
    return gan


def pulls(gan, points):
    """Minus the gradient of the generator's loss at each point."""

    def cost(images):
        return keras.ops.sum(keras.ops.softplus(-gan.discriminator(images)))

    return -keras.ops.convert_to_numpy(backend.input_gradient(cost, keras.ops.array(points)))


def draw(gan, real, ax):
    """The discriminator as a map, both kinds of points, and the pulls at some of them."""
    axis = (np.arange(CELLS) + 0.5) / CELLS * 2 * LIMIT - LIMIT
    cells = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2).astype("float32")
    belief = expit(keras.ops.convert_to_numpy(gan.discriminator(cells)))
    colours = np.where(belief > 0.5, to_rgb(plots.REAL), to_rgb(plots.FAKE))
    heat = np.concatenate([colours, 0.6 * np.abs(2 * belief - 1)], axis=1)
    extent = (-LIMIT, LIMIT, -LIMIT, LIMIT)
    ax.imshow(heat.reshape(CELLS, CELLS, 4), origin="lower", extent=extent)
    fake = gan.sample(400)
    for points, colour in ((real, plots.REAL), (fake, plots.FAKE)):
        ax.scatter(*points.T, s=5, color=colour, edgecolors="white", linewidths=0.3)
    pulled = fake[:ARROWS]
    ax.quiver(
        *pulled.T,
        *(0.5 * pulls(gan, pulled)).T,
        angles="xy",
        scale_units="xy",
        scale=1,
        color=plots.GREY,
        width=0.007,
    )
    ax.set(xlim=(-LIMIT, LIMIT), ylim=(-LIMIT, LIMIT), xticks=(), yticks=())


def main():
    """Train, and draw on the way."""
    ganlib.repeatable()
    plots.use_style()
    keras.utils.set_random_seed(0)
    ring = ganlib.data.ring(radius=2.0, sigma=0.1)
    batches = ring.batches(BATCH)
    gan = new_gan()
    _, axes = plt.subplots(1, 3, figsize=(plots.WIDTH, 2.7))
    played = 0
    for ax, rounds in zip(axes, ROUNDS, strict=True):
        gan.fit(batches, steps_per_epoch=rounds - played, verbose=0)
        played = rounds
        draw(gan, ring.sample(400, seed=1), ax)
        modes = ganlib.metrics.modes.mixture_modes(gan.sample(512), ring)
        print(f"round {rounds}: {modes}")
        ax.set_title(f"round {rounds:,}")
    plt.savefig(FIGURE, dpi=140)


if __name__ == "__main__":
    main()
