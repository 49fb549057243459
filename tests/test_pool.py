"""The pool of earlier fakes that the discriminator is shown.
`test_backends.py` runs this file on JAX and PyTorch too."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from ganlib import GAN, backend, callbacks, models
from ganlib.game.pool import Pool

X = np.random.default_rng(0).normal(size=(64, 2)).astype("float32")


def gan(**rules):
    keras.utils.set_random_seed(0)
    made = GAN(models.mlp.generator((2,), 3, (4,)), models.mlp.discriminator((2,), (4,)))
    made.compile(**rules)
    return made


def fit(model, callbacks=None, **kwargs):
    kwargs = {"batch_size": 8, "shuffle": False, "verbose": 0, **kwargs}
    return model.fit(X, callbacks=callbacks, **kwargs)


def same(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def shown(size, batch, rounds):
    """What a pool shows of fakes that are numbered by their round, (rounds, batch)."""
    pool = Pool(size)
    pool.build((None, 1))
    fakes = (ops.full((batch, 1), float(i)) for i in range(rounds))
    return np.stack([ops.convert_to_numpy(pool(fake))[:, 0] for fake in fakes])


def test_half_of_what_is_shown_is_old_and_as_old_as_the_pool_is_large():
    size, batch, rounds = 32, 16, 250
    ages = np.arange(rounds)[:, None] - shown(size, batch, rounds)
    assert (ages >= 0).all() and (ages == 0)[0].all()
    settled = ages[40:]  # the places are all taken
    assert (settled > 0).mean() == pytest.approx(0.5, abs=0.03)
    # A kept fake leaves with probability batch / size / 2 a round, so that its age is geometric.
    old = settled[settled > 0]
    assert old.mean() == pytest.approx(2 * size / batch, rel=0.1)
    assert (old == 1).mean() == pytest.approx(batch / size / 2, rel=0.2)


def test_no_fake_is_shown_twice_or_lost():
    pool = Pool(5)
    pool.build((None, 2, 2, 1))
    rng, put, seen = np.random.default_rng(0), [], []
    for _ in range(20):
        fakes = rng.normal(size=(3, 2, 2, 1)).astype("float32")
        put += [fake.tobytes() for fake in fakes]
        now = [image.tobytes() for image in ops.convert_to_numpy(pool(fakes))]
        assert len(set(now)) == 3
        seen += now
    kept = [image.tobytes() for image in ops.convert_to_numpy(pool.kept)]
    assert set(seen) | set(kept) == set(put)


@pytest.mark.slow
def test_a_pool_of_none_is_the_plain_round():
    one, other = gan(), gan(pool=0)
    for model in (one, other):
        fit(model)
    same(one, other)
    assert one.pool is None and len(one.weights) == len(gan(pool=4).weights) - 2


def test_the_generator_learns_from_its_own_fakes():
    """With a discriminator that stands still, a pool changes nothing."""
    one, other = (gan(pool=n, discriminator_optimizer=keras.optimizers.SGD(0.0)) for n in (0, 8))
    for model in (one, other):
        fit(model)
    same(one.generator, other.generator)


@pytest.mark.slow
def test_a_pool_is_saved_and_resumed(tmp_path):
    class Crash(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 4:
                raise RuntimeError

    whole, stopped, resumed = (gan(pool=6, n_critic=2) for _ in range(3))
    fit(whole)
    with pytest.raises(RuntimeError):
        fit(stopped, [callbacks.Checkpoint(tmp_path, every=0), Crash()])
    fit(resumed, callbacks.Checkpoint(tmp_path))
    same(whole, resumed)
    assert (ops.convert_to_numpy(whole.pool.full) == 1).all()
    whole.save(tmp_path / "gan.keras")
    loaded = keras.models.load_model(tmp_path / "gan.keras")
    assert loaded.pool.size == 6
    for model in (whole, loaded):
        fit(model)
    same(whole, loaded)


def test_several_devices_have_no_pool(monkeypatch):
    monkeypatch.setattr(backend, "shares_batches", lambda model: True)
    gan()
    with pytest.raises(ValueError, match="a training on one device, and here several share a"):
        gan(pool=8)


def test_pools_that_cannot_be():
    for size in (-1, 2.5, "50"):
        with pytest.raises(ValueError, match="pool is a number of earlier fakes, such as 50, or 0"):
            gan(pool=size)
    with pytest.raises(ValueError, match="A pool of 4 fakes has no place for each of the 8 of an"):
        fit(gan(pool=4))
    fit(gan(pool=4, n_critic=2))
    with pytest.raises(ValueError, match="earlier fakes without the conditions"):
        gan(pool=8, discriminator_terms={"zero": lambda fake, *_: 0 * ops.mean(fake)})
    sketch, x = keras.Input((2, 2, 1)), keras.Input((2, 2, 1))
    judge = layers.Dense(1)(layers.Flatten()(layers.Concatenate()([x, sketch])))
    made = GAN(
        keras.Sequential([keras.Input((2, 2, 1)), layers.Conv2D(1, 1)]),
        keras.Model([x, sketch], judge),
    )
    with pytest.raises(ValueError, match="earlier fakes without the conditions"):
        made.compile(pool=8)
