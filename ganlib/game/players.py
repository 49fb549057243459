"""What a GAN asks of its two models: their shapes, whether they take labels, what they end with."""

import keras


def adopt(model, role, shape=None):
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
    if any(
        getattr(layer, "data_format", None) == "channels_first" for layer in model._flatten_layers()
    ):
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
    labelled = isinstance(shapes, list)  # [(1, 64), (1,)], of latents or samples, and of labels
    inputs = [
        keras.Input(one[1:], dtype=dtype)
        for one, dtype in zip(shapes if labelled else [shapes], ("float32", "int32"), strict=False)
    ]
    inputs = inputs if labelled else inputs[0]
    try:
        outputs = model(inputs)
    except TypeError as error:
        raise ValueError(
            f"The {role} cannot be called with one argument ({error}): it takes latents or "
            "samples, or a list of these and labels."
        ) from None
    return keras.Model(inputs, outputs, name=role)


def pair(generator, discriminator):
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
    if conditional(discriminator) and not conditional(generator):
        raise ValueError(
            "The discriminator takes labels, but the generator does not and cannot know which "
            "class to make: build both with classes."
        )
    return generator, discriminator


def conditional(model):
    """Whether it takes labels."""
    return len(model.inputs) == 2


def given(model, labels):
    """`model` as a function of its first input alone."""
    if not conditional(model):
        return model
    return lambda x, training=None: model([x, labels], training=training)


def made_of(generator, latents, labels, training):
    """What the generator makes of latents, and of labels if it takes such."""
    return given(generator, labels)(latents, training=training)


def copy(generator):
    """A model with the same layers and weights, which is not trained."""
    copied = keras.models.clone_model(generator)
    copied.set_weights(generator.get_weights())
    copied.trainable = False
    return copied


def ends_in(model):
    """The name of the function that its last layer applies: "tanh", "sigmoid", "linear", ..."""
    tensor = model.outputs[0]
    while True:
        operation, node, _ = tensor._keras_history
        if isinstance(operation, keras.Model):
            return ends_in(operation) if getattr(operation, "outputs", None) else "unknown"
        operation = getattr(operation, "layer", operation)  # of a wrapper
        activation = getattr(operation, "activation", None)
        name = (getattr(activation, "__name__", "") or type(operation).__name__).lower()
        sources = operation._inbound_nodes[node].input_tensors if operation._inbound_nodes else []
        if name not in ("reshape", "flatten") or not sources:
            return name
        tensor = sources[0]
