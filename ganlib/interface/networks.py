"""What a GAN asks of its networks: their shapes, their conditions, what they end with."""

import keras

from ganlib.game.players import condition, conditional
from ganlib.internals import made_by, sublayers
from ganlib.models.layers import JoinLabels
from ganlib.types import Shape


def adopt(model: keras.Model, role: str, shape: Shape | None = None) -> keras.Model:
    """`model`, or one around it whose inputs and outputs are known, with the same weights.

    A functional model knows them, and so does a `Sequential` with a `keras.Input`. Any other model
    was built by a first call, or is built here if its input has to be of `shape`.

    Args:
        role: "generator" or "discriminator", for what is raised.
        shape: of a sample, without the batch; None if it is not known.

    Raises:
        ValueError: it is no Keras model, its input is not known, there are more than two, or its
            images are channels first.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"The {role} is a keras.Model, not {model!r}.")
    if not getattr(model, "inputs", None):
        model = _around(model, role, shape)
    if len(model.inputs) > 2:
        raise ValueError(
            f"The {role} takes {len(model.inputs)} inputs, and a GAN gives it two at most, the "
            "second a condition: join several conditions into one."
        )
    if any(getattr(layer, "data_format", None) == "channels_first" for layer in sublayers(model)):
        raise ValueError(
            f"The {role} makes or takes images channels first, and ganlib's are channels last: "
            'build it after keras.config.set_image_data_format("channels_last").'
        )
    return model


def _around(model, role, shape):
    built = model.get_build_config() or {}
    shapes = built.get("input_shape", shape and (None, *shape))
    if not shapes:
        raise ValueError(
            f"The {role} does not say what it takes: begin it with a keras.Input, or call it once "
            "before, as in generator(np.zeros((1, 64))) for 64 latents."
        )
    several = isinstance(shapes, list)  # [(1, 64), (1,)], of latents or samples, and of labels
    inputs = [
        keras.Input(one[1:], dtype="int32" if i and not one[1:] else "float32")
        for i, one in enumerate(shapes if several else [shapes])
    ]
    inputs = inputs if several else inputs[0]
    try:
        outputs = model(inputs)
    except TypeError as error:
        raise ValueError(
            f"The {role} cannot be called with one argument ({error}): it takes latents or "
            "samples, or a list of these and a condition."
        ) from None
    return keras.Model(inputs, outputs, name=role)


def matched(generator: keras.Model, discriminator: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Both, adopted; ValueError unless the discriminator takes what the generator makes."""
    generator = adopt(generator, "generator")
    if conditional(generator) and len(generator.inputs[0].shape) != 2:
        raise ValueError(
            "A generator of two inputs takes [latents, condition], latents being (N, latent_dim), "
            f"and the first of this one has shape {generator.inputs[0].shape}: put latents first."
        )
    made = generator.output_shape[1:]
    discriminator = adopt(discriminator, "discriminator", made)
    taken = tuple(discriminator.inputs[0].shape[1:])
    if made != taken:
        raise ValueError(
            f"The generator makes samples of shape {made}, but the discriminator takes {taken}: "
            "build both for the same shape."
        )
    if conditional(discriminator):
        _check_conditions(condition(generator), discriminator.inputs[1])
    return generator, discriminator


def _check_conditions(made_from, judged_by):
    if made_from is None:
        raise ValueError(
            "The discriminator takes labels, but the generator does not and cannot know which "
            "class to make: build both with classes, or both for another condition."
        )
    shapes = [tuple(size for size in x.shape[1:] if size != 1) for x in (made_from, judged_by)]
    if shapes[0] != shapes[1] and None not in shapes[0] + shapes[1]:
        raise ValueError(
            f"The generator takes conditions of shape {tuple(made_from.shape[1:])}, but the "
            f"discriminator takes {tuple(judged_by.shape[1:])}: build both for the same."
        )


def helper(model: keras.Model | None, role: str) -> keras.Model | None:
    """`model`, or a ValueError unless it is None or a Keras model that has its weights."""
    if model is not None and not (isinstance(model, keras.Model) and model.built):
        raise ValueError(
            f"{role} is a keras.Model that has its weights, not {model!r}: begin it with a "
            "keras.Input, or call it once before."
        )
    return model


def of_classes(generator: keras.Model) -> bool:
    """Whether its condition is a class: one whole number for each sample."""
    taken = condition(generator)
    if taken is None or tuple(taken.shape[1:]) not in ((), (1,)):
        return False
    return "int" in taken.dtype or classes(generator) is not None


def classes(model: keras.Model) -> int | None:
    """How many classes the labels that a model takes may have, or None if no layer says.

    `Embedding` and `JoinLabels` do, also inside of other layers.
    """
    known = [
        layer.input_dim if isinstance(layer, keras.layers.Embedding) else layer.classes
        for layer in sublayers(model)
        if isinstance(layer, keras.layers.Embedding | JoinLabels)
    ]
    return min(known, default=None)


def ends_in(model: keras.Model) -> str:
    """The name of the function that its last layer applies: "tanh", "sigmoid", "linear", ..."""
    tensor = model.outputs[0]
    while True:
        operation, sources = made_by(tensor)
        if isinstance(operation, keras.Model):
            return ends_in(operation) if getattr(operation, "outputs", None) else "unknown"
        operation = getattr(operation, "layer", operation)  # of a wrapper
        activation = getattr(operation, "activation", None)
        name = (getattr(activation, "__name__", "") or type(operation).__name__).lower()
        if name not in ("reshape", "flatten") or not sources:
            return name
        tensor = sources[0]
