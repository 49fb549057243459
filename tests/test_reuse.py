"""Networks that begin with another's weights, and layers that stay as they are."""

import keras
import numpy as np
import pytest
from keras import layers

from ganlib import GAN
from ganlib.models.reuse import freeze, start_from

SHAPE = (8, 8, 1)


def network(width=4, more=0):
    x = inputs = keras.Input(SHAPE)
    for i in range(2 + more):
        x = layers.Conv2D(width, 3, 2, "same", name=f"conv_{i + 1}")(x)
    x = layers.BatchNormalization(name="norm")(x)
    return keras.Model(inputs, layers.Dense(1, name="logit")(layers.Flatten()(x)), name="critic")


def test_all_weights_are_taken_over_and_the_other_stays():
    one, other = network(), network()
    other.get_layer("norm").moving_mean.assign([1.0, 2.0, 3.0, 4.0])
    before = other.get_weights()
    assert start_from(one, other) is one
    for here, there, kept in zip(one.weights, other.weights, before, strict=True):
        np.testing.assert_array_equal(here, kept)
        np.testing.assert_array_equal(there, kept)
        assert here is not there


def test_one_of_another_size_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"^conv_1/kernel has the shape \(3, 3, 1, 4\), and \(3,"):
        start_from(network(), network(width=5))
    with pytest.raises(ValueError, match="10 arrays of weights cannot start from one of 12"):
        start_from(network(), network(more=1))


def test_a_name_that_no_layer_has_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="^critic has no layer 'conv_3'; it has conv_"):
        freeze(network(), "conv_1", "conv_3")
    with pytest.raises(ValueError, match="no layer 'zzz'; it has "):
        freeze(keras.Sequential([keras.Input((2,)), layers.Dense(1)], name="critic"), "zzz")
    model = network()
    with pytest.raises(ValueError, match="no layer ''"):
        freeze(model)
    with pytest.raises(ValueError, match="conv_3"):
        freeze(model, "conv_1", "conv_3")
    assert model.get_layer("conv_1").trainable  # nothing was done by halves


def test_a_gan_moves_all_but_the_frozen_layers():
    keras.utils.set_random_seed(0)
    critic = network()
    critic = freeze(critic, "conv_1")
    z = keras.Input((3,))
    made = layers.Reshape(SHAPE)(layers.Dense(64, "tanh")(z))
    gan = GAN(keras.Model(z, made), critic)
    gan.compile()
    before = critic.get_weights()
    gan.fit(np.zeros((8, *SHAPE), "float32"), batch_size=4, epochs=2, verbose=0)
    moved = {
        weight.path
        for weight, value in zip(critic.weights, before, strict=True)
        if not np.array_equal(weight, value)
    }
    assert not any("conv_1" in path for path in moved)
    assert any("conv_2" in path for path in moved) and any("logit" in path for path in moved)
