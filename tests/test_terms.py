"""A second input and a third network: pix2pix, InfoGAN and AC-GAN are settings of the game.
`test_backends.py` runs this file on JAX and PyTorch too."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import ganlib
from ganlib import GAN, callbacks

STEP = 0.1
RNG = np.random.default_rng(0)
X, C = RNG.normal(size=(64, 2)).astype("float32"), RNG.normal(size=(64, 3)).astype("float32")
Y = RNG.integers(0, 3, 64)


def sgd():
    return {
        f"{player}_optimizer": keras.optimizers.SGD(STEP)
        for player in ("generator", "discriminator")
    }


def linear(*shapes, units, dtype="float32", **kwargs):
    """A linear model of one input, or of several that are joined."""
    inputs = [keras.Input(shape, dtype=dtype) for shape in shapes]
    x = layers.Concatenate()(inputs) if len(inputs) > 1 else inputs[0]
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], layers.Dense(units, **kwargs)(x))


def array(tensor):
    return ops.convert_to_numpy(tensor).astype("float64")


def same(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@keras.saving.register_keras_serializable(package="tests")
class Distance:
    """`weight * E[|fake - real|^power]`, pix2pix's term for a power of 1."""

    def __init__(self, power=1, weight=1.0):
        self.power, self.weight = power, weight

    def __call__(self, fake, real, condition):
        return self.weight * ops.mean(ops.power(ops.abs(fake - real), self.power))

    def get_config(self):
        return vars(self)

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@keras.saving.register_keras_serializable(package="tests")
def information(fake, real, condition, encoder):
    """InfoGAN's term for a normal code of fixed width: half its squared error."""
    return ops.mean(ops.sum(ops.square(encoder(fake) - condition), axis=-1)) / 2


@keras.saving.register_keras_serializable(package="tests")
def on_fakes(fake, real, condition, classifier):
    """AC-GAN's term of the generator."""
    logits = classifier(fake)
    return ops.mean(
        keras.losses.sparse_categorical_crossentropy(condition, logits, from_logits=True)
    )


@keras.saving.register_keras_serializable(package="tests")
def on_both(fake, real, condition, classifier):
    """AC-GAN's term of the discriminator."""
    return on_fakes(fake, real, condition, classifier) + on_fakes(real, fake, condition, classifier)


# --------------------------------------------------------------------------------------- pix2pix

SHAPE = (4, 4, 1)


def pix2pix(term, conditional=True, **rules):
    """An image becomes a * image + b; the discriminator sees the pair."""
    keras.utils.set_random_seed(0)
    made = layers.Conv2D(1, 1)
    generator = keras.Sequential([keras.Input(SHAPE), made])
    image, seen = keras.Input(SHAPE), keras.Input(SHAPE)
    pair = layers.Concatenate()([image, seen]) if conditional else image
    logit = layers.Dense(1, kernel_initializer="zeros")(layers.Flatten()(pair))
    judge = keras.Model([image, seen] if conditional else image, logit)
    gan = GAN(generator, judge)
    rules = {"generator_optimizer": keras.optimizers.Adam(0.02), **rules}
    rules.setdefault("discriminator_optimizer", keras.optimizers.SGD(0.0))
    gan.compile(generator_terms={"distance": term}, **rules)
    return gan


def pictures(n=60):
    """Sketches, and photographs 0.5 * sketch + noise that is 0 or, one time in three, 0.3."""
    sketches = RNG.uniform(-1, 1, (n, *SHAPE)).astype("float32")
    noise = np.where(np.arange(n) % 3 == 0, 0.3, 0.0).astype("float32")
    return 0.5 * sketches + noise[:, None, None, None], sketches


@pytest.mark.slow
@pytest.mark.parametrize("power,constant", [(1, 0.0), (2, 0.1)])
def test_pix2pix_finds_the_median_and_the_mean(power, constant):
    """With a discriminator that says nothing, only the term is left: its optimum is known."""
    gan = pix2pix(Distance(power, 10.0))
    photographs, sketches = pictures()
    history = gan.fit(photographs, sketches, batch_size=60, epochs=200, verbose=0).history
    a, b = (array(w).item() for w in gan.generator.weights)
    assert a == pytest.approx(0.5, abs=0.03) and b == pytest.approx(constant, abs=0.03)
    assert history["generator_loss"][-1] == pytest.approx(np.log(2), rel=1e-3)
    assert history["generator_distance"][-1] < history["generator_distance"][0]
    made = gan.sample(labels=sketches)
    assert made.shape == (60, *SHAPE) and made.dtype == np.uint8
    np.testing.assert_array_equal(gan.sample(labels=sketches[0])[7], made[0])


