"""Features from networks, on whichever backend, and all scores of images at once."""

import contextlib
import json
import random
import re
import sys

import keras
import numpy as np
import pytest

from ganlib import data, metrics
from ganlib.metrics import Classifier, Inception, classifiers, frechet_distance, score


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Nobody's cache but the test's own."""
    monkeypatch.delenv("GANLIB_DATA", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")  # where a variable says where the cache is
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ganlib"


@pytest.fixture
def digits():
    return data.load("digits").take(300)


def noise(shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype="uint8")


def mean_and_deviation(images):
    pixels = images.reshape(len(images), -1) / 255
    return np.stack([pixels.mean(1), pixels.std(1)], axis=1)


# ------------------------------------------------------------------------------- classifier


@pytest.mark.slow
def test_classifier_learns_digits_and_measures_distance():
    train, held_out = data.load("digits").split(0.25)
    classifier = Classifier(train, epochs=6)
    probabilities = classifier.probabilities(held_out.images)
    assert probabilities.shape == (len(held_out), 10)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert (probabilities.argmax(1) == held_out.labels).mean() > 0.9
    features = classifier.features(held_out.images)
    assert features.shape == (len(held_out), 64) and features.dtype == np.float32
    real = classifier.features(train.images)
    noisy = classifier.features(noise(held_out.images.shape))
    assert frechet_distance(real, noisy) > 5 * frechet_distance(real, features)


def test_features_do_not_depend_on_the_batches(digits, monkeypatch):
    classifier = Classifier(digits, epochs=0)
    whole = classifier.features(digits.images)
    monkeypatch.setattr(classifier, "_batch_size", 7)
    np.testing.assert_allclose(classifier.features(digits.images), whole, rtol=1e-4, atol=1e-5)
    both = classifier.features_and_probabilities(digits.images)
    assert [x.shape for x in both] == [(300, 64), (300, 10)]


def test_a_trained_classifier_is_found_again_bit_for_bit(digits, folder, monkeypatch):
    first = Classifier(digits, epochs=1).features(digits.images)
    (file,) = folder.iterdir()
    trained = []
    monkeypatch.setattr(classifiers, "train_small", lambda *arguments: trained.append(arguments))
    again = Classifier(digits, epochs=1)
    np.testing.assert_array_equal(again.features(digits.images), first)
    assert not trained
    # What else it depends on makes another one.
    Classifier(digits, epochs=1, seed=1)
    Classifier(digits, epochs=2)
    Classifier(digits.take(299), epochs=1)
    Classifier(data.Dataset("mine", digits.images, 9 - digits.labels), epochs=1)
    assert len(trained) == 4 and len(list(folder.iterdir())) == 5 and file.exists()


@pytest.mark.parametrize("damage", ["cut", "not an archive", "altered", "emptied"])
def test_a_damaged_cache_is_trained_again_without_fuss(
    digits, folder, damage, recwarn, monkeypatch
):
    trained = []
    monkeypatch.setattr(classifiers, "train_small", lambda *arguments: trained.append(arguments))
    first = Classifier(digits).features(digits.images)
    (file,) = folder.iterdir()
    content = file.read_bytes()
    if damage == "altered":
        with np.load(file) as stored:
            arrays = dict(stored)
        arrays["array_0"] = arrays["array_0"] + 1
        np.savez(file, **arrays)
    else:
        file.write_bytes({"cut": content[:5000], "not an archive": b"?", "emptied": b""}[damage])
    np.testing.assert_array_equal(Classifier(digits).features(digits.images), first)
    assert len(trained) == 2 and list(folder.iterdir()) == [file]
    file.with_name(f"{file.stem}-unfinished.npz").touch()  # by one that was killed at its end
    Classifier(digits)
    assert len(trained) == 2 and list(folder.iterdir()) == [file]  # it was written anew
    assert not [w for w in recwarn if "ganlib" in str(w.filename)]


def photographs(n=96):
    """Two classes that colour tells apart."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    images = rng.integers(0, 120, (n, 8, 8, 3), dtype="uint8")
    images[..., 0] += (120 * labels[:, None, None]).astype("uint8")
    return data.Dataset("photographs", images, labels)


