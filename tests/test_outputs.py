"""What an image chapter leaves behind."""

import json

import keras
import numpy as np
from PIL import Image

from ganlib import models, outputs


def test_the_folder_holds_samples_picture_generator_and_metrics(tmp_path):
    generator = models.dcgan.generator((8, 8, 1), latent_dim=3, width=4)
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 1), dtype="uint8")
    folder = tmp_path / "new" / "run"
    outputs.save(str(folder), generator, images, np.arange(30), distance=np.float32(2.5), by=[1, 2])
    with np.load(folder / "samples.npz") as kept:
        np.testing.assert_array_equal(kept["images"], images)
        np.testing.assert_array_equal(kept["labels"], np.arange(30))
    assert json.loads((folder / "metrics.json").read_text()) == {"by": [1, 2], "distance": 2.5}
    assert Image.open(folder / "samples.png").size == (2 * (20 * 9 - 1), 2 * (2 * 9 - 1))
    latents = np.ones((2, 3), "float32")
    again = keras.models.load_model(folder / "generator.keras")
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(again(latents)),
        keras.ops.convert_to_numpy(generator(latents)),
        rtol=1e-6,
    )


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outputs.save("", None, np.zeros((1, 8, 8, 1), "uint8"))
    assert list(tmp_path.iterdir()) == []
