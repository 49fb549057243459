"""Digits and letters drawn from the typefaces that come with matplotlib: modes known exactly."""

import functools
import logging
from pathlib import Path

import numpy as np

# Of matplotlib's typefaces those with digits, less three whose digits look like another's once all
# are of one height (DejaVu Sans Mono and its oblique, and Computer Modern's old-style digits).
TYPEFACES = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono-Bold",
    "DejaVuSansMono-BoldOblique",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSerif-Italic",
    "DejaVuSerif-BoldItalic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "STIXGeneralBolIta",
    "cmb10",
    "cmr10",
    "cmss10",
    "cmtt10",
)
DIGITS = tuple("0123456789")
LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
VERSION = 1  # part of the cache's file name: raise it when the drawing changes
_SIDE = 28  # pixels
_LENGTH = 19.0  # of the longer side of a glyph before it is scaled, pixels
_FINE = 4  # samples a pixel in the distance fields


def draw(
    n: int, seed: int = 0, characters: tuple[str, ...] = DIGITS
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw `n` characters, each from one of 18 typefaces and slightly distorted.

    The pairs of character and typeface, 180 of digits and 468 of `LETTERS`, are equally frequent,
    up to one image; of all shapes only the I of DejaVuSans and that of cmss10 are the same. Slant,
    rotation, size, place, weight of the stroke and a smooth warp are random. The draws are uniform
    and the rest is arithmetic, so the images are the same on every machine.

    Returns:
        images uint8 (n, 28, 28, 1), white on black; labels int64 (n,), places in `characters`;
        typefaces int64 (n,), 0 to 17.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    many = len(characters)
    modes = np.argsort(rng.random(n), kind="stable") % (many * len(TYPEFACES))
    images = np.empty((n, _SIDE, _SIDE, 1), np.uint8)
    for start in range(0, n, 256):
        part = slice(start, min(start + 256, n))
        images[part, ..., 0] = ink(modes[part], warps(len(modes[part]), rng), characters)
    return images, modes % many, modes // many


def warps(
    count: int, rng: np.random.Generator, side: int = _SIDE
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """So many random distortions: where each pixel of an image of side x side lies in the upright
    glyph, x and y (count, side, side), and how much the stroke is thickened (count, 1, 1)."""

    def uniform(low, high, *shape):
        return low + (high - low) * rng.random((count, *(shape or (1, 1))))

    # In pixels of an image of 28, from its centre.
    axis = (np.arange(side) - (side - 1) / 2) * (_SIDE / side)
    x = axis[None, None, :] - uniform(-1.3, 1.3)
    y = axis[None, :, None] - uniform(-1.3, 1.3)
    bend_x, bend_y = (_smooth(uniform(-1.4, 1.4, 5, 5), side) for _ in "xy")
    t = uniform(-0.03, 0.03) + uniform(
        -0.03, 0.03
    )  # tan(angle / 2): no sine, which libraries round differently
    cos, sin = (1 - t * t) / (1 + t * t), 2 * t / (1 + t * t)
    x, y = cos * x + sin * y, cos * y - sin * x
    x = (x + uniform(-0.07, 0.07) * y) / uniform(0.9, 1.08) + bend_x
    y = y / uniform(0.92, 1.06) + bend_y
    return x, y, uniform(-0.05, 0.35)


def ink(
    modes: np.ndarray,
    warps: tuple[np.ndarray, np.ndarray, np.ndarray],
    characters: tuple[str, ...] = DIGITS,
) -> np.ndarray:
    """The glyphs of these modes, len(characters) * typeface + the character's place, distorted:
    uint8 (n, side, side)."""
    x, y, weight = warps
    distance = _interpolate(_distance_fields(characters), modes, x, y)
    soft = 1.2 * _SIDE / x.shape[-1]  # an edge is 1.2 pixels wide, whatever the size
    return np.rint(np.clip(0.5 + (distance + weight) / soft, 0, 1) * 255).astype(np.uint8)


def _smooth(knots, side) -> np.ndarray:
    """Cubic B-spline surfaces (count, side, side) through 5 x 5 knots each (count, 5, 5)."""
    place = np.linspace(0, 2, side)[:, None]
    distance = np.abs(place - np.arange(-1, 4))  # of each pixel from each knot
    near, far = np.minimum(distance, 1), np.clip(2 - distance, 0, 1)
    weights = np.where(distance < 1, 2 / 3 - near**2 + near**3 / 2, far**3 / 6)
    # Sums written out: a matrix product may add in a different order on a different machine.
    rows = sum(weights[:, k, None] * knots[:, None, k, :] for k in range(5))
    return sum(weights[:, k] * rows[:, :, k, None] for k in range(5))


def _interpolate(fields, modes, x, y) -> np.ndarray:
    """The fields at places given in pixels from their centres; beyond the edge, its value."""
    size = fields.shape[1]
    column = np.clip(x * _FINE + (size - 1) / 2, 0, size - 1.001)
    row = np.clip(y * _FINE + (size - 1) / 2, 0, size - 1.001)
    left, top = column.astype(np.int64), row.astype(np.int64)
    right, down = column - left, row - top  # how far on to the next sample
    values = fields.ravel()
    at = modes[:, None, None] * size**2 + top * size + left
    upper = values[at] * (1 - right) + values[at + 1] * right
    lower = values[at + size] * (1 - right) + values[at + size + 1] * right
    return upper * (1 - down) + lower * down


@functools.cache
def _distance_fields(characters: tuple[str, ...] = DIGITS) -> np.ndarray:
    """The signed distance to the outline, in pixels and positive in the ink: float64 (18 N, S, S).

    A distance, unlike a picture, can be thickened, thinned and sampled at any angle without
    jagged edges. Character d of N in typeface t is field N t + d.
    """
    from scipy.ndimage import distance_transform_edt

    grid = 2 * _FINE  # twice as fine, then averaged
    size = int(_LENGTH + 6) * grid
    fields = []
    for typeface in TYPEFACES:
        for outline in _outlines(typeface, characters):
            ink = _fill([points * grid + size / 2 for points in outline], size)
            distance = np.maximum(distance_transform_edt(ink) - 0.5, 0)
            distance -= np.maximum(distance_transform_edt(~ink) - 0.5, 0)
            quarters = distance.reshape(size // 2, 2, size // 2, 2)
            fields.append(quarters.sum(axis=(1, 3)) / (4 * grid))
    return np.stack(fields)


def _outlines(typeface, characters):
    """For each character the closed polygons of its outline, centred at 0, y down, 19 pixels high,
    or wide if it is wider than high."""
    import matplotlib
    from fontTools.pens.basePen import BasePen
    from fontTools.ttLib import TTFont

    # Some of the files have an odd date, about which fontTools would warn.
    logging.getLogger("fontTools.ttLib.tables._h_e_a_d").setLevel(logging.ERROR)

    # The font file's own whole numbers: what FreeType makes of them differs between versions.
    class Polygons(BasePen):
        def _moveTo(self, point):
            drawn.append([point])

        def _lineTo(self, point):
            drawn[-1].append(point)

        def _qCurveToOne(self, control, end):
            (x0, y0), (x1, y1), (x2, y2) = drawn[-1][-1], control, end
            for t in np.arange(1, 9) / 8:
                a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t**2
                drawn[-1].append((a * x0 + b * x1 + c * x2, a * y0 + b * y1 + c * y2))

        def _closePath(self):
            drawn[-1].append(drawn[-1][0])

    with TTFont(Path(matplotlib.get_data_path(), "fonts", "ttf", f"{typeface}.ttf")) as font:
        names = next(table.cmap for table in font["cmap"].tables if ord("0") in table.cmap)
        shapes = font.getGlyphSet()
        for character in characters:
            drawn = []
            shapes[names[ord(character)]].draw(Polygons(shapes))
            polygons = [np.array(points) for points in drawn]
            low = np.min([points.min(axis=0) for points in polygons], axis=0)
            high = np.max([points.max(axis=0) for points in polygons], axis=0)
            zoom = _LENGTH / (high - low).max()
            yield [(points - (low + high) / 2) * (zoom, -zoom) for points in polygons]


def _fill(polygons, size) -> np.ndarray:
    """Which samples of a square grid lie inside the outline (non-zero rule): bool (size, size)."""
    winding = np.zeros((size, size + 1), np.int64)
    middle = np.arange(size) + 0.5
    for points in polygons:
        (x0, y0), (x1, y1) = points[:-1].T[..., None], points[1:].T[..., None]
        for sign, crosses in (
            (1, (y0 <= middle) & (middle < y1)),
            (-1, (y1 <= middle) & (middle < y0)),
        ):
            edge, row = np.nonzero(crosses)
            share = (middle[row] - y0[edge, 0]) / (y1[edge, 0] - y0[edge, 0])
            x = x0[edge, 0] + share * (x1[edge, 0] - x0[edge, 0])
            np.add.at(winding, (row, np.ceil(np.clip(x - 0.5, 0, size)).astype(int)), sign)
    return winding[:, :size].cumsum(axis=1) != 0
