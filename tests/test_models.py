"""Shapes, parameter counts and the sizes that are refused."""

import math

import numpy as np
import pytest
from keras import layers, ops

from ganlib.models import dcgan, mlp


@pytest.mark.parametrize(
    "side,steps", [(8, 1), (14, 1), (28, 2), (32, 3), (48, 3), (64, 4), (96, 4), (128, 5)]
)
def test_doublings(side, steps):
    assert dcgan.doublings(side) == steps


@pytest.mark.parametrize("side", [7, 9, 30, 100 - 1, 3])
def test_sides_that_do_not_halve_are_refused(side):
    with pytest.raises(ValueError, match=f"side of {side} pixels.*28, 32, 48 or 64"):
        dcgan.doublings(side)


def test_height_and_width_must_halve_alike():
    with pytest.raises(ValueError, match="Height 28 and width 64"):
        dcgan.generator((28, 64, 1))


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (64, 64, 3), (28, 20, 1)])
def test_dcgan_makes_and_takes_images_of_its_shape(shape):
    generator, discriminator = (
        dcgan.generator(shape, latent_dim=5, width=4),
        dcgan.discriminator(shape, width=4),
    )
    images = generator(np.ones((2, 5), "float32"))
    assert tuple(images.shape) == (2, *shape)
    assert tuple(discriminator(images).shape) == (2, 1)


def test_dcgan_64_has_the_published_parameters():
    """The usual 64-pixel DCGAN (latents of 100, 64 channels, no output bias) has 3,576,704 and
    2,765,568 trainable parameters; it starts from a 4x4 transposed convolution of the latents,
    which is our Dense, and ends in a 4x4 convolution, which is our Dense too. Ours adds the biases
    of the first and last layers."""
    generator = dcgan.generator((64, 64, 3), latent_dim=100, width=64)
    discriminator = dcgan.discriminator((64, 64, 3), width=64)

    def trainable(model):
        return sum(math.prod(v.shape) for v in model.trainable_variables)

    assert trainable(generator) == 3_576_704 + 3
    assert trainable(discriminator) == 2_765_568 + 64 + 1


def test_guidelines_of_the_paper():
    generator, discriminator = dcgan.generator((28, 28, 1)), dcgan.discriminator((28, 28, 1))
    for model in (generator, discriminator):
        assert not any("Pooling" in type(layer).__name__ for layer in model.layers)
        assert sum(isinstance(layer, layers.Dense) for layer in model.layers) == 1
        for layer in model.layers:
            if hasattr(layer, "kernel"):
                assert np.std(
                    layer.kernel.numpy() if hasattr(layer.kernel, "numpy") else layer.kernel
                ) == pytest.approx(0.02, rel=0.2)
    assert generator.layers[-1].activation.__name__ == "tanh"
    assert discriminator.layers[-1].activation.__name__ == "linear", "a logit, no sigmoid"


def test_mlp_makes_points_and_images():
    points = mlp.generator((2,), latent_dim=3)(np.ones((4, 3), "float32"))
    assert tuple(points.shape) == (4, 2)
    assert tuple(mlp.discriminator((2,))(points).shape) == (4, 1)
    images = mlp.generator((8, 8, 1), latent_dim=3)(100 * np.ones((4, 3), "float32"))
    assert tuple(images.shape) == (4, 8, 8, 1)
    assert abs(ops.convert_to_numpy(images)).max() <= 1
