"""The race of recipes: each peer's round is its authors', and scores and paces are read together.

The references are the rounds as their authors write them, with `tf.GradientTape`, but for the
random numbers, which come from the same seeds as those of the backend-neutral rounds.
"""

import importlib
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from sources import NEEDS

import ganlib

needs_tensorflow = pytest.mark.skipif(
    keras.config.backend() != "tensorflow", reason="tf.GradientTape is TensorFlow's"
)


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")


@pytest.fixture
def peers(beside):
    return importlib.import_module("peers")


@pytest.fixture
def race(beside):
    return importlib.import_module("time_to_quality")


def apply(tape, loss, model, adam):
    adam.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)


def tutorial_by_tape(tf, gan, real, z):
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
        fake = gan.generator(z, training=True)
        real_logits = gan.discriminator(real, training=True)
        fake_logits = gan.discriminator(fake, training=True)
        g_loss = entropy(tf.ones_like(fake_logits), fake_logits)
        d_loss = entropy(tf.ones_like(real_logits), real_logits)
        d_loss += entropy(tf.zeros_like(fake_logits), fake_logits)
    apply(g_tape, g_loss, gan.generator, gan.generator_optimizer)
    apply(d_tape, d_loss, gan.discriminator, gan.discriminator_optimizer)


def keras_gan_by_tape(tf, gan, real, z):
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    fake = gan.generator(z, training=False)
    for images, label in ((real, 1.0), (fake, 0.0)):
        with tf.GradientTape() as tape:
            logits = gan.discriminator(images, training=True)
            loss = entropy(label * tf.ones_like(logits), logits)
        apply(tape, loss, gan.discriminator, gan.discriminator_optimizer)
    with tf.GradientTape() as tape:
        logits = gan.discriminator(gan.generator(z, training=True), training=True)
        loss = entropy(tf.ones_like(logits), logits)
    apply(tape, loss, gan.generator, gan.generator_optimizer)


def wasserstein_by_tape(tf, gan, real, z):
    rows, seed = len(real), gan.seed_generator
    for _ in range(3):
        with tf.GradientTape() as tape:
            drawn = keras.random.normal((rows, 128), seed=seed)
            fake = gan.generator(drawn, training=True)
            fake_logits = gan.discriminator(fake, training=True)
            real_logits = gan.discriminator(real, training=True)
            between = real + keras.random.uniform((rows, 1, 1, 1), seed=seed) * (fake - real)
            with tf.GradientTape() as inner:
                inner.watch(between)
                pred = gan.discriminator(between, training=True)
            norm = tf.sqrt(tf.reduce_sum(inner.gradient(pred, between) ** 2, axis=[1, 2, 3]))
            loss = tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)
            loss += 10.0 * tf.reduce_mean((norm - 1.0) ** 2)
        apply(tape, loss, gan.discriminator, gan.discriminator_optimizer)
    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(gan.discriminator(gan.generator(z, training=True), training=True))
    apply(tape, loss, gan.generator, gan.generator_optimizer)


def pytorch_gan_by_tape(tf, gan, real, z):
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    with tf.GradientTape() as tape:
        fake = gan.generator(z, training=True)
        logits = gan.discriminator(fake, training=True)
        loss = entropy(tf.ones_like(logits), logits)
    apply(tape, loss, gan.generator, gan.generator_optimizer)
    with tf.GradientTape() as tape:
        real_logits = gan.discriminator(real, training=True)
        fake_logits = gan.discriminator(fake, training=True)
        loss = entropy(tf.ones_like(real_logits), real_logits)
        loss = (loss + entropy(tf.zeros_like(fake_logits), fake_logits)) / 2
    apply(tape, loss, gan.discriminator, gan.discriminator_optimizer)


BY_TAPE = [
    ("TensorFlow tutorial", tutorial_by_tape),
    pytest.param("Keras-GAN", keras_gan_by_tape, marks=pytest.mark.slow),
    pytest.param("keras.io WGAN-GP", wasserstein_by_tape, marks=pytest.mark.slow),
    pytest.param("PyTorch-GAN", pytorch_gan_by_tape, marks=pytest.mark.slow),
]


@pytest.fixture
def in_double():
    """Where Adam makes no steps of what is rounding alone."""
    before = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")  # another test may have set it
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_dtype_policy(before[1])


