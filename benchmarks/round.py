"""What a training round costs: `GAN.fit` beside a hand-written loop, the TensorFlow tutorial and
PyTorch.

    python benchmarks/round.py [--rounds 30] [--repeats 7] [--output FILE]

Every pair runs the same model on the same batches, in turn (A B A B ...), in one process, both
built anew for every block; the figure to read is the median of the ratios, since a shared machine
drifts. Two models: the book's DCGAN at batch 64, and the TensorFlow tutorial's at 256.

- by hand: the same round (alternating updates that share the generator's forward pass, Adam, batch
  norm) in a tf.function, without Keras's fit, metrics or checks. The goal is 1.00, at most 1.02.
- tutorial: the tutorial's own round, which updates both players at once from one pass of each
  network.
- torch: the same alternating round in eager PyTorch, if it is installed.
"""

import math
import statistics
import time

import keras
import machine
import numpy as np
import tensorflow as tf
from peers import MNIST, tutorial_discriminator, tutorial_generator

import ganlib


def book_models():
    shape = (28, 28, 1)
    return ganlib.models.dcgan.generator(shape), ganlib.models.dcgan.discriminator(shape)


def tutorial_models():
    return tutorial_generator(MNIST), tutorial_discriminator(MNIST)


def adam():
    return keras.optimizers.Adam(2e-4, beta_1=0.5)


def batches(size):
    images = np.random.default_rng(0).integers(0, 256, (4096, 28, 28, 1), dtype="uint8")
    labels = np.zeros(len(images), "int64")
    return ganlib.data.Dataset("noise", images, labels, ("noise",)).batches(size, repeat=True)


def with_fit(models, size):
    """`GAN.fit`: what the book uses."""
    gan = ganlib.GAN(*models())
    gan.compile(generator_optimizer=adam(), discriminator_optimizer=adam())
    data = batches(size)
    return lambda rounds: gan.fit(data, steps_per_epoch=rounds, verbose=0)


def by_hand(models, size):
    """The same round as a plain tf.function."""
    generator, discriminator = models()
    latent_dim, (g_adam, d_adam) = generator.input_shape[-1], (adam(), adam())

    @tf.function
    def play(real):
        with tf.GradientTape() as g_tape:
            fake = generator(tf.random.normal((size, latent_dim)), training=True)
            with g_tape.stop_recording():
                with tf.GradientTape() as d_tape:
                    real_logits = discriminator(real, training=True)
                    fake_logits = discriminator(fake, training=True)
                    d_loss = tf.reduce_mean(tf.nn.softplus(-real_logits))
                    d_loss += tf.reduce_mean(tf.nn.softplus(fake_logits))
                variables = discriminator.trainable_variables
                d_adam.apply(d_tape.gradient(d_loss, variables), variables)
            g_loss = tf.reduce_mean(tf.nn.softplus(-discriminator(fake, training=True)))
        variables = generator.trainable_variables
        g_adam.apply(g_tape.gradient(g_loss, variables), variables)
        return d_loss, g_loss

    stream = iter(batches(size))

    def run(rounds):
        for _ in range(rounds):
            losses = play(next(stream))
        return [float(loss) for loss in losses]

    return run


def tutorial(models, size):
    """The tutorial's round: one pass of each network, both updated from it."""
    generator, discriminator = models()
    latent_dim = generator.input_shape[-1]
    g_adam, d_adam = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    @tf.function
    def play(real):
        with tf.GradientTape() as g_tape, tf.GradientTape() as d_tape:
            fake = generator(tf.random.normal((size, latent_dim)), training=True)
            real_logits = discriminator(real, training=True)
            fake_logits = discriminator(fake, training=True)
            g_loss = entropy(tf.ones_like(fake_logits), fake_logits)
            d_loss = entropy(tf.ones_like(real_logits), real_logits)
            d_loss += entropy(tf.zeros_like(fake_logits), fake_logits)
        for tape, loss, model, optimizer in (
            (g_tape, g_loss, generator, g_adam),
            (d_tape, d_loss, discriminator, d_adam),
        ):
            variables = model.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
        return d_loss, g_loss

    stream = iter(batches(size))

    def run(rounds):
        for _ in range(rounds):
            losses = play(next(stream))
        return [float(loss) for loss in losses]

    return run


