"""Finished works: outlines of images, and files for the wall, the page and the type case.

An outline is a list of closed rings, each float (n, 2): points x to the right and y down, in pixels
from the top left corner of the image. Rings around ink and rings around holes run opposite ways, so
that either rule of filling a path fills them as they should be.

Every file says where it comes from: `about`, a dict of texts, is written into it, and `read_about`
reads it again.
"""

import html
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.path import Path as Curve
from numpy.typing import ArrayLike

from ganlib.files import whole

Outline = list[np.ndarray]
_EM = 1000  # units of a font
_EPOCH = 2_082_844_800  # 1970, in the seconds of a font


def enlarge(images: ArrayLike, zoom: int = 4) -> np.ndarray:
    """Images uint8 (N, H, W, C), `zoom` times as large, through a cubic spline.

    Raises:
        ValueError: no such images, or a zoom below 1.
    """
    from scipy import ndimage

    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim != 4 or zoom < 1:
        raise ValueError(
            f"enlarge takes uint8 images (N, H, W, C) and a zoom of at least 1, not {images.dtype} "
            f"of shape {images.shape} and {zoom}."
        )
    count, height, width, channels = images.shape
    large = np.empty((count, zoom * height, zoom * width, channels), np.uint8)
    for image, place in zip(images, large, strict=True):
        for channel in range(channels):
            plane = image[..., channel].astype(float)
            fine = ndimage.zoom(plane, zoom, order=3, mode="nearest", grid_mode=True)
            place[..., channel] = np.clip(np.rint(fine), 0, 255)
    return large


def outline(image: ArrayLike, zoom: int = 4, spacing: float = 0.7) -> Outline:
    """Where an image crosses the middle between its darkest and its lightest pixel.

    Light is ink. The image is enlarged before it is traced, so that the curve is smoother than the
    pixels are, and what lies outside counts as dark.

    Args:
        image: uint8 (H, W, C) or (H, W); the mean over its channels is traced.
        spacing: pixels between neighbouring points of a ring.

    Returns:
        Its rings, none of them shorter than three points; none at all if the image is even.

    Raises:
        ValueError: it is no such image, or a spacing of zero or less.
    """
    from contourpy import contour_generator

    if not spacing > 0:
        raise ValueError(f"The spacing of points is more than 0 pixels, not {spacing}.")
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim not in (2, 3):
        raise ValueError(f"An outline is of one uint8 image, not {image.dtype} {image.shape}.")
    grey = image.reshape(*image.shape[:2], -1).mean(axis=2)
    dark, light = grey.min(), grey.max()
    if light - dark < 1:
        return []
    grey = np.rint(grey).astype(np.uint8)
    grey = np.pad(grey, 1, constant_values=np.uint8(dark))
    fine = enlarge(grey[None, ..., None], zoom)[0, ..., 0].astype(float)
    traced = contour_generator(z=np.pad(fine, 1, constant_values=dark))
    found: Any = traced.lines((dark + light) / 2)
    rings = [_evenly((ring - 0.5) / zoom - 1, spacing) for ring in found]
    return [ring for ring in rings if len(ring) > 2]


def _evenly(ring, spacing):
    """As many points as fit, evenly along a closed ring whose last point is the first one."""
    steps = np.linalg.norm(np.diff(ring, axis=0), axis=1)
    along = np.concatenate([[0], steps.cumsum()])
    count = int(round(along[-1] / spacing))
    at = np.arange(count) / max(count, 1) * along[-1]
    return np.stack([np.interp(at, along, x) for x in ring.T], axis=1)


def _signed(ring):
    """The area within a ring, negative if it runs the other way."""
    x, y = ring.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def curve(outline: Outline, scale: float = 1.0, at: tuple[float, float] = (0, 0)) -> Curve:
    """An outline as a path of Matplotlib's, smooth: its points pull and its middles are passed.

    Such quadratic curves are those of TrueType, so that poster, page and font agree.

    Args:
        scale: the length of a pixel.
        at: where the image's top left corner is, y down.
    """
    points, codes = [], []
    for ring in outline:
        ring = ring * scale + at
        middles = (ring + np.roll(ring, -1, axis=0)) / 2
        points += [middles[-1:], np.stack([ring, middles], axis=1).reshape(-1, 2), middles[-1:]]
        codes += [Curve.MOVETO, *[Curve.CURVE3] * (2 * len(ring)), Curve.CLOSEPOLY]
    if not points:
        return Curve(np.zeros((0, 2)))
    return Curve(np.concatenate(points), codes)


