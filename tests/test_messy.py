"""The folder that is messy on purpose: what is planted in it is what it says."""

import collections

import numpy as np
import pytest
from PIL import Image, ImageOps
from sources import code_cells

from ganlib import checks, data
from ganlib.data import messy

OTHERS = ("copy", "other file", "again", "mirrored")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("messy")


@pytest.fixture(scope="module")
def made(folder):
    return messy.write(folder, seed=1)


def read(folder, name, size=(32, 32), channels=3):
    return data.ImageFolder([str(folder / name)], size, channels)[0].astype(int)


def test_as_many_of_each_kind_as_it_says(made, folder):
    counts = collections.Counter(made.values())
    assert {kind: many for kind, many in counts.items() if kind != "picture"} == messy.KINDS
    assert len(made) == 300
    assert {path.name for path in folder.iterdir()} == {*made, "notes.txt"}


def test_the_same_again_and_otherwise_others(made, folder, tmp_path):
    assert messy.write(tmp_path / "a", seed=1) == made
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "a" / path.name).read_bytes()
    assert messy.write(tmp_path / "b", seed=2) != made


def test_pictures_can_be_read_and_the_broken_cannot(made, folder):
    broken = ("cut short", "empty", "text", "raw numbers")
    for name, kind in made.items():
        if kind in broken:
            with pytest.raises(ValueError, match=r"is not an image|holds whole numbers"):
                read(folder, name)
        else:
            read(folder, name)


def test_what_was_cut_short_still_says_its_size(tmp_path):
    """Of a plain piece, too, of which the header is more than two thirds of the file."""
    planted = messy.write(tmp_path, seed=4)
    names = [name for name, kind in planted.items() if kind == "cut short"]
    for name in names:
        with Image.open(tmp_path / name) as image:
            assert min(image.size) >= 32
        with pytest.raises(ValueError, match="is not an image"):
            read(tmp_path, name)
    assert len(names) == messy.KINDS["cut short"]


def test_sizes_and_proportions_differ(made, folder):
    sizes = {}
    for name, kind in made.items():
        if kind in ("picture", "turned", "tiny"):
            with Image.open(folder / name) as image:
                sizes[name] = ImageOps.exif_transpose(image).size
    sides = [min(size) for name, size in sizes.items() if made[name] != "tiny"]
    assert len(set(sizes.values())) > 100 and min(sides) >= 32 and max(sides) > 90
    assert all(max(size) < 20 for name, size in sizes.items() if made[name] == "tiny")


@pytest.mark.parametrize("kind", OTHERS)
def test_doubles_show_the_picture_that_they_are_named_after(made, folder, kind):
    originals = {name.rsplit(".", 1)[0]: name for name in made}
    for name in (name for name, it in made.items() if it == kind):
        original = originals[name.split(" ")[0]]
        assert made[original] == "picture"
        one, other = read(folder, name), read(folder, original)
        if kind == "mirrored":
            one = one[:, ::-1]
        assert abs(one - other).mean() < (0.5 if kind in ("copy", "other file") else 15)
        same = (folder / name).read_bytes() == (folder / original).read_bytes()
        assert same == (kind == "copy")


def test_what_is_odd_about_the_odd_ones(made, folder):
    def of(kind):
        return [folder / name for name, it in made.items() if it == kind]

    for path in of("turned"):
        with Image.open(path) as image:
            assert image.getexif()[0x0112] == 6
    for path in of("16 bits"):
        with Image.open(path) as image:
            assert image.mode == "I;16" and np.asarray(image).max() > 255
    for path in of("palette"):
        with Image.open(path) as image:
            assert image.mode == "P" and image.info["transparency"] == 63
        assert (read(folder, path.name, (64, 64))[:8, :8] > 250).all()


def test_a_smaller_folder_keeps_the_shares(tmp_path):
    counts = collections.Counter(messy.write(tmp_path, 60).values())
    assert sum(counts.values()) == 60 and counts["copy"] == 2 and counts["cut short"] == 1


def row_power(image):
    """How much the rows of an image change from left to right, by the number of waves."""
    grey = image.mean(axis=2)
    return (abs(np.fft.rfft(grey - grey.mean(), axis=1)) ** 2).mean(axis=0)


def test_a_folder_of_a_texture_is_as_messy(tmp_path):
    planted = messy.write(tmp_path / "stones", 60, seed=2, of="stones")
    counts = collections.Counter(planted.values())
    assert counts["copy"] == 2 and counts["cut short"] == 1 and len(planted) == 60
    assert messy.write(tmp_path / "again", 60, seed=2, of="stones") == planted
    for path in (tmp_path / "stones").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    names = [name for name, kind in planted.items() if kind == "picture"]
    stones = np.array([read(tmp_path / "stones", name) for name in names])
    assert np.ptp(stones.mean(axis=(0, 1, 2))) < 12  # grey
    assert all((image < 60).mean() > 0.05 and (image > 120).mean() > 0.3 for image in stones)


def test_grain_has_lines_of_a_few_pixels(tmp_path):
    planted = messy.write(tmp_path, 60, of="grain")
    names = [name for name, kind in planted.items() if kind == "picture"]
    waves = [row_power(read(tmp_path, name)).argmax() for name in names]
    assert min(waves) >= 3 and max(waves) <= 9


def test_what_is_no_texture_is_refused(tmp_path):
    with pytest.raises(ValueError, match="photographs, grain or stones, not 'wood'"):
        messy.write(tmp_path, of="wood")


@pytest.mark.parametrize("n", [10, 1000])
def test_as_many_as_the_photographs_give(tmp_path, n):
    with pytest.raises(ValueError, match="A messy folder has 30 to"):
        messy.write(tmp_path, n)


def test_the_chapter_finishes_its_look_at_such_a_folder(tmp_path, capsys):
    """Of a folder that it has not made, too, in which pictures lie in subfolders."""
    planted = messy.write(tmp_path / "mine/holidays", seed=5)
    names = {}
    for cell in code_cells("own_images")[1:]:
        source = cell.source
        if "parameters" in cell.metadata.get("tags", ()):
            source += f"\ndataset = {str(tmp_path / 'mine')!r}"
        exec(source, names)
        if "left_out = {" in source:
            break
    said = capsys.readouterr().out
    broken = ("cut short", "empty", "text", "raw numbers")
    for name in [name for name, kind in planted.items() if kind in broken]:
        assert f"{name} is not" in said or f"{name} holds" in said
    assert names["left_out"]["cannot be read"] == 12 and "  12 cannot be read\n" in said
    assert names["left_out"]["too small"] == messy.KINDS["tiny"]
    doubles = sum(messy.KINDS[kind] for kind in OTHERS)
    assert 0.85 * doubles <= names["left_out"]["there already"] <= doubles
    checks._untested = None
