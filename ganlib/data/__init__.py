"""Data sets of images and densities in the plane, each one call away.

`load("glyphs")` needs no network, nor do "letters" and "digits". MNIST, Fashion-MNIST and CIFAR-10
come through `keras.datasets` and are kept as NAME.npz in the data folder (`$GANLIB_DATA`, or the
user's cache folder). `load("path/to/folder")` reads the user's own images as they are needed.

Images are uint8 (N, H, W, C) here; `Dataset.batches` gives what `fit` takes: float32 in [-1, 1].
`data.pairs` makes `Pairs` of images that belong together, one what a translator makes of the other.
"""

from ganlib.data.dataset import Dataset, load
from ganlib.data.densities import Density, Mixture, SwissRoll, grid, ring, swiss_roll
from ganlib.data.folders import ImageFolder
from ganlib.data.pairs import Pairs
from ganlib.pixels import scale, to_uint8

__all__ = [
    "Dataset",
    "Density",
    "ImageFolder",
    "Mixture",
    "Pairs",
    "SwissRoll",
    "grid",
    "load",
    "ring",
    "scale",
    "swiss_roll",
    "to_uint8",
]
