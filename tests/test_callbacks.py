"""Callbacks that the chapters use."""

import keras
import numpy as np

from ganlib import GAN, callbacks, models


def fitted(*used, epochs):
    keras.utils.set_random_seed(0)
    gan = GAN(models.mlp.generator((2,), 3, (4,)), models.mlp.discriminator((2,), (4,)))
    gan.compile()
    points = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")
    history = gan.fit(points, batch_size=8, epochs=epochs, callbacks=list(used), verbose=0)
    return gan, history


def test_snapshots_are_samples_before_training_and_after_each_epoch():
    latents = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    snapshots = callbacks.Snapshots(latents)
    gan, _ = fitted(snapshots, epochs=3)
    assert len(snapshots.images) == 4
    assert all(images.shape == (5, 2) for images in snapshots.images)
    np.testing.assert_array_equal(snapshots.images[-1], gan.sample(latents=latents))
    assert not np.array_equal(snapshots.images[0], snapshots.images[1])


def test_stop_after_ends_a_training_cleanly_or_not_at_all():
    _, history = fitted(callbacks.StopAfter(1e-6), epochs=50)
    assert len(history.epoch) < 50
    assert np.isfinite(history.history["generator_loss"]).all()
    _, history = fitted(callbacks.StopAfter(0), epochs=3)
    assert len(history.epoch) == 3
