"""A training on two devices is the one on a single device: the same data, latents and updates.

But for batch norm, whose statistics on TensorFlow are those of a replica's own share.
"""

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from sources import NEEDS
from test_backends import available, run

pytestmark = pytest.mark.slow

TRAIN = """
import contextlib, sys
import keras, numpy as np, ganlib
from ganlib import models, penalties


def helped(fake, real, condition, helper):
    return keras.ops.mean(helper(fake) ** 2)


def train(scope=contextlib.nullcontext(), batch_size=16, repeat=True, callbacks=()):
    keras.utils.set_random_seed(0)
    shape = 4, 4, 1
    with scope:
        gan = ganlib.GAN(
            models.mlp.generator(shape, 3, (8,)),
            models.mlp.discriminator(shape),
            generator_helper=models.mlp.discriminator(shape, (4,)),
        )
        gan.compile(
            generator_terms={"helped": helped},
            penalties=[penalties.R1(1.0), penalties.GradientPenalty(1.0)],
            augment="translation,brightness,noise",
            ema=0.9,
            generator_optimizer=keras.optimizers.SGD(0.05),
            discriminator_optimizer=keras.optimizers.SGD(0.05, momentum=0.5),
        )
    images = np.random.default_rng(0).integers(0, 256, (48, *shape), dtype="uint8")
    data = ganlib.data.Dataset("noise", images).batches(batch_size, repeat=repeat)
    steps = 3 if repeat else None
    history = gan.fit(data, steps_per_epoch=steps, epochs=2, verbose=0, callbacks=callbacks)
    return [*gan.get_weights(), *history.history.values()], gan


def compare(one, two, rtol=1e-4):
    assert len(one) == len(two) > 10
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol / 100)

"""

MIRRORED = """
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

one, _ = train()
two, gan = train(strategy.scope())
assert gan.distribute_strategy.num_replicas_in_sync == 2
compare(one, two)


class Crash(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 1 and self.model.optimizer.optimizers[0].iterations == 5:
            raise RuntimeError


# An epoch of three batches, which a strategy reads to its end when Keras looks at the first.
one, _ = train(repeat=False)
with contextlib.suppress(RuntimeError):
    saved = ganlib.callbacks.Checkpoint(sys.argv[1], every=0)
    train(strategy.scope(), repeat=False, callbacks=[saved, Crash()])
assert len(list(saved.folder.glob("*.npz"))) == 2
two, gan = train(strategy.scope(), repeat=False, callbacks=[saved])
compare(one, two)

for rows, batches in ((15, None), ("an unknown", tf.data.Dataset.range(7).batch(2))):
    try:
        gan.fit(batches) if batches else train(strategy.scope(), batch_size=rows)
    except ValueError as error:
        assert f"2 replicas share every batch equally" in str(error)
        assert f"a batch has {rows}" in str(error)
    else:
        raise AssertionError(f"batches of {rows} rows were taken")
print("the same")
"""

WORKER = """
import tensorflow as tf

strategy = tf.distribute.MultiWorkerMirroredStrategy()
two, gan = train(strategy.scope())
assert gan.distribute_strategy.num_replicas_in_sync == 2
finite, _ = train(strategy.scope(), repeat=False)
try:
    train(strategy.scope(), callbacks=[ganlib.callbacks.Checkpoint(sys.argv[1])])
except ValueError as error:
    assert "this one runs on several" in str(error)
else:
    raise AssertionError("several workers saved")
compare(train()[0], two)
compare(train(repeat=False)[0], finite)
print("the same")
"""

JAX = """
import jax

one, _ = train()
assert len(jax.devices()) == 2
keras.distribution.set_distribution(keras.distribution.DataParallel())
two, gan = train()
compare(one, two)
print("the same")
"""


def test_two_replicas_on_tensorflow(tmp_path):
    assert "the same" in run("tensorflow", "-c", TRAIN + MIRRORED, str(tmp_path))


def test_two_processes_on_tensorflow(tmp_path):
    sockets = [socket.socket() for _ in range(2)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()

    def work(index):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        return run("tensorflow", "-c", TRAIN + WORKER, str(tmp_path), TF_CONFIG=json.dumps(task))

    with ThreadPoolExecutor(2) as pool:
        assert all("the same" in printed for printed in pool.map(work, range(2)))


def test_two_devices_on_jax():
    if not available("jax"):
        pytest.skip(NEEDS.format("jax"))
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    assert "the same" in run("jax", "-c", TRAIN + JAX, XLA_FLAGS=flags.strip())
