"""Callbacks that the chapters use."""

import csv

import keras
import numpy as np
import pytest
from keras import ops
from sources import NEEDS

from ganlib import GAN, callbacks, data, health, layers, models

pytestmark = pytest.mark.slow  # all of them together


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


# Keras closes the file where a training ends, not where it breaks off.
@pytest.mark.filterwarnings("ignore:unclosed file.*log.csv:ResourceWarning")
def test_keras_logs_and_the_history_agree_over_a_resumed_training(tmp_path):
    def used(stop):
        return [
            callbacks.Checkpoint(tmp_path / "checkpoints", every=0),
            keras.callbacks.CSVLogger(tmp_path / "log.csv", append=True),
            keras.callbacks.LambdaCallback(on_train_batch_begin=stop),
        ]

    def stop(batch, logs):
        if done.append(batch) or len(done) == 12:
            raise RuntimeError("stopped")

    done = []
    with pytest.raises(RuntimeError):
        fitted(*used(stop), epochs=3)
    _, history = fitted(*used(lambda batch, logs: None), epochs=3)
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    for name, values in history.history.items():
        assert [float(row[name]) for row in rows] == values


def test_tensorboard_gets_the_losses(tmp_path):
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorboard", reason=NEEDS.format("TensorBoard"))
    board = keras.callbacks.TensorBoard(tmp_path, update_freq=4)
    _, history = fitted(board, epochs=2)
    written = {}
    for file in tmp_path.rglob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                if value.HasField("tensor"):
                    number = tf.make_ndarray(value.tensor)
                    written.setdefault(value.tag, []).append(number.tolist())
    np.testing.assert_allclose(
        written["epoch_generator_loss"], history.history["generator_loss"], rtol=1e-6
    )


K = keras.callbacks
KERAS = {
    "EarlyStopping": lambda f: K.EarlyStopping("generator_loss", patience=5, mode="min"),
    "ReduceLROnPlateau": lambda f: K.ReduceLROnPlateau("generator_loss", mode="min", patience=1),
    "LearningRateScheduler": lambda f: K.LearningRateScheduler(lambda epoch, rate: rate / 2),
    "ModelCheckpoint": lambda f: K.ModelCheckpoint(f / "a.weights.h5", save_weights_only=True),
    "BackupAndRestore": lambda f: K.BackupAndRestore(f / "backup"),
    "TerminateOnNaN": lambda f: K.TerminateOnNaN(),
    "CSVLogger": lambda f: K.CSVLogger(f / "log.csv"),
    "ProgbarLogger": lambda f: K.ProgbarLogger(),
    "LambdaCallback": lambda f: K.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
    "SwapEMAWeights": lambda f: K.SwapEMAWeights(),
}


def test_kerass_own_callbacks_work(tmp_path):
    used = [make(tmp_path) for make in KERAS.values()]
    gan, history = fitted(*used, epochs=3)
    assert len(history.epoch) == 3 and (tmp_path / "a.weights.h5").exists()
    rates = [float(optimizer.learning_rate) for optimizer in gan.optimizer.optimizers]
    assert rates[0] == rates[1] <= 2e-4 / 8 * 1.01  # both players', by the scheduler


def test_early_stopping_stops_and_takes_back_the_best_weights():
    def rising(epoch, logs):
        logs["score"] = epoch

    kept = callbacks.Snapshots(LATENTS)
    score = K.LambdaCallback(on_epoch_end=rising)
    stop = K.EarlyStopping("score", patience=2, mode="min", restore_best_weights=True)
    gan, history = fitted(score, kept, stop, epochs=9)
    assert len(history.epoch) == 3
    np.testing.assert_array_equal(gan.sample(latents=LATENTS), kept.images[1])


# ------------------------------------------------------------------------------ the health monitor

PIXELS = np.random.default_rng(2).integers(0, 256, (96, 8, 8, 1), dtype="uint8")


