"""What the health monitor costs: the share of a training that it takes, at its default of a look
every 50 rounds. The goal is below 3%.

    python benchmarks/monitor.py [--rounds 600] [--output FILE]

A look is timed where it happens, in `fit`, and compared with the median round between two looks of
the same training. The first look, which traces the networks, is shown apart: it is paid once.
"""

import contextlib
import statistics
import time

import keras
import machine
import numpy as np

import ganlib
from ganlib import callbacks, data


class Timed(callbacks.HealthMonitor):
    """Notes when each round ended, and how long each look took."""

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.rounds, self.lasted = [], []
        self.since = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        start, looks = time.perf_counter(), len(self.round)
        self.rounds.append(start - self.since)
        super().on_train_batch_end(batch, logs)
        self.since = time.perf_counter()
        if len(self.round) > looks:
            self.lasted.append(self.since - start)


def time_looks(shape, size, rounds):
    """A row for one size of images and batch."""
    keras.utils.set_random_seed(0)
    dcgan = ganlib.models.dcgan
    gan = ganlib.GAN(dcgan.generator(shape), dcgan.discriminator(shape))
    gan.compile()
    images = np.random.default_rng(0).integers(0, 256, (2048, *shape), dtype="uint8")
    monitor = Timed(images[:256])
    batches = data.Dataset("noise", images).batches(size, repeat=True)
    with contextlib.redirect_stdout(None):  # what it says of a GAN that is to draw noise
        gan.fit(batches, steps_per_epoch=rounds, callbacks=[monitor], verbose=0)
    one, first = statistics.median(monitor.rounds), monitor.lasted[0]
    look = statistics.median(monitor.lasted[1:])
    share = look / (look + monitor.every * one)
    name = f"{shape[0]} x {shape[1]}, batch {size}"
    print(f"{name:<20}{1e3 * one:9.1f}{1e3 * look:9.1f}{100 * share:8.2f}%{first:9.1f}", flush=True)
    return {"case": name, "round_s": one, "look_s": look, "share": share, "first_s": first}


def measure(*, rounds=600):
    """What looks cost, by the size of images and batch."""
    print(f"{'':20}{'round ms':>9}{'look ms':>9}{'share':>9}{'first s':>9}")
    for shape, size in (((28, 28, 1), 32), ((28, 28, 1), 128), ((32, 32, 3), 64)):
        yield time_looks(shape, size, rounds)


if __name__ == "__main__":
    machine.main(__doc__, measure)
