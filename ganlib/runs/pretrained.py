"""What a committed full run has learnt, loaded by the run's name, without a network.

A run leaves its weights beside its `run.json` in `book/results/NAME/`, as files of Keras's own; the
wheel brings them along. `python -m ganlib.run book/NAME.ipynb -f book/runs/NAME-WHAT.yaml` makes
them again.
"""

from typing import Any

import keras

from ganlib import metrics
from ganlib.checks import first_line
from ganlib.interface.sampling import Sampled
from ganlib.runs.outputs import committed, results


class Generator(Sampled):
    """A trained generator that is sampled as a `GAN` is: `sample`, `latents`.

    Attributes:
        generator: the keras.Model.
    """

    def __init__(self, generator: keras.Model) -> None:
        super().__init__(name="pretrained")
        self.generator, self.ema_generator = generator, None
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.generator(inputs, training=training)


def names() -> list[str]:
    """The runs that have left weights, sorted."""
    return sorted({file.parent.name for file in results().glob("*/*.keras")})


def parts(name: str) -> list[str]:
    """What a run has left, such as "generator" and "discriminator", sorted."""
    return sorted(file.stem for file in (results() / name).glob("*.keras"))


def load(name: str) -> Generator:
    """The generator of a run, as `GAN.sample` would have drawn from it.

    Raises:
        ValueError: the run has left none; which have.
    """
    return Generator(model(name, "generator"))


def model(name: str, part: str) -> keras.Model:
    """A network of a run, float32, not compiled: "generator", "discriminator" or "judge".

    Raises:
        ValueError: the run has not left it; what there is. Or the file cannot be read.
    """
    file = results() / name / f"{part}.keras"
    if not file.is_file():
        there = [run for run in names() if part in parts(run)]
        raise ValueError(
            f"There is no {part} of a run {name!r}: there is one of "
            f"{', '.join(there) if there else 'none'}."
        )
    try:
        return keras.saving.load_model(file, compile=False)
    except Exception as error:  # Keras, zipfile and h5py have many
        raise ValueError(
            f"{file} is damaged, or this Keras cannot read it ({first_line(error)}): get it again."
        ) from error


def judge(name: str) -> metrics.Trained:
    """The judge of a run: what images are compared by, with the classes and the name it has there.

    Raises:
        ValueError: the run has left none; which have.
    """
    network = model(name, "judge")
    about = committed(name).get("judge") or {}
    if not about.get("class_names"):
        raise ValueError(f"The judge of the run {name!r} knows no classes: load it by `model`.")
    return metrics.Trained(network, f"{about['name']} of the run {name}", about["class_names"])
