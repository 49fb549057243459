"""Generators and discriminators: functions that return a `keras.Model`, whose last layer is an
image or a logit; and the layers that they are made of."""

from ganlib.models import (
    biggan,
    dcgan,
    layers,
    mlp,
    r3gan,
    resnet,
    reuse,
    stylegan2,
    translation,
)

__all__ = [
    "biggan",
    "dcgan",
    "layers",
    "mlp",
    "r3gan",
    "resnet",
    "reuse",
    "stylegan2",
    "translation",
]
