"""What an image chapter leaves behind."""

import json
import os

import keras
import numpy as np
import pytest
from PIL import Image

from ganlib import files, models, outputs


def pictures(n, height=8, width=8, channels=1):
    shape = (n, height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")


def metrics(folder):
    def strict(name):
        raise AssertionError(f"{name} is no JSON")

    return json.loads((folder / "metrics.json").read_text(), parse_constant=strict)


def tiny():
    return models.dcgan.generator((8, 8, 1), latent_dim=3, width=4)


def test_the_folder_holds_samples_picture_generator_and_metrics(tmp_path):
    generator, images = tiny(), pictures(30)
    folder = tmp_path / "new" / "run"
    outputs.save(str(folder), generator, images, np.arange(30))
    outputs.record(str(folder), distance=np.float32(2.5), by=[1, 2])
    with np.load(folder / "samples.npz") as kept:
        np.testing.assert_array_equal(kept["images"], images)
        np.testing.assert_array_equal(kept["labels"], np.arange(30))
    assert metrics(folder) == {"by": [1, 2], "distance": 2.5}
    with Image.open(folder / "samples.png") as picture:
        assert picture.size == (2 * (20 * 9 - 1), 2 * (2 * 9 - 1))
    latents = np.ones((2, 3), "float32")
    again = keras.models.load_model(folder / "generator.keras")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(again(latents)),
        keras.ops.convert_to_numpy(generator(latents)),
        rtol=1e-6,
    )


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert outputs.ready("") == ""
    outputs.save("", None, pictures(1))
    outputs.record("", fid=1.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "images, size",
    [
        (pictures(1), (16, 16)),
        (pictures(3, 32, 64, 3), (2 * (3 * 65 - 1), 2 * 32)),
        (pictures(7, 45, 30), (2 * (7 * 31 - 1), 2 * 45)),
        (pictures(100, 8, 64), (2 * (10 * 65 - 1), 2 * (10 * 9 - 1))),
        (pictures(100, 64, 8), (2 * (20 * 9 - 1), 2 * (5 * 65 - 1))),
        (pictures(7, 256, 256, 3), (5 * 257 - 1, 2 * 257 - 1)),
        (pictures(300, 128, 96, 3), (13 * 97 - 1, 8 * 129 - 1)),
    ],
)
def test_the_picture_fits_a_page_whatever_the_images(tmp_path, images, size):
    outputs.save(tmp_path, tiny(), images)
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.size == size and picture.mode == ("RGB" if images.shape[-1] == 3 else "L")


def test_a_second_save_replaces_the_first_and_leaves_no_parts(tmp_path):
    for n in (2, 3):
        outputs.save(tmp_path, tiny(), pictures(n))
    with np.load(tmp_path / "samples.npz") as kept:
        assert len(kept["images"]) == 3
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["generator.keras", "samples.npz", "samples.png"]


