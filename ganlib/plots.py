"""Figures in one style, legible on a white page and on a dark one.

Figures have a transparent background and mid-grey text. Real data are `REAL`, generated data are
`FAKE`, everywhere. Functions draw into `ax` (a new figure if it is None) and return what they drew
into; a notebook cell ends with `plt.show()`.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib import ticker

REAL = "#3d8fd1"  # blue
FAKE = "#e2762f"  # orange; the pair stays apart for every common colour blindness
COLOURS = (REAL, FAKE, "#2ba57c", "#c06bb0", "#b8962e", "#8a8f98")
GREY = "#7b7b7b"  # contrast 4.2 on white and on the dark page alike
WIDTH = 7.2  # inches: the text column


def use_style() -> None:
    """Set matplotlib's defaults to the book's style. Call it once, after importing pyplot."""
    plt.rcParams.update(
        {
            "figure.figsize": (WIDTH, 2.9),
            "figure.dpi": 120,
            "savefig.dpi": 120,
            "figure.facecolor": "none",
            "savefig.facecolor": "none",
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "text.color": GREY,
            "axes.facecolor": "none",
            "axes.edgecolor": GREY,
            "axes.labelcolor": GREY,
            "axes.titlesize": 10,
            "axes.titlecolor": GREY,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": cycler(color=COLOURS),
            "axes.axisbelow": True,
            "xtick.color": GREY,
            "ytick.color": GREY,
            "lines.linewidth": 1.6,
            "legend.frameon": False,
            "image.cmap": "gray",
            "image.interpolation": "nearest",
        }
    )


def tile(images, columns=None, gap=1, background=0) -> np.ndarray:
    """Lay uint8 images (N, H, W, C) or (N, H, W) out in one array, row by row.

    Args:
        images: C is 1 (grey), 3 or 4.
        columns: images in a row; by default as many as make the whole about square.
        gap: pixels between neighbours.
        background: the value of the gaps and of empty places.

    Returns:
        uint8, (height, width) for grey images and (height, width, C) for colour.
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
        raise ValueError(
            "a grid needs uint8 images of shape (N, H, W, C), N at least 1; it was given "
            f"{images.dtype} of shape {images.shape}"
        )
    n, height, width, channels = images.shape
    columns = columns or int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    canvas = np.full(
        (rows * (height + gap) - gap, columns * (width + gap) - gap, channels),
        background,
        np.uint8,
    )
    for i, image in enumerate(images):
        top, left = (i // columns) * (height + gap), (i % columns) * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas[..., 0] if channels == 1 else canvas


def save_grid(path, images, columns=None, zoom=1) -> None:
    """Write uint8 images (N, H, W, C) as one PNG grid, each pixel `zoom` wide and none blurred."""
    from PIL import Image

    canvas = tile(images, columns)
    canvas = canvas.repeat(zoom, axis=0).repeat(zoom, axis=1)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(canvas).save(path, optimize=True)


def save_animation(path, pictures, seconds=0.2) -> None:
    """Write pictures of one size as a GIF that begins anew after a pause on the last of them.

    Args:
        pictures: files, or uint8 arrays as `tile` returns them: `[tile(images) for images in
            snapshots.images]`.
        seconds: how long each is shown; the last for ten times as long.
    """
    from PIL import Image

    frames = [Image.fromarray(p) if isinstance(p, np.ndarray) else Image.open(p) for p in pictures]
    shown = [round(1000 * seconds)] * (len(frames) - 1) + [round(10_000 * seconds)]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=shown, loop=0)