def test_pix2pix_plays_the_game_at_the_condition():
    """One round by hand: the logit is that of the pair, in both updates."""
    gan = pix2pix(Distance(2, 2.0), **sgd())
    rng, (photographs, sketches) = np.random.default_rng(2), pictures(5)
    v = rng.normal(size=(32, 1))
    gan.discriminator.layers[-1].kernel.assign(v)
    (a, b), c = (array(w).item() for w in gan.generator.weights), 0.0

    def seen(x):
        return np.concatenate([x, sketches], -1).reshape(5, -1)

    fake = a * sketches + b
    on_real, on_fake = (
        1 / (1 + np.exp(-seen(x) @ v)) - one for x, one in ((photographs, 1), (fake, 0))
    )
    v = v - STEP * (seen(photographs).T @ on_real + seen(fake).T @ on_fake) / 5
    c = -STEP * (on_real + on_fake).mean()
    slope = ((1 / (1 + np.exp(-seen(fake) @ v - c)) - 1) @ v.T / 5).reshape(5, 4, 4, 2)[..., :1]
    slope += 2 * 2.0 * (fake - photographs) / fake.size
    a, b = a - STEP * (slope * sketches).sum(), b - STEP * slope.sum()
    gan.fit(photographs, sketches, batch_size=5, verbose=0)
    found = [array(w).ravel() for w in gan.get_weights()]
    for got, wanted in zip(found, (a, b, v.ravel(), c), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_pix2pix_is_saved_monitored_and_has_no_latents(tmp_path):
    gan = pix2pix(Distance(), conditional=False, ema=0.5, n_critic=2)
    photographs, sketches = pictures(80)
    watch = [
        callbacks.Snapshots(None, sketches[:3]),
        callbacks.HealthMonitor(photographs[:64], sketches[:64], every=2),
    ]
    gan.fit(photographs, sketches, batch_size=20, callbacks=watch, verbose=0)
    assert len(watch[0].images[1]) == 3 and watch[1].round == [2, 4]
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert loaded.generator_terms["distance"].power == 1 and loaded.latent_dim is None
    for model in (gan, loaded):
        model.fit(photographs, sketches, batch_size=20, shuffle=False, verbose=0)
    same(gan, loaded)
    for call in (lambda: gan.latents(3), lambda: gan.sample(labels=sketches, truncation=0.5)):
        with pytest.raises(ValueError, match="takes a condition and no latents"):
            call()


# --------------------------------------------------------------------------------------- InfoGAN


def infogan(**rules):
    keras.utils.set_random_seed(0)
    encoder = linear((2,), units=3)
    gan = GAN(linear((2,), (3,), units=2), linear((2,), units=1), generator_helper=encoder)
    gan.compile(generator_terms={"information": information}, **{**sgd(), **rules})
    return gan


def test_the_gradient_of_information_reaches_generator_and_encoder():
    gan = infogan(discriminator_optimizer=keras.optimizers.SGD(0.0))
    z = RNG.normal(size=(8, 2)).astype("float32")
    (w, b), (v, c), (q, r) = (
        map(array, m.weights) for m in (gan.generator, gan.discriminator, gan.generator_helper)
    )
    zc = np.hstack([z, C[:8]])
    fake = zc @ w + b
    error = (fake @ q + r - C[:8]) / 8
    on_fake = (1 / (1 + np.exp(-fake @ v - c)) - 1) / 8 @ v.T + error @ q.T
    expected = [w - STEP * zc.T @ on_fake, b - STEP * on_fake.sum(0), v, c]
    expected += [q - STEP * fake.T @ error, r - STEP * error.sum(0)]
    logs = gan.round(*([ops.convert_to_tensor(x)] for x in (X[:8], z, C[:8])))
    for got, wanted in zip(gan.get_weights(), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6)
    value = (error**2).sum() * 8 / 2
    assert array(logs["generator_information"]) == pytest.approx(value, rel=1e-4)


def test_a_term_may_use_the_generator_itself():
    """L = E(a - t)^2 with a = G(1), which no fake is: its gradient is that of this alone."""
    keras.utils.set_random_seed(0)
    generator, ones = linear((2,), units=2), ops.ones((4, 2))
    gan = GAN(generator, linear((2,), units=1, kernel_initializer="zeros"))
    rules = {**sgd(), "discriminator_optimizer": keras.optimizers.SGD(0.0)}
    gan.compile(
        generator_terms={"at_one": lambda *_: ops.mean((generator(ones) - 5) ** 2)}, **rules
    )
    w, b = map(array, generator.weights)
    slope = w.sum(0) + b - 5
    gan.fit(X, batch_size=64, verbose=0)
    for got, before in zip(generator.get_weights(), (w, b), strict=True):
        np.testing.assert_allclose(got, before - STEP * slope, rtol=1e-4, atol=1e-6)


def test_layers_of_the_generator_learn_from_its_helper():
    """With a discriminator that says nothing and a term of real samples, all the gradient of the
    layer that both use comes through the helper."""
    keras.utils.set_random_seed(0)
    shared, z, x = layers.Dense(3), keras.Input((2,)), keras.Input((2,))
    generator = keras.Model(z, layers.Dense(2)(shared(z)))
    helper = keras.Model(x, shared(x))
    gan = GAN(generator, linear((2,), units=1, kernel_initializer="zeros"), generator_helper=helper)
    rules = {**sgd(), "discriminator_optimizer": keras.optimizers.SGD(0.0)}
    term = lambda fake, real, condition, helper: ops.mean(helper(real) ** 2) / 2  # noqa: E731
    gan.compile(generator_terms={"real": term}, **rules)
    w, b = map(array, shared.weights)
    error = (X @ w + b) / (3 * len(X))
    gan.fit(X, batch_size=64, verbose=0)
    np.testing.assert_allclose(array(shared.kernel), w - STEP * X.T @ error, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(array(shared.bias), b - STEP * error.sum(0), rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_helper_that_no_term_uses_stays_as_it_is():
    gan = infogan()
    gan.compile(generator_terms={"none": lambda fake, *_: ops.mean(fake)})
    before = gan.generator_helper.get_weights()
    gan.fit(X, C, batch_size=32, verbose=0)
    for got, wanted in zip(gan.generator_helper.get_weights(), before, strict=True):
        np.testing.assert_array_equal(got, wanted)


class Crash(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 4:
            raise RuntimeError


@pytest.mark.slow
@pytest.mark.parametrize("make", ["infogan", "acgan"])
def test_a_helper_is_saved_and_resumed_with_its_moments(make, tmp_path):
    adam = {
        f"{player}_optimizer": lambda: keras.optimizers.Adam(0.02)
        for player in ("generator", "discriminator")
    }
    condition = C if make == "infogan" else Y

    def train(callbacks=None):
        gan = globals()[make](n_critic=2, ema=0.9, **{k: v() for k, v in adam.items()})
        gan.fit(X, condition, batch_size=8, shuffle=False, callbacks=callbacks, verbose=0)
        return gan

    whole = train()
    stopped = callbacks.Checkpoint(tmp_path, every=0)
    with pytest.raises(RuntimeError):
        train([stopped, Crash()])
    same(whole, train([callbacks.Checkpoint(tmp_path)]))
    whole.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    same(whole, loaded)
    assert len(loaded.trainable_variables) == len(whole.trainable_variables)
    for gan in (whole, loaded):
        gan.fit(X, condition, batch_size=8, shuffle=False, verbose=0)
    same(whole, loaded)


# ----------------------------------------------------------------------------------------- AC-GAN


def acgan(norm=True, **rules):
    """The classifier shares its trunk with the discriminator."""
    keras.utils.set_random_seed(0)
    z, label = keras.Input((2,)), keras.Input((), dtype="int32")
    generator = keras.Model(
        [z, label], layers.Dense(2)(layers.Concatenate()([z, layers.Embedding(3, 3)(label)]))
    )
    x = keras.Input((2,))
    trunk = layers.Dense(4, activation="leaky_relu")(x)
    if norm:
        trunk = layers.BatchNormalization()(trunk)
    judge = keras.Model(x, layers.Dense(1)(trunk))
    gan = GAN(generator, judge, discriminator_helper=keras.Model(x, layers.Dense(3)(trunk)))
    terms = {"generator_terms": {"class": on_fakes}, "discriminator_terms": {"class": on_both}}
    gan.compile(**{**sgd(), **terms, **rules})
    return gan


def values(model):
    return [array(w) for w in model.trainable_variables]


@pytest.mark.slow
@pytest.mark.parametrize("norm", [False, True])
def test_acgan_trains_the_classifier_with_the_discriminator_alone(norm):
    gan = acgan(norm)
    assert len(gan.trainable_variables) == 3 + 2 + 2 + 2 + 2 * norm, "the trunk counts once"
    head = gan.discriminator_helper.layers[-1]
    for player, moves in (("generator", False), ("discriminator", True)):
        rates = {p: 0.1 * (p == player) for p in ("generator", "discriminator")}
        for p, rate in rates.items():
            getattr(gan, f"{p}_optimizer").learning_rate.assign(rate)
        before = [values(m) for m in (gan.generator, head, gan.discriminator)]
        history = gan.fit(X, Y, batch_size=64, verbose=0).history
        after = [values(m) for m in (gan.generator, head, gan.discriminator)]
        moved = [
            any((a != b).any() for a, b in zip(*pair, strict=True))
            for pair in zip(before, after, strict=True)
        ]
        assert moved == [not moves, moves, moves]
    assert {"generator_class", "discriminator_class"} < set(history)
    gan.discriminator_optimizer.learning_rate.assign(0.1)
    history = gan.fit(
        X[:, :1] * [1, 0] + Y[:, None], Y, batch_size=16, epochs=60, verbose=0
    ).history
    assert history["discriminator_class"][-1] < 0.95 * history["discriminator_class"][0]


@keras.saving.register_keras_serializable(package="tests")
def of_second_head(fake, real, condition, helper):
    return ops.mean(helper(fake)["second"] ** 2)


def test_a_helper_of_two_heads_that_shares_layers_is_saved_with_both(tmp_path):
    x = keras.Input((2,))
    trunk = layers.Dense(4)(x)
    heads = {"second": layers.Dense(3)(trunk), "first": [layers.Dense(1)(trunk)]}
    judge, helper = keras.Model(x, layers.Dense(1)(trunk)), keras.Model(x, heads)
    gan = GAN(linear((2,), units=2), judge, discriminator_helper=helper)
    gan.compile(discriminator_terms={"second": of_second_head})
    gan.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    found, wanted = loaded.discriminator_helper(X[:3]), helper(X[:3])
    keras.tree.assert_same_structure(found, wanted)
    for a, b in zip(keras.tree.flatten(found), keras.tree.flatten(wanted), strict=True):
        np.testing.assert_array_equal(array(a), array(b))


def test_mixed_precision_scales_the_loss_of_a_helper_too():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        gan = infogan()
    finally:
        keras.mixed_precision.set_global_policy("float32")
    before = gan.get_weights()
    logs = gan.train_on_batch(X, C, return_dict=True)
    assert gan.generator_optimizer.loss_scale_factor == 1024
    assert np.isfinite(list(logs.values())).all()
    with_float32 = infogan()
    with_float32.train_on_batch(X, C)
    for a, b, start in zip(gan.get_weights(), with_float32.get_weights(), before, strict=True):
        np.testing.assert_allclose(a, b, rtol=0.02, atol=2e-3)
        assert (a != start).any()


# ------------------------------------------------------------------- what goes wrong is said once


def test_conditions_of_another_shape():
    gan = infogan()
    with pytest.raises(ValueError, match=r"conditions of shape \(3,\), but fit was given none"):
        gan.fit(X, batch_size=8, verbose=0)
    with pytest.raises(ValueError, match=r"has conditions of shape \(8, 2\), and should have \(N"):
        gan.fit(X, X, batch_size=8, verbose=0)
    for labels in (None, X, C[0, :2]):
        with pytest.raises(ValueError, match=r"needs 64 of them, or one for all, not"):
            gan.sample(64, labels=labels)
    with pytest.raises(ValueError, match=r"shape \(3,\), but the discriminator takes \(2,\)"):
        GAN(linear((2,), (3,), units=2), linear((2,), (2,), units=1))


def test_sketches_in_bytes():
    photographs, sketches = pictures()
    gan, in_bytes = pix2pix(Distance()), (sketches * 100 + 100).astype("uint8")
    with pytest.raises(ValueError, match="these are uint8"):
        gan.fit(photographs, in_bytes, verbose=0)
    with pytest.raises(ValueError, match="these are uint8"):
        gan.sample(labels=in_bytes)


def test_maps_of_whole_numbers_are_no_images():
    regions = keras.Input(SHAPE, dtype="int32")
    colours = layers.Reshape(SHAPE)(layers.Embedding(200, 1)(regions))
    judge = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(1)])
    gan = GAN(keras.Model(regions, colours), judge)
    gan.compile()
    maps = RNG.integers(0, 200, (60, *SHAPE), dtype="uint8")
    gan.fit(pictures()[0], maps, batch_size=60, verbose=0)
    assert gan.sample(labels=maps).shape == (60, *SHAPE)


def test_conditions_that_a_monitor_lacks():
    photographs, sketches = pictures()
    for labels in (None, sketches[:5]):
        monitor = callbacks.HealthMonitor(photographs, labels, every=1)
        with pytest.raises(ValueError, match=r"HealthMonitor\(real, labels\) needs one for each"):
            pix2pix(Distance()).fit(photographs, sketches, callbacks=monitor, verbose=0)


def test_inputs_that_a_generator_cannot_have():
    image = keras.Input(SHAPE)
    made = layers.Add()([image, layers.Reshape((1, 1, 1))(z := keras.Input((1,)))])
    with pytest.raises(ValueError, match=r"has shape \(None, 4, 4, 1\): put latents first"):
        GAN(keras.Model([image, z], made), linear(SHAPE, units=1))
    with pytest.raises(ValueError, match="The generator takes 3 inputs, and a GAN gives it two"):
        GAN(linear((2,), (3,), (1,), units=2), linear((2,), units=1))


def test_a_term_without_a_value():
    gan = GAN(linear((2,), units=2), linear((2,), units=1))
    gan.compile(generator_terms={"root": lambda fake, *_: ops.sqrt(-1 - ops.mean(fake**2))})
    with pytest.raises(FloatingPointError, match="'generator_root' is nan at step 1 of epoch 1"):
        gan.fit(X, batch_size=64, verbose=0)


def test_terms_that_are_none():
    gan = GAN(linear((2,), units=2), linear((2,), units=1))
    for terms in ([Distance()], {"distance": 3}, {"loss": Distance()}):
        with pytest.raises(ValueError, match="generator_terms is a dict from names"):
            gan.compile(generator_terms=terms)
    gan.compile(discriminator_terms={"distance": lambda fake, real, condition: fake - real})
    with pytest.raises(ValueError, match=r"'distance' is a scalar.* not of shape \(8, 2\)"):
        gan.fit(X, batch_size=8, verbose=0)


def test_helpers_that_cannot_help():
    with pytest.raises(ValueError, match="generator_helper is a keras.Model that has its weights"):
        GAN(linear((2,), units=2), linear((2,), units=1), generator_helper=keras.Sequential())
    gan = GAN(
        linear((2,), units=2), linear((2,), units=1), discriminator_helper=linear((2,), units=3)
    )
    with pytest.raises(ValueError, match="discriminator's helper would learn nothing"):
        gan.compile(generator_terms={"class": on_fakes})


def test_a_game_without_terms_is_as_before():
    assert ganlib.GAN is GAN
    gan = GAN(linear((2,), units=2), linear((2,), units=1))
    gan.compile()
    assert set(gan.fit(X, batch_size=8, verbose=0).history) == {
        *("discriminator_loss", "generator_loss", "real_accuracy", "fake_accuracy")
    }
