"""How soon is it good? The book's DCGAN beside five that readers start from, on MNIST or others.

    python benchmarks/time_to_quality.py [--recipes all] [--seeds 3] [--rounds 20000]
        [--pace] [--dataset mnist] [--judge small] [--output FILE]

The recipes are those of `peers.py`; `--recipes` takes some of them, as "Keras-GAN,this book". Two
things are measured apart, since a busy machine changes the second and not the first:

- quality against rounds, on any machine and with several seeds. Each recipe trains to its own end,
  or for so many rounds, and is scored after 25 rounds, 35, 50 and so on, each time 1.4 times as
  many: the Frechet distance of 5,000 samples to images that nobody trained on, a twelfth of all (of
  MNIST 5,000), in the features of one small classifier, or of the judge that a run of the book has
  left, `--judge`. It compares the rows of one table and nothing else. The classifier is kept, so
  that the next process finds it: `--seeds 0` only trains it.
- the pace (`--pace`): the seconds of the first round, which also compiles, and then of a round, the
  median of seven blocks of three seconds, all recipes in turns. It is meant for two CPU cores.

`report` multiplies them, from the files of both.

To take part, add a recipe to `peers.RECIPES`: a function of a seed and a shape to a compiled
`ganlib.GAN`, the batch, and the rounds after which its authors end. It may use whatever the machine
has; its time counts from the first round, compilation included, and no image that
was set apart may train anything.
"""

import json
import statistics
import time
from pathlib import Path

import machine
import numpy as np
import peers

import ganlib
from ganlib.training import checkpoint

BLOCKS, BLOCK_SECONDS = 7, 3.0


def due(end):
    """The rounds after which a training that ends after `end` of them is scored."""
    series = (round(25 * 2 ** (k / 2)) for k in range(64))
    return [rounds for rounds in series if rounds < end] + [end]


class Feed:
    """Batches of a data set for one call of `fit` after another, each with orders of its own."""

    def __init__(self, data, batch):
        self.batches, self.an_epoch = data.batches(batch, repeat=True), len(data) // batch
        self.epochs = 0

    def train(self, gan, rounds):
        self.batches.seek(self.epochs * self.an_epoch)
        self.epochs += -(-rounds // self.an_epoch)
        gan.fit(self.batches, steps_per_epoch=rounds, verbose=0)


def restart(gan, name, seed):
    """Put a GAN of the recipe `name` at the start of another training: compiled steps are kept."""
    shape = gan.generator.output_shape[1:]
    checkpoint.assign(gan, checkpoint.state(peers.build(name, seed, shape)))


def training(gan, feed, rounds, score):
    """Train; yield (rounds, score of 5,000 samples) after each number of rounds in `rounds`."""
    latents = gan.latents(5000, seed=0)
    done = 0
    for then in rounds:
        feed.train(gan, then - done)
        done = then
        images = [gan.sampler.predict_on_batch(part) for part in np.split(latents, 10)]
        yield done, score(ganlib.data.to_uint8(np.concatenate(images)))


def quality(names, seeds, limit, dataset, judge="small"):
    """Yield a row for each score; all recipes of one seed before the next seed."""
    data, held_out = ganlib.data.load(dataset).split(5000 / 60_000)
    if judge == "small":
        judge = ganlib.metrics.Classifier(data, epochs=2)
    else:
        judge = ganlib.pretrained.judge(judge)
    real = judge.features(held_out.images)

    def score(images):
        return ganlib.metrics.frechet_distance(real, judge.features(images))

    gans = {}
    for seed in range(seeds):
        for name in names:
            recipe, start = peers.RECIPES[name], time.perf_counter()
            if name in gans:
                restart(gans[name], name, seed)
            else:
                gans[name] = peers.build(name, seed, data.image_shape)
            rounds = due(min(limit, recipe.rounds))
            for done, apart in training(gans[name], Feed(data, recipe.batch), rounds, score):
                spent = time.perf_counter() - start
                print(
                    f"{name}, seed {seed}: {done:,} rounds, {apart:.1f} ({spent:.0f} s)", flush=True
                )
                yield {"recipe": name, "seed": seed, "rounds": done, "distance": apart}


def paces(names, dataset):
    """Yield a row for each recipe: what its first round and its rounds take here."""
    data, took, runs = ganlib.data.load(dataset), {}, {}
    for name in names:
        start = time.perf_counter()
        gan = peers.build(name, 0, data.image_shape)
        feed = Feed(data, peers.RECIPES[name].batch)
        feed.train(gan, 1)
        first, start = time.perf_counter() - start, time.perf_counter()
        feed.train(gan, 2)
        count = max(1, round(2 * BLOCK_SECONDS / (time.perf_counter() - start)))
        print(f"{name}: {first:.1f} s, then blocks of {count} rounds", flush=True)
        runs[name], took[name] = (gan, feed, count), [first]
    for _ in range(BLOCKS):
        for name, (gan, feed, count) in runs.items():
            start = time.perf_counter()
            feed.train(gan, count)
            took[name].append((time.perf_counter() - start) / count)
            print(f"{name}: {1e3 * took[name][-1]:.1f} ms a round", flush=True)
    for name, (first, *blocks) in took.items():
        middle = statistics.median(blocks)
        yield {"recipe": name, "first_s": first, "round_s": middle, "blocks_s": blocks}


def read(*files):
    """The rows of JSON files that this script wrote, as one list."""
    return [row for file in files for row in json.loads(Path(file).read_text())["rows"]]


def trails(rows):
    """Scores of `quality`: {recipe: {seed: (rounds, distances)}}, two arrays."""
    found = {}
    for row in rows:
        pairs = found.setdefault(row["recipe"], {}).setdefault(row["seed"], [])
        pairs.append((row["rounds"], row["distance"]))
    return {name: {s: np.transpose(t) for s, t in of.items()} for name, of in found.items()}


def rounds_to(trail, bar):
    """After how many rounds a training first has a score of at most `bar`; infinity for never."""
    rounds, distances = trail
    return next((n for n, apart in zip(rounds, distances, strict=True) if apart <= bar), np.inf)


def seconds_to(trail, bar, pace):
    """The same in seconds, by a row of `paces`: the first round with what goes before, then the
    others."""
    return pace["first_s"] + (rounds_to(trail, bar) - 1) * pace["round_s"]


def report(quality_files, pace_file):
    """Print the median seconds of each recipe to the tutorial's own end, and to a quarter of its
    distance. Its end is the median of its seeds' last scores."""
    found, of = trails(read(*quality_files)), {row["recipe"]: row for row in read(pace_file)}
    bar = statistics.median(t[1][-1] for t in found["TensorFlow tutorial"].values())
    print(f"{'recipe':<22}{'seeds':>6}{'end':>8}{f's to {bar:.1f}':>14}{f's to {bar / 4:.1f}':>14}")
    for name, seeds in found.items():
        end = statistics.median(t[1][-1] for t in seeds.values())
        columns = [
            statistics.median(seconds_to(t, level, of[name]) for t in seeds.values())
            for level in (bar, bar / 4)
        ]
        print(f"{name:<22}{len(seeds):6}{end:8.1f}{columns[0]:14.1f}{columns[1]:14.1f}")


def measure(*, recipes="all", seeds=3, rounds=20_000, pace=False, dataset="mnist", judge="small"):
    """The rows of one of the two measurements, as they are found."""
    names = list(peers.RECIPES) if recipes == "all" else recipes.split(",")
    return paces(names, dataset) if pace else quality(names, seeds, rounds, dataset, judge)


if __name__ == "__main__":
    machine.main(__doc__, measure)
