"""Keras's own calls: each works, or gives one sentence before the first step. `test_backends.py`
runs this file on JAX and PyTorch too."""

import keras
import numpy as np
import pytest
from sources import NEEDS

from ganlib import GAN, callbacks, losses, penalties
from ganlib.data import Dataset, load

pytestmark = pytest.mark.slow  # all of them together

SHAPE = (4, 4, 1)
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(-1, 1, (24, *SHAPE)).astype("float32")
LATENTS = RNG.normal(size=(5, 3)).astype("float32")


def generator(ending="tanh"):
    return keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(16, activation=ending),
            keras.layers.Reshape(SHAPE),
        ]
    )


def discriminator(units=1, activation=None):
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(units, activation=activation),
        ]
    )


def gan(compiled=True, made=generator, **rules):
    keras.utils.set_random_seed(0)
    built = GAN(made(), discriminator())
    if compiled:
        built.compile(**rules)
    return built


def fit(model=None, x=IMAGES, y=None, **options):
    model = model or gan()
    options = {"batch_size": 8, "verbose": 0, "shuffle": False, **options}
    return model.fit(x, y, **options)


def sentence(error, *parts):
    text = str(error.value)
    assert "\n" not in text and len(text) < 320, text
    assert all(part in text for part in parts), text


def same(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------------------- what works


def test_train_on_batch_plays_the_rounds_of_fit():
    by_hand = gan(ema=0.9)
    logs = [by_hand.train_on_batch(IMAGES[i : i + 8], return_dict=True) for i in (0, 8, 16)]
    fitted = gan(ema=0.9)
    history = fit(fitted).history
    if keras.config.backend() != "torch":  # whose loader and dropout draw from one seed
        same(by_hand, fitted)
    assert set(logs[0]) == set(history)
    values = by_hand.train_on_batch(IMAGES[:8])
    assert len(values) == 4 and np.isfinite(values).all()
    with pytest.raises(FloatingPointError, match="loss is nan: try"):
        by_hand.train_on_batch(np.where(IMAGES[:8] > 0.9, np.nan, IMAGES[:8]))


@pytest.mark.parametrize(
    "given",
    [
        lambda one, model: one,
        lambda one, model: (one,),
        lambda one, model: keras.callbacks.CallbackList([one], add_history=True, model=model),
    ],
)
def test_callbacks_may_come_alone_or_in_keras_own_list(given):
    class Count(keras.callbacks.Callback):
        steps = 0

        def on_train_batch_end(self, batch, logs=None):
            self.steps += 1

    count, model = Count(), gan()
    history = fit(model, callbacks=given(count, model))
    assert count.steps == 3 and len(history.history["generator_loss"]) == 1


def test_options_of_fit_that_mean_what_they_mean_in_keras(tmp_path):
    history = fit(epochs=3, initial_epoch=1, shuffle=True, callbacks=None)
    assert history.epoch == [1, 2]
    if keras.config.backend() != "torch":  # Keras refuses it there, in a sentence
        at_once = gan(steps_per_execution=2)
        one_by_one = gan()
        fit(at_once), fit(one_by_one)
        same(at_once, one_by_one)
    model = gan(ema=0.9)
    assert model.predict(LATENTS, verbose=0).shape == (5, *SHAPE)
    model.save_weights(tmp_path / "gan.weights.h5")
    other = gan(penalties=["r1"], ema=0.9)  # of other rules
    other.load_weights(tmp_path / "gan.weights.h5")
    np.testing.assert_array_equal(other.sample(4), model.sample(4))


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="Keras exports otherwise")
def test_export_is_of_the_generator_that_samples(tmp_path):
    import tensorflow as tf

    model = gan(ema=0.9)
    fit(model)
    model.export(tmp_path / "exported", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "exported")
    made = loaded.serve(LATENTS)
    np.testing.assert_allclose(made, model.ema_generator(LATENTS), atol=1e-6)


@pytest.mark.parametrize("kind", [np.float64, np.float16])
def test_samples_of_another_precision_are_float32(kind):
    assert np.isfinite(fit(x=IMAGES.astype(kind)).history["generator_loss"]).all()


# ------------------------------------------------------------------- a saved GAN goes on as it was


