"""Generators and discriminators: functions that return a `keras.Model`, whose last layer is an
image or a logit."""

from ganlib.models import biggan, dcgan, mlp, resnet

__all__ = ["biggan", "dcgan", "mlp", "resnet"]