@pytest.mark.slow
@needs_tensorflow
@pytest.mark.parametrize(("name", "by_tape"), BY_TAPE)
def test_three_rounds_are_those_of_its_authors(peers, in_double, name, by_tape):
    tf = importlib.import_module("tensorflow")
    ours, theirs = peers.build(name, 3), peers.build(name, 3)  # dropout has the same seeds as well
    numbers, start = np.random.default_rng(0), ours.get_weights()
    for _ in range(3):
        real = ops.convert_to_tensor(numbers.uniform(-1, 1, (2, *peers.MNIST)))
        z = ops.convert_to_tensor(numbers.normal(size=(2, ours.latent_dim)))
        ours.round([real], [z])
        by_tape(tf, theirs, real, z)

    def largest_gaps(others):
        return [np.abs(a - b).max() for a, b in zip(ours.get_weights(), others, strict=True)]

    assert max(largest_gaps(theirs.get_weights())) < 1e-7
    assert np.median(largest_gaps(start)) > 1e-4


# The parameters of the generator and the discriminator, those of keras.io as its page prints them;
# the rate and the betas of their Adams; their batch and rounds.
PUBLISHED = {
    "TensorFlow tutorial": (2_330_944, 212_865, (1e-4, 0.9, 0.999), 256, 50 * 234),
    "Keras-GAN": (856_193, 393_729, (2e-4, 0.5, 0.999), 32, 4000),
    "keras.io WGAN-GP": (910_660, 4_305_409, (2e-4, 0.5, 0.9), 512, 20 * 117),
    "PyTorch-GAN": (1_050_625, 98_561, (2e-4, 0.5, 0.999), 64, 50 * 234),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_sizes_rates_and_ends_are_those_of_its_authors(peers, name):
    gan, recipe = peers.build(name, 0), peers.RECIPES[name]
    *sizes, adam, batch, rounds = PUBLISHED[name]
    assert [gan.generator.count_params(), gan.discriminator.count_params()] == sizes
    for own in (gan.generator_optimizer, gan.discriminator_optimizer):
        assert (float(own.learning_rate), own.beta_1, own.beta_2) == pytest.approx(adam)
    assert (recipe.batch, recipe.rounds) == (batch, rounds)
    assert gan.ema_generator is None


@pytest.mark.slow
def test_every_recipe_makes_images_in_colour_and_of_another_size(peers):
    for name in peers.RECIPES:
        gan = peers.build(name, 0, (32, 32, 3))
        assert gan.sample(2).shape == (2, 32, 32, 3)
        assert gan.discriminator.output_shape == (None, 1)


def test_pytorchs_strided_convolution(peers):
    """Of an even side it takes the zeros before the image, and none behind it."""
    torch = pytest.importorskip("torch", reason=NEEDS.format("PyTorch"))
    model = peers.pytorch_gan_discriminator((32, 32, 1))
    conv = next(layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    image = np.random.default_rng(0).normal(size=(2, 32, 32, 1)).astype("float32")
    ours = keras.Model(model.inputs, conv.output).predict_on_batch(image)
    kernel = torch.tensor(np.asarray(ops.convert_to_numpy(conv.kernel)).transpose(3, 2, 0, 1))
    given = torch.tensor(image.transpose(0, 3, 1, 2))
    theirs = torch.nn.functional.conv2d(given, kernel, stride=2, padding=1).numpy()
    np.testing.assert_allclose(ours, theirs.transpose(0, 2, 3, 1), atol=1e-5)


@pytest.fixture
def glyphs(monkeypatch):
    """Instead of MNIST, and fewer to score."""
    data = ganlib.data.load("glyphs", n=1200)
    monkeypatch.setattr(ganlib.data, "load", lambda name: data)
    return data


def test_scores_are_taken_at_a_geometric_series_of_rounds(race):
    assert race.due(150) == [25, 35, 50, 71, 100, 141, 150] and race.due(9) == [9]
    assert race.due(100)[-2:] == [71, 100]


def tiny(seed, shape):
    """As the recipe of the book, but small."""
    peers = importlib.import_module("peers")
    models = ganlib.models.dcgan
    networks = models.generator(shape, 4, 4), models.discriminator(shape, 4)
    return peers.compiled(ganlib.GAN(*networks, seed), 1e-3, ema=0.9, beta_1=0.5)


@pytest.mark.slow
def test_quality_and_pace_become_seconds(peers, race, glyphs, monkeypatch, tmp_path, capsys):
    names = ["TensorFlow tutorial", "this book"]
    monkeypatch.setattr(peers, "RECIPES", dict.fromkeys(names, peers.Recipe(tiny, 16, 30)))
    monkeypatch.setattr(race, "BLOCKS", 2)
    monkeypatch.setattr(race, "BLOCK_SECONDS", 0.01)
    machine, files = importlib.import_module("machine"), [tmp_path / "q.json", tmp_path / "p.json"]
    machine.main("text", race.measure, ["--seeds", "2", "--output", str(files[0])])
    machine.main("text", race.measure, ["--pace", "--output", str(files[1])])
    rows = race.read(files[0])
    assert [(row["recipe"], row["seed"], row["rounds"]) for row in rows] == [
        (name, seed, rounds) for seed in range(2) for name in names for rounds in (25, 30)
    ]
    by_seed = {row["distance"] for row in rows if row["rounds"] == 30}
    assert len(by_seed) == 2  # both recipes are the same here, a second training of a GAN as well
    paces = race.read(files[1])
    assert all(len(row["blocks_s"]) == 2 and row["first_s"] > row["round_s"] > 0 for row in paces)
    capsys.readouterr()
    race.report(files[:1], files[1])
    assert "this book" in capsys.readouterr().out


@pytest.mark.slow
def test_a_second_training_is_that_of_a_new_gan(peers, race, monkeypatch):
    monkeypatch.setattr(peers, "RECIPES", {"tiny": peers.Recipe(tiny, 8, 3)})
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28, 1), dtype="uint8")
    data = ganlib.data.Dataset("noise", images)
    old, new = peers.build("tiny", 0), peers.build("tiny", 1)
    race.Feed(data, 8).train(old, 3)
    race.restart(old, "tiny", 1)
    for gan in (old, new):
        race.Feed(data, 8).train(gan, 3)
    for a, b in zip(old.get_weights(), new.get_weights(), strict=True):
        assert np.array_equal(a, b)