def save_svg(
    path: str | Path,
    size: tuple[float, float],
    shapes: Sequence[tuple[Curve, str]],
    about: Mapping[str, str],
    background: str = "",
) -> None:
    """Write filled paths as an SVG of width x height, later ones over earlier ones.

    Args:
        shapes: pairs of a path, as `curve` makes it, and its colour, "#rrggbb".
        about: has a "title", for those who cannot see it.
    """
    width, height = (f"{side:g}" for side in size)
    title = html.escape(about.get("title", ""), quote=True)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" aria-label="{title}">',
        f"<title>{title}</title>",
        f"<metadata>{html.escape(json.dumps(dict(about)))}</metadata>",
    ]
    if background:
        lines.append(f'<rect width="{width}" height="{height}" fill="{background}"/>')
    for shape, colour in shapes:
        lines.append(f'<path fill="{colour}" fill-rule="evenodd" d="{_path_data(shape)}"/>')
    with whole(Path(path)) as part:
        part.write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")


def _path_data(shape):
    """A path in SVG's letters, to a hundredth of a unit."""
    words = []
    for points, code in shape.iter_segments(curves=True, simplify=False):
        letter = {Curve.MOVETO: "M", Curve.CURVE3: "Q", Curve.CLOSEPOLY: "Z"}.get(code, "L")
        numbers = [] if letter == "Z" else [f"{x:.2f}".rstrip("0").rstrip(".") for x in points]
        words.append(letter + " ".join(numbers))
    return "".join(words)


def save_font(
    path: str | Path,
    glyphs: Mapping[str, Outline],
    about: Mapping[str, str],
    height: float = 28.0,
    baseline: float | None = None,
    bearing: float = 1.5,
) -> None:
    """Write a TrueType font: one outline for each character, and a space.

    Args:
        glyphs: outlines by character.
        about: has a "title", which names the font; all of it becomes its description.
        height: of the images in pixels, which becomes the em.
        baseline: of the characters, pixels from the top; by default 23.5 of 28, as in "glyphs".
        bearing: pixels free on either side.

    Raises:
        ValueError: a character is not one, or there is none, or the baseline is not in the image.
    """
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    if not glyphs or any(len(character) != 1 for character in glyphs):
        raise ValueError(f"A font has outlines by single characters, not by {list(glyphs)}.")
    baseline = 23.5 / 28 * height if baseline is None else baseline
    if not 0 <= baseline <= height:
        raise ValueError(
            f"A baseline is within the height, {height:g} pixels, not at {baseline:g}."
        )
    unit = _EM / height
    shapes, widths = {}, {".notdef": (500, 0), "space": (int(height * unit / 3), 0)}
    names = {" ": "space"} | {c: f"uni{ord(c):04X}" for c in glyphs if c != " "}
    for name in (".notdef", "space"):
        shapes[name] = TTGlyphPen(None).glyph()
    for character, rings in glyphs.items():
        pen = TTGlyphPen(None)
        left = min((ring[:, 0].min() for ring in rings), default=0) - bearing
        right = max((ring[:, 0].max() for ring in rings), default=height / 3) + bearing
        turn = -1 if sum(_signed(ring) for ring in rings) < 0 else 1  # ink runs clockwise, y up
        for ring in rings:
            points = (ring[::turn] - (left, baseline)) * (unit, -unit)
            pen.qCurveTo(*[tuple(map(int, np.rint(point))) for point in points], None)
            pen.closePath()
        shapes[names[character]] = pen.glyph()
        widths[names[character]] = (int(round((right - left) * unit)), 0)
    builder = FontBuilder(_EM, isTTF=True)
    builder.setupGlyphOrder(list(shapes))
    builder.setupCharacterMap({ord(character): name for character, name in names.items()})
    builder.setupGlyf(shapes)
    table = builder.font["glyf"]
    widths = {
        name: (width, table[name].xMin if shapes[name].numberOfContours else 0)
        for name, (width, _) in widths.items()
    }
    builder.setupHorizontalMetrics(widths)
    up, down = int(round(baseline * unit)), int(round((height - baseline) * unit))
    builder.setupHorizontalHeader(ascent=up, descent=-down)
    title = about.get("title", "Untitled")
    described = {"familyName": title, "styleName": "Regular", "fullName": title}
    described["psName"] = re.sub("[^A-Za-z0-9]", "", title) or "Untitled"
    builder.setupNameTable(described | {"description": json.dumps(dict(about))})
    builder.setupOS2(sTypoAscender=up, sTypoDescender=-down, usWinAscent=up, usWinDescent=down)
    builder.setupPost()
    head = builder.font["head"]
    head.created = head.modified = _EPOCH  # the same file every time
    builder.font.recalcTimestamp = False
    with whole(Path(path)) as part:
        builder.font.save(part)


