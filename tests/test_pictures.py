"""Each picture is read as its file says, or refused by name."""

import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from ganlib import data
from ganlib.data import pictures

GREYS = np.array([0, 85, 170, 255])  # the columns of every picture here, each 4 pixels wide
SQUARE = np.tile(np.repeat(GREYS, 4), (16, 1)).astype(np.uint8)
GREY = Image.fromarray(SQUARE)
COLOUR = GREY.convert("RGB")
WIDE = np.uint16(257) * SQUARE
PAGES = {"save_all": True, "append_images": [Image.new("RGB", (16, 16), "white")]}
LAB = ImageCms.profileToProfile(
    COLOUR, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
)


def columns(path, channels=1):
    """The greys read, as numbers; all channels must agree."""
    pixels = pictures.read(path, (16, 16), channels).astype(int)
    assert np.ptp(pixels, axis=(0, 2))[[1, 5, 9, 13]].max() <= 2
    return pixels[8, [1, 5, 9, 13], 0]


# ------------------------------------------------------------------ formats and modes


FORMATS = ["png", "apng", "jpg", "jpeg", "jpe", "jfif", "webp", "bmp", "dib", "gif", "tif", "tiff"]
FORMATS += ["ppm", "pgm", "pnm", "ico", "tga", "pcx", "sgi", "bw", "im", "dds", "jp2", "j2k"]


@pytest.mark.filterwarnings("ignore:IM image format is deprecated")  # Pillow 15 is without it
@pytest.mark.parametrize("picture", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_keeps_its_greys(tmp_path, suffix, picture):
    picture.save(tmp_path / f"a.{suffix}")
    loaded = data.load(tmp_path, size=16)
    assert len(loaded) == 1
    assert np.abs(columns(loaded.images.paths[0]) - GREYS).max() <= 2


@pytest.mark.skipif(".avif" not in pictures.suffixes(), reason="this Pillow knows no AVIF")
def test_avif(tmp_path):
    GREY.save(tmp_path / "a.avif")
    assert len(data.load(tmp_path)) == 1
    assert np.abs(columns(tmp_path / "a.avif") - GREYS).max() <= 2


MODES = {
    "1": ("a.png", GREY.convert("1", dither=0), {}, [0, 0, 255, 255]),
    "1 in TIFF": ("a.tif", GREY.convert("1", dither=0), {}, [0, 0, 255, 255]),
    "LA": ("a.png", GREY.convert("LA"), {}, GREYS),
    "P": ("a.png", GREY.quantize(4), {}, GREYS),
    "PA": ("a.tif", COLOUR.quantize(4).convert("PA"), {}, GREYS),
    "RGBA": ("a.png", COLOUR.convert("RGBA"), {}, GREYS),
    "CMYK in JPEG": ("a.jpg", COLOUR.convert("CMYK"), {}, GREYS),
    "CMYK in TIFF": ("a.tif", COLOUR.convert("CMYK"), {}, GREYS),
    "YCbCr": ("a.jpg", COLOUR.convert("YCbCr"), {}, GREYS),
    "LAB": ("a.tif", LAB, {}, GREYS),
    "I;16 in PNG": ("a.png", Image.fromarray(WIDE), {}, GREYS),
    "I;16 in TIFF": ("a.tif", Image.fromarray(WIDE), {}, GREYS),
    "I;16 in JPEG 2000": ("a.jp2", Image.fromarray(WIDE), {}, GREYS),
    "I in PGM": ("a.pgm", Image.fromarray(WIDE.astype(np.int32)), {}, GREYS),
    "F in TIFF": ("a.tif", Image.fromarray((SQUARE / 255).astype(np.float32)), {}, GREYS),
    "progressive": ("a.jpg", COLOUR, {"progressive": True}, GREYS),
    "moving GIF": ("a.gif", COLOUR, PAGES, GREYS),
    "moving WebP": ("a.webp", COLOUR, PAGES, GREYS),
    "moving PNG": ("a.png", COLOUR, PAGES, GREYS),
    "pages of TIFF": ("a.tif", COLOUR, PAGES, GREYS),
    "one grey transparent": ("a.png", GREY, {"transparency": 85}, [0, 255, 170, 255]),
    "one colour transparent": ("a.png", COLOUR, {"transparency": (0, 0, 0)}, [255, 85, 170, 255]),
    "palette transparent": (
        "a.png",
        GREY.quantize(4),
        {"transparency": bytes([255, 255, 255, 0])},
        [255, 85, 170, 255],
    ),
}


@pytest.mark.parametrize("case", MODES)
def test_every_mode_keeps_its_greys(tmp_path, case):
    name, picture, options, expected = MODES[case]
    picture.save(tmp_path / name, **options)
    for channels in (1, 3):
        assert np.abs(columns(tmp_path / name, channels) - expected).max() <= 2


def png(depth, kind, row, transparent=b"", size=(16, 16)):
    """A PNG that Pillow cannot write: 16 equal rows, of 16 pixels."""

    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0))]
    parts += [chunk(b"tRNS", transparent)] if transparent else []
    parts += [chunk(b"IDAT", zlib.compress((b"\0" + row) * 16)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(bits, row, sample_format=1, white_is_zero=False):
    """A TIFF that Pillow cannot write: 16 equal rows of 16 grey pixels."""
    body = row * 16
    tags = {256: 16, 257: 16, 258: bits, 259: 1, 262: 1 - white_is_zero, 273: 8}
    tags |= {277: 1, 278: 16, 279: len(body), 339: sample_format}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()]
    head = b"II*\0" + struct.pack("<I", 8 + len(body))
    return head + body + struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)


