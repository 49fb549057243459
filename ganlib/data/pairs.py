"""Images that belong together: what a translator is given, and what it should make of it.

Of most of these pairs the right answer is known, or all of them are:

- `typefaces`: a digit in one typeface, and the same digit, distorted alike, in another;
- `coloured`: a grey image, and it in one of two colours, the first more often than the second;
- `degraded`: what is left of an image by `grey`, `smaller`, `holes`, `noisy` or `outline`, or by a
  function of your own, and the image;
- `of_folders`: the files of the same name in two folders.

`pairs.unpaired()` forgets who belongs to whom. `photographs` are some to begin with.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ganlib.data import batches, cache, glyphs
from ganlib.data.dataset import Dataset, at_a_time, load, scaled
from ganlib.data.degrade import (
    Degradation,
    Degraded,
    applied,
    grey,
    holes,
    noisy,
    outline,
    smaller,
)
from ganlib.data.folders import ImageFolder
from ganlib.types import Size

__all__ = ["coloured", "degraded", "grey", "holes", "noisy", "of_folders", "outline"]
__all__ += ["photographs", "smaller", "typefaces"]

_ORDER_OF_TARGETS, _COLOURS = 1, 2  # purposes of permutations, beside the order of images


@dataclass(frozen=True, eq=False)
class Pairs:
    """Two sides of images of one height and width.

    Attributes:
        sources: a `Dataset`, of what a translator is given as a condition.
        targets: a `Dataset`, of what it should make.
        matched: whether an image belongs to that of the same place on the other side.

    Raises:
        ValueError: images of different sizes; or they are matched, and not as many.
    """

    sources: Dataset
    targets: Dataset
    matched: bool = True

    def __post_init__(self):
        """Reject sides that do not fit, which would otherwise surface far away."""
        one, other = ("x".join(map(str, side.image_shape[:2])) for side in self._sides)
        if one != other:
            raise ValueError(
                f"{self.sources} has {one} pixels and {self.targets} {other}: resize one to the "
                "other, as by load(..., size=...)."
            )
        if self.matched and len(self.sources) != len(self.targets):
            raise ValueError(
                f"Each image needs its partner, but there are {self.sources} and {self.targets}: "
                "use Pairs(..., matched=False) if they do not belong together."
            )

    @property
    def _sides(self):
        return self.sources, self.targets

    def __len__(self) -> int:
        """Of the smaller side, if they differ."""
        return min(map(len, self._sides))

    def __str__(self) -> str:
        return f"{self.sources} -> {self.targets}"

    def take(self, n: int) -> "Pairs":
        """The first `n` of both sides; as `Dataset.take`."""
        return replace(self, sources=self.sources.take(n), targets=self.targets.take(n))

    def subset(self, rows: ArrayLike) -> "Pairs":
        """Those at `rows` of both sides; as `Dataset.subset`."""
        return replace(self, sources=self.sources.subset(rows), targets=self.targets.subset(rows))

    def split(self, fraction: float, seed: int = 0) -> "tuple[Pairs, Pairs]":
        """Set a random `fraction` of both sides apart, pairs as pairs; as `Dataset.split`."""
        parts = zip(*(side.split(fraction, seed) for side in self._sides), strict=True)
        rest, held_out = (replace(self, sources=s, targets=t) for s, t in parts)
        return rest, held_out

    def unpaired(self) -> "Pairs":
        """Every second source, and the targets of the others: no image has its partner here.

        Raises:
            ValueError: there are less than two.
        """
        if len(self) < 2:
            raise ValueError(f"To take {self} apart there must be two pairs at least.")
        rows = np.arange(len(self))
        sides = self.sources.subset(rows[::2]), self.targets.subset(rows[1::2])
        return Pairs(*sides, matched=False)

    def batches(
        self, batch_size: int, seed: int = 0, repeat: bool = False, both: bool = False
    ) -> Any:
        """What `fit` takes: (targets, sources), float32 (batch_size, H, W, C) in [-1, 1].

        The order is as for `Dataset.batches`. Without partners each side has an order of its own,
        and of the larger one an epoch sees as many as of the smaller.

        Args:
            both: for a generator of both ways, `models.translation.both_ways`: each side is the
                other one's target, (targets and sources, sources and targets), joined along
                channels, (batch_size, H, W, 2C).

        Raises:
            ValueError: a batch holds less than one image, or more than there are; or the sides are
                to be joined, and differ in their channels.
        """
        if not 1 <= batch_size <= len(self):
            raise ValueError(
                f"batch_size is {batch_size}, but {self} allows 1 to {len(self)}: choose a batch "
                "that both sides can fill."
            )
        shapes = [side.image_shape for side in self._sides]
        if both and shapes[0] != shapes[1]:
            raise ValueError(
                f"A generator of both ways needs as many channels on both sides, not "
                f"{shapes[0][2]} and {shapes[1][2]}: load both with channels=3, say."
            )
        steps = len(self) // batch_size

        def order(epoch):
            purposes = 0, 0 if self.matched else _ORDER_OF_TARGETS
            rows = [
                batches.permutation(len(side), seed, epoch, purpose)[: steps * batch_size]
                for side, purpose in zip(self._sides, purposes, strict=True)
            ]
            return np.stack(rows, axis=-1).reshape(steps, batch_size, 2)

        def read(rows):
            sources, targets = (
                scaled(side.images, rows[..., i]) for i, side in enumerate(self._sides)
            )
            if not both:
                return targets, sources
            pair = [targets, sources]
            return np.concatenate(pair, axis=-1), np.concatenate(pair[::-1], axis=-1)

        group = at_a_time(batch_size, *(side.images for side in self._sides))
        made = batches.stream(order, read, steps, repeat, group)
        made.of = " and ".join(side._known_again() for side in self._sides)
        return made


# ------------------------------------------------------------------------------------ known answers


def typefaces(
    n: int = 10_000,
    seed: int = 0,
    source: str = "DejaVuSans",
    target: str | Sequence[str] = "STIXGeneralItalic",
    side: int = 28,
) -> Pairs:
    """Digits in one typeface, and the same digits, distorted alike, in another: `n` pairs.

    The digits and distortions depend on the seed and the side alone, so that every right answer is
    known: the target in any typeface is that of the same call with this `target`.

    Args:
        source, target: names of `data.load("glyphs").typeface_names`. Of several targets one is
            drawn for each digit, all as frequent; `targets.typefaces` says which.
        side: of an image, in pixels.

    Raises:
        ValueError: a typeface has another name, or there is none; there are less than one pair, or
            less than one pixel.
    """
    names = [target] if isinstance(target, str) else list(target)
    for name in (source, *names):
        if name not in glyphs.TYPEFACES:
            raise ValueError(
                f"No typeface is called {name!r}: there are {', '.join(glyphs.TYPEFACES)}."
            )
    if not names:
        raise ValueError(f"target is a typeface, or several: {', '.join(glyphs.TYPEFACES)}.")
    if n < 1:
        raise ValueError(f"typefaces needs n of at least 1, not {n}.")
    if side < 1:
        raise ValueError(f"side is at least 1 pixel, not {side}.")
    rng = np.random.default_rng([seed, 0])
    labels = np.argsort(rng.random(n), kind="stable") % 10
    drawn = np.argsort(np.random.default_rng([seed, 1]).random(n), kind="stable") % len(names)
    known = [np.full(n, glyphs.TYPEFACES.index(source))]
    known.append(np.array([glyphs.TYPEFACES.index(name) for name in names])[drawn])
    key = f"typefaces-v{glyphs.VERSION}-{seed}-{n}-{side}-{'-'.join([source, *names])}"
    images = cache.kept(key)
    if images is None:
        images = [np.empty((n, side, side, 1), np.uint8) for _ in known]
        for start in range(0, n, 256):
            part = slice(start, start + 256)
            warps = glyphs.warps(len(labels[part]), rng, side)
            for image, typeface in zip(images, known, strict=True):
                image[part, ..., 0] = glyphs.ink(10 * typeface[part] + labels[part], warps)
        cache.keep(key, images)
    left, right = (
        Dataset(name, image, labels, glyphs.DIGITS, typeface, glyphs.TYPEFACES)
        for name, image, typeface in zip((source, "-".join(names)), images, known, strict=True)
    )
    return Pairs(left, right)


def coloured(
    dataset: Dataset,
    share: float = 0.7,
    colours: Sequence[Sequence[int]] = ((255, 128, 0), (0, 128, 255)),
    seed: int = 0,
) -> Pairs:
    """Grey images, and each in one of two colours, which nothing in the image tells.

    A `share` of them, at random, has the first colour `c1`, the others have `c2`. The answer to an
    image x that is nearest to all its targets is then known: in the mean square it is `x * (share *
    c1 + (1 - share) * c2)`, a colour that no target has; in the mean distance, for a share above
    1/2, `x * c1`, always.

    Args:
        dataset: images of one channel. Its labels stay with the sources.
        colours: red, green and blue of `c1` and `c2`, 0 to 255; `targets.labels` are 0 and 1.

    Raises:
        ValueError: the images have more channels, a share is not between 0 and 1, or the colours
            are not two.
    """
    if dataset.image_shape[2] != 1:
        raise ValueError(f"{dataset} has colours already: load it with channels=1.")
    if not 0 <= share <= 1:
        raise ValueError(f"share is that of the first colour, from 0 to 1, not {share}.")
    colours = np.asarray(colours)
    if colours.shape != (2, 3) or (colours < 0).any() or (colours > 255).any():
        raise ValueError(
            f"colours are two, each of red, green and blue from 0 to 255, not {colours.tolist()}."
        )
    n = len(dataset)
    which = np.ones(n, np.int64)
    # Not the order in which `split` or `batches` of the same seed take the images.
    which[batches.permutation(n, seed, purpose=_COLOURS)[: round(share * n)]] = 0
    colour = colours.astype(np.uint16)[which][:, None, None, :]
    images = ((dataset.images[:] * colour + 127) // 255).astype(np.uint8)
    targets = Dataset(f"{dataset.name} in colour", images, which, ("first", "second"))
    return Pairs(dataset, targets)


def degraded(dataset: Dataset, how: Degradation, seed: int = 0) -> Pairs:
    """What a function leaves of every image, and the image.

    Images of a folder are read, and made less of, as they are needed. Resize a data set before, so
    that the function sees the pixels that a network will make.

    Args:
        how: a function of images uint8 (N, H, W, C) and a NumPy generator, from which it draws what
            is random, to images uint8 (N, H, W, channels), such as `grey`, or
            `functools.partial(smaller, factor=2)`.
        seed: of what is random.

    Raises:
        ValueError: the function does not make such images.
    """
    images = dataset.images
    if isinstance(images, ImageFolder):
        parts = 2 if dataset.class_names else 1  # of a path, which tell a file from the others
        return Pairs(replace(dataset, images=Degraded(images, how, seed, parts)), dataset)
    left = applied(how, images, np.random.default_rng(seed))
    return Pairs(replace(dataset, images=left), dataset)


# -------------------------------------------------------------------------------------- your images


def of_folders(
    sources: str | os.PathLike[str], targets: str | os.PathLike[str], size: Size = None
) -> Pairs:
    """The images of two folders, those of the same name together; their endings may differ.

    Args:
        size: as for `data.load`; by default that of the targets.

    Raises:
        ValueError: a folder cannot be read, or an image has no partner.
    """
    right = load(targets, size=size)
    left = load(sources, size=right.image_shape[:2])
    places = [_places(side, folder) for side, folder in ((left, sources), (right, targets))]
    for here, there, folder, other in (
        (*places, sources, targets),
        (*places[::-1], targets, sources),
    ):
        alone = sorted(here.keys() - there.keys())
        if alone:
            raise ValueError(
                f"{len(alone)} of the images in {os.fspath(folder)} have no partner of their name "
                f"in {os.fspath(other)}, such as {alone[0]!r}: add it, or take it out."
            )
    rows = [places[0][name] for name in places[1]]
    return Pairs(left.subset(rows), right)


def _places(dataset, folder):
    """Where each image of a folder is in its data set, by its name without the ending."""
    if not isinstance(dataset.images, ImageFolder):
        raise ValueError(f"{dataset} is no folder of images: give the paths of two.")
    root = os.path.abspath(os.path.expanduser(folder))
    names = [os.path.splitext(os.path.relpath(path, root))[0] for path in dataset.images.paths]
    places = {name: i for i, name in enumerate(names)}
    if len(places) < len(names):
        raise ValueError(f"Two images in {os.fspath(folder)} have one name: rename one of them.")
    return places


def photographs(side: int = 64) -> Dataset:
    """Pieces of side x side pixels, none over another, of the two photographs that scikit-learn
    brings: "china" by danielbuechele and "flower" by vultilion (CC BY 2.0), with labels 0 and 1.

    Raises:
        ValueError: no piece of that size fits.
    """
    from sklearn.datasets import load_sample_image

    pieces = []
    for name in ("china.jpg", "flower.jpg"):
        image = load_sample_image(name)
        if not 1 <= side <= min(image.shape[:2]):
            raise ValueError(f"side is from 1 to {min(image.shape[:2])} pixels, not {side}.")
        rows, columns = (length // side for length in image.shape[:2])
        cut = image[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
        pieces.append(cut.swapaxes(1, 2).reshape(-1, side, side, 3))
    labels = np.repeat([0, 1], [len(part) for part in pieces]).astype(np.int64)
    return Dataset("photographs", np.concatenate(pieces), labels, ("china", "flower"))
