"""The same training on TensorFlow, JAX and PyTorch: Keras holds one backend a process, so each gets
its own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
OTHERS = ["jax", "torch"]
REASON = "{0} is not installed: pip install {0}"


def available(backend):
    return importlib.util.find_spec(backend) is not None


def run(backend, *arguments, timeout=600):
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("backend", OTHERS)
def test_the_same_tests_pass(backend):
    """Everything that computes with tensors; TensorFlow's turn is the surrounding run itself."""
    if not available(backend):
        pytest.skip(REASON.format(backend))
    files = [
        f"tests/test_{name}.py"
        for name in (
            "gan",
            "losses",
            "penalties",
            "models",
            "metrics",
            "data",
            "densities",
            "callbacks",
            "checkpoint",
        )
    ]
    run(backend, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files)


ROUNDS = """
import sys
import keras, numpy as np, ganlib
from keras import ops

keras.utils.set_random_seed(0)
shape, batch, n_critic = (8, 8, 1), 8, 2
gan = ganlib.GAN(
    ganlib.models.dcgan.generator(shape, latent_dim=4, width=4),
    ganlib.models.dcgan.discriminator(shape, width=4),
)
gan.compile(ema=0.5, n_critic=n_critic, generator_optimizer=keras.optimizers.SGD(0.1),
            discriminator_optimizer=keras.optimizers.SGD(0.1))
rng = np.random.default_rng(0)
gan.set_weights([rng.normal(scale=0.3, size=w.shape) for w in gan.get_weights()])
for norm in gan._flatten_layers():  # a variance is positive
    if isinstance(norm, keras.layers.BatchNormalization):
        norm.moving_variance.assign(np.abs(rng.normal(size=norm.moving_variance.shape)))
for _ in range(ROUNDS):
    reals = rng.uniform(-1, 1, size=(n_critic, batch, *shape)).astype("float32")
    latents = rng.normal(size=(n_critic, batch, 4)).astype("float32")
    gan.round(list(map(ops.convert_to_tensor, reals)), list(map(ops.convert_to_tensor, latents)))
np.savez(sys.argv[1], *gan.get_weights())
"""


@pytest.mark.parametrize("backend", OTHERS)
def test_one_round_gives_the_same_weights_as_on_tensorflow(backend, tmp_path):
    if not available(backend):
        pytest.skip(REASON.format(backend))
    results = []
    for name in ("tensorflow", backend):
        run(name, "-c", ROUNDS.replace("ROUNDS", "1"), str(tmp_path / f"{name}.npz"))
        with np.load(tmp_path / f"{name}.npz") as arrays:
            results.append([arrays[key] for key in arrays])
    assert len(results[0]) == len(results[1]) > 10
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


WITHOUT_TENSORFLOW = """
import sys

sys.modules["tensorflow"] = None  # importing it fails
import keras, numpy as np, ganlib

images = np.zeros((64, 8, 8, 1), "uint8")
data = ganlib.data.Dataset("black", images, np.zeros(64, "int64"), ("black",))
dcgan = ganlib.models.dcgan
gan = ganlib.GAN(dcgan.generator((8, 8, 1)), dcgan.discriminator((8, 8, 1)))
gan.compile(ema=0.9)
gan.fit(data.batches(16), epochs=2, verbose=0)
gan.fit(data.batches(16, repeat=True), steps_per_epoch=3, epochs=2, verbose=0)
points = ganlib.GAN(ganlib.models.mlp.generator((2,)), ganlib.models.mlp.discriminator((2,)))
points.compile("least_squares")
points.fit(ganlib.data.ring().batches(16), steps_per_epoch=3, verbose=0)
print(gan.sample(3).shape, points.sample(3).shape)
assert sys.modules["tensorflow"] is None and "tensorflow.python" not in sys.modules
"""


@pytest.mark.parametrize("backend", OTHERS)
def test_nothing_imports_tensorflow(backend):
    if not available(backend):
        pytest.skip(REASON.format(backend))
    assert "(3, 8, 8, 1) (3, 2)" in run(backend, "-c", WITHOUT_TENSORFLOW)


def test_an_unknown_backend_is_named():
    if not available("jax"):
        pytest.skip("Keras's NumPy backend needs jax: pip install jax")
    done = subprocess.run(
        [sys.executable, "-c", "import ganlib"],
        env={**os.environ, "KERAS_BACKEND": "numpy", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "tensorflow, jax or torch, not on 'numpy'" in done.stderr


def test_importing_is_quiet_and_adds_little_to_keras():
    """Start-up notes would be part of every notebook; what is heavy waits until it is used."""
    script = """
import sys, ganlib
import tensorflow as tf
tf.ones(3) + 1
"""
    done = run_quietly(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    heavy = {"scipy", "matplotlib", "sklearn", "PIL", "papermill", "IPython", "torch", "jax"}
    script = f"""
import sys, keras
before = set(sys.modules)
import ganlib
print(sorted({heavy} & {{name.split(".")[0] for name in set(sys.modules) - before}}))
"""
    assert run_quietly(script).stdout == "[]\n"


def run_quietly(script):
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
