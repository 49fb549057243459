"""The same training on TensorFlow, JAX and PyTorch: Keras holds one backend a process, so each gets
its own."""

import functools
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from sources import NEEDS, ROOT

pytestmark = pytest.mark.slow

OTHERS = ["jax", "torch"]


def available(backend):
    return importlib.util.find_spec(backend) is not None


def run(backend, *arguments, timeout=600, **variables):
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT), **variables}
    # The computations are small, so that compiling them takes JAX nearly all of the time.
    environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    environment["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    environment.pop("GANBOOK_UNTIL", None)  # what has begun goes on to its end
    with tempfile.TemporaryDirectory() as folder:  # no two processes share it: it has no lock
        environment["JAX_COMPILATION_CACHE_DIR"] = folder
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


TENSORS = [
    ("gan", "losses", "penalties", "callbacks", "augment"),
    ("conditional", "layers", "models"),
    ("metrics", "data", "densities", "pairs"),
    ("checkpoint",),
    ("keras_calls", "frozen", "terms", "internals"),
    ("r3gan", "stylegan2", "resampling", "lazy"),
    ("translation", "pool", "reuse"),
]


@pytest.mark.parametrize("names", TENSORS)
@pytest.mark.parametrize("backend", OTHERS)
def test_the_same_tests_pass(backend, names):
    """Everything that computes with tensors; TensorFlow's turn is the surrounding run itself."""
    if not available(backend):
        pytest.skip(NEEDS.format(backend))
    files = (f"tests/test_{name}.py" for name in names)
    run(backend, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files, timeout=1400)


ROUND = """
import sys
import keras, numpy as np, ganlib
from keras import ops
from ganlib import internals

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
for norm in internals.sublayers(gan):  # a variance is positive
    if isinstance(norm, keras.layers.BatchNormalization):
        norm.moving_variance.assign(np.abs(rng.normal(size=norm.moving_variance.shape)))
reals = rng.uniform(-1, 1, size=(n_critic, batch, *shape)).astype("float32")
latents = rng.normal(size=(n_critic, batch, 4)).astype("float32")
gan.round(list(map(ops.convert_to_tensor, reals)), list(map(ops.convert_to_tensor, latents)))
np.savez(sys.argv[1], *gan.get_weights())
"""


AUGMENTED_ROUND = """
import keras, numpy as np
from keras import ops

rng = np.random.default_rng(1)  # each backend draws numbers of its own: here all get the same


def drawn(numbers, dtype="float32"):
    return ops.convert_to_tensor(numbers.astype(dtype))


keras.random.uniform = lambda shape, low, high, seed: drawn(rng.uniform(low, high, shape))
keras.random.normal = lambda shape, seed: drawn(rng.normal(size=shape))
keras.random.randint = lambda shape, low, high, seed: drawn(rng.integers(low, high, shape), "int32")
""" + ROUND.replace(
    "compile(", 'compile(augment="color,translation,scaling,rotation,cutout,noise", '
)


CONDITIONAL_ROUNDS = """
import sys
import keras, numpy as np, ganlib
from keras import ops
from ganlib import internals, models, penalties

shape, batch, classes = (28, 28, 1), 4, 3
dcgan, resnet, biggan = models.dcgan, models.resnet, models.biggan
pairs = [
    (dcgan.generator(shape, 6, 4, classes), dcgan.discriminator(shape, 4, classes, "spectral")),
    (resnet.generator(shape, 6, 8, classes, 14, spectral_norm=True),
     resnet.discriminator(shape, 8, classes, 14)),
    (biggan.generator(shape, classes, width=2, embedding_dim=8),
     biggan.discriminator(shape, classes, width=2)),
]
arrays = []
for generator, discriminator in pairs:
    gan = ganlib.GAN(generator, discriminator)
    sgd = [keras.optimizers.SGD(0.01) for _ in range(2)]
    simple = generator is pairs[0][0]
    gan.compile("hinge", [penalties.R1(0.1)] if simple else [], *sgd, ema=0.5,
                generator_penalties=[penalties.Orthogonal(1e-3)])
    rng = np.random.default_rng(0)
    gan.set_weights([rng.normal(scale=0.3, size=w.shape) for w in gan.get_weights()])
    for norm in internals.sublayers(gan):  # a variance is positive
        if isinstance(norm, keras.layers.BatchNormalization):
            norm.moving_variance.assign(np.abs(rng.normal(size=norm.moving_variance.shape)))
    reals = rng.uniform(-1, 1, size=(1, batch, *shape)).astype("float32")
    latents = rng.normal(size=(1, batch, gan.latent_dim)).astype("float32")
    labels = rng.integers(0, classes, (1, batch)).astype("int32")
    gan.round(*(list(map(ops.convert_to_tensor, x)) for x in (reals, latents, labels)))
    arrays += gan.get_weights()
np.savez(sys.argv[1], *arrays)
"""


TRANSLATION_ROUND = """
import sys
import keras, numpy as np, ganlib
from keras import ops
from ganlib import internals
from ganlib import models, terms

shape, t = (8, 8, 1), models.translation
there, back = t.residual(shape, width=2, blocks=1), t.unet(shape, width=2, norm=None, dropout=0)
both = t.both_ways(there, back)
judges = [t.patch(shape, width=2, halvings=1, norm="instance") for _ in range(2)]
gan = ganlib.GAN(both, t.both_sides(*judges), generator_helper=both)
sgd = [keras.optimizers.SGD(0.01) for _ in range(2)]
gan.compile("least_squares", [], *sgd, ema=0.5, pool=8,
            generator_terms={"cycle": terms.Cycle(), "identity": terms.Identity()})
rng = np.random.default_rng(0)
for model in (gan.generator, gan.discriminator, gan.ema_generator):
    model.set_weights([rng.normal(scale=0.3, size=w.shape) for w in model.get_weights()])
pair = rng.uniform(-1, 1, size=(2, 4, 8, 8, 2)).astype("float32")
real, condition = ([ops.convert_to_tensor(x)] for x in pair)
gan.round(real, conditions=condition)
networks = gan.generator, gan.discriminator, gan.ema_generator
np.savez(sys.argv[1], *(weight for network in networks for weight in network.get_weights()))
"""


TRAININGS = """
import sys
import numpy as np, ganlib

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
np.savez(sys.argv[1], gan.sample(3), points.sample(3))
"""

# The last of them replaces functions of Keras.
SCRIPTS = {"plain": ROUND, "conditional": CONDITIONAL_ROUNDS, "trainings": TRAININGS}
SCRIPTS["translation"] = TRANSLATION_ROUND
SCRIPTS["augmented"] = AUGMENTED_ROUND

TOGETHER = f"""
import sys

backend, folder = sys.argv[1:]
if backend != "tensorflow":
    sys.modules["tensorflow"] = None  # importing it fails
for name, script in {SCRIPTS!r}.items():
    sys.argv[1] = f"{{folder}}/{{name}}.npz"
    exec(script, {{}})
if backend != "tensorflow":
    assert sys.modules["tensorflow"] is None and "tensorflow.python" not in sys.modules
"""


def arrays(file):
    with np.load(file) as kept:
        return list(kept.values())


@functools.cache
def saved_by(backend):
    """The arrays that each of the scripts saves, by its name; one process runs them all."""
    with tempfile.TemporaryDirectory() as folder:
        run(backend, "-c", TOGETHER, backend, folder)
        return {name: arrays(Path(folder) / f"{name}.npz") for name in SCRIPTS}


@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("rounds", ["plain", "conditional", "translation", "augmented"])
def test_one_round_gives_the_same_weights_as_on_tensorflow(rounds, backend):
    if not available(backend):
        pytest.skip(NEEDS.format(backend))
    ours, theirs = (saved_by(name)[rounds] for name in ("tensorflow", backend))
    assert len(ours) == len(theirs) > 10
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("backend", OTHERS)
def test_nothing_imports_tensorflow(backend):
    """Not the trainings with ganlib's data either: all the scripts run as if it were not there."""
    if not available(backend):
        pytest.skip(NEEDS.format(backend))
    assert [made.shape for made in saved_by(backend)["trainings"]] == [(3, 8, 8, 1), (3, 2)]


def test_an_unknown_backend_is_named():
    if not available("jax"):
        pytest.skip(NEEDS.format("jax"))  # for Keras's NumPy backend
    done = subprocess.run(
        [sys.executable, "-c", "from ganlib import GAN"],
        env={**os.environ, "KERAS_BACKEND": "numpy", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "tensorflow, jax or torch, not on 'numpy'" in done.stderr


def test_importing_is_quiet_and_adds_little_to_keras():
    """Start-up notes would be part of every notebook; what is heavy waits until it is used."""
    script = """
import ganlib
ganlib.repeatable()
import tensorflow as tf
tf.ones(3) + 1
"""
    done = run_quietly(script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    heavy = {"scipy", "matplotlib", "sklearn", "PIL", "papermill", "IPython", "torch", "jax"}
    script = f"""
import sys, keras
before = set(sys.modules)
from ganlib import GAN
print(sorted({heavy} & {{name.split(".")[0] for name in set(sys.modules) - before}}))
"""
    assert run_quietly(script).stdout == "[]\n"


def test_importing_changes_nothing_in_the_program():
    """Only `repeatable` does, and says so."""
    script = """
import os, random, sys, warnings
import keras, matplotlib, numpy as np, tensorflow as tf

def program():
    return {
        "options": tf.config.optimizer.get_experimental_options(),
        "stderr": (os.fstat(2), sys.stderr, sys.stdout),
        "style": dict(matplotlib.rcParams),
        "warnings": list(warnings.filters),
        "numpy": [str(part) for part in np.random.get_state()],
        "python": random.getstate(),
        "tensorflow": (tf.random.get_global_generator().state.numpy().tolist()),
        "environment": dict(os.environ),
        "keras": (keras.config.floatx(), keras.config.image_data_format()),
        "hooks": (sys.excepthook, sys.displayhook, list(sys.meta_path), os.getcwd()),
    }

before = program()
import ganlib
from ganlib import GAN, callbacks, check, data, health, lab, metrics, models, outputs, plots
after = program()
print([name for name in before if before[name] != after[name]])
ganlib.repeatable()
print([name for name in before if before[name] != program()[name]])
"""
    assert run_quietly(script).stdout == "[]\n['options']\n"


def run_quietly(script):
    return subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
