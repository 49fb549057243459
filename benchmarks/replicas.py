"""What it costs to be two: rounds on two replicas beside rounds on one device.

    python benchmarks/replicas.py [--rounds 20] [--repeats 7] [--output FILE]

The book's DCGAN at several global batches, on a processor that pretends to be two devices, under
TensorFlow's MirroredStrategy, in turns. Both replicas have the same cores, so that the work is the
same and the efficiency, seconds on one over seconds on two, is 1 at best. What is missing is the
price of two smaller batches and of adding up gradients; what two GPUs gain it cannot say.
"""

import contextlib
import statistics

import keras
import machine
import tensorflow as tf
from cost import trainer

import ganlib

BATCHES = (32, 128, 512)


def built(scope):
    keras.utils.set_random_seed(0)
    shape = 28, 28, 1
    dcgan = ganlib.models.dcgan
    with scope:
        gan = ganlib.GAN(dcgan.generator(shape), dcgan.discriminator(shape))
        gan.compile()
    return gan


def measure(batches=BATCHES, *, rounds=20, repeats=7):
    """Yield a row for each global batch, of so many timed blocks of so many rounds."""
    print(f"{'batch':>8}{'one ms':>10}{'two ms':>10}{'efficiency':>12}")
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    for batch in batches:
        scopes = contextlib.nullcontext(), strategy.scope()
        one, two = (trainer(built(scope), batch) for scope in scopes)
        pairs = [(one(rounds), two(rounds)) for _ in range(repeats)]
        ratios = [a / b for a, b in pairs]
        times = [1e3 * statistics.median(values) for values in zip(*pairs, strict=True)]
        row = {"batch": batch, "one_ms": times[0], "two_ms": times[1]}
        row |= {"efficiency": statistics.median(ratios), "range": [min(ratios), max(ratios)]}
        print("{batch:>8}{one_ms:>10.1f}{two_ms:>10.1f}{efficiency:>12.2f}".format(**row))
        yield row


if __name__ == "__main__":
    machine.main(__doc__, measure)
