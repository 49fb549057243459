"""Figures in one style, legible on a white page and on a dark one.

Figures have a transparent background and mid-grey text. Real data are `REAL`, generated data are
`FAKE`, everywhere. Functions draw into `ax` (a new figure if it is None) and return what they drew
into; a notebook cell ends with `plt.show()`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from numpy.typing import ArrayLike

REAL = "#3d8fd1"  # blue
FAKE = "#e2762f"  # orange; the pair stays apart for every common colour blindness
COLOURS = (REAL, FAKE, "#2ba57c", "#c06bb0", "#b8962e", "#8a8f98")
GREY = "#7b7b7b"  # contrast 4.2 on white and on the dark page alike
WIDTH = 7.2  # inches: the text column
HEIGHT = 10  # inches: no grid is taller


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


def tile(images: ArrayLike, columns: int | None = None) -> np.ndarray:
    """Lay uint8 images (N, H, W, C) or (N, H, W) out in one array, row by row.

    A black pixel is between neighbours.

    Args:
        images: C is 1 (grey), 3 or 4.
        columns: images in a row, or all of them where there are fewer; by default as many as make
            the whole about square.

    Returns:
        uint8, (height, width) for grey images and (height, width, C) for colour.

    Raises:
        ValueError: no images, or something else.
    """
    images = _images(images)
    n, height, width, channels = images.shape
    columns = _columns(images, columns)
    rows = -(-n // columns)
    cells = np.zeros((rows * columns, height + 1, width + 1, channels), np.uint8)
    cells[:n, :height, :width] = images
    grid = cells.reshape(rows, columns, height + 1, width + 1, channels).swapaxes(1, 2)
    canvas = grid.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]
    return canvas[..., 0] if channels == 1 else canvas


def _images(images):
    """Images as an array uint8 (N, H, W, C)."""
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[..., None]
    if images.dtype != np.uint8 or images.ndim != 4 or not images.size:
        raise ValueError(
            "A grid needs uint8 images of shape (N, H, W, C), N at least 1, not "
            f"{images.dtype} of shape {images.shape}."
        )
    return images


def _columns(images, columns=None):
    n, height, width, _ = images.shape
    return min(n, columns or int(np.ceil(np.sqrt(n * height / width))))


def save_grid(
    path: str | Path, images: ArrayLike, columns: int | None = None, zoom: int = 1
) -> None:
    """Write uint8 images (N, H, W, C) as one PNG grid, each pixel `zoom` wide and none blurred."""
    from PIL import Image

    canvas = tile(images, columns)
    canvas = canvas.repeat(zoom, axis=0).repeat(zoom, axis=1)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(canvas).save(path, optimize=True)


def image_grid(images: ArrayLike, columns: int | None = None, ax: Axes | None = None) -> Axes:
    """Show uint8 images (N, H, W, C) as `tile` lays them out; returns the Axes."""
    images = _images(images)
    if ax is None:
        _, ax = plt.subplots(figsize=_inches(images, _columns(images, columns)))
    ax.imshow(tile(images, columns), cmap="gray", vmin=0, vmax=255)
    ax.set_axis_off()
    return ax


def _inches(images, columns):
    """Width and height of the figure of a grid."""
    _, height, width, _ = images.shape
    rows = -(-len(images) // columns)
    whole = columns * (width + 1) - 1, rows * (height + 1) - 1
    # Few small images are not blown up to the whole text width: a square one takes 0.75 inches, one
    # that is not as much of the page.
    inches = min(WIDTH, 0.75 * columns * np.sqrt(width / height), HEIGHT * whole[0] / whole[1])
    return inches, max(0.3, inches * whole[1] / whole[0])


def image_rows(images: Sequence[ArrayLike], labels: Sequence[str], ax: Axes | None = None) -> Axes:
    """One row for each array of `images`, with its label at the left.

    Samples over time (a row an epoch), an interpolation beside its end points, a sample beside its
    nearest training images.

    Args:
        images: a sequence of uint8 arrays (N, H, W, C). Where one has fewer or smaller images than
            another, their places are filled up with black.
        labels: a text for each row.

    Returns:
        The Axes.
    """
    rows = _alike(images)
    grid, labels, points = _images(np.concatenate(rows)), list(labels), 10
    if ax is None:
        width, height = _inches(grid, len(rows[0]))
        # The labels stand in the figure too. They should leave room for images that are narrow, and
        # not run into each other where these are low.
        room = 2 + 0.09 * max(map(len, labels), default=0)
        points = min(points, 50 * height / len(rows))
        _, ax = plt.subplots(figsize=(min(WIDTH, max(width, room)), height))
    ax = image_grid(grid, len(rows[0]), ax=ax)
    step, beside = rows[0].shape[1] + 1, max(4, rows[0].shape[2] / 8)
    for i, label in enumerate(labels):
        middle = i * step + step / 2 - 1
        ax.text(-beside, middle, label, size=points, ha="right", va="center", color=GREY)
    return ax


def _alike(images):
    """Rows of images (N, H, W, C), all of the largest shape, at the top left of their places."""
    rows = [np.asarray(row) for row in images]
    rows = [row[..., None] if row.ndim == 3 else row for row in rows]
    if not rows or any(row.ndim != 4 for row in rows):
        raise ValueError(
            "Rows of images are one or more uint8 arrays of shape (N, H, W, C), not of "
            f"{[row.shape for row in rows]}."
        )
    largest = np.max([row.shape for row in rows], axis=0)
    grey = [row.shape[3] == 1 for row in rows]
    rows = [row.repeat(largest[3], 3) if own else row for row, own in zip(rows, grey, strict=True)]
    return [np.pad(x, [(0, b - a) for a, b in zip(x.shape, largest, strict=True)]) for x in rows]


def curves(
    history: Any,
    names: Sequence[str] | dict[str, str] | None = None,
    ax: Axes | None = None,
    xlabel: str = "epoch",
    ylabel: str | None = None,
    x: ArrayLike | None = None,
) -> Axes:
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


def scatter2d(
    real: ArrayLike | None = None,
    fake: ArrayLike | None = None,
    ax: Axes | None = None,
    limit: float | None = None,
    size: float = 4,
) -> Axes:
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


def bars(
    labels: Sequence[str],
    values: Sequence[float],
    ax: Axes | None = None,
    xlabel: str | None = None,
) -> Axes:
    """Draw horizontal bars, the first at the top; returns the Axes."""
    ax = _axes(ax, (WIDTH, 0.5 + 0.32 * len(labels)))
    places = np.arange(len(labels))
    ax.barh(places, values, height=0.62, color=REAL)
    ax.set_yticks(places, labels)
    ax.invert_yaxis()
    if xlabel:
        ax.set_xlabel(xlabel)
    return ax


def log_ticks(axis: Axis) -> None:
    """Mark a logarithmic axis at 1, 2 and 5 times the powers of ten, in plain numbers.

    Args:
        axis: `ax.xaxis` or `ax.yaxis`, after its scale was set. For three decades or fewer.
    """
    axis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(ticker.NullLocator())


def _axes(ax, figsize=None):
    return plt.subplots(figsize=figsize)[1] if ax is None else ax
