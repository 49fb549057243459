"""Callbacks that the chapters use."""

import keras
import numpy as np
import pytest

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


LATENTS = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")


def test_monitor_scores_the_same_latents_after_every_epoch():
    seen = []

    def spread(samples):
        seen.append(samples)
        return {"fid": samples.std(), "n_fake": len(samples), "features": "none", "seed": None}

    monitor, snapshots = callbacks.Monitor(spread, LATENTS), callbacks.Snapshots(LATENTS)
    gan, history = fitted(monitor, snapshots, epochs=3)
    np.testing.assert_array_equal(seen, snapshots.images[1:])
    assert monitor.epoch == [1, 2, 3]
    assert monitor.history == {"fid": [float(x.std()) for x in seen], "n_fake": [5, 5, 5]}
    assert history.history["fid"] == monitor.history["fid"]


def test_monitor_scores_every_few_epochs_and_takes_a_lone_number():
    monitor = callbacks.Monitor(np.mean, LATENTS, every=2)
    gan, _ = fitted(monitor, epochs=5)
    assert monitor.epoch == [2, 4]
    assert list(monitor.history) == ["score"] and len(monitor.history["score"]) == 2


def test_monitor_knows_the_best_epoch():
    values = iter([3.0, 1.0, 2.0])
    monitor = callbacks.Monitor(lambda samples: {"fid": next(values)}, LATENTS)
    fitted(monitor, epochs=3)
    assert monitor.best() == (1.0, 2)
    assert monitor.best("fid", max) == (3.0, 1)


def test_callbacks_after_a_monitor_act_on_its_scores(tmp_path):
    values = iter([3.0, 1.0, 2.0, 0.5])
    monitor = callbacks.Monitor(lambda samples: {"fid": next(values)}, LATENTS)
    stop = keras.callbacks.EarlyStopping("fid", mode="min")
    file = tmp_path / "best.weights.h5"
    keep = keras.callbacks.ModelCheckpoint(
        file, "fid", mode="min", save_best_only=True, save_weights_only=True
    )
    snapshots = callbacks.Snapshots(LATENTS)
    gan, _ = fitted(monitor, stop, keep, snapshots, epochs=4)
    assert monitor.epoch == [1, 2, 3]  # the third was worse
    gan.load_weights(file)
    np.testing.assert_array_equal(gan.sample(latents=LATENTS), snapshots.images[2])


def test_monitor_lets_an_error_of_the_score_through():
    def broken(samples):
        raise ValueError("no such features")

    with pytest.raises(ValueError, match="no such features"):
        fitted(callbacks.Monitor(broken, LATENTS), epochs=1)