@pytest.mark.slow
@pytest.mark.once
def test_a_residual_classifier_learns_and_says_what_it_is(folder):
    images = photographs(256)
    judge = Classifier(images, epochs=12, photographs=True)
    assert (judge.probabilities(images.images).argmax(axis=1) == images.labels).mean() > 0.95
    assert judge.features(images.images).shape == (256, 128)
    assert judge.name == "residual classifier of 'photographs' (256 images), epochs=12, seed=0"
    assert Classifier(images, epochs=0, photographs=True).name != judge.name
    assert not [file for file in folder.iterdir() if file.is_dir()]


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the same everywhere")
def test_a_residual_classifier_that_was_stopped_ends_as_one_that_was_not(folder, monkeypatch):
    images, judged = photographs(300), photographs().images
    whole = Classifier(images, epochs=3, photographs=True).features(judged)
    for file in folder.iterdir():
        file.unlink()
    read, calls = data.scale, []

    def stopped(pixels):
        calls.append(0)
        if len(calls) == 4:  # in the second epoch of two batches each; one more shows their shapes
            raise ValueError
        return read(pixels)

    monkeypatch.setattr(classifiers.data, "scale", stopped)
    with contextlib.suppress(Exception):  # each backend has another one for what a reader raises
        Classifier(images, epochs=3, photographs=True)
    monkeypatch.setattr(classifiers.data, "scale", read)
    (unfinished,) = folder.iterdir()
    damaged = unfinished.read_bytes()[:100]
    again = Classifier(images, epochs=3, photographs=True).features(judged)
    np.testing.assert_allclose(again, whole, atol=1e-4)
    assert not unfinished.exists()
    (finished,) = folder.iterdir()
    finished.unlink()
    unfinished.write_bytes(damaged)
    again = Classifier(images, epochs=3, photographs=True).features(judged)
    np.testing.assert_allclose(again, whole, atol=1e-4)


def test_images_are_moved_and_mirrored():
    image = np.arange(7 * 9, dtype="float32").reshape(1, 7, 9, 1)
    moved = classifiers.shaken(image.repeat(4000, 0), np.random.default_rng(0))
    wide = np.pad(image[0], ((4, 4), (4, 4), (0, 0)), "reflect")
    views = {
        part.tobytes()
        for top in range(9)
        for left in range(9)
        for part in (
            wide[top : top + 7, left : left + 9],
            wide[top : top + 7, left : left + 9][:, ::-1],
        )
    }
    assert {one.tobytes() for one in moved} == views
    assert classifiers.shaken(image, np.random.default_rng(0), 0.75).shape == (1, 5, 7, 1)
    np.testing.assert_array_equal(
        classifiers.shaken(image, np.random.default_rng(1)),
        classifiers.shaken(image, np.random.default_rng(1)),
    )


