"""Folders of pictures: what is read of them, and the one interface of folders and arrays."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ganlib
from ganlib import data, models
from ganlib.data import folders, pictures

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
        f"Left out of {tmp_path}: 4 files (readme, x.eps, cats/a.heic, ...); 1 folder without "
        "an image (notes); 1 folder too deep in it (cats/small).\n"
    )
    data.load(draw(tmp_path / "clean", "1.png"))
    assert capsys.readouterr().out == ""


def test_images_one_level_too_deep_are_pointed_out(tmp_path):
    draw(tmp_path, "train/cats/1.png", "train/dogs/1.png")
    with pytest.raises(
        ValueError, match="holds no image .*: perhaps you mean train/cats, train/do"
    ):
        data.load(tmp_path)


@pytest.mark.slow
def test_names_with_spaces_accents_and_odd_bytes_in_any_locale(tmp_path):
    folder = draw(tmp_path / "mes été 日本", "chat noir/é à.png", "b/ñ.png")
    odd = os.path.join(os.fsencode(folder), b"b", b"\xff\xe9")
    for suffix in (b".png", b".xyz"):
        with open(odd + suffix, "wb") as file:
            file.write((folder / "b" / "ñ.png").read_bytes())
    os.mkdir(os.path.join(os.fsencode(folder), b"\xe9"))
    os.rename(odd + b".png", os.path.join(os.fsencode(folder), b"\xe9", b"1.png"))
    code = (
        "import ganlib; ganlib.repeatable(); "
        "from ganlib.data import folders; images, labels, names = folders.read('.', (8, 8)); "
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
        assert b"(3, 8, 8, 3) [2 1 0]" in run.stdout
        assert rb"\ufffd" in run.stdout


def test_the_first_few_are_of_every_class(tmp_path):
    """What takes the first hundred for a sample must not get one class only."""
    for i in range(60):
        draw(tmp_path, f"{'abc'[i // 20]}/{i}.png", size=(8, 8))
    loaded, again = data.load(tmp_path), data.load(tmp_path)
    assert np.bincount(loaded.labels[:20]).min() >= 3
    assert [Path(path).parent.name for path in loaded.images.paths] == [
        "abc"[label] for label in loaded.labels
    ]
    assert loaded.images.paths.tolist() == again.images.paths.tolist()
    assert sorted(loaded.images.paths) == sorted(map(str, tmp_path.glob("*/*.png")))


def test_a_training_does_not_go_on_with_other_files_unnoticed(tmp_path):
    """Wherever the folder is now. A file more would change the order of all."""
    folder = draw(tmp_path / "here", *(f"{'ab'[i % 2]}/{i}.png" for i in range(6)), size=(2, 2))
    gan = ganlib.GAN(models.mlp.generator((2, 2, 3), 3, (4,)), models.mlp.discriminator((2, 2, 3)))
    gan.compile()

    def fit(folder, epochs):
        used = ganlib.callbacks.Checkpoint(tmp_path / "checkpoints")
        fed = data.load(folder).batches(3)
        return gan.fit(fed, epochs=epochs, callbacks=[used], verbose=0).epoch

    assert fit(folder, 1) == [0]
    folder = folder.rename(tmp_path / "there")
    assert fit(folder, 2) == [0, 1]
    other = "was on 6 images of digest [0-9a-f]{8}, not on {} images of digest .*: go on with the"
    draw(folder, "a/x.png", size=(2, 2))
    with pytest.raises(ValueError, match=other.replace("{}", "7")):
        fit(folder, 3)
    (folder / "a" / "2.png").unlink()
    with pytest.raises(ValueError, match=other.replace("{}", "6")):
        fit(folder, 3)


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
    with pytest.raises(IndexError, match="only by image"):
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
    assert loaded.subset([5, 0]).labels.tolist() == loaded.labels[[5, 0]].tolist()
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
    array = data.Dataset("array", noise[[int(Path(path).stem) for path in loaded.images.paths]])
    np.testing.assert_array_equal(loaded.images[:], array.images)
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
    with pytest.raises(ValueError, match="at least 2 classes, and .* has only 1: use"):
        digits.subset(digits.labels == 3).require(classes=2)
    with pytest.raises(
        ValueError, match="at least 2,000 images, and .digits. .1,797 images. has fewer"
    ):
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
    with pytest.raises(ValueError, match="is not the size of an image: give its side in pixels"):
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
    with pytest.raises(ValueError, match=f"or give the path .*, which {tmp_path}/dogs is not"):
        data.load("dogs")
    for file in ("cats/1.png", tmp_path / "cats" / "1.png"):
        with pytest.raises(ValueError, match="1.png is a file: give the folder"):
            data.load(file)


def test_no_batch_is_read_before_it_is_asked_for(tmp_path, monkeypatch):
    """TensorFlow reads ahead in a thread that waits for Python, and hangs when Python collects it.

    Seen where trainings on a folder were short, or stopped.
    """
    draw(tmp_path, *(f"{i}.png" for i in range(12)))
    batches = data.load(tmp_path).batches(2, repeat=True)
    opened, read = [], pictures.read
    monkeypatch.setattr(pictures, "read", lambda *args: opened.append(1) or read(*args))
    feed = iter(batches)
    for asked in (1, 2):
        next(feed)
        time.sleep(0.3)
        assert len(opened) == 2 * asked
