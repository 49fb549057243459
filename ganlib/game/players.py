"""What a GAN asks of its models: their shapes, their conditions, what they end with."""

from collections.abc import Callable

import keras

from ganlib.internals import made_by, sublayers
from ganlib.models import layers
from ganlib.types import Shape, Tensor


def adopt(model: keras.Model, role: str, shape: Shape | None = None) -> keras.Model:
    """`model`, or one around it whose inputs and outputs are known, with the same weights.

    A functional model knows them, and so does a `Sequential` with a `keras.Input`. Any other model
    was built by a first call, or is built here if its input has to be of `shape`.

    Args:
        role: "generator" or "discriminator", for what is raised.
        shape: of a sample, without the batch; None if it is not known.

    Raises:
        ValueError: it is no Keras model, its input is not known, or its images are channels first.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"The {role} is a keras.Model, not {model!r}.")
    if not getattr(model, "inputs", None):
        model = _around(model, role, shape)
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


def pair(generator: keras.Model, discriminator: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Both, adopted; ValueError unless the discriminator takes what the generator makes."""
    generator = adopt(generator, "generator")
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


def conditional(model: keras.Model) -> bool:
    """Whether it takes a condition beside its latents or samples."""
    return len(model.inputs) == 2


def takes_latents(generator: keras.Model) -> bool:
    """Whether its first input is latents. A lone one is, if it is vectors; an image, or whatever
    else, is a condition."""
    first = generator.inputs[0]
    return conditional(generator) or (len(first.shape) == 2 and "float" in first.dtype)


def condition(generator: keras.Model) -> Tensor | None:
    """The input that is its condition, or None."""
    lone = not conditional(generator)
    return None if lone and takes_latents(generator) else generator.inputs[-1]


def of_classes(generator: keras.Model) -> bool:
    """Whether its condition is a class: one whole number for each sample."""
    taken = condition(generator)
    if taken is None or tuple(taken.shape[1:]) not in ((), (1,)):
        return False
    return "int" in taken.dtype or layers.classes(generator) is not None


def given(discriminator: keras.Model, condition: Tensor | None) -> Callable:
    """A discriminator as a function of samples alone."""
    if not conditional(discriminator):
        return discriminator
    return lambda x, training=None: discriminator([x, condition], training=training)


def made_of(
    generator: keras.Model, latents: Tensor | None, condition: Tensor | None, training: bool
) -> Tensor:
    """What the generator makes of latents, of a condition, or of both, whichever it takes."""
    inputs = [latents, condition]
    if not conditional(generator):
        inputs = latents if takes_latents(generator) else condition
    return generator(inputs, training=training)


def teams(gan: keras.Model) -> dict[str, list[keras.Variable]]:
    """The variables that each player moves, a dict: its network's, then those of its helper.

    A variable that two models share belongs to one: to a network before a helper.
    """
    taken = {id(v) for m in (gan.generator, gan.discriminator) for v in m.trainable_variables}
    found = {}
    for player in ("generator", "discriminator"):
        helper = getattr(gan, f"{player}_helper")
        own = [v for v in (helper.trainable_variables if helper else ()) if id(v) not in taken]
        taken |= {id(v) for v in own}
        found[player] = [*getattr(gan, player).trainable_variables, *own]
    return found


def copy(generator: keras.Model) -> keras.Model:
    """A model with the same layers and weights, which is not trained."""
    copied = keras.models.clone_model(generator)
    copied.set_weights(generator.get_weights())
    copied.trainable = False
    return copied


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