def torch_eager(models, size):
    """The alternating round in eager PyTorch, on the networks that `models` builds."""
    import torch
    from torch import nn

    class Up(nn.ConvTranspose2d):
        """Keras's "same" padding: the output is exactly `stride` times as large."""

        def forward(self, x):
            height, width = (side * self.stride[0] for side in x.shape[2:])
            cut = (self.kernel_size[0] - self.stride[0]) // 2
            return super().forward(x)[:, :, cut : cut + height, cut : cut + width]

    class Down(nn.Conv2d):
        """Keras's "same" padding: the side is divided by the stride and rounded up."""

        def forward(self, x):
            kernel, stride, side = self.kernel_size[0], self.stride[0], x.shape[-1]
            pad = max((-(-side // stride) - 1) * stride + kernel - side, 0)
            return super().forward(nn.functional.pad(x, [pad // 2, pad - pad // 2] * 2))

    def translate(model):
        layers_, shape = [], model.input_shape[1:]
        for layer in model.layers:
            kind, config = type(layer).__name__, layer.get_config()
            out = layer.output.shape[1:]
            if kind == "Dense":
                layers_.append(nn.Linear(shape[-1], out[-1], config["use_bias"]))
            elif kind in ("Conv2D", "Conv2DTranspose"):
                conv = Up if kind == "Conv2DTranspose" else Down
                channels, kernel, stride = (
                    (shape[-1], out[-1]),
                    config["kernel_size"][0],
                    config["strides"][0],
                )
                layers_.append(conv(*channels, kernel, stride, bias=config["use_bias"]))
                layers_ += [nn.Tanh()] if config["activation"] == "tanh" else []
            elif kind == "BatchNormalization":
                layers_.append(
                    nn.BatchNorm2d(out[-1]) if len(out) == 3 else nn.BatchNorm1d(out[-1])
                )
            elif kind == "Reshape":
                layers_.append(nn.Unflatten(1, (out[-1], *out[:-1])))
            elif kind == "LeakyReLU":
                layers_.append(nn.LeakyReLU(config["negative_slope"]))
            elif kind == "Dropout":
                layers_.append(nn.Dropout(config["rate"]))
            elif kind == "Activation":
                layers_.append({"relu": nn.ReLU, "tanh": nn.Tanh}[config["activation"]]())
            elif kind == "Flatten":
                layers_.append(nn.Flatten())
            elif kind != "InputLayer":
                raise ValueError(f"no PyTorch layer is known for {kind}")
            shape = out
        return nn.Sequential(*layers_)

    keras_models = models()
    generator, discriminator = (translate(model) for model in keras_models)
    for ours, theirs in zip(keras_models, (generator, discriminator), strict=True):
        assert sum(p.numel() for p in theirs.parameters()) == sum(
            math.prod(v.shape) for v in ours.trainable_variables
        )
    latent_dim = keras_models[0].input_shape[-1]
    g_adam, d_adam = (
        torch.optim.Adam(m.parameters(), 2e-4, betas=(0.5, 0.999))
        for m in (generator, discriminator)
    )
    softplus = nn.functional.softplus
    stream = iter(batches(size))

    def run(rounds):
        for _ in range(rounds):
            real = torch.from_numpy(next(stream).numpy()).permute(0, 3, 1, 2)
            fake = generator(torch.randn(size, latent_dim))
            d_loss = (
                softplus(-discriminator(real)).mean()
                + softplus(discriminator(fake.detach())).mean()
            )
            d_adam.zero_grad()
            d_loss.backward()
            d_adam.step()
            g_loss = softplus(-discriminator(fake)).mean()
            g_adam.zero_grad()
            g_loss.backward()
            g_adam.step()
        return d_loss.item(), g_loss.item()

    return run


def compare(models, size, peer, rounds, repeats):
    """Run both in turn; return the medians of their milliseconds a round and of the ratio.

    Each time both are built anew: one trace of a round is up to 2% quicker than the next.
    """
    times = []
    for _ in range(repeats):
        pair = []
        for run in (with_fit(models, size), peer(models, size)):
            run(2)  # traces
            start = time.perf_counter()
            run(rounds)
            pair.append((time.perf_counter() - start) / rounds * 1e3)
        times.append(pair)
    ratios = sorted(a / b for a, b in times)
    a, b = (statistics.median(column) for column in zip(*times, strict=True))
    return a, b, statistics.median(ratios), ratios[0], ratios[-1]


PEERS = {"by hand": by_hand, "tutorial": tutorial, "torch": torch_eager}
CASES = {  # the networks, the batch, and how many more rounds a timed block has
    "book, 64": (book_models, 64, 4),
    "tutorial, 256": (tutorial_models, 256, 1),
}


def measure(cases=CASES, *, rounds=30, repeats=7):
    """Yield a row for each of the cases and peers, of so many timed blocks of so many rounds."""
    keras.utils.set_random_seed(0)
    print(f"{'model':<16}{'peer':<12}{'fit ms':>8}{'peer ms':>9}{'ratio':>8}   range")
    for name, (models, size, share) in cases.items():
        for label, peer in PEERS.items():
            try:
                a, b, ratio, low, high = compare(models, size, peer, rounds * share, repeats)
            except ImportError:
                print(f"{name:<16}{label:<12}   not installed")
                continue
            print(
                f"{name:<16}{label:<12}{a:8.1f}{b:9.1f}{ratio:8.3f}   {low:.3f} to {high:.3f}",
                flush=True,
            )
            yield {
                "model": name,
                "peer": label,
                "fit_ms": a,
                "peer_ms": b,
                "ratio": ratio,
                "range": [low, high],
            }


if __name__ == "__main__":
    machine.main(__doc__, measure)