class Awkward(keras.Model):
    """A model that Keras cannot describe: its argument has no configuration."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.opaque = object()

    def call(self, latents):
        return self.inner(latents)

    def get_config(self):
        raise NotImplementedError("a model of\nthe reader's own")


def test_a_generator_that_cannot_be_saved_costs_no_samples(tmp_path, capsys):
    model = Awkward(tiny())
    model(np.ones((1, 3), "float32"))
    outputs.save(tmp_path, model, pictures(4))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["generator.weights.h5", "samples.npz", "samples.png"]
    line = capsys.readouterr().out
    assert line.count("\n") == 1 and line.startswith(
        "generator.keras cannot be written: a model of"
    )
    other = Awkward(tiny())
    other(np.ones((1, 3), "float32"))
    other.load_weights(tmp_path / "generator.weights.h5")
    for kept, weight in zip(other.weights, model.weights, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (kept, weight)))


def test_samples_are_there_when_saving_the_generator_fails(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    model = tiny()
    monkeypatch.setattr(model, "save", full)
    with pytest.raises(OSError, match="No space left"):
        outputs.save(tmp_path, model, pictures(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["samples.npz", "samples.png"]


def test_what_is_recorded_is_json_and_stays(tmp_path):
    outputs.record(tmp_path, fid=np.float32(2.5), n=np.int64(3), seen=np.bool_(True), by={1: "a"})
    outputs.record(
        tmp_path,
        kid=float("nan"),
        trail=np.array([[1.0, np.inf], [-np.inf, 2.0]]),
        pair=(np.float64("nan"), {"deep": [float("inf")]}),
        tensor=keras.ops.convert_to_tensor([1.0, 2.0]),
        path=tmp_path,
        name="é\udce9",
        nothing=None,
        fid=3,
    )
    assert metrics(tmp_path) == {
        "fid": 3,
        "n": 3,
        "seen": True,
        "by": {"1": "a"},
        "kid": None,
        "trail": [[1.0, None], [None, 2.0]],
        "pair": [None, {"deep": [None]}],
        "tensor": [1.0, 2.0],
        "path": str(tmp_path),
        "name": "é\udce9",
        "nothing": None,
    }


def test_scores_of_an_older_run_do_not_mix_with_new_ones(tmp_path):
    (tmp_path / "metrics.json").write_text('{"kid": 9}')
    outputs.record(tmp_path, fid=1)
    assert metrics(tmp_path) == {"fid": 1}
    outputs.ready(tmp_path)  # the notebook runs again in the same kernel
    outputs.record(tmp_path, coverage=1)
    assert metrics(tmp_path) == {"coverage": 1}


def test_a_damaged_record_is_begun_anew(tmp_path):
    outputs.record(tmp_path, fid=1)
    (tmp_path / "metrics.json").write_text("{")
    outputs.record(tmp_path, kid=2)
    assert metrics(tmp_path) == {"kid": 2}


def test_a_record_that_fails_leaves_the_one_before(tmp_path, monkeypatch):
    outputs.record(tmp_path, fid=1)

    def fails(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="denied"):
        outputs.record(tmp_path, fid=2)
    assert metrics(tmp_path) == {"fid": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_a_folder_that_takes_nothing_is_refused_before_the_training(tmp_path, monkeypatch):
    folder = tmp_path / "a folder" / "é"
    outputs.ready(folder)
    assert folder.is_dir() and list(folder.iterdir()) == []
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ValueError, match=r"the folder .*file \(it is a file\): set output_dir"):
        outputs.ready(file)
    with pytest.raises(ValueError, match=r"file.below \(Not a directory\): set output_dir"):
        outputs.ready(file / "below")
    with pytest.raises(ValueError, match="no home folder for ~nosuch.x: set output_dir"):
        outputs.ready("~nosuch/x")

    def read_only(*_, **__):  # a test that runs as root may write anywhere
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "TemporaryFile", read_only)
    with pytest.raises(ValueError, match=r"a folder.é \(Permission denied\): set output_dir"):
        outputs.ready(folder)


@pytest.mark.parametrize("name", ["x" * 300, "zero\0byte"])
def test_a_folder_that_no_disk_can_hold_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="Nothing can be written to the folder"):
        outputs.ready(tmp_path / name)


def test_a_tilde_is_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert outputs.ready("~/run") == str(tmp_path / "run")
    outputs.record("~/run", fid=1.0)
    assert metrics(tmp_path / "run") == {"fid": 1.0}


def test_what_a_committed_run_left(tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "results", lambda: tmp_path)
    folder = tmp_path / "dcgan-mnist"
    assert outputs.committed("dcgan-mnist") == {}
    outputs.record(folder, fid=1.5)
    assert outputs.committed("dcgan-mnist") == {"fid": 1.5, "run": {}}
    (folder / "run.json").write_text('{"seconds": 9}')
    assert outputs.committed("dcgan-mnist") == {"fid": 1.5, "run": {"seconds": 9}}


def test_what_is_kept_is_a_model_or_has_one(tmp_path):
    class Wrapped(keras.Model):  # a Keras model may have a `model` of its own
        def __init__(self, **options):
            super().__init__(**options)
            self.model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])

        def call(self, x):
            return self.model(x)

    class Judge:  # as Inception, which says no names of classes
        name, model = "of mine", tiny()

    wrapped = Wrapped()
    wrapped(np.zeros((1, 2), "float32"))
    outputs.keep(tmp_path, discriminator=wrapped, judge=Judge())
    assert metrics(tmp_path) == {"judge": {"name": "of mine", "class_names": []}}
    assert {file.stem for file in tmp_path.glob("*.keras")} == {"discriminator", "judge"}
