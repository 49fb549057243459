"""A training on two devices is the one on a single device: the same data, latents and updates."""

import os

import pytest
from test_backends import REASON, available, run

TRAIN = """
import keras, numpy as np, ganlib
from ganlib import models, penalties


def train():
    keras.utils.set_random_seed(0)
    gan = ganlib.GAN(models.mlp.generator((2, 2, 1), 3, (8,)), models.mlp.discriminator((2, 2, 1)))
    gan.compile(
        penalties=[penalties.R1(1.0), penalties.GradientPenalty(1.0)],
        ema=0.9,
        generator_optimizer=keras.optimizers.SGD(0.05),
        discriminator_optimizer=keras.optimizers.SGD(0.05, momentum=0.5),
    )
    images = np.random.default_rng(0).integers(0, 256, (48, 2, 2, 1), dtype="uint8")
    data = ganlib.data.Dataset("noise", images).batches(16, repeat=True)
    history = gan.fit(data, steps_per_epoch=3, epochs=2, verbose=0)
    return [*gan.get_weights(), *history.history.values()], gan


def compare(one, two):
    assert len(one) == len(two) > 10
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    print("the same")

"""

TENSORFLOW = """
import tensorflow as tf

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
one, _ = train()
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    two, gan = train()
assert gan.distribute_strategy.num_replicas_in_sync == 2
"""

JAX = """
import jax

one, _ = train()
assert len(jax.devices()) == 2
keras.distribution.set_distribution(keras.distribution.DataParallel())
two, gan = train()
"""


@pytest.mark.parametrize("backend, script", [("tensorflow", TENSORFLOW), ("jax", JAX)])
def test_two_devices_train_as_one(backend, script, monkeypatch):
    """Without batch norm, whose statistics on TensorFlow are those of a replica's own half.

    And with endless data: of finite data a strategy reads ahead, into the next epoch's order.
    """
    if not available(backend):
        pytest.skip(REASON.format(backend))
    flags = os.environ.get("XLA_FLAGS", "")
    monkeypatch.setenv("XLA_FLAGS", f"{flags} --xla_force_host_platform_device_count=2".strip())
    assert "the same" in run(backend, "-c", TRAIN + script + "compare(one, two)")