def whole_gan(**rules):
    """One of everything that a look could disturb."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(8, "leaky_relu"), keras.layers.Dropout(0.5)]
    judge = [keras.layers.Flatten(), *hidden, layers.SpectralNormalization(keras.layers.Dense(1))]
    gan = GAN(
        models.dcgan.generator((8, 8, 1), 4, 4), keras.Sequential([keras.Input((8, 8, 1)), *judge])
    )
    gan.compile(ema=0.9, augment="color,translation", **rules)
    return gan


@pytest.mark.slow
def test_looking_changes_nothing():
    runs = []
    for used in ([], [callbacks.HealthMonitor(PIXELS, every=2)]):
        gan = whole_gan()
        images = data.scale(PIXELS)
        gan.fit(images, batch_size=16, epochs=2, shuffle=False, verbose=0, callbacks=used)
        runs.append([ops.convert_to_numpy(v) for v in gan.variables])
    for a, b in zip(*runs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert used[0].round == [2, 4, 6, 8, 10, 12]


def test_signs_are_those_of_the_networks_as_they_are():
    gan, _ = fitted(epochs=1)
    points = np.random.default_rng(3).normal(size=(64, 2)).astype("float32")
    monitor = callbacks.HealthMonitor(points, every=1)
    before = [w.astype(float) for w in gan.generator.get_weights()]
    gan.fit(points, batch_size=64, verbose=0, callbacks=[monitor])
    after = [w.astype(float) for w in gan.generator.get_weights()]
    fake = ops.convert_to_numpy(gan.generator(gan.latents(64, seed=0)))
    real_logits, fake_logits = (
        ops.convert_to_numpy(gan.discriminator(x)).astype(float) for x in (points, fake)
    )
    doubt = (1 / (1 + np.exp(real_logits))).mean() + (1 / (1 + np.exp(-fake_logits))).mean()
    assert monitor.history["doubt"] == [pytest.approx(doubt, rel=1e-4)]
    spread = np.sqrt(fake.var(axis=0).sum() / points.var(axis=0).sum())
    assert monitor.history["spread"] == [pytest.approx(spread, rel=1e-4)]
    way = sum(((a - b) ** 2).sum() for a, b in zip(after, before, strict=True))
    moves = np.sqrt(way / sum((a**2).sum() for a in after))
    assert monitor.history["generator_moves"] == [pytest.approx(moves, rel=1e-5)]


@pytest.mark.skipif(keras.config.backend() == "torch", reason="PyTorch takes one step at a time")
def test_rounds_are_counted_whatever_keras_runs_at_once():
    gan, _ = fitted(epochs=1)
    gan.compile(steps_per_execution=4)
    monitor = callbacks.HealthMonitor(PIXELS[:64, 0, :2, 0], every=6)
    points = np.zeros((96, 2), "float32")
    gan.fit(points, batch_size=8, epochs=2, verbose=0, callbacks=[monitor])
    assert monitor.round == [8, 12, 20, 24]


def test_a_failure_is_said_once_with_its_remedy(capsys):
    gan, _ = fitted(epochs=1)
    gan.generator.layers[0].bias.assign(np.full(4, -50.0))  # its units are dead
    monitor = callbacks.HealthMonitor(PIXELS[:64, 0, :2, 0], every=1, patience=3)
    gan.fit(np.zeros((96, 2), "float32"), batch_size=8, verbose=0, callbacks=[monitor])
    assert monitor.found["dead units"] == 3
    said = [line for line in capsys.readouterr().out.splitlines() if "dead units" in line]
    assert said == [
        "Round 3, dead units: most units of a layer are 0, whatever the sample. Try first: initial "
        "biases of 0."
    ]


def test_what_is_named_later_has_no_remedy(capsys, monkeypatch):
    """Mend the first; the rest may follow from it."""
    gan, _ = fitted(epochs=1)
    monitor = callbacks.HealthMonitor(PIXELS[:64, 0, :2, 0], every=1, patience=3)
    monkeypatch.setattr(health, "diagnose", lambda history, looks: ["oscillation", "dead units"])
    gan.fit(np.zeros((96, 2), "float32"), batch_size=8, verbose=0, callbacks=[monitor])
    assert monitor.cause == "oscillation" and list(monitor.found) == ["oscillation", "dead units"]
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("Round 1, oscillation: ") and "Try first" in first
    assert second == "Round 1, also dead units: most units of a layer are 0, whatever the sample."


def test_it_looks_at_conditional_and_paired_games():
    labels = np.arange(96) % 3
    keras.utils.set_random_seed(0)
    gan = GAN(
        models.dcgan.generator((8, 8, 1), 4, 4, classes=3),
        models.dcgan.discriminator((8, 8, 1), 4, classes=3),
    )
    gan.compile("relativistic")
    monitor = callbacks.HealthMonitor(PIXELS, labels, every=3)
    gan.fit(data.scale(PIXELS), labels, batch_size=16, verbose=0, callbacks=[monitor])
    assert monitor.round == [3, 6]
    assert all(np.isfinite(values).all() for values in monitor.history.values())
