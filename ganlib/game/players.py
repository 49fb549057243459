"""The players of a round: what they take, and which variables each of them moves."""

from collections.abc import Callable

import keras

from ganlib.types import Tensor


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
