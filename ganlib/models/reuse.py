"""Networks that go on from others: weights taken over, and layers that stay as they are."""

import difflib

import keras


def start_from(model: keras.Model, other: keras.Model) -> keras.Model:
    """Give `model` the weights of `other`, whose layers have the same shapes, and return it.

    What is fine-tuned begins so. All weights are copied, the moving statistics of batch norm as
    well; `other` stays as it is.

    Raises:
        ValueError: their weights differ in shape; the message names the first that do.
    """
    shapes = [[tuple(v.shape) for v in one.weights] for one in (model, other)]
    if len(shapes[0]) != len(shapes[1]):
        raise ValueError(
            f"A network of {len(shapes[0])} arrays of weights cannot start from one of "
            f"{len(shapes[1])}: build both of the same layers."
        )
    for weight, here, there in zip(model.weights, *shapes, strict=True):
        if here != there:
            raise ValueError(
                f"{weight.path} has the shape {here}, and {there} in the network to start from: "
                "build both of the same size."
            )
    model.set_weights(other.get_weights())
    return model


def freeze(model: keras.Model, *names: str) -> keras.Model:
    """Let the layers of these names stay as they are, and return the model.

    Frozen lower layers of a discriminator are FreezeD (Mo et al. 2020). Call it before
    `GAN.compile`, which looks at what can be trained. Batch norm that is frozen uses its moving
    statistics in training as well.

    Raises:
        ValueError: no layer of the model has such a name, or none is given; which there are.
    """
    known = {layer.name: layer for layer in model.layers}
    for name in names or ("",):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=2, cutoff=0.6) or list(known)
            raise ValueError(f"{model.name} has no layer {name!r}; it has {', '.join(near)}.")
    for name in names:
        known[name].trainable = False
    return model
