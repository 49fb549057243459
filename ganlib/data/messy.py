"""A folder of pictures as one finds them: unequal, unlabelled, some twice, some broken.

What is in it is known, so that whoever looks through such a folder can be compared with the truth.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from ganlib.data.pairs import photographs

#: What is planted among the ordinary pictures, and how many of each among 300.
KINDS = {
    "copy": 10,  # the same file once more
    "other file": 6,  # the same pixels, in another format
    "again": 12,  # the same picture, smaller and compressed
    "mirrored": 4,  # the same picture, left for right
    "turned": 8,  # lies on its side, and its EXIF says so
    "16 bits": 3,
    "palette": 4,  # a palette, a corner of it transparent
    "tiny": 8,  # a thumbnail of less than 20 pixels
    "cut short": 6,  # a JPEG that ends in the middle
    "empty": 2,
    "text": 2,  # a text whose name says PNG
    "raw numbers": 1,  # whole numbers of 32 bits, of which nothing says what is white
}

#: What else the pictures can be of: surfaces that are alike everywhere, drawn by a formula.
TEXTURES = ("grain", "stones")

_CELL, _BUSY = 30, 12.0


def write(
    folder: str | Path, n: int = 300, seed: int = 0, of: str = "photographs"
) -> dict[str, str]:
    """Write `n` picture files, or what look like such, into a folder, and a note beside them.

    The pictures are pieces of 24 to 30 pixels, none over another, of the two photographs that
    scikit-learn brings, "china" by danielbuechele and "flower" by vultilion (CC BY 2.0), without
    the flat ones, or pieces of a texture; enlarged to 32 pixels or more, as PNG and JPEG.

    Args:
        folder: made if it is missing; what else is in it stays.
        n: with 300 there are as many of each of `KINDS` as it says, with others in proportion.
        seed: which pieces, in which order, with which fate.
        of: "photographs" or one of `TEXTURES`.

    Returns:
        dict from each file's name to "picture" or one of `KINDS`; the copies and the like are named
        after the file that they are made of, "NAME again.jpg" after "NAME.png".

    Raises:
        ValueError: `n` is below 30, or the photographs have fewer pieces than are needed; there is
            no such texture.
    """
    folder, rng = Path(folder), np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    planted = {kind: round(many * n / 300) for kind, many in KINDS.items()}
    from_others = sum(planted[kind] for kind in ("copy", "other file", "again", "mirrored"))
    pieces = _pieces(rng) if of == "photographs" else _surfaces(of, n, rng)
    if n < 30 or n - from_others > len(pieces):
        most = int(len(pieces) / (1 - from_others / n))
        raise ValueError(f"A messy folder has 30 to {most} pictures, not {n}.")
    kinds = ["picture"] * (n - sum(planted.values()))
    kinds += [kind for kind, many in planted.items() for _ in range(many)]
    made, names = {}, (f"IMG_{number:04}" for number in 1 + rng.permutation(n))
    originals = []  # (name, picture) of ordinary ones
    for kind in kinds:
        if kind in ("copy", "other file", "again", "mirrored"):
            name, picture = originals[len(made) % len(originals)]
            originals.remove((name, picture))
            name = f"{name} {kind}"
        else:
            name, picture = next(names), _enlarged(pieces.pop(), rng)
            if kind == "picture":
                originals.append((name, picture))
        suffix, content = _encoded(kind, picture, rng)
        (folder / f"{name}.{suffix}").write_bytes(content)
        made[f"{name}.{suffix}"] = kind
    (folder / "notes.txt").write_text(f"Pieces of {of}.\n", encoding="utf-8")
    return made


def _pieces(rng) -> list[Image.Image]:
    """The busy cells of both photographs, cut to sides of 24 to 30 pixels, in random order."""
    found = []
    for cell in photographs(_CELL).images[:]:
        height, width = rng.integers(24, _CELL + 1, 2)
        piece = cell[:height, :width]
        if piece.mean(axis=2).std() > _BUSY:
            found.append(Image.fromarray(piece))
    return [found[i] for i in rng.permutation(len(found))]


def _surfaces(kind, n, rng) -> list[Image.Image]:
    """Pieces of a texture, of sides of 24 to 30 pixels."""
    if kind not in TEXTURES:
        raise ValueError(f"A folder is of photographs, {' or '.join(TEXTURES)}, not {kind!r}.")
    draw = _grain if kind == "grain" else _stones
    sizes = rng.integers(24, _CELL + 1, (n, 2))
    return [Image.fromarray(draw(rng)[:height, :width]) for height, width in sizes]


def _grain(rng, side=_CELL) -> np.ndarray:
    """Wavy lines of light and dark brown, upright or nearly so, uint8 (side, side, 3)."""
    y, x = np.mgrid[:side, :side]
    lean, period, wave = rng.uniform(-0.25, 0.25), rng.uniform(4, 6), rng.uniform(15, 30)
    at = x + lean * y + 1.5 * np.sin(2 * np.pi * (y / wave + rng.random()))
    light = 0.5 + 0.5 * np.sin(2 * np.pi * (at / period + rng.random()))
    light = 0.85 * light[..., None] + 0.15 * rng.random((1, side, 1))  # lines differ
    return _between((84, 50, 28), (206, 160, 106), light, rng)


def _stones(rng, side=_CELL) -> np.ndarray:
    """Stones of several greys in dark mortar, uint8 (side, side, 3)."""
    y, x = np.mgrid[:side, :side]
    step, jitter = 9, 2.5  # pixels between stones, and how far one is moved
    rows, columns = (
        axis.ravel() for axis in np.mgrid[-step : side + step : step, -step : side + step : step]
    )
    middles = np.stack([rows, columns], axis=1) + rng.uniform(0, step, 2)
    middles = middles + rng.uniform(-jitter, jitter, middles.shape)
    apart = np.hypot(y[..., None] - middles[:, 0], x[..., None] - middles[:, 1])
    first, second = np.moveaxis(np.sort(apart, axis=-1)[..., :2], -1, 0)
    own = rng.uniform(0.55, 1, len(middles))[apart.argmin(axis=-1)]
    light = own * np.clip((second - first) / 2.5, 0, 1)
    return _between((34, 34, 40), (206, 202, 190), light[..., None], rng)


def _between(dark, bright, light, rng) -> np.ndarray:
    """Colours between two, with a little noise."""
    colours = np.array(dark) + (np.array(bright) - dark) * light
    return np.clip(colours + rng.normal(0, 4, colours.shape), 0, 255).astype(np.uint8)


def _enlarged(piece, rng):
    factor = rng.uniform(1.4, 4.0)
    size = [max(32, round(factor * side)) for side in piece.size]
    return piece.resize(size, Image.Resampling.BICUBIC)


def _encoded(kind, picture, rng) -> tuple[str, bytes]:
    """How the file's name ends, and its bytes."""
    # Those that are made of others come out the same each time that the original is encoded.
    png = len(picture.tobytes()) % 2 == 0
    match kind:
        case "picture" | "copy":
            return ("png", _bytes(picture)) if png else ("jpg", _bytes(picture, "JPEG", quality=92))
        case "other file":
            if not png:  # of what the JPEG shows
                picture = Image.open(io.BytesIO(_bytes(picture, "JPEG", quality=92)))
            return "bmp", _bytes(picture, "BMP")
        case "again":
            factor = max(0.7, 32 / min(picture.size))
            smaller = [round(factor * side) for side in picture.size]
            return "jpg", _bytes(picture.resize(smaller), "JPEG", quality=60)
        case "mirrored":
            mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            return "jpg", _bytes(mirrored, "JPEG", quality=92)
        case "turned":
            exif = Image.Exif()
            exif[0x0112] = 6  # a quarter of a turn clockwise makes it upright
            lying = picture.transpose(Image.Transpose.ROTATE_90)
            return "jpg", _bytes(lying, "JPEG", quality=92, exif=exif)
        case "16 bits":
            grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
            return "png", _bytes(Image.fromarray(grey))
        case "palette":
            indexed = picture.quantize(63)
            indexed.putpalette([*indexed.getpalette()[:189], 255, 0, 255])
            corner = Image.new("L", picture.size, 0)
            corner.paste(255, (0, 0, picture.width // 4, picture.height // 4))
            indexed.paste(63, mask=corner)
            return "png", _bytes(indexed, transparency=63)
        case "tiny":
            side = int(rng.integers(8, 20))
            return "png", _bytes(picture.resize((side, side)))
        case "cut short":
            whole = _bytes(picture, "JPEG", quality=92)
            scan = whole.rindex(b"\xff\xda") + 20  # so that what is before it, the size, is whole
            return "jpg", whole[: max(scan, len(whole) * 2 // 3)]
        case "raw numbers":
            numbers = np.asarray(picture.convert("L")).astype(np.int32) * 1000
            return "tif", _bytes(Image.fromarray(numbers), "TIFF")
        case _:
            return ("jpg", b"") if kind == "empty" else ("png", b"This was a picture once.\n")


def _bytes(image, format="PNG", **options) -> bytes:
    with io.BytesIO() as file:
        image.save(file, format, **options)
        return file.getvalue()