COLUMNS = SQUARE[0].astype(int)
TWELVE = "".join(f"{grey * 4095 // 255:03x}" for grey in COLUMNS)
FOUR = bytes.fromhex("".join(f"{grey // 17:x}" for grey in COLUMNS))
TRANSPARENT = struct.pack(">H", 85 * 257)
BYTES = {
    "16 bits and alpha.png": (
        png(16, 4, np.stack([COLUMNS * 257, COLUMNS * 0 + 65535], 1).astype(">u2").tobytes()),
        GREYS,
    ),
    "16 bits in colour.png": (
        png(16, 2, (COLUMNS * 257).repeat(3).astype(">u2").tobytes(), TRANSPARENT * 3),
        [0, 255, 170, 255],
    ),
    "16 bits, one transparent.png": (
        png(16, 0, (COLUMNS * 257).astype(">u2").tobytes(), TRANSPARENT),
        [0, 255, 170, 255],
    ),
    "4 bits.png": (png(4, 0, FOUR), GREYS),
    "4 bits, one transparent.png": (png(4, 0, FOUR, struct.pack(">H", 5)), [0, 255, 170, 255]),
    "4 bits.tif": (tiff(4, FOUR), GREYS),
    "12 bits.tif": (tiff(12, bytes.fromhex(TWELVE)), GREYS),
    "16 bits.tif": (tiff(16, WIDE[0].astype("<u2").tobytes()), GREYS),
    "16 bits, white is 0.tif": (tiff(16, WIDE[0].astype("<u2").tobytes(), 1, True), GREYS[::-1]),
    "8 bits, white is 0.tif": (tiff(8, SQUARE[0].tobytes(), 1, True), GREYS[::-1]),
    "15.pgm": (b"P5 16 16 15\n" + (SQUARE // 17).tobytes(), GREYS),
    "1023.pgm": (
        b"P5 16 16 1023\n" + (SQUARE.astype(int) * 1023 // 255).astype(">u2").tobytes(),
        GREYS,
    ),
    "text.pgm": (b"P2 16 16 255\n" + b" ".join(b"%d" % grey for grey in SQUARE.flat), GREYS),
}


@pytest.mark.parametrize("name", BYTES)
def test_what_only_others_write_keeps_its_greys(tmp_path, name):
    content, expected = BYTES[name]
    (tmp_path / name).write_bytes(content)
    pictures.header(tmp_path / name)
    assert np.abs(columns(tmp_path / name) - expected).max() <= 2


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_upright(tmp_path, orientation, suffix):
    if f".{suffix}" not in pictures.suffixes():
        pytest.skip(f"this Pillow knows no .{suffix}")
    upright = np.zeros((32, 48), np.uint8)
    upright[:16, :24], upright[:16, 24:], upright[16:, :24] = 255, 160, 80
    flip = Image.Transpose
    stored = {  # how it must be stored to be upright once it is turned
        1: lambda image: image,
        2: lambda image: image.transpose(flip.FLIP_LEFT_RIGHT),
        3: lambda image: image.transpose(flip.ROTATE_180),
        4: lambda image: image.transpose(flip.FLIP_TOP_BOTTOM),
        5: lambda image: image.transpose(flip.TRANSPOSE),
        6: lambda image: image.transpose(flip.ROTATE_90),
        7: lambda image: image.transpose(flip.TRANSVERSE),
        8: lambda image: image.transpose(flip.ROTATE_270),
    }[orientation](Image.fromarray(upright))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"a.{suffix}", exif=exif)
    loaded = data.load(tmp_path, channels=1)
    assert loaded.image_shape == (32, 48, 1)
    read = loaded.images[0][..., 0].astype(int)
    assert np.abs(read[[8, 8, 24, 24], [12, 36, 12, 36]] - [255, 160, 80, 0]).max() <= 8


def test_damaged_exif_costs_no_picture(tmp_path):
    GREY.save(tmp_path / "a.png", exif=b"Exif\0\0 no such thing")
    assert (columns(tmp_path / "a.png") == GREYS).all()


REFUSED = {
    "32 bits.tif": (tiff(32, SQUARE[0].astype("<u4").tobytes()), "do not say what is white"),
    "signed.tif": (tiff(16, SQUARE[0].astype("<i2").tobytes(), 2), "do not say what is white"),
    "signed 8.tif": (tiff(8, SQUARE[0].tobytes(), 2), "do not say what is white"),
    "to 255.tif": (tiff(32, SQUARE[0].astype("<f4").tobytes(), 3), "numbers from 0 to 255"),
    "nan.tif": (tiff(32, (SQUARE[0] * np.nan).astype("<f4").tobytes(), 3), "numbers from nan"),
    "text.png": (b"not an image", "not an image that can be read: repair it"),
    "empty.jpg": (b"", "not an image that can be read: repair it"),
    "script.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image that can"),
    "huge.png": (
        png(8, 0, b"", size=(20_000, 10_000)),
        "too large an image to be read",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_by_name(tmp_path, name, recwarn):
    content, sentence = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError) as error:
        data.load(tmp_path).images[:]
    assert str(error.value).startswith(f"{tmp_path / name} ")
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.__context__ is None
    assert not recwarn.list


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "tif", "bmp", "jp2"])
def test_a_cut_picture_is_refused_by_name(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    file = tmp_path / f"a.{suffix}"
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ValueError, match=f"a.{suffix} .*: repair it, or take it out"):
        data.load(tmp_path).images[:]


def test_a_picture_that_went_away_is_named(tmp_path):
    GREY.save(tmp_path / "a.png")
    loaded = data.load(tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(ValueError, match=r"a.png cannot be read \(No such file or directory\)"):
        loaded.images[0]


@pytest.mark.slow
def test_a_picture_of_100_million_pixels_is_read_without_a_warning(tmp_path):
    Image.new("1", (10_000, 10_000), 1).save(tmp_path / "a.png")
    code = "import ganlib; ganlib.repeatable(); from ganlib.data import folders; "
    code += f"print(folders.read({str(tmp_path)!r})[0][:].mean())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("255.0\n", "")