@pytest.mark.slow
def test_loaded_it_goes_on_with_the_same_random_numbers(tmp_path):
    rules = {"penalties": [penalties.GradientPenalty()], "augment": "translation,noise", "ema": 0.9}
    whole, half = gan(**rules), gan(**rules)
    for _ in range(2):
        fit(whole)
    fit(half)
    half.save(tmp_path / "half.keras")
    loaded = keras.saving.load_model(tmp_path / "half.keras")
    assert len(loaded._states()["seed"]) >= 3
    for a, b in zip(half._states()["seed"], loaded._states()["seed"], strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (a, b)))
    if keras.config.backend() != "torch":  # dropout's numbers are there of the whole process
        fit(loaded)
        same(loaded, whole)


def test_a_file_without_seeds_is_read(tmp_path, monkeypatch):
    model = gan()
    monkeypatch.setattr(GAN, "save_own_variables", lambda self, store: None)
    model.save(tmp_path / "old.keras")
    loaded = keras.saving.load_model(tmp_path / "old.keras")
    np.testing.assert_array_equal(loaded.sample(4), model.sample(4))


# --------------------------------------------------------------------------- what has no meaning


def test_a_gan_has_no_validation_loss():
    for call in (
        lambda: gan().evaluate(IMAGES),
        lambda: gan().test_on_batch(IMAGES),
        lambda: fit(validation_data=IMAGES),
        lambda: fit(validation_split=0.25),
    ):
        with pytest.raises(ValueError) as error:
            call()
        sentence(error, "no validation loss", "Monitor")


def test_its_losses_have_no_weights():
    def weighted():
        while True:
            yield IMAGES[:8], np.zeros(8), np.ones(8)

    for call in (
        lambda: fit(sample_weight=np.ones(24)),
        lambda: fit(y=np.zeros(24), class_weight={0: 2.0}),
        lambda: fit(x=weighted(), batch_size=None, steps_per_epoch=1),
        lambda: gan().train_on_batch(IMAGES, sample_weight=np.ones(24)),
    ):
        with pytest.raises(ValueError) as error:
            call()
        sentence(error, "_weight", "all samples alike")


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"optimizer": "adam"}, "generator_optimizer=..., discriminator_optimizer=..."),
        ({"metrics": ["accuracy"]}, "no use for metrics"),
        ({"weighted_metrics": ["accuracy"]}, "no use for weighted_metrics"),
        ({"loss_weights": [1.0]}, "no use for loss_weights"),
    ],
)
def test_what_compile_does_not_take(rules, words):
    with pytest.raises(ValueError) as error:
        gan(**rules)
    sentence(error, words)


def test_it_is_not_saved_as_h5(tmp_path):
    with pytest.raises(ValueError) as error:
        gan().save(tmp_path / "gan.h5")
    sentence(error, ".keras", "gan.sampler.save")


def test_a_gan_that_is_not_compiled():
    for call in (lambda: fit(gan(False)), lambda: gan(False).train_on_batch(IMAGES)):
        with pytest.raises(ValueError, match="call `compile"):
            call()


# ------------------------------------------------------------------------------- what data must be


class Batches(keras.utils.PyDataset):
    def __init__(self, images):
        super().__init__()
        self.images = images

    def __len__(self):
        return len(self.images) // 8

    def __getitem__(self, index):
        return self.images[8 * index : 8 * (index + 1)]


def yielded(images):
    for i in range(0, len(images), 8):
        yield (images[i : i + 8],)


def tf_data(images):
    tf = pytest.importorskip("tensorflow", reason=NEEDS.format("TensorFlow"))
    return tf.data.Dataset.from_tensor_slices(images).batch(8)


def loader(images):
    torch = pytest.importorskip("torch", reason=NEEDS.format("PyTorch"))
    return torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(images)), batch_size=8
    )


FEEDS = [np.asarray, Batches, yielded, tf_data, loader]


def fed(feed, images, model=None):
    size = {"batch_size": 8} if feed is np.asarray else {"batch_size": None}
    return fit(model, feed(images), **size)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # a generator tells no length
@pytest.mark.parametrize("feed", FEEDS)
def test_looking_at_the_first_batch_loses_none(feed, monkeypatch):
    looked = gan()
    fed(feed, IMAGES, looked)
    monkeypatch.setattr("ganlib.interface.feed.at_first", lambda *_: None)
    blind = gan()
    fed(feed, IMAGES, blind)
    assert int(looked.generator_optimizer.iterations) >= 3
    same(looked, blind)


