"""What safety costs: saving, as a share of training, and going on after a stop.

    python benchmarks/resume.py [--rounds 400] [--repeats 3] [--output FILE]

The book's DCGAN at batch 64. A save is timed where it happens, in `fit`, and compared with the
default interval between two; the goal is below 3%. Then a process that trains all the rounds is
compared with two that train half of them each, the second going on from the first, in turns: `fit`
is what both halves took in `fit`, tracing twice included, less what the whole took; the goal is
below 2 s. `process` also has Python and TensorFlow start twice.
"""

import statistics
import subprocess
import sys
import tempfile
import time

import machine

TRAIN = """
import sys, time
import numpy as np
import ganlib

ganlib.repeatable()
import keras
from ganlib import callbacks

folder, rounds, stop = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
keras.utils.set_random_seed(0)
shape = 28, 28, 1
dcgan = ganlib.models.dcgan
gan = ganlib.GAN(dcgan.generator(shape), dcgan.discriminator(shape))
gan.compile(ema=0.999)
images = np.random.default_rng(0).integers(0, 256, (4096, *shape), dtype="uint8")
data = ganlib.data.Dataset("noise", images).batches(64, repeat=True)
saves = []


class Saved(callbacks.Checkpoint):
    def _save(self):
        start, before = time.perf_counter(), self.saved
        super()._save()
        if self.saved != before:
            saves.append(time.perf_counter() - start)


class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training |= batch + 1 == stop


start = time.perf_counter()
gan.fit(data, steps_per_epoch=rounds, callbacks=[Saved(folder), Stop()], verbose=0)
print(time.perf_counter() - start, max(saves))
"""


def train(folder, rounds, stop=0):
    """Seconds in `fit`, of a save, and of the whole process."""
    start = time.perf_counter()
    command = [sys.executable, "-c", TRAIN, folder, str(rounds), str(stop)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return *map(float, done.stdout.split()[-2:]), time.perf_counter() - start


def measure(*, rounds=400, repeats=3):
    """Yield the seconds that a stop adds, in `fit` and altogether, and those of one save."""
    print(f"{'whole s':>9}{'fit +s':>9}{'all +s':>9}{'save ms':>9}")
    saves, interval = [], 60.0
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as parts:
            fit, save, process = train(whole, rounds)
            halves = train(parts, rounds, rounds // 2), train(parts, rounds)
        in_fit = halves[0][0] + halves[1][0] - fit
        altogether = halves[0][2] + halves[1][2] - process
        print(f"{fit:>9.1f}{in_fit:>9.2f}{altogether:>9.2f}{1e3 * save:>9.0f}", flush=True)
        saves.append(save)
        yield {"whole": fit, "fit": in_fit, "process": altogether, "save": save}
    save = statistics.median(saves)
    print(f"A save every {interval:g} s takes {100 * save / (interval + save):.2f}% of a training.")


if __name__ == "__main__":
    machine.main(__doc__, measure)
