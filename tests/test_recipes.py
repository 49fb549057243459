"""What the page of recipes tells readers to run."""

import base64
import json
import re
import subprocess
import sys

import keras
import live
import numpy as np
import pytest
from PIL import Image
from sources import NEEDS, ROOT
from test_run import environment, notebook

from ganlib import GAN, models, plots, sweep

ask = live.asking(["tfjs/tf-core.min", "tfjs/tf-backend-cpu.min", "live/network"], "network.js")
PAGE = (ROOT / "book/recipes.md").read_text(encoding="utf-8")
RECIPES = {
    heading: "".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    for heading, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
}


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """What runs a recipe on a small GAN, in an empty folder, and returns its names."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    mlp = models.mlp
    gan = GAN(mlp.generator((4, 4, 1), 3, (4,)), mlp.discriminator((4, 4, 1), (4,)))
    gan.compile()
    images = np.random.default_rng(0).uniform(-1, 1, (32, 4, 4, 1)).astype("float32")
    names = {"gan": gan, "batches": images}

    def run(heading):
        code = RECIPES[heading].replace("epochs=20", "epochs=3, batch_size=8, verbose=0")
        exec(code, names)
        return names

    return run


def test_an_animation(trained):
    names = trained("A picture after every epoch, and an animation")
    gan, folder = names["gan"], names["folder"]
    files = ["0001.png", "0002.png", "0003.png", "training.gif"]
    assert sorted(file.name for file in folder.iterdir()) == files
    expected = plots.tile(gan.sample(latents=names["latents"])).repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "0003.png")), expected)
    with Image.open(folder / "training.gif") as animation:
        assert animation.n_frames == 3
        animation.seek(2)
        np.testing.assert_array_equal(np.asarray(animation.convert("L")), expected)


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="graphs are TensorFlow's")
def test_tensorboard(trained, tmp_path):
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorboard", reason=NEEDS.format("TensorBoard"))
    names = trained("Losses, samples and the network in TensorBoard")
    losses, images, graphs = [], {}, 0
    for file in tmp_path.rglob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            graphs += bool(event.graph_def) and file.parent.name == "samples"
            for value in event.summary.value:
                losses += [value.tag] if value.tag == "epoch_generator_loss" else []
                if value.metadata.plugin_data.plugin_name == "images":
                    images[event.step] = tf.io.decode_png(value.tensor.string_val[2]).numpy()
    assert len(losses) == 3 and sorted(images) == [1, 2, 3] and graphs == 1
    expected = plots.tile(names["gan"].sample(latents=names["latents"]))
    np.testing.assert_array_equal(images[3][..., 0], expected)


on_tensorflow = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="Keras exports it on TensorFlow here"
)


@on_tensorflow
def test_onnx(trained):
    for package in ("onnx", "tf2onnx", "onnxruntime"):
        pytest.importorskip(package, reason=NEEDS.format(package))
    names = trained("A generator as ONNX")
    assert names["images"].shape == (16, 4, 4, 1) and np.ptp(names["images"]) > 0.01


@on_tensorflow
def test_litert(trained):
    pytest.importorskip("ai_edge_litert", reason=NEEDS.format("ai-edge-litert"))
    names = trained("A generator as LiteRT, run by its own package")
    assert np.shape(names["images"]) == (16, 4, 4, 1) and np.ptp(names["images"]) > 0.01


def test_a_web_page(ask, trained, tmp_path, monkeypatch):
    """The files that it leaves make the same images, in Node or in Chromium."""
    monkeypatch.syspath_prepend(ROOT / "tools")
    gan = GAN(models.dcgan.generator((8, 8, 1), 3, 4), models.dcgan.discriminator((8, 8, 1), 4))
    gan.compile()
    for variable in gan.generator.trainable_variables:  # so that tanh matters
        variable.assign(20 * variable)
    exec(RECIPES["A generator in a web page"], {"gan": gan})
    scripts = [(tmp_path / f"outputs/{name}.js").read_text() for name in ("generator", "weights")]
    generator, weights = (json.loads(text.split(" = ", 1)[1][:-2]) for text in scripts)
    z = gan.latents(3, seed=0)
    details = {"latents": z.tolist(), "description": generator, "weights": weights}
    found = np.frombuffer(base64.b64decode(ask("images", **details)), "float32")
    expected = keras.ops.convert_to_numpy(gan.sampler(z, training=False))
    np.testing.assert_allclose(found, expected.ravel(), atol=1e-5)
    assert abs(expected).max() > 0.9


@pytest.mark.slow
def test_a_sweep_on_a_cluster(tmp_path, monkeypatch, capsys):
    pytest.importorskip("ray", reason=NEEDS.format("Ray"))
    monkeypatch.chdir(tmp_path)
    notebook(tmp_path / "book/dcgan.ipynb", parameters="batch_size: int = 8\nseed: int = 0\n")
    code = RECIPES["A sweep on a cluster"].replace("seeds=3", "seeds=1")
    (tmp_path / "recipe.py").write_text(code)
    niceness = {"RAY_worker_niceness": "0"}  # on a busy machine too
    subprocess.run([sys.executable, "recipe.py"], env=environment() | niceness, check=True)
    varied = ["--vary", "batch_size=32,64,128", "--seeds", "1", "--output", "outputs/batches"]
    assert sweep.main(["book/dcgan.ipynb", *varied]) == 0
    assert capsys.readouterr().out.startswith("3 runs, of which 3 are there already.")