def save_png(
    path: str | Path, image: ArrayLike, about: Mapping[str, str], dpi: float = 300.0
) -> None:
    """Write a picture, uint8 (H, W), (H, W, 1) or (H, W, 3), with its size on paper.

    Raises:
        ValueError: it is no such picture.
    """
    from PIL import Image, PngImagePlugin

    image = _pixels(image)
    texts = PngImagePlugin.PngInfo()
    for name, text in about.items():
        texts.add_itxt(name, text)
    with whole(Path(path)) as part:
        Image.fromarray(image).save(part, "PNG", pnginfo=texts, dpi=(dpi, dpi), optimize=True)


def save_film(
    path: str | Path,
    frames: Iterable[ArrayLike],
    about: Mapping[str, str],
    seconds: float,
    greys: int = 16,
) -> None:
    """Write grey or colour frames, uint8 (T, H, W) or (T, H, W, 3), as a GIF or as WebM.

    A GIF runs for ever; in WebM frames are lossy, and a player may be asked to begin again.

    Args:
        path: its suffix, .gif or .webm, says which.
        seconds: of one round, at least a thousandth for each frame. A GIF knows whole hundredths
            only, and gives each frame one at least; equal frames that follow one another are stored
            there as one, shown for as long as they all.
        greys: how many greys or colours a GIF keeps, the same in all frames.

    Raises:
        ValueError: they are no such frames, or there is none, or they are too large for WebM (a
            side has up to 16,383 pixels); another suffix; too little time, or too much for a GIF.
    """
    from PIL import Image

    path, stills = Path(path), [_pixels(frame) for frame in frames]
    if not stills:
        raise ValueError("A film has at least one frame.")
    if len({still.shape for still in stills}) > 1:
        raise ValueError("The frames of a film are of one size, all grey or all in colour.")
    if not len(stills) / 1000 <= seconds < np.inf:
        raise ValueError(
            f"{len(stills)} frames take at least as many milliseconds, not {seconds} s."
        )
    moments, note = np.linspace(0, seconds, len(stills) + 1), json.dumps(dict(about)).encode()
    match path.suffix.lower():
        case ".gif":
            durations = np.diff(np.rint(100 * moments)) * 10
            film = _gif(stills, [max(10, int(d)) for d in durations], note, greys)
        case ".webm":
            from ganlib import webm

            pictures = [Image.fromarray(still).convert("RGB") for still in stills]
            film = webm.encode(pictures, [round(1000 * moment) for moment in moments], note)
        case _:
            raise ValueError(f"{path} is no GIF or WebM.")
    with whole(path) as part:
        part.write_bytes(film)


def _gif(stills, durations, note, greys):
    """The bytes of a GIF, all of whose frames have one palette."""
    from PIL import Image

    palette = Image.fromarray(np.concatenate(stills, axis=1)).quantize(greys)
    first, *rest = [
        Image.fromarray(still).convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
        for still in stills
    ]
    file = io.BytesIO()
    try:
        first.save(
            file,
            "GIF",
            save_all=True,
            append_images=rest,
            duration=durations,
            loop=0,
            comment=note,
        )
    except OverflowError:
        raise ValueError("A GIF shows a frame for 655 seconds at most.") from None
    return file.getvalue()


def _pixels(image):
    """A picture as `save_png` takes it, grey ones as (H, W)."""
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    flat = image.ndim == 2 or image.shape[2:] == (3,)
    if image.dtype != np.uint8 or not flat or not image.size:
        raise ValueError(
            f"A picture is uint8 (H, W) or (H, W, 3), not {image.dtype} of shape {image.shape}."
        )
    return image


def read_about(path: str | Path) -> dict[str, str]:
    """What a PNG, a GIF, a WebM, an SVG or a font of this module says of itself.

    Other programs' notes in other files than a PNG are left aside.

    Raises:
        ValueError: a file of another kind.
    """
    path = Path(path)
    match path.suffix.lower():
        case ".png" | ".gif":
            return _of_picture(path)
        case ".svg":
            found = re.search("<metadata>(.*?)</metadata>", path.read_text(encoding="utf-8"))
            return _noted(html.unescape(found[1])) if found else {}
        case ".ttf":
            return _of_font(path)
        case ".webm":
            from ganlib import webm

            return _noted(webm.note(path.read_bytes()))
    raise ValueError(f"{path} is no PNG, GIF, WebM, SVG or TTF.")


def _of_picture(path) -> dict[str, Any]:
    from PIL import Image

    with Image.open(path) as picture:
        if picture.format == "GIF":
            return _noted(picture.info.get("comment", b""))
        picture.load()
        return dict(getattr(picture, "text", {}))


def _of_font(path) -> dict[str, Any]:
    from fontTools.ttLib import TTFont

    with TTFont(path) as font:
        return _noted(font["name"].getDebugName(10) or "")


def _noted(text):
    """The texts of a note; what another program has left there is none."""
    try:
        note = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}