BYTES = ((IMAGES + 1) * 127.5).astype("uint8")
WRONG = {
    "bytes": (BYTES, "float32 in [-1, 1], and these are uint8"),
    "0..255": (BYTES.astype("float32"), "these reach from 0"),
    "0..1": ((IMAGES + 1) / 2, "never negative"),
    "size": (IMAGES[:, :3], "makes samples of shape (4, 4, 1)"),
    "channels": (np.repeat(IMAGES, 3, -1), "makes samples of shape (4, 4, 1)"),
}


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("wrong", WRONG)
def test_images_that_are_not_such(feed, wrong):
    images, words = WRONG[wrong]
    model = gan()
    with pytest.raises(ValueError) as error:
        fed(feed, images, model)
    sentence(error, words)
    assert int(model.generator_optimizer.iterations) == 0, "said before the first step"


def test_train_on_batch_looks_too():
    for images, words in WRONG.values():
        with pytest.raises(ValueError) as error:
            gan().train_on_batch(images[:8])
        sentence(error, words)


def test_a_later_batch_is_not_looked_at():
    model = gan()
    model.train_on_batch(IMAGES[:8])
    model.train_on_batch((IMAGES[:8] + 1) / 2)


def test_pale_pictures_are_pictures():
    pale = RNG.integers(128, 256, (16, *SHAPE), dtype="uint8")
    fit(x=Dataset("pale", pale).batches(8), batch_size=None)
    fit(x=pale.astype("float32") / 127.5 - 1 + 0.06)


def test_a_file_that_cannot_be_read_is_named_as_it_was(tmp_path):
    from PIL import Image

    for i in range(8):
        Image.fromarray(RNG.integers(0, 256, SHAPE[:2], dtype="uint8")).save(tmp_path / f"{i}.png")
    data = load(tmp_path).batches(4)
    file = tmp_path / "3.png"
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(ValueError) as error:
        fit(x=data, batch_size=None)
    sentence(error, "3.png is not an image that can be read")


def test_no_false_alarm():
    fit(x=np.ones_like(IMAGES))  # white
    fit(x=np.abs(IMAGES), model=gan(made=lambda: generator(None)))  # no tanh
    fit(x=IMAGES + 0.5)  # with noise
    points = GAN(
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="tanh")]),
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
    )
    points.compile()
    points.fit(RNG.uniform(0, 300, (16, 2)), batch_size=8, verbose=0)  # a density's


def test_what_is_no_data():
    dataset = Dataset("digits", BYTES)
    for x, words in (
        (dataset, "data.batches(64)"),
        (None, "data.batches(64)"),
        ([IMAGES, IMAGES], "fit(images, labels)"),
        (IMAGES[:0], "without samples"),
        (IMAGES.astype(str), "float32, not"),
    ):
        with pytest.raises(ValueError) as error:
            fit(x=x)
        sentence(error, words)


def test_data_without_a_batch():
    if keras.config.backend() != "tensorflow":
        pytest.skip("made of tf.data")
    with pytest.raises(ValueError) as error:
        fit(x=tf_data(IMAGES).take(0), batch_size=None)
    sentence(error, "have no batch")


@pytest.mark.parametrize("feed", [np.asarray, tf_data])
def test_a_remainder_that_n_critic_does_not_divide(feed):
    model = gan(n_critic=4)
    with pytest.raises(ValueError) as error:
        fed(feed, IMAGES[:22], model)
    sentence(error, "n_critic=4")
    if feed is np.asarray:
        sentence(error, "the last batch has 6 images", "leave out the last 6")
        assert int(model.generator_optimizer.iterations) == 0


def test_latents_of_another_width():
    for latents in (np.zeros((3, 5)), np.zeros(3), np.zeros((0, 3))):
        with pytest.raises(ValueError) as error:
            gan().sample(latents=latents)
        sentence(error, "latents of shape (n, 3)")
    for n in (0, -3, 2.5):
        with pytest.raises(ValueError) as error:
            gan().sample(n)
        sentence(error, "at least 1")


@pytest.mark.parametrize("ending", ["sigmoid", "softmax"])
def test_a_discriminator_that_ends_in_a_probability(ending):
    model = GAN(generator(), discriminator(2, ending))
    with pytest.raises(ValueError) as error:
        model.compile("hinge")
    sentence(error, f"ends in a {ending}")

    class OfProbabilities(losses.NonSaturating):
        pass

    model.compile(OfProbabilities())  # whoever writes a loss knows what it takes


# -------------------------------------------------------------------------------- accuracies


class Constant(keras.layers.Layer):
    """Logits that are those of fakes for negative samples: 0.4, and 0.6 for others."""

    def call(self, x):
        return keras.ops.where(x < 0, 0.4, 0.6) + 0 * x


