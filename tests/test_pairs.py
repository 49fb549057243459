"""Pairs of images, whose right answers are known. `test_backends.py` runs this file on JAX and
PyTorch too."""

import functools
import hashlib
import itertools

import keras
import numpy as np
import pytest
from PIL import Image

from ganlib import GAN, callbacks, data
from ganlib.data import pairs

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Every test has an empty cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def numbered(n, side=2, channels=1):
    """Image i has the value i everywhere."""
    values = np.arange(n, dtype=np.uint8)[:, None, None, None]
    return data.Dataset("numbered", np.broadcast_to(values, (n, side, side, channels)).copy())


def noise(n=20, shape=(8, 12, 3)):
    return data.Dataset("noise", RNG.integers(0, 256, (n, *shape), dtype=np.uint8))


def numbers(batch, channel=0):
    """Which images of `numbered` make up a batch."""
    images = keras.ops.convert_to_numpy(batch)
    return data.to_uint8(images)[:, 0, 0, channel].tolist()


def read(batches, n):
    return list(itertools.islice(iter(batches), n))


# ------------------------------------------------------------------------------- sides and batches


def test_partners_stay_together_and_come_in_another_order_every_epoch():
    both = pairs.Pairs(numbered(10), numbered(10))
    epochs = []
    batches = both.batches(3)
    for _ in range(2):
        seen = read(batches, 3)
        assert all(numbers(target) == numbers(source) for target, source in seen)
        epochs.append([i for target, _ in seen for i in numbers(target)])
    assert len(set(epochs[0])) == 9 and epochs[0] != epochs[1]
    target, source = seen[0]
    assert target.shape == source.shape == (3, 2, 2, 1)
    first = [numbers(target) for target, _ in read(both.batches(3), 3)]
    assert [numbers(images) for images in read(both.sources.batches(3), 3)] == first


def test_without_partners_each_side_has_its_own_order():
    both = pairs.Pairs(numbered(100), numbered(60), matched=False)
    assert len(both) == 60
    seen = read(both.batches(20, seed=1, both=True), 3)
    real, condition = seen[0]
    assert real.shape == condition.shape == (20, 2, 2, 2)
    assert numbers(real, 0) == numbers(condition, 1) and numbers(real, 1) == numbers(condition, 0)
    targets, sources = ([i for real, _ in seen for i in numbers(real, c)] for c in (0, 1))
    assert sorted(targets) == list(range(60)) and len(set(sources)) == 60
    assert max(sources) > 59 and np.mean(np.equal(sources, targets)) < 0.2


@pytest.mark.parametrize("matched", [True, False])
def test_batches_resume_anywhere(matched):
    both = pairs.Pairs(numbered(10), numbered(10), matched=matched)

    def from_batch(start):
        batches = both.batches(2, seed=3, repeat=True)
        dropped = batches.seek(start)
        return [(numbers(t), numbers(s)) for t, s in read(batches, dropped + 4)[dropped:]]

    whole = [(numbers(t), numbers(s)) for t, s in read(both.batches(2, seed=3, repeat=True), 14)]
    assert whole[7:11] == from_batch(7)


def test_parts_keep_their_partners():
    both = pairs.Pairs(numbered(20), numbered(20))
    for part in (both.take(5), *both.split(0.3, seed=1), both.subset([3, 1])):
        np.testing.assert_array_equal(part.sources.images, part.targets.images)
    assert [len(part) for part in both.split(0.3)] == [14, 6]
    alone = both.unpaired()
    assert not alone.matched and len(alone) == 10
    assert not any(part.matched for part in (alone.take(3), *alone.split(0.5), alone.subset([1])))
    odd = both.take(5).unpaired()
    assert [len(side) for side in (odd.sources, odd.targets)] == [3, 2] and len(odd) == 2
    assert not set(alone.sources.images.ravel()) & set(alone.targets.images.ravel())
    sides = (numbered(20), numbered(21).subset(np.arange(20) + 1))
    known = {pairs.Pairs(*pair).batches(5).of for pair in (sides, sides[::-1], 2 * sides[:1])}
    assert len(known) == 3, "a training that resumes would not know other pairs"
    assert str(both) == "'numbered' (20 images) -> 'numbered' (20 images)"