@pytest.mark.slow
def test_a_folder_that_takes_no_files_is_no_obstacle(digits, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert Classifier(digits, epochs=0).features(digits.images[:2]).shape == (2, 64)
    judge = Classifier(digits.take(20), epochs=1, photographs=True)
    assert judge.features(digits.images[:2]).shape == (2, 128)


def test_classifier_says_what_is_wrong(digits):
    images = digits.images
    with pytest.raises(ValueError, match="needs labels"):
        Classifier(data.Dataset("mine", images))
    some = digits.subset(np.flatnonzero((digits.labels != 3) & (digits.labels != 8)))
    with pytest.warns(UserWarning, match="'digits'.* has no image of '3', '8'"):
        Classifier(some, epochs=0)
    with pytest.raises(ValueError, match="needs two classes, and 'ones'.* images of one"):
        Classifier(data.Dataset("ones", images[:9], np.ones(9, int), ("0", "1")))
    classifier = Classifier(digits, epochs=0)
    assert classifier.name == "classifier of 'digits' (300 images), epochs=0, seed=0"
    with pytest.raises(
        ValueError, match=r"'digits'.* takes images of shape \(8, 8, 1\), not \(9, 8, 1\)"
    ):
        classifier.features(np.zeros((2, 9, 8, 1), "uint8"))
    for bad in (data.scale(images), images.astype(int), images[0], images[:0], [[1.0]]):
        with pytest.raises(ValueError, match="Images are uint8"):
            classifier.features(bad)
    for bad in (None, "digits", {}, [[1, 2], [3]], digits):
        with pytest.raises(
            ValueError,
            match="An array or a tensor of real numbers is needed, not (None|str|dict|lis|Da)",
        ):
            classifier.features(bad)


def test_typefaces_as_classes():
    glyphs = data.load("glyphs", n=360)
    modes = metrics.split_by_typeface(glyphs)
    assert len(modes.class_names) == 180
    assert (np.bincount(modes.labels, minlength=180) == 2).all()
    for i in (0, 100):
        digit, typeface = modes.class_names[modes.labels[i]].split(" in ")
        assert digit == glyphs.class_names[glyphs.labels[i]]
        assert typeface == glyphs.typeface_names[glyphs.typefaces[i]]
    with pytest.raises(ValueError, match="typefaces of 'digits'"):
        metrics.split_by_typeface(data.load("digits"))


# -------------------------------------------------------------------------------- Inception


@pytest.fixture
def small_inception(monkeypatch):
    """The real one's inputs and outputs, with features that are the mean colour."""

    def network():
        inputs = keras.Input((299, 299, 3))
        pooled = keras.layers.GlobalAveragePooling2D(name="avg_pool")(inputs)
        return keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(pooled))

    monkeypatch.setattr(keras.applications, "InceptionV3", network)


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 3), (310, 400, 3)])
def test_inception_sees_images_of_any_size_in_colour_from_minus_one_to_one(small_inception, shape):
    levels = np.array([0, 51, 255], "uint8")
    images = np.broadcast_to(levels[:, None, None, None], (3, *shape))
    features, probabilities = Inception().features_and_probabilities(images)
    np.testing.assert_allclose(features, np.tile([[-1], [-0.6], [1]], 3), atol=2e-3)
    assert probabilities.shape == (3, 4)


def test_inception_shrinks_without_aliasing(small_inception):
    """Stripes one pixel wide turn grey; without a filter they would beat against the new grid."""
    stripes = np.zeros((1, 600, 700, 1), "uint8")
    stripes[:, :, ::2] = 255
    inception = Inception()
    seen = keras.ops.convert_to_numpy(inception._prepare(stripes))
    assert seen.shape == (1, 299, 299, 3)
    assert abs(seen[:, :, 5:-5]).max() < 0.4
    assert abs(seen.mean()) < 0.01


def test_inception_without_its_weights_says_where_they_go(monkeypatch):
    def unreachable():
        raise Exception("URL fetch failure on https://storage.example: None -- no network")

    monkeypatch.setattr(keras.applications, "InceptionV3", unreachable)
    with pytest.raises(FileNotFoundError, match=r"URL fetch failure.*put inception_v3.*\.h5"):
        Inception()


def test_inception_refuses_other_channels(small_inception):
    with pytest.raises(ValueError, match="1 or 3 channels"):
        Inception().features(np.zeros((2, 8, 8, 4), "uint8"))


# ------------------------------------------------------------------------------- all scores


def test_score_with_a_classifier(digits):
    everything = data.load("digits")
    held_out = everything.subset(np.arange(300, 700))
    classifier = Classifier(digits, epochs=10)
    good = score(digits, held_out.images, classifier, seed=3)
    assert list(good) == (
        ["fid", "kid", "kid_standard_error", "precision", "recall", "density", "coverage"]
        + ["inception_score", "modes", "reverse_kl", "n_real", "n_fake", "features", "seed"]
    )
    assert json.loads(json.dumps(good)) == good
    assert (good["n_real"], good["n_fake"], good["seed"]) == (300, 400, 3)
    assert good["features"] == classifier.name and good["modes"] == 10
    features = [classifier.features(x.images) for x in (digits, held_out)]
    assert good["fid"] == pytest.approx(frechet_distance(*features))
    ones = score(digits, everything.images[everything.labels == 1], classifier)
    assert ones["fid"] > 5 * good["fid"] and ones["recall"] < good["recall"] / 2
    assert ones["inception_score"] < good["inception_score"] / 2
    assert ones["reverse_kl"] > 1 > 0.2 > good["reverse_kl"]
    bad = score(digits, noise((400, 8, 8, 1)), classifier)
    assert bad["fid"] > 5 * good["fid"] and bad["precision"] < good["precision"] / 2


