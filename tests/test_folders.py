"""Folders of pictures: what is read of each, and what is said of the rest."""

import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from ganlib import data, folders, pictures

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
    with pytest.raises(ValueError, match=f"a.{suffix} .*: repair it or take it out"):
        data.load(tmp_path).images[:]


def test_a_picture_that_went_away_is_named(tmp_path):
    GREY.save(tmp_path / "a.png")
    loaded = data.load(tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(ValueError, match=r"a.png cannot be read \(No such file or directory\)"):
        loaded.images[0]


def test_a_picture_of_100_million_pixels_is_read_without_a_warning(tmp_path):
    Image.new("1", (10_000, 10_000), 1).save(tmp_path / "a.png")
    code = f"from ganlib import folders; print(folders.read({str(tmp_path)!r})[0][:].mean())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("255.0\n", "")


# ------------------------------------------------------------------ what is in a folder


def draw(folder, *names, size=(16, 16), mode="RGB"):
    """Pictures of one size, (width, height), at these names below `folder`."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size, 200 if mode == "L" else (200, 30, 30)).save(folder / name)
    return folder


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(64, 32)] * 2, (32, 64)),
        ([(45, 30)] * 2, (30, 45)),
        ([(28, 28)] * 2, (28, 28)),
        ([(64, 32), (32, 64)], (32, 32)),
        ([(28, 28), (28, 29)], (32, 32)),
        ([(65, 32)] * 2, (32, 32)),
        ([(640, 480)] * 2, (64, 64)),
    ],
)
def test_small_pictures_of_one_size_stay_as_they_are(tmp_path, sizes, expected):
    for i, size in enumerate(sizes):
        draw(tmp_path, f"{i}.png", size=size)
    assert data.load(tmp_path).image_shape == (*expected, 3)


def test_a_folder_is_grey_if_all_its_files_are(tmp_path):
    draw(tmp_path, "a.png", "b.jpg", "c.gif", mode="L")
    assert data.load(tmp_path).image_shape == (16, 16, 1)
    assert data.load(tmp_path, channels=3).image_shape == (16, 16, 3)
    draw(tmp_path, "d.gif")
    assert data.load(tmp_path).image_shape == (16, 16, 3)


def test_what_is_left_out_is_said_in_one_line(tmp_path, capsys):
    draw(tmp_path, "cats/1.png", "dogs/1.jfif", "dogs/.hidden.png", "cats/small/1.png")
    for name in ("notes", "cats/.ipynb_checkpoints"):
        (tmp_path / name).mkdir()
    for name in ("cats/a.heic", "dogs/b.pdf", "readme", "x.eps", ".DS_Store", "dogs/Thumbs.db"):
        (tmp_path / name).touch()
    loaded = data.load(tmp_path)
    assert (len(loaded), loaded.class_names) == (2, ("cats", "dogs"))
    assert capsys.readouterr().out == (
        f"Left out of {tmp_path}: 4 files (readme, x.eps, cats/a.heic, ...); 1 folder in which "
        "there is no image (notes); 1 folder too deep in it (cats/small).\n"
    )
    data.load(draw(tmp_path / "clean", "1.png"))
    assert capsys.readouterr().out == ""


def test_images_one_level_too_deep_are_pointed_out(tmp_path):
    draw(tmp_path, "train/cats/1.png", "train/dogs/1.png")
    with pytest.raises(ValueError, match="holds no image .*: its own folders train/cats, train/do"):
        data.load(tmp_path)


def test_names_with_spaces_accents_and_odd_bytes_in_any_locale(tmp_path):
    folder = draw(tmp_path / "mes été 日本", "chat noir/é à.png", "b/ñ.png")
    odd = os.path.join(os.fsencode(folder), b"b", b"\xff\xe9")
    for suffix in (b".png", b".xyz"):
        with open(odd + suffix, "wb") as file:
            file.write((folder / "b" / "ñ.png").read_bytes())
    os.mkdir(os.path.join(os.fsencode(folder), b"\xe9"))
    os.rename(odd + b".png", os.path.join(os.fsencode(folder), b"\xe9", b"1.png"))
    code = (
        "from ganlib import folders; images, labels, names = folders.read('.', (8, 8)); "
        "print(images[:].shape, labels, [ascii(name) for name in names])"
    )
    for locale, encoding in (("C", "ascii"), ("C.UTF-8", "latin-1")):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "LC_ALL": locale, "PYTHONIOENCODING": encoding},
            cwd=folder,
            capture_output=True,
        )
        assert (run.returncode, run.stderr) == (0, b"")
        assert b"Left out of .: 1 file (b/??.xyz)" in run.stdout
        assert b"(3, 8, 8, 3) [0 1 2]" in run.stdout
        assert rb"\ufffd" in run.stdout


# ------------------------------------------------------------------ as an array


def test_a_folder_is_indexed_as_an_array_is(tmp_path):
    for i in range(5):
        draw(tmp_path, f"{i}.png", size=(6 + i, 8))
    images = data.load(tmp_path, size="8x12").images
    whole = np.asarray(images)
    assert isinstance(images, folders.ImageFolder)
    assert whole.shape == images.shape == (5, 8, 12, 3)
    assert whole.dtype == images.dtype == np.uint8
    assert np.asarray(images, np.float32).dtype == np.float32
    chosen = np.array([True, False, True, True, False])
    for key in (2, -1, np.int64(3), slice(1, 4), [0, 3], np.array([4, 0, 4]), chosen, ...):
        np.testing.assert_array_equal(images[key], whole[key])
    np.testing.assert_array_equal(
        images[np.array([[0, 1], [2, 3]])], whole[:4].reshape(2, 2, 8, 12, 3)
    )
    assert [image.shape for image in images] == [(8, 12, 3)] * 5
    for bad in (5, np.array([7])):
        with pytest.raises(IndexError):
            images[bad]
    with pytest.raises(IndexError, match="by images alone"):
        images[..., 0]


@pytest.mark.parametrize("streamed", [False, True])
def test_subset_resize_and_batches_are_those_of_both_kinds(tmp_path, streamed):
    for i in range(6):
        draw(tmp_path, f"{'ab'[i % 2]}/{i}.png", size=(45, 30))
    loaded = data.load(tmp_path)
    if not streamed:
        loaded = data.Dataset("array", loaded.images[:], loaded.labels, loaded.class_names)
    assert loaded.image_shape == (30, 45, 3)
    half = loaded.subset(loaded.labels == 1)
    assert (len(half), half.labels.tolist(), half.class_names) == (3, [1, 1, 1], ("a", "b"))
    assert loaded.subset([5, 0]).labels.tolist() == [1, 0]
    assert len(loaded.subset([])) == 0
    small = loaded.resize("20x10")
    assert small.image_shape == (20, 10, 3)
    assert small.images[:].shape == (6, 20, 10, 3)
    assert (small.images[:] == [200, 30, 30]).all()
    for same in (None, 0, "", (30, 45), "30x45"):
        assert loaded.resize(same) is loaded
    for batch, labels in small.batches(4, labels=True):
        assert tuple(batch.shape) == (4, 20, 10, 3)
        assert tuple(labels.shape) == (4,)


def test_an_array_is_resized_as_files_are(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    for i, image in enumerate(noise):
        Image.fromarray(image).save(tmp_path / f"{i}.png")
    loaded = data.load(tmp_path)
    array = data.Dataset("array", noise)
    np.testing.assert_array_equal(loaded.images[:], noise)
    for size in (16, (8, 24), "40x60"):
        np.testing.assert_array_equal(array.resize(size).images, loaded.resize(size).images[:])


def test_fitted_says_what_it_changes(capsys):
    digits = data.load("digits")
    assert digits.fitted(lambda size: size) is digits
    assert capsys.readouterr().out == ""
    assert digits.fitted(lambda size: (2 * size[0], 12)).image_shape == (16, 12, 1)
    assert capsys.readouterr().out == (
        "'digits' (1,797 images): resized from 8x8 to 16x12 pixels, which the model can make.\n"
    )


def test_require_says_what_is_needed_and_what_there_is():
    digits = data.load("digits")
    assert digits.require(classes=10, images=1797) is digits
    with pytest.raises(ValueError, match=r"at least 2 classes, and 'x' \(9 images\) has no labels"):
        data.Dataset("x", digits.images[:9]).require(classes=2)
    with pytest.raises(ValueError, match="at least 2 classes, and .* has 1 of them"):
        digits.subset(digits.labels == 3).require(classes=2)
    with pytest.raises(ValueError, match="at least 2,000 images, 'digits' .1,797 images. has less"):
        digits.require(images=2000)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (64, (64, 64)),
        (np.int64(8), (8, 8)),
        ("64", (64, 64)),
        ("32x64", (32, 64)),
        (" 32 X 64 ", (32, 64)),
        ((32, 64), (32, 64)),
        ([32, 64], (32, 64)),
        (np.array([3, 4]), (3, 4)),
        (None, None),
        (0, None),
        ("", None),
        ("0", None),
    ],
)
def test_a_size_is_a_number_a_text_or_a_pair(size, expected):
    assert pictures.size_of(size) == expected


@pytest.mark.parametrize("size", [-1, 6.5, "a", "32x", "1x2x3", (32,) * 3, (0, 8), True, {}, "x"])
def test_no_size_gets_one_sentence(size):
    with pytest.raises(ValueError, match="is no size of an image: give its side in pixels"):
        data.load("digits", size=size)


def test_every_data_set_has_a_size():
    assert data.load("glyphs", n=3, size=32).image_shape == (32, 32, 1)
    assert data.load("digits", size="16x24").images.shape == (1797, 16, 24, 1)


@pytest.mark.parametrize("name", ["", None, 3])
def test_no_name_gets_one_sentence(name):
    with pytest.raises(ValueError, match="load needs the name of a data set .*, not"):
        data.load(name)


def test_paths_of_all_kinds(tmp_path, monkeypatch):
    draw(tmp_path, "cats/1.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in ("cats", "./cats", "~/cats", tmp_path / "cats", "cats/", "~"):
        assert len(data.load(path)) == 1
    with pytest.raises(FileNotFoundError, match=f"no folder {tmp_path}/dogs/young: give"):
        data.load("dogs/young")
    with pytest.raises(ValueError, match=f"or give the path .*, and {tmp_path}/dogs is none"):
        data.load("dogs")
    for file in ("cats/1.png", tmp_path / "cats" / "1.png"):
        with pytest.raises(ValueError, match="1.png is a file: give the folder"):
            data.load(file)