def told_apart(loss):
    made = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    made.layers[0].bias.assign([-1.0])
    judge = keras.Sequential(
        [keras.Input((1,)), Constant(), keras.layers.Dense(1, kernel_initializer="ones")]
    )
    model = GAN(made, judge)
    model.compile(loss)
    return model.fit(np.ones((8, 1), "float32"), batch_size=8, verbose=0).history


@pytest.mark.parametrize("loss", ["non_saturating", "minimax", "hinge"])
def test_accuracies_by_the_sign(loss):
    history = told_apart(loss)
    assert history["real_accuracy"] == [1.0] and history["fake_accuracy"] == [0.0]


def test_accuracies_of_least_squares_are_by_the_middle_of_its_labels():
    history = told_apart("least_squares")
    assert history["real_accuracy"] == [1.0] and history["fake_accuracy"] == [1.0]
    assert losses.LeastSquares(-1, 1, 0).boundary == 0
    assert losses.LeastSquares(1, 0).boundary is None


@pytest.mark.parametrize("loss", ["wasserstein", "relativistic"])
def test_no_accuracies_where_a_logit_alone_means_nothing(loss):
    assert set(told_apart(loss)) == {"discriminator_loss", "generator_loss"}


def test_no_accuracies_of_two_columns():
    model = GAN(generator(), discriminator(2))
    model.compile()
    assert set(fit(model).history) == {"discriminator_loss", "generator_loss"}


# ---------------------------------------------------------------------------- players of any kind


@keras.saving.register_keras_serializable(package="tests")
class Maker(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.shape_up = keras.layers.Dense(16), keras.layers.Reshape(SHAPE)

    def call(self, latents):
        return keras.ops.tanh(self.shape_up(self.dense(latents)))


@keras.saving.register_keras_serializable(package="tests")
class Judge(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.flat, self.dense = keras.layers.Flatten(), keras.layers.Dense(1)

    def call(self, images):
        return self.dense(self.flat(images))


@keras.saving.register_keras_serializable(package="tests")
class OfClass(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.embed, self.dense = keras.layers.Embedding(3, 4), keras.layers.Dense(2)

    def call(self, inputs):
        x, labels = inputs
        return self.dense(keras.ops.concatenate([x, self.embed(labels)], -1))


def test_subclassed_players(tmp_path):
    made, judge = Maker(), Judge()
    made(LATENTS)
    model = GAN(made, judge)
    model.compile(ema=0.5)
    before = made.get_weights()
    fit(model)
    assert model.latent_dim == 3 and model.sample(2).shape == (2, *SHAPE)
    assert not np.array_equal(before[0], made.get_weights()[0]), "they are the same weights"
    model.save(tmp_path / "gan.keras")
    loaded = keras.saving.load_model(tmp_path / "gan.keras")
    np.testing.assert_array_equal(loaded.sample(4), model.sample(4))


def test_subclassed_players_that_take_labels():
    made = OfClass()
    made([LATENTS, np.zeros(5, "int32")])
    model = GAN(made, keras.Sequential([keras.layers.Dense(1)]))
    model.compile()
    assert model.classes == 3
    model.fit(RNG.normal(size=(8, 2)), np.arange(8) % 3, batch_size=4, verbose=0)
    assert model.sample(labels=[0, 2]).shape == (2, 2)


def test_a_sequential_that_is_not_built():
    made = keras.Sequential([keras.layers.Dense(16), keras.layers.Reshape(SHAPE)])
    with pytest.raises(ValueError) as error:
        GAN(made, discriminator())
    sentence(error, "call it once before")
    made(LATENTS)
    model = GAN(made, keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)]))
    model.compile()
    fit(model)


def test_players_that_are_none():
    with pytest.raises(ValueError) as error:
        GAN(lambda latents: latents, discriminator())
    sentence(error, "The generator is a keras.Model")


def test_channels_first_are_refused():
    conv = keras.layers.Conv2D(1, 3, padding="same", data_format="channels_first")
    judge = keras.Sequential([keras.Input(SHAPE), conv, keras.layers.Flatten()])
    with pytest.raises(ValueError) as error:
        GAN(generator(), judge)
    sentence(error, "channels last")


# ------------------------------------------------------------------------------- any terminal


def test_no_terminal_stops_a_training(tmp_path, monkeypatch, capsys):
    import io
    import sys

    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", terminal)
    folder = tmp_path / "entraînement"
    for _ in range(2):
        fit(verbose=2, callbacks=callbacks.Checkpoint(folder, every=0))
    terminal.seek(0)
    assert "Going on from" in terminal.read()
