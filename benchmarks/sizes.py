"""How long a round takes, and what memory a training, by the side of the images and the batch.

    python benchmarks/sizes.py [--seconds 3] [--repeats 3] [--width 32] [--output FILE]

The networks are those of the chapter `own_images`: a generator that enlarges and convolves, and the
DCGAN's discriminator, for images in colour, of noise. Every case trains in a process of its own, of
which the peak memory is read. The milliseconds are the median of some blocks of rounds: of the
clock, and of the processor, in which other programs' work does not count. Operations are counted
as in `cost.py`.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import machine

HERE = str(Path(__file__).parent)
SIDES, BATCHES = (32, 64, 128), (16, 64)


def networks(side, width):
    """The generator, compiled in a GAN with its discriminator."""
    import keras

    import ganlib
    from ganlib import models

    keras.utils.set_random_seed(0)
    shape = side, side, 3
    gan = ganlib.GAN(enlarging(shape, 64, width), models.dcgan.discriminator(shape, width=width))
    gan.compile(ema=0.98)
    return gan


def enlarging(image_shape, latent_dim, width):
    """The generator of the chapter `own_images`, which has it on its page."""
    import math

    import keras
    from keras import layers

    *sides, channels = image_shape
    doublings = int(math.log2(min(sides) / 4))
    start = (*(side >> doublings for side in sides), 4 * width)
    x = latents = keras.Input((latent_dim,))
    x = layers.Reshape(start)(layers.Dense(math.prod(start))(x))
    for i in reversed(range(doublings)):
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        x = layers.UpSampling2D()(x)
        x = layers.Conv2D(width * min(4, 2**i), 3, padding="same")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
    x = layers.Conv2D(channels, 3, padding="same", activation="tanh")(x)
    return keras.Model(latents, x, name="generator")


def case(side, batch, width, seconds, repeats):
    """What this process takes for some seconds of training."""
    import os

    import cost

    import ganlib
    from ganlib.runs import environment

    ganlib.repeatable()
    gan = networks(side, width)
    train = cost.trainer(gan, batch)
    pace = train(3)
    rounds = max(2, int(seconds / pace))
    times = []
    for _ in range(repeats):
        start = time.process_time()
        times.append((train(rounds), (time.process_time() - start) / rounds))
    clock, processor = (1e3 * statistics.median(each) for each in zip(*times, strict=True))
    operations = batch * cost.of_round(gan.generator, gan.discriminator)
    return {
        "side": side,
        "batch": batch,
        "width": width,
        "parameters": gan.generator.count_params() + gan.discriminator.count_params(),
        "ms": clock,
        "processor_ms": processor,
        "gflop": operations / 1e9,
        "peak_mb": environment.peak_memory(os.getpid()),
    }


def measure(cases=None, *, seconds=3.0, repeats=3, width=32):
    """Yield a row for each case, (side, batch)."""
    print(
        "".join(f"{name:>12}" for name in ("side", "batch", "ms", "processor", "GFLOP", "peak MB"))
    )
    for side, batch in cases or [(side, batch) for side in SIDES for batch in BATCHES]:
        given = json.dumps([side, batch, width, seconds, repeats])
        call = f"import json, sys; sys.path.insert(0, {HERE!r}); import sizes; "
        call += "print(json.dumps(sizes.case(*json.loads(sys.argv[1]))))"
        done = subprocess.run(
            [sys.executable, "-c", call, given], capture_output=True, text=True, check=True
        )
        row = json.loads(done.stdout.splitlines()[-1])
        shown = (row[name] for name in ("side", "batch", "ms", "processor_ms", "gflop", "peak_mb"))
        print("".join(f"{value:>12.4g}" for value in shown), flush=True)
        yield row


if __name__ == "__main__":
    machine.main(__doc__, measure)
