"""What committed runs have learnt: written by a run, read by its name."""

import keras
import numpy as np
import pytest
from sources import ROOT

from ganlib import GAN, data, metrics, models, outputs, pretrained

SHAPE = (8, 8, 1)


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder of results with nothing in it."""
    for module in (outputs, pretrained):
        monkeypatch.setattr(module, "results", lambda: tmp_path)
    return tmp_path


def biggan():
    return GAN(
        models.biggan.generator((28, 28, 1), 10, latent_dim=9, width=4, embedding_dim=4),
        models.biggan.discriminator((28, 28, 1), 10, width=4),
    )


@pytest.mark.slow
def test_a_generator_samples_as_the_gan_did(results):
    gan = biggan()
    outputs.keep(results / "biggan-tiny", generator=gan.generator, discriminator=gan.discriminator)
    trained = pretrained.load("biggan-tiny")
    assert (trained.latent_dim, trained.classes) == (9, 10)
    labels = np.arange(6)
    for how in ({"seed": 3}, {"seed": 3, "truncation": 0.5}, {"latents": gan.latents(6, seed=4)}):
        np.testing.assert_array_equal(
            trained.sample(labels=labels, **how), gan.sample(labels=labels, **how)
        )
    with pytest.raises(ValueError, match="whole numbers from 0 to 9"):
        trained.sample(2, labels=10)
    critic = pretrained.model("biggan-tiny", "discriminator")
    images = data.scale(gan.sample(labels=labels))
    np.testing.assert_allclose(
        critic([images, labels]), gan.discriminator([images, labels]), rtol=1e-6
    )
    again = GAN(trained.generator, critic)
    np.testing.assert_array_equal(again.sample(3, labels=1), gan.sample(3, labels=1))


def test_a_generator_without_classes(results):
    generator = models.dcgan.generator(SHAPE, latent_dim=3, width=4)
    outputs.save(results / "dcgan-tiny", generator, np.zeros((4, *SHAPE), "uint8"))
    trained = pretrained.load("dcgan-tiny")
    assert trained.sample(5, seed=1).shape == (5, *SHAPE) and trained.classes is None
    latents = trained.latents(5, seed=1)
    made = keras.ops.convert_to_numpy(generator(latents, training=False))
    np.testing.assert_array_equal(trained.sample(latents=latents), data.to_uint8(made))
    np.testing.assert_allclose(trained(latents), made, atol=1e-6)


def test_a_judge_keeps_its_classes_and_says_what_it_learnt_from(results):
    digits = data.load("digits").take(200)
    judge = metrics.Classifier(digits, epochs=0)
    outputs.keep(results / "evaluation-tiny", judge=judge)
    again = pretrained.judge("evaluation-tiny")
    assert again.class_names == judge.class_names
    assert again.name == f"{judge.name} of the run evaluation-tiny"
    for ours, theirs in zip(
        again.features_and_probabilities(digits.images),
        judge.features_and_probabilities(digits.images),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)
    assert "modes" in metrics.score(digits.images[:100], digits.images[100:], again)


def test_a_run_that_left_nothing_is_named(results):
    with pytest.raises(ValueError, match=r"no generator of a run 'x': there is one of none\."):
        pretrained.load("x")
    outputs.keep(results / "biggan-tiny", discriminator=biggan().discriminator)
    with pytest.raises(ValueError, match=r"no discriminator of .*: there is one of biggan-tiny\."):
        pretrained.model("biggan", "discriminator")
    assert pretrained.names() == ["biggan-tiny"]
    assert pretrained.parts("biggan-tiny") == ["discriminator"]
    assert [pretrained.parts(name) for name in ("x", "*", "")] == [[], [], []]


def test_a_file_that_cannot_be_read_is_named(results):
    outputs.keep(results / "dcgan-tiny", generator=models.mlp.generator((2,), 2, (3,)))
    file = results / "dcgan-tiny" / "generator.keras"
    whole = file.read_bytes()
    altered = bytearray(whole)
    altered[len(whole) // 2] ^= 255
    for content in (b"", b"version https://git-lfs", whole[: len(whole) // 2], bytes(altered)):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"dcgan-tiny/generator.keras is damaged, or this .*"):
            pretrained.load("dcgan-tiny")


def test_a_judge_without_a_record_is_a_model(results):
    outputs.keep(results / "mine", judge=metrics.Untrained(SHAPE))
    for record in (None, "{}", '{"judge": {"name": "x"}}'):
        if record:
            (results / "mine" / "metrics.json").write_text(record)
        with pytest.raises(ValueError, match="judge of the run 'mine' knows no classes: load it"):
            pretrained.judge("mine")
    assert pretrained.model("mine", "judge").output_shape == (None, 64)


# --- The committed ones --------------------------------------------------------------------------

COMMITTED = [(name, part) for name in pretrained.names() for part in pretrained.parts(name)]


def test_they_are_those_of_the_book(monkeypatch, tmp_path):
    (tmp_path / "results" / "mine").mkdir(parents=True)
    (tmp_path / "results" / "mine" / "run.json").write_text("{}")
    monkeypatch.chdir(tmp_path)  # a reader's own runs hide none
    assert outputs.results() == ROOT / "book" / "results"


@pytest.mark.parametrize("name, part", COMMITTED)
def test_each_loads_and_makes_something(name, part):
    if part == "generator":
        trained = pretrained.load(name)
        labels = None if trained.classes is None else np.arange(20) % trained.classes
        if len(trained.generator.inputs[0].shape) == 4:  # a translator
            size = (20, *trained.generator.input_shape[1:])
            labels = np.random.default_rng(0).uniform(-1, 1, size).astype("float32")
        made = trained.sample(20, labels=labels)
        assert made.dtype == np.uint8 and made.std(axis=0).mean() > 5
    elif part == "judge":
        judge = pretrained.judge(name)
        shape = judge.model.input_shape[1:]
        images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype="uint8")
        features, answers = judge.features_and_probabilities(images)
        assert np.isfinite(features).all() and answers.shape == (3, len(judge.class_names))
    else:
        network = pretrained.model(name, part)
        assert all(np.isfinite(w).all() for w in network.get_weights()) and network.count_params()
