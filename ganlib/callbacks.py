"""Keras callbacks for `GAN.fit`."""

import time

import keras


class Snapshots(keras.callbacks.Callback):
    """Keep what the generator makes of the same latents, before training and after every epoch.

    Args:
        latents: float32 (n, latent_dim).

    Attributes:
        images: list of what `GAN.sample(latents=latents)` gave, the untrained generator's first.
    """

    def __init__(self, latents):
        super().__init__()
        self.latents = latents
        self.images = []

    def on_train_begin(self, logs=None):
        self.images.append(self.model.sample(latents=self.latents))

    def on_epoch_end(self, epoch, logs=None):
        self.images.append(self.model.sample(latents=self.latents))


class StopAfter(keras.callbacks.Callback):
    """End the training cleanly once it has run for `seconds`; 0 means never."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def on_train_begin(self, logs=None):
        self.start = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if self.seconds and time.monotonic() - self.start > self.seconds:
            self.model.stop_training = True
