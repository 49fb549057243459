"""Does the memory of a training stay flat while the data grow to 4 and 16 times as much?

    python benchmarks/memory.py [--images 1000] [--output FILE]

Each size trains in a process of its own, whose peak is read: a folder of PNG files, streamed, and
the same images as an array, which is held in memory as uint8 and no more. Time plays no part.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import machine
import numpy as np

SIDE = 64
TRAIN = """
import os, sys
import numpy as np
import ganlib
from ganlib import data
from ganlib.runs import environment

kind, folder, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
images = data.load(folder, size=64)
if kind == "array":
    images = data.Dataset("array", images.images[:])
dcgan = ganlib.models.dcgan
gan = ganlib.GAN(dcgan.generator((64, 64, 3), width=8), dcgan.discriminator((64, 64, 3), width=8))
gan.compile()
gan.fit(images.batches(32), epochs=1, verbose=0)
print(environment.peak_memory(os.getpid()))
"""


def draw(folder, n):
    """Write `n` random pictures; noise, which no file format makes smaller."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype="uint8")).save(
            folder / f"{i:06}.png"
        )


def measure(scales=(1, 4, 16), *, images=1000):
    """Yield a row for each kind of data and size; `images` are in the smallest set."""
    print(f"{'data':<8}{'images':>8}{'data MB':>10}{'peak MB':>10}")
    for scale in scales:
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder), images * scale)
            for kind in ("folder", "array"):
                command = [sys.executable, "-c", TRAIN, kind, folder, str(images * scale)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                peak, data = float(done.stdout.split()[-1]), images * scale * SIDE**2 * 3 / 2**20
                print(f"{kind:<8}{images * scale:>8,}{data:>10.0f}{peak:>10.0f}", flush=True)
                yield {"kind": kind, "images": images * scale, "data_mb": data, "peak_mb": peak}


if __name__ == "__main__":
    machine.main(__doc__, measure)