def test_no_order_is_that_of_another_purpose():
    """The same seed for everything, and no split: as in a first experiment."""
    both = pairs.Pairs(numbered(100), numbered(100), matched=False)
    batches = both.batches(100)
    epochs = [read(batches, 1)[0] for _ in range(4)]
    targets, sources = ({tuple(numbers(epoch[i])) for epoch in epochs} for i in (0, 1))
    assert len(targets | sources) == 8
    drawn = pairs.coloured(data.load("digits").take(1000)).targets.batches(700, labels=True)
    firsts = [np.mean(read(drawn, 1)[0][1] == 0) for _ in range(4)]
    np.testing.assert_allclose(firsts, 0.7, atol=0.06)


def test_what_a_permutation_is():
    """Trainings that were written down are in this order."""
    order = data.batches.permutation(10, 3, 2)
    np.testing.assert_array_equal(order, np.random.default_rng([3, 2]).permutation(10))


@pytest.mark.slow
def test_a_training_on_unpaired_sides_resumes(tmp_path):
    class Crash(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 2:
                raise RuntimeError

    def train(callbacks=None):
        keras.utils.set_random_seed(0)
        pair = keras.Input((2, 2, 2))
        judge = keras.layers.Dense(1)(keras.layers.Flatten()(pair))
        made = keras.layers.Conv2D(2, 1, activation="tanh")(pair)
        gan = GAN(keras.Model(pair, made), keras.Model(pair, judge))
        gan.compile(pool=8)
        both = pairs.Pairs(numbered(40), numbered(30), matched=False)
        gan.fit(both.batches(5, both=True), epochs=2, callbacks=callbacks, verbose=0)
        return gan.get_weights()

    whole = train()
    with pytest.raises(RuntimeError):
        train([callbacks.Checkpoint(tmp_path, every=0), Crash()])
    for one, other in zip(whole, train([callbacks.Checkpoint(tmp_path)]), strict=True):
        np.testing.assert_array_equal(one, other)


# ----------------------------------------------------------------------------------- known answers


def test_a_digit_is_distorted_alike_in_every_typeface():
    one = pairs.typefaces(60, 3, "DejaVuSans", "cmr10")
    assert one.sources.image_shape == one.targets.image_shape == (28, 28, 1)
    assert np.bincount(one.sources.labels).tolist() == [6] * 10
    np.testing.assert_array_equal(one.sources.labels, one.targets.labels)
    swapped = pairs.typefaces(60, 3, "cmr10", "DejaVuSans")
    np.testing.assert_array_equal(one.sources.images, swapped.targets.images)
    several = pairs.typefaces(60, 3, "DejaVuSans", ["cmr10", "STIXGeneral"])
    names = np.array(several.targets.typeface_names)[several.targets.typefaces]
    assert sorted(np.unique(names, return_counts=True)[1]) == [30, 30]
    chosen = names == "cmr10"
    np.testing.assert_array_equal(several.targets.images[chosen], one.targets.images[chosen])
    np.testing.assert_array_equal(several.sources.images, one.sources.images)
    again = pairs.typefaces(60, 3, "DejaVuSans", "cmr10")  # from the cache
    np.testing.assert_array_equal(again.targets.images, one.targets.images)
    other = pairs.typefaces(60, 4, "DejaVuSans", "cmr10")
    assert (other.sources.images != one.sources.images).any()


def test_the_same_seed_draws_the_same_pairs_on_every_machine():
    drawn = pairs.typefaces(20, 0)
    bytes_of_both = drawn.sources.images.tobytes() + drawn.targets.images.tobytes()
    assert hashlib.sha256(bytes_of_both).hexdigest()[:16] == "954367f914185bbf"


def test_a_larger_digit_is_the_same_digit():
    small, large = (pairs.typefaces(10, 0, side=side).sources.images / 255 for side in (28, 56))
    halved = large.reshape(10, 28, 2, 28, 2).mean(axis=(2, 4))
    assert np.abs(halved - small[..., 0]).mean() < 0.02


def test_the_mean_and_the_majority_of_two_colours():
    digits = data.load("digits")
    both = pairs.coloured(digits, share=0.7, seed=2)
    which = both.targets.labels
    assert (which == 0).sum() == round(0.7 * len(digits))
    assert both.targets.image_shape == (8, 8, 3) and both.sources is digits
    grey = digits.images / 255
    for label, colour in enumerate(((255, 128, 0), (0, 128, 255))):
        expected = grey[which == label] * np.array(colour)
        assert np.abs(both.targets.images[which == label] - expected).max() <= 0.5
    # A constant image in both colours: what minimises each distance is the formula's.
    white = data.Dataset("white", np.full((1000, 1, 1, 1), 255, np.uint8))
    targets = pairs.coloured(white).targets.images.reshape(1000, 3).astype(float)
    np.testing.assert_allclose(targets.mean(0), 0.7 * np.array([255, 128, 0]) + [0, 38.4, 76.5])
    np.testing.assert_array_equal(np.median(targets, axis=0), [255, 128, 0])


@pytest.mark.parametrize("seed", range(3))
def test_what_is_held_out_has_both_colours_and_all_digits(seed):
    """With one seed for both, too."""
    both = pairs.coloured(data.load("digits"), share=0.7, seed=seed).split(0.2, seed=seed)
    for part in both:
        assert np.mean(part.targets.labels == 0) == pytest.approx(0.7, abs=0.08)
    for part in pairs.typefaces(2000, seed).split(0.2, seed=seed):
        counts = np.bincount(part.targets.labels, minlength=10)
        assert abs(counts / len(part) - 0.1).max() < 0.05


# --------------------------------------------------------------------------------- less of an image


def test_grey_is_the_luminance():
    both = pairs.degraded(noise(), pairs.grey)
    assert both.sources.image_shape == (8, 12, 1)
    expected = both.targets.images @ [0.299, 0.587, 0.114]
    assert np.abs(both.sources.images[..., 0] - expected).max() <= 0.5 + 1e-9


def test_smaller_keeps_the_means_of_blocks_and_nothing_else():
    both = pairs.degraded(noise(), functools.partial(pairs.smaller, factor=2))
    blocks = both.sources.images.reshape(20, 4, 2, 6, 2, 3)
    assert (blocks == blocks[:, :, :1, :, :1]).all()
    means = both.targets.images.reshape(20, 4, 2, 6, 2, 3).mean(axis=(2, 4))
    assert np.abs(blocks[:, :, 0, :, 0] - means).max() <= 0.5
    np.testing.assert_array_equal(pairs.smaller(both.sources.images, factor=2), both.sources.images)


def test_holes_say_where_they_are():
    both = pairs.degraded(noise(400), pairs.holes)
    image, hole = both.sources.images[..., :3], both.sources.images[..., 3:] == 255
    assert (np.where(hole, both.targets.images, image) == both.targets.images).all()
    assert (image[np.broadcast_to(hole, image.shape)] == 128).all()
    assert (hole.sum(axis=(1, 2, 3)) == 4 * 6).all()
    often = hole.mean(axis=0)[..., 0]
    assert (often > 0).all() and often[4, 6] > often[0, 0], "anywhere"
    mask = np.zeros((8, 12), bool)
    mask[:3] = True
    fixed = pairs.degraded(noise(), functools.partial(pairs.holes, mask=mask)).sources.images
    assert ((fixed[..., 3] == 255) == mask).all()


def test_noise_has_its_deviation():
    grey = data.Dataset("grey", np.full((50, 16, 16, 1), 128, np.uint8))
    how = functools.partial(pairs.noisy, deviation=20.0)
    noisy, again, other = (pairs.degraded(grey, how, seed=s).sources.images for s in (0, 0, 1))
    assert noisy.std() == pytest.approx(20, rel=0.03) and abs(noisy.mean() - 128) < 0.3
    assert (noisy == again).all() and (noisy != other).any()
    for value in (0, 255):  # clipped, and not beginning anew
        end = pairs.noisy(np.full((1, 8, 8, 1), value, np.uint8), np.random.default_rng(0))
        assert abs(end.astype(float) - value).max() < 200 and (end == value).mean() > 0.4


def test_an_outline_is_bright_at_the_edges_alone():
    square = np.zeros((1, 9, 9, 3), np.uint8)
    square[:, 3:6, 3:6, 1] = 200
    edges = pairs.outline(square)[0, ..., 0]
    expected = np.zeros((9, 9), bool)
    expected[2:7, 3:6] = expected[3:6, 2:7] = True
    expected[4, 4] = False
    np.testing.assert_array_equal(edges, np.where(expected, 200, 0))
    assert (pairs.outline(np.full((1, 5, 7, 1), 200, np.uint8)) == 0).all(), "a border is no edge"


def test_photographs_are_cut_without_overlap():
    pieces = data.pairs.photographs(64)
    assert pieces.image_shape == (64, 64, 3) and len(pieces) == 2 * 6 * 10
    assert np.bincount(pieces.labels).tolist() == [60, 60]
    row = np.concatenate(pieces.images[:10], axis=1)
    from sklearn.datasets import load_sample_image

    np.testing.assert_array_equal(row, load_sample_image("china.jpg")[:64])


# -------------------------------------------------------------------------------------- your images


def write(folder, names, shape=(16, 24), colour=False, ending=".png"):
    for i, name in enumerate(names):
        file = folder / f"{name}{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((*shape, 3) if colour else shape, i, np.uint8)
        Image.fromarray(pixels).save(file)
    return folder


def test_files_of_the_same_name_are_pairs(tmp_path):
    names = [f"{i:02}" for i in range(12)]
    sketches = write(tmp_path / "sketches", names)
    photographs = write(tmp_path / "photographs", names, colour=True, ending=".bmp")
    both = pairs.of_folders(sketches, photographs)
    assert both.sources.image_shape == (16, 24, 1) and both.targets.image_shape == (16, 24, 3)
    np.testing.assert_array_equal(
        both.sources.images[...][..., 0], both.targets.images[...][..., 0]
    )
    target, source = read(both.batches(4), 1)[0]
    assert numbers(target) == numbers(source)
    smaller = pairs.of_folders(str(sketches), str(photographs), size=8)
    assert smaller.sources.image_shape == (8, 8, 1)
    write(photographs, names, (6, 8), colour=True, ending=".bmp")
    assert pairs.of_folders(sketches, photographs).sources.image_shape == (6, 8, 1)
    in_classes = [write(tmp_path / side, ["a/1", "a/2", "b/1"]) for side in ("one", "two")]
    assert pairs.of_folders(*in_classes).targets.class_names == ("a", "b")


def test_files_that_their_endings_put_in_another_order_are_pairs(tmp_path):
    names = ["a", "a.b", "a.d", "a.x"]
    sides = [write(tmp_path / ending, names, ending=ending) for ending in (".bmp", ".png")]
    both = pairs.of_folders(*sides)
    paths = [side.images.paths for side in (both.sources, both.targets)]
    assert [path[-5:-4] for path in paths[0]] == [path[-5:-4] for path in paths[1]]
    np.testing.assert_array_equal(both.sources.images[:], both.targets.images[:])


def test_a_folder_is_degraded_as_it_is_read(tmp_path):
    for i in range(5):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(
            tmp_path / "images" / f"{i}.png"
        )
    folder = data.load(tmp_path / "images")
    both = pairs.degraded(folder, pairs.holes)
    assert isinstance(both.sources.images, data.ImageFolder)
    assert both.sources.images.shape == (5, 16, 16, 4)
    once, again = both.sources.images[:], both.sources.images[:]
    np.testing.assert_array_equal(once, again)
    assert len({image[..., 3].tobytes() for image in once}) > 1, "each its own hole"
    np.testing.assert_array_equal(both.subset([3, 0]).sources.images[:], once[[3, 0]])
    assert both.sources.resize(8).image_shape == (8, 8, 4)
    assert (pairs.degraded(folder, pairs.holes, seed=1).sources.images[:] != once).any()
    target, source = read(both.batches(5), 1)[0]
    assert target.shape == (5, 16, 16, 3) and source.shape == (5, 16, 16, 4)


def test_images_of_one_name_in_two_classes_lose_different_things(tmp_path):
    write(tmp_path / "images", ["a/1", "a/2", "b/1", "b/2"])
    both = pairs.degraded(data.load(tmp_path / "images"), pairs.holes)
    whole = both.sources.images[:]
    assert len({image[..., 1].tobytes() for image in whole}) == 4
    for label in (0, 1):
        rows = both.sources.labels == label
        np.testing.assert_array_equal(both.subset(rows).sources.images[:], whole[rows])
    (tmp_path / "images").rename(tmp_path / "moved")
    again = pairs.degraded(data.load(tmp_path / "moved"), pairs.holes).sources.images[:]
    np.testing.assert_array_equal(again, whole)


# ------------------------------------------------------------------- what goes wrong is said once


def test_sides_that_do_not_fit():
    with pytest.raises(ValueError, match="has 2x2 pixels and 'numbered' .5 images. 3x3: resize"):
        pairs.Pairs(numbered(5), numbered(5, 3))
    with pytest.raises(ValueError, match="Each image needs its partner, but there are 'numbered'"):
        pairs.Pairs(numbered(5), numbered(4))
    both = pairs.Pairs(numbered(5), numbered(5, channels=3))
    with pytest.raises(ValueError, match="as many channels on both sides, not 1 and 3: load both"):
        both.batches(2, both=True)
    for size in (0, 6):
        with pytest.raises(ValueError, match=f"batch_size is {size}, but .* allows 1 to 5"):
            both.batches(size)


def test_degradations_that_do_not_fit():
    grey, colour = numbered(3), numbered(3, 6, 3)
    with pytest.raises(ValueError, match="from images of 3 channels, not of 1: load them with"):
        pairs.degraded(grey, pairs.grey)
    with pytest.raises(ValueError, match="Blocks of 4x4 pixels do not fill an image of 6x6"):
        pairs.degraded(colour, pairs.smaller)
    with pytest.raises(ValueError, match=r"the shape of an image, \(6, 6\), not \(6, 5\)"):
        pairs.degraded(colour, functools.partial(pairs.holes, mask=np.zeros((6, 5), bool)))
    with pytest.raises(ValueError, match="has colours already: load it with channels=1"):
        pairs.coloured(colour)
    with pytest.raises(ValueError, match="share is that of the first colour, from 0 to 1, not 2"):
        pairs.coloured(grey, share=2)
    for colours in (((0, 0, 256), (0, 0, 0)), ((0, 0, -1), (0, 0, 0)), ((1, 2, 3),), (255, 0)):
        with pytest.raises(ValueError, match="colours are two, each of red, green and blue"):
            pairs.coloured(grey, colours=colours)
    for factor in (0, -2, 2.0):
        with pytest.raises(ValueError, match="factor is a whole number of pixels, at least 1"):
            pairs.degraded(colour, functools.partial(pairs.smaller, factor=factor))
    with pytest.raises(ValueError, match="No typeface is called 'Comic'"):
        pairs.typefaces(3, target="Comic")
    with pytest.raises(ValueError, match="target is a typeface, or several: DejaVuSans"):
        pairs.typefaces(3, target=[])
    with pytest.raises(ValueError, match="side is at least 1 pixel, not 0"):
        pairs.typefaces(3, side=0)
    with pytest.raises(ValueError, match="must be two pairs at least"):
        pairs.Pairs(numbered(1), numbered(1)).unpaired()
    with pytest.raises(ValueError, match="typefaces needs n of at least 1, not 0"):
        pairs.typefaces(0)
    for side in (0, 500):
        with pytest.raises(ValueError, match=f"side is from 1 to 427 pixels, not {side}"):
            pairs.photographs(side)


def test_a_degradation_makes_images_of_the_same_size(tmp_path):
    folder = data.load(write(tmp_path / "images", ["1", "2"]))
    for images in (folder, numbered(2, 8)):
        for how in (
            lambda x, rng: x / 255,
            lambda x, rng: x[..., 0],
            lambda x, rng: x[:0],
            lambda x, rng: x[:, 1:],
            lambda x, rng: None,
        ):
            with pytest.raises(
                ValueError, match="as many images as it is given, of their"
            ) as error:
                pairs.degraded(images, how)
            assert "\n" not in str(error.value)


def test_a_degradation_that_looks_at_the_image_makes_the_same_of_each(tmp_path):
    folder = data.load(write(tmp_path / "images", ["1", "2"]))
    for how, sentence in (
        (lambda x, rng: x[:, 1:] if x.any() else x, "as many images as it is given, of their"),
        (
            lambda x, rng: x.repeat(3, -1) if x.any() else x,
            "as many channels of every image: of .* 3,",
        ),
    ):
        left = pairs.degraded(folder, how).sources.images
        with pytest.raises(ValueError, match=sentence):
            left[:]


def test_folders_whose_files_do_not_match(tmp_path):
    one, other = write(tmp_path / "one", ["a", "b", "c"]), write(tmp_path / "other", ["a", "b"])
    for folders, where in (((one, other), "one have no"), ((other, one), "one have no")):
        with pytest.raises(ValueError, match=f"1 of the images in .*{where} partner.* such as 'c'"):
            pairs.of_folders(*folders)
    write(one, ["a"], ending=".bmp")
    with pytest.raises(ValueError, match="Two images in .*one have one name"):
        pairs.of_folders(one, other)
    with pytest.raises(ValueError, match="is no folder of images: give the paths of two"):
        pairs.of_folders("digits", other)
