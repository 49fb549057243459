"""What a round costs against batch, width and resolution, and how much of the machine it uses.

    python benchmarks/cost.py [--seconds 2] [--repeats 5] [--output FILE]

Counted are the multiplications and additions of the convolutions and dense layers of the book's
DCGAN, two for each weight and place: with F_G and F_D for one pass of an image through a network, a
round takes 3 F_G + 8 F_D an image (the generator forward and back; the discriminator forward and
back on a real and a fake image, then forward and back to the image alone). The peak is what one
large convolution reaches here, forward, in what the backend makes of float32 (on a GPU with JAX,
TF32). Both are timed in turns, and the figure to read is the median of the shares. It runs on every
backend: for a GPU, which gets other cases, set KERAS_BACKEND=jax.
"""

import statistics
import time

import keras
import machine
import numpy as np
from keras import ops

import ganlib
from ganlib import backend
from ganlib.internals import sublayers
from ganlib.runs import environment

CASES = [  # side, width, batch
    *((28, 32, batch) for batch in (16, 32, 64, 128, 256)),
    *((28, width, 64) for width in (16, 64, 128)),
    *((side, 32, 64) for side in (16, 32, 64)),
]
ON_A_GPU = [(28, 32, 64), (28, 32, 1024), (28, 128, 64), (28, 128, 1024), (64, 64, 256)]


def flops(model):
    """Operations of the convolutions and dense layers in one pass of one sample."""
    total = 0
    for layer in sublayers(model):
        if not isinstance(
            layer, keras.layers.Dense | keras.layers.Conv2D | keras.layers.Conv2DTranspose
        ):
            continue
        # A transposed convolution uses its kernel at each place of its input, the others of theirs.
        transposed = isinstance(layer, keras.layers.Conv2DTranspose)
        places = (layer.input if transposed else layer.output).shape[1:-1]
        total += 2 * int(np.prod(layer.kernel.shape)) * int(np.prod(places))
    return total


def of_round(generator, discriminator):
    return 3 * flops(generator) + 8 * flops(discriminator)


def synchronise(x):
    return float(ops.convert_to_numpy(ops.sum(x)))


def peak(side=32, channels=128, batch=64):
    """A function that runs a large convolution and returns its operations a second."""
    images = ops.convert_to_tensor(np.ones((batch, side, side, channels), "float32"))
    kernel = ops.convert_to_tensor(np.ones((3, 3, channels, channels), "float32"))
    # Several in a row, each reduced to a number: nothing but the convolutions takes time.
    convolve = backend.probe(lambda x, k: ops.sum(ops.conv(x, k, padding="same")), [])
    operations = 2 * 9 * channels**2 * batch * side**2

    def run(seconds):
        synchronise(convolve(images, kernel))
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            for _ in range(5):
                last = convolve(images, kernel)
            synchronise(last)
            count += 5
        return operations * count / (time.perf_counter() - start)

    return run


def trainer(gan, batch):
    """A function that trains `gan` on noise for some rounds and returns the seconds of one."""
    shape = max(1024, batch), *gan.generator.output_shape[1:]
    images = np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")
    data = ganlib.data.Dataset("noise", images).batches(batch, repeat=True)

    def train(rounds):
        start = time.perf_counter()
        gan.fit(data, steps_per_epoch=rounds, verbose=0)
        return (time.perf_counter() - start) / rounds

    train(2)  # traces
    return train


def round_of(side, width, batch):
    """A function that trains for some seconds and returns the seconds of a round, and its FLOPs."""
    shape = side, side, 1
    dcgan = ganlib.models.dcgan
    gan = ganlib.GAN(dcgan.generator(shape, width=width), dcgan.discriminator(shape, width=width))
    gan.compile()
    train = trainer(gan, batch)
    pace = train(5)
    return (
        lambda seconds: train(max(2, int(seconds / pace))),
        batch * of_round(gan.generator, gan.discriminator),
    )


def measure(cases=None, *, seconds=2.0, repeats=5):
    """Yield a row for each case, of so many timed blocks of so many seconds."""
    gpus = environment.hardware()["gpus"]
    names = ("side", "width", "batch", "ms", "us an image", "GFLOP", "peak GFLOP/s", "share")
    print("".join(f"{name:>14}" for name in names))
    best = peak(batch=1024 if gpus else 64)
    for side, width, batch in cases or (ON_A_GPU if gpus else CASES):
        keras.utils.set_random_seed(0)
        train, operations = round_of(side, width, batch)
        pairs = [(best(seconds / 2), train(seconds)) for _ in range(repeats)]
        peaks, times = zip(*pairs, strict=True)
        row = {
            "side": side,
            "width": width,
            "batch": batch,
            "ms": 1e3 * statistics.median(times),
            "us_an_image": 1e6 * statistics.median(times) / batch,
            "gflop": operations / 1e9,
            "peak_gflops": statistics.median(peaks) / 1e9,
            "share": statistics.median(operations / t / p for p, t in pairs),
        }
        print("".join(f"{value:>14.4g}" for value in row.values()), flush=True)
        yield row


if __name__ == "__main__":
    machine.main(__doc__, measure)
