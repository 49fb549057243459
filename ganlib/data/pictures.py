"""One picture: what a size is, what a file's header says, and its pixels as uint8, upright.

Pixels are what the file says, brightness as well as orientation: 16 bits become 8, floats count
from 0 (black) to 1 (white), and what does not say what is white is refused. Colour profiles and
gamma are left aside, and of a moving picture the first frame is taken.
"""

import contextlib
import functools
import operator
import re

import numpy as np
from PIL import Image, ImageOps

from ganlib.types import Size

_GREY = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"}
# Formats that Pillow recognises but that hold no pixels, or measurements without a white level.
_NO_PICTURES = {"BUFR", "EPS", "FITS", "GRIB", "HDF5", "MPEG", "WMF"}


class _Refused(ValueError):
    """One sentence on a file that names it."""


def size_of(size: Size) -> tuple[int, int] | None:
    """(height, width) from a number 64, a text "64" or "32x64", or a pair (32, 64).

    None, 0 and "" leave the size open: None. Raises ValueError for anything else.
    """
    if size is None or isinstance(size, str) and not size.strip():
        return None
    try:
        if isinstance(size, str):
            sides = tuple(int(side) for side in re.split("[x×]", size.lower()))
        else:
            sides = tuple(map(operator.index, size if np.iterable(size) else [size]))
    except (TypeError, ValueError):
        sides = ()
    if sides in ((0,), (0, 0)) and size is not False:
        return None
    if len(sides) not in (1, 2) or not all(1 <= side <= 2**14 for side in sides) or size is True:
        raise ValueError(
            f"size={size!r} is not the size of an image: give its side in pixels (64), "
            'height x width ("32x64" or (32, 64)), or 0 to leave it open.'
        )
    return sides[0], sides[-1]


def resize(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 images (N, H, W, C), cropped in the middle to the form of `size`, (N, *size, C)."""
    result = np.empty((len(images), *size, images.shape[-1]), np.uint8)
    for i, image in enumerate(images):
        for channel in range(images.shape[-1]):
            plane = Image.fromarray(np.ascontiguousarray(image[..., channel]))
            result[i, ..., channel] = np.asarray(_fit(plane, size))
    return result


def _fit(image, size):
    return ImageOps.fit(image, size[::-1], Image.Resampling.LANCZOS)


@functools.cache
def suffixes() -> frozenset[str]:
    """How the names of pictures end, in small letters, with the dot."""
    known = Image.registered_extensions().items()
    # Pillow opens MPO, several JPEGs in one file, by way of JPEG.
    return frozenset(suffix for suffix, name in known if name in {*_formats(), "MPO"})


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    first = ("JPEG", "PNG", "BMP", "GIF")  # the order in which they are tried
    return first + tuple(name for name in Image.ID if name not in {*first, *_NO_PICTURES})


@contextlib.contextmanager
def _opening(path):
    """The picture at `path`. Whatever fails here is one sentence that names the file."""
    try:
        # Given the path, Pillow 13 takes the width of an uncompressed TIFF for its height.
        with open(path, "rb") as file, Image.open(file, formats=_formats()) as image:
            yield image
    except _Refused:
        raise
    except (MemoryError, Image.DecompressionBombError):
        problem = "is too large an image to be read: make it smaller, or take it out"
    except Exception as error:  # which errors a decoder raises is not documented
        reason = getattr(error, "strerror", None)  # the system's own: no such file, not allowed
        if reason:
            problem = f"cannot be read ({reason}): repair it, or take it out"
        else:
            problem = "is not an image that can be read: repair it, or take it out"
    else:
        return
    raise _Refused(f"{path} {problem}.")


def header(path: str) -> tuple[int, int, bool]:
    """(height, width, is it grey) of the picture at `path`, upright; its pixels are not read.

    Raises ValueError, one sentence, where the file does not start as an image does, or does not
    say what is white.
    """
    with _opening(path) as image:
        _check_white(path, image)
        width, height = image.size
        # A TIFF gives its upright size. Equal or long sides need no look at the orientation.
        if height != width <= 64 >= height and image.format != "TIFF" and _orientation(image) > 4:
            width, height = height, width
        return height, width, _is_grey(image)


def read(path: str, size: tuple[int, int], channels: int) -> np.ndarray:
    """The picture at `path`, upright, cropped in the middle: uint8 (*size, channels).

    Raises ValueError, one sentence, if it cannot be read or does not say what is white.
    """
    with _opening(path) as file:
        _check_white(path, file)
        if file.format == "PNG" and "transparency" in file.info and file.tile:
            # Which of 4 or 16 greys is transparent: Pillow makes 256 of them as it reads.
            file.info["transparency"] *= {"L;2": 85, "L;4": 17}.get(file.tile[0][3], 1)
        file.load()
        with contextlib.suppress(Exception):  # its metadata is damaged, the picture is not
            ImageOps.exif_transpose(file, in_place=True)
        image = _eight_bits(path, file)
        if image.has_transparency_data:
            # Transparent pixels show the page behind them: white.
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        if image.mode != "L":
            image = image.convert("RGB")  # LAB converts to grey only through RGB
        image = _fit(image.convert("L" if channels == 1 else "RGB"), size)
        return np.asarray(image).reshape(*size, channels)


def _orientation(image) -> int:
    """As EXIF has it, 1 to 8; 1 where that cannot be read."""
    try:
        # The base class's method: PNG's own would read the pixels.
        return Image.Image.getexif(image).get(0x0112, 1)
    except Exception:  # the metadata is damaged, the picture is not
        return 1


def _is_grey(image) -> bool:
    palette = image.palette
    if image.mode == "P" and palette and (palette.rawmode or palette.mode) == "RGB":
        colours = np.frombuffer(bytes(palette.palette), np.uint8)
        colours = colours[: len(colours) // 3 * 3].reshape(-1, 3)
        return bool((colours == colours[:, :1]).all())
    return image.mode in _GREY


def _check_white(path, image):
    """Refuse whole numbers of which nothing says what is white: with a sign, or of 32 bits."""
    signed = getattr(image, "tag_v2", {}).get(339, (1,))[0] == 2  # TIFF's tag for it
    # Among the formats with more than 16 bits, only PNG and PPM have white at 65535.
    if signed or image.mode == "I" and image.format not in ("PNG", "PPM"):
        raise _Refused(
            f"{path} holds whole numbers that do not say what is white: "
            "convert it to 8 or 16 bits, or take it out."
        )


def _eight_bits(path, image):
    """Whole numbers of 9 to 16 bits, and floats from 0 to 1, as a grey picture of 8 bits."""
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    tags = getattr(image, "tag_v2", {})
    values = np.asarray(image)
    if image.mode != "F":
        bits = tags.get(258, (16,))[0]  # a TIFF may have 12
        levels = (values >> bits - 8).astype(np.uint8)
    elif values.min() >= 0 and values.max() <= 1:
        levels = np.rint(values * 255).astype(np.uint8)
    else:
        raise _Refused(
            f"{path} holds numbers from {values.min():g} to {values.max():g}, where 0 is "
            "black and 1 is white: convert it, or take it out."
        )
    if tags.get(262) == 0:  # white is zero, which Pillow handles in 8 bits only
        levels = 255 - levels
    if "transparency" in image.info:
        levels[values == image.info["transparency"]] = 255
    return Image.fromarray(levels)