def test_score_with_any_function(digits):
    sizes = []

    def brightness(images):
        sizes.append(len(images))
        return mean_and_deviation(images)

    images = np.repeat(digits.images, 3, axis=0)
    scores = score(images, digits.images, brightness)
    assert scores["features"] == "brightness" and "inception_score" not in scores
    assert sizes == [512, 388, 300]  # it is given batches
    assert scores["fid"] == pytest.approx(0, abs=1e-4)

    inputs = keras.Input((8, 8, 1), dtype="uint8")
    model = keras.Model(inputs, keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs)))
    scores = score(digits.images[:150], digits.images[150:], model)
    assert scores["features"] == model.name and scores["fid"] > 0


def test_score_with_inception_has_no_classes_of_the_data(small_inception, digits):
    scores = score(digits.images[:20], digits.images[20:40], Inception())
    assert 1 <= scores["inception_score"] <= 4 and "reverse_kl" not in scores
    assert scores["features"] == "InceptionV3 (Keras, ImageNet)"


def test_score_says_what_is_wrong(digits):
    images = digits.images
    with pytest.raises(ValueError, match="Images are uint8 .* float32 .*to_uint8"):
        score(images, data.scale(images), mean_and_deviation)
    with pytest.raises(ValueError, match=r"\(300, 64\) with \(300, 16\)"):
        score(images, images[:, :4, :4], lambda x: x.reshape(len(x), -1))
    with pytest.raises(ValueError, match=r"table \(N, F\).* not \(300, 8, 8, 1\)"):
        score(images, images, lambda x: x)
    with pytest.warns(UserWarning, match="20 samples do not determine a covariance of 64"):
        score(images, images[:20], Classifier(digits, epochs=0))


NEIGHBOURS = {"precision", "recall", "density", "coverage"}


