"""How a GAN is written to a file and read again."""

from pathlib import Path
from typing import Any

import keras
from keras import ops

NETWORKS = "generator", "discriminator", "generator_helper", "discriminator_helper"


class Saved(keras.Model):
    """What Keras asks of a model that it saves; `ganlib.GAN` is the model."""

    def save(self, filepath: str | Path, *args: Any, **kwargs: Any) -> None:
        """Keras's `save`: networks, rules, moments and the state of all seeds, as .keras."""
        if Path(filepath).suffix in (".h5", ".hdf5"):
            raise ValueError(
                f"A GAN is saved as .keras, not as {Path(filepath).suffix}; its generator alone "
                "can be saved as both: gan.sampler.save(...)."
            )
        return super().save(filepath, *args, **kwargs)

    def export(self, filepath: str | Path, *args: Any, **kwargs: Any) -> None:
        """Keras's `export` of the generator that `sample` draws from."""
        return self.sampler.export(filepath, *args, **kwargs)

    def _states(self):
        """What no layer of it saves, a dict of lists: the seeds' states, the penalties' counts."""
        weights = {id(v) for v in self.weights}
        seeds = [v for v in self.variables if id(v) not in weights and "seed" in v.path]
        return {"seed": seeds, "count": getattr(self, "penalty_counts", [])}

    def save_own_variables(self, store: Any) -> None:
        """The states; Keras saves all other variables."""
        for name, states in self._states().items():
            for i, state in enumerate(states):
                store[f"{name}_{i}"] = ops.convert_to_numpy(state)

    def load_own_variables(self, store: Any) -> None:
        """The states again, of each kind where the GAN has as many as the one that was saved."""
        for name, states in self._states().items():
            if sum(key.startswith(f"{name}_") for key in list(store.keys())) == len(states):
                for i, state in enumerate(states):
                    state.assign(store[f"{name}_{i}"])

    def get_config(self) -> dict[str, Any]:
        models = {name: getattr(self, name) for name in NETWORKS if getattr(self, name) is not None}
        sharing = _sharing(models)
        config = {
            name: keras.saving.serialize_keras_object(model)
            for name, model in models.items()
            if name not in sharing
        }
        if sharing:
            config["together"] = _together(sharing)
        return {**config, "seed": self.seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> keras.Model:
        config = dict(config)
        models = _apart(config.pop("together")) if "together" in config else {}
        for name in NETWORKS:
            if name in config:
                models[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**{**config, **models})


def _sharing(models):
    """Those of the models, a dict, that have variables in common with another one."""
    ids = {name: {id(v) for v in model.variables} for name, model in models.items()}
    sharing = {
        name: model
        for name, model in models.items()
        if any(ids[name] & ids[other] for other in models if other != name)
    }
    for name, model in sharing.items():
        if not getattr(model, "inputs", None):
            raise ValueError(
                f"{name} shares layers with another network and cannot be saved, since it does not "
                "say what it takes: make it of a keras.Input."
            )
    return sharing


def _together(models):
    """The configuration of one model with the inputs and outputs of all: Keras would write, and
    make anew, a layer that two models share once for each."""
    inputs = {id(x): x for model in models.values() for x in model.inputs}
    places = {name: [list(inputs).index(id(x)) for x in m.inputs] for name, m in models.items()}
    outputs = {name: _outputs(model) for name, model in models.items()}
    joined = keras.Model(list(inputs.values()), outputs)
    return {"model": keras.saving.serialize_keras_object(joined), "inputs": places}


def _apart(config):
    """The models that `_together` has written, a dict."""
    joined = keras.saving.deserialize_keras_object(config["model"])
    models, outputs = {}, _outputs(joined)
    for name, places in config["inputs"].items():
        inputs = [joined.inputs[i] for i in places]
        inputs = inputs if len(inputs) > 1 else inputs[0]
        models[name] = keras.Model(inputs, outputs[name], name=name)
    return models


def _outputs(model):
    """The tensors that a model makes, one alone or nested as it gives them: `outputs` is flat."""
    inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
    return keras.tree.pack_sequence_as(model.compute_output_spec(inputs), model.outputs)
