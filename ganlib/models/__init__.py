"""Generators and discriminators: functions that return a `keras.Model`, whose last layer is an
image or a logit."""

from ganlib.models import dcgan, mlp

__all__ = ["dcgan", "mlp"]