@pytest.mark.parametrize(
    ("n", "factor", "absent", "why"),
    [
        (5, 1, NEIGHBOURS, "too few samples: 5, where 6 are needed"),
        (1, 1, {"fid", "kid", "kid_standard_error"}, "two|where 2 are needed"),
        (300, np.nan, {"fid", "kid", "kid_standard_error"} | NEIGHBOURS, "not all finite"),
        (300, 1e70, {"kid", "kid_standard_error"}, "too large"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_score_that_cannot_be_computed_is_absent(digits, n, factor, absent, why):
    with pytest.warns(UserWarning) as warned:
        scores = score(digits, digits.images[:n], lambda x: mean_and_deviation(x) * factor, seed=1)
    assert not absent & set(scores)
    assert {"n_real", "n_fake", "features", "seed"} <= set(scores) and scores["n_fake"] == n
    assert ("fid" in scores) == ("fid" not in absent)
    ours = [str(w.message) for w in warned if str(w.message).startswith("No ")]
    named = {name for text in ours for name in text[3:].split(":")[0].split(", ")}
    assert absent <= named and not named & set(scores)
    assert any(re.search(why, text) for text in ours) and not any("\n" in text for text in ours)
    assert all(w.filename == __file__ for w in warned if str(w.message) in ours)


def test_a_class_that_only_the_fake_images_have_costs_one_score(digits):
    classifier = Classifier(digits, epochs=3)
    ones = np.repeat(digits.images[digits.labels == 1], 3, axis=0)
    with pytest.warns(UserWarning, match="No reverse_kl: .*samples of class .* none is expected"):
        scores = score(ones, digits, classifier)
    assert "reverse_kl" not in scores and scores["modes"] > 5 and scores["fid"] > 0


# ------------------------------------------------------------- whatever the data, whatever is set


def judge_of(shape, classes, n=40):
    labels = np.arange(n) % classes if classes else None
    return metrics.judge(data.Dataset("drawn", noise((n, *shape)), labels), epochs=1)


@pytest.mark.parametrize(
    ("shape", "classes"),
    [((8, 8, 1), 0), ((9, 30, 3), 2), ((32, 64, 1), 1), ((45, 30, 3), 2), ((45, 30, 3), 0)],
)
def test_a_judge_for_any_data(shape, classes, capsys):
    judge = judge_of(shape, classes)
    images = noise((12, *shape))
    assert judge.features(images).shape == (12, 64)
    assert judge.features(images).dtype == np.float32
    printed = capsys.readouterr().out
    if classes == 2:
        assert isinstance(judge, Classifier) and printed == ""
        assert judge.class_names == ("0", "1")
    else:
        assert isinstance(judge, metrics.Untrained)
        assert printed.count("\n") == 1 and "untrained network" in printed
        assert judge.class_names == () and not hasattr(judge, "probabilities")
        assert judge.name == f"untrained network of {'x'.join(map(str, shape))}, seed=0"
        with pytest.raises(ValueError, match="untrained .* takes images"):
            judge.features(noise((12, 16, 16, 1)))


def test_the_untrained_network_is_the_classifier_before_it_trains(digits):
    untrained = metrics.Untrained((8, 8, 1), seed=2).features(digits.images)
    np.testing.assert_array_equal(
        Classifier(digits, epochs=0, seed=2).features(digits.images), untrained
    )
    assert (metrics.Untrained((8, 8, 1)).features(digits.images) != untrained).any()


@pytest.fixture
def settings():
    """Keras's own settings again, after the test."""
    config = keras.config
    before = config.floatx(), config.dtype_policy(), config.image_data_format()
    yield config
    config.set_floatx(before[0])
    config.set_dtype_policy(before[1])
    config.set_image_data_format(before[2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("dtype_policy", "mixed_float16"),
        ("dtype_policy", "mixed_bfloat16"),
        ("dtype_policy", "float64"),
        ("floatx", "float16"),
        ("floatx", "float64"),
        ("image_data_format", "channels_first"),
    ],
)
def test_no_setting_of_keras_changes_a_judge(digits, folder, settings, setting, value):
    def features():
        extractors = Classifier(digits, epochs=1), metrics.Untrained((8, 8, 1))
        return [extractor.features(digits.images) for extractor in extractors]

    expected = features()
    (file,) = folder.iterdir()
    file.unlink()
    getattr(settings, f"set_{setting}")(value)
    for _ in range(2):  # trained, then found
        for got, wanted in zip(features(), expected, strict=True):
            assert got.dtype == np.float32
            np.testing.assert_array_equal(got, wanted)
        assert list(folder.iterdir()) == [file]
    now = getattr(settings, setting)()
    assert getattr(now, "name", now) == value  # as it was set


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("setting", ["mixed_float16", "channels_first"])
def test_no_setting_of_keras_changes_inception(monkeypatch, settings, setting):
    """The network is built as Keras builds it, without the file of its weights."""
    keras.config.set_dtype_policy("float32")
    real = keras.applications.InceptionV3
    monkeypatch.setattr(keras.applications, "InceptionV3", lambda: real(weights=None))
    if setting == "channels_first":
        settings.set_image_data_format(setting)
    else:
        settings.set_dtype_policy(setting)
    inception = Inception()
    assert inception.model.input_shape == (None, 299, 299, 3)
    assert {layer.compute_dtype for layer in inception.model.layers} == {"float32"}
    features, probabilities = inception.features_and_probabilities(noise((2, 8, 8, 1)))
    assert features.shape == (2, 2048) and probabilities.shape == (2, 1000)
    assert features.dtype == probabilities.dtype == np.float32


def test_a_judge_leaves_the_random_numbers_alone(digits):
    """A training after it is the same whether it was trained or found."""

    def draws():
        return [
            keras.ops.convert_to_numpy(keras.random.normal((3,))).tolist(),
            keras.initializers.GlorotUniform().seed,
            np.random.random(),
            random.random(),
        ]

    keras.utils.set_random_seed(3)
    expected = draws()
    for _ in range(2):
        keras.utils.set_random_seed(3)
        Classifier(digits, epochs=1).features(digits.images)
        metrics.Untrained((8, 8, 1))
        assert draws() == expected