def image_grid(images, columns=None, titles=None, ax=None):
    """Show uint8 images (N, H, W, C) in rows of `columns`; returns the Axes.

    Args:
        titles: a text for each column, written above it.
    """
    images = np.asarray(images)
    canvas = tile(images, columns)
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    if ax is None:
        height, width = canvas.shape[:2]
        # Few small images are not blown up to the whole text width.
        inches = min(WIDTH, 0.75 * columns if columns < 10 else WIDTH)
        title_inches = 0.25 if titles else 0
        _, ax = plt.subplots(figsize=(inches, inches * height / width + title_inches))
    ax.imshow(canvas, cmap="gray", vmin=0, vmax=255)
    ax.set_axis_off()
    step = images.shape[2] + 1
    for i, title in enumerate(titles or ()):
        ax.text(i * step + step / 2 - 1, -3, title, ha="center", va="bottom", color=GREY)
    return ax


def image_rows(images, labels, ax=None):
    """One row for each array of `images`, all of equal length, with its label at the left.

    Samples over time (a row an epoch), an interpolation beside its end points, a sample beside its
    nearest training images.

    Args:
        images: a sequence of uint8 arrays (N, H, W, C).
        labels: a text for each row.

    Returns:
        The Axes.
    """
    count = len(images[0])
    ax = image_grid(np.concatenate([np.asarray(row) for row in images]), count, ax=ax)
    step = np.asarray(images[0]).shape[1] + 1
    for i, label in enumerate(labels):
        ax.text(-4, i * step + step / 2 - 1, label, ha="right", va="center", color=GREY)
    return ax


def curves(history, names=None, ax=None, xlabel="epoch", ylabel=None, x=None):
    """Draw what a training recorded; returns the Axes.

    Args:
        history: a Keras `History`, or a mapping of names to sequences.
        names: which ones, or a mapping {name: label}; by default all of them.
        x: the horizontal positions, 1, 2, 3, ... by default.
    """
    values = getattr(history, "history", history)
    names = list(values) if names is None else names
    labels = names if isinstance(names, dict) else {n: n.replace("_", " ") for n in names}
    ax = _axes(ax)
    for name, label in labels.items():
        ax.plot(np.arange(1, len(values[name]) + 1) if x is None else x, values[name], label=label)
    ax.set_xlabel(xlabel)
    if ylabel:
        ax.set_ylabel(ylabel)
    if len(labels) > 1:
        ax.legend()
    return ax


def scatter2d(real=None, fake=None, ax=None, limit=None, size=4):
    """Draw points (N, 2) of the data and of the generator in their colours; returns the Axes.

    Args:
        limit: half the side of the square shown around the origin; by default what fits.
    """
    ax = _axes(ax, (WIDTH / 2, WIDTH / 2))
    for points, colour, label in ((real, REAL, "real"), (fake, FAKE, "generated")):
        if points is not None:
            x, y = np.asarray(points).T
            ax.scatter(x, y, s=size, color=colour, alpha=0.6, linewidths=0, label=label)
    ax.set_aspect("equal")
    if limit:
        ax.set(xlim=(-limit, limit), ylim=(-limit, limit))
    if real is not None and fake is not None:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, markerscale=2)
    return ax


def bars(labels, values, spread=None, ax=None, xlabel=None):
    """Draw horizontal bars with their numbers, the first at the top; returns the Axes.

    Args:
        spread: half the length of each bar's error line, such as a standard deviation.
    """
    ax = _axes(ax, (WIDTH, 0.5 + 0.32 * len(labels)))
    places = np.arange(len(labels))
    ax.barh(places, values, xerr=spread, height=0.62, color=REAL, ecolor=GREY)
    ax.set_yticks(places, labels)
    ax.invert_yaxis()
    if xlabel:
        ax.set_xlabel(xlabel)
    return ax


def log_ticks(axis) -> None:
    """Mark a logarithmic axis at 1, 2 and 5 times the powers of ten, in plain numbers.

    Args:
        axis: `ax.xaxis` or `ax.yaxis`, after its scale was set. For three decades or fewer.
    """
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(ticker.NullLocator())


def _axes(ax, figsize=None):
    return plt.subplots(figsize=figsize)[1] if ax is None else ax