def test_one_interval_goes_on_with_other_orders(race):
    images = np.arange(6, dtype="uint8")[:, None, None, None].repeat(4, axis=1)
    seen = []

    class Listener:
        def fit(self, batches, steps_per_epoch, verbose):
            stream = iter(batches)
            first = [np.asarray(next(stream)).ravel()[0] for _ in range(steps_per_epoch)]
            seen.append([round((float(x) + 1) * 127.5) for x in first])

    feed = race.Feed(ganlib.data.Dataset("six", images), 1)
    for rounds in (7, 6):
        feed.train(Listener(), rounds)
    assert sorted(seen[0][:6]) == sorted(seen[1]) == list(range(6)) and feed.epochs == 3
    assert seen[1] != seen[0][:6]


def test_seconds_to_a_score(race):
    trail, pace = (
        (np.array([25, 35, 50]), np.array([9.0, 4.0, 5.0])),
        {"first_s": 7, "round_s": 0.5},
    )
    assert race.rounds_to(trail, 4.0) == 35 and race.rounds_to(trail, 3.9) == np.inf
    assert race.seconds_to(trail, 9.0, pace) == 7 + 24 * 0.5


def test_what_scores_is_not_what_trains(peers, race, monkeypatch):
    """Neither a GAN nor the judge has seen the images that a GAN's are compared with."""
    images, seen = np.zeros((240, 28, 28, 1), "uint8"), {}
    images[:, 0, 0, 0] = np.arange(240)

    class Judge:
        def __init__(self, data, epochs):
            seen["judge"] = self.features(data.images)

        def features(self, images):
            return set(images[:, 0, 0, 0].tolist())

    def training(gan, data, rounds, score):
        seen["gan"] = seen["judge"] | Judge.features(None, data.images)
        yield rounds[-1], score(images[:1])

    monkeypatch.setattr(ganlib.data, "load", lambda name: ganlib.data.Dataset(name, images))
    monkeypatch.setattr(ganlib.metrics, "Classifier", Judge)
    monkeypatch.setattr(
        ganlib.metrics, "frechet_distance", lambda real, made: seen.update(real=real) or 1.0
    )
    monkeypatch.setattr(race, "Feed", lambda data, batch: data)
    monkeypatch.setattr(race, "training", training)
    monkeypatch.setattr(peers, "build", lambda name, seed, shape: None)
    (row,) = race.quality(["this book"], 1, 40, "numbers")
    assert row["rounds"] == 40 and len(seen["real"]) == 20
    assert seen["real"].isdisjoint(seen["gan"]) and len(seen["gan"]) == 220
