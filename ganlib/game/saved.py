"""How a GAN is written to a file and read again."""

from pathlib import Path

import keras
from keras import ops


class Saved(keras.Model):
    """What Keras asks of a model that it saves; `ganlib.GAN` is the model."""

    def save(self, filepath, *args, **kwargs):
        """Keras's `save`: networks, rules, moments and the state of all seeds, as .keras."""
        if Path(filepath).suffix in (".h5", ".hdf5"):
            raise ValueError(
                f"A GAN is saved as .keras, not as {Path(filepath).suffix}; its generator alone "
                "can be saved as both: gan.sampler.save(...)."
            )
        return super().save(filepath, *args, **kwargs)

    def export(self, filepath, *args, **kwargs):
        """Keras's `export` of the generator that `sample` draws from.

        Raises:
            ValueError: Keras cannot, as PyTorch's SavedModel.
        """
        try:
            return self.sampler.export(filepath, *args, **kwargs)
        except Exception as error:  # whatever PyTorch's own exporter raises
            if keras.config.backend() != "torch":
                raise
            reason = " ".join(str(error).split())[:200]
            raise ValueError(
                f"Keras cannot export this generator on PyTorch ({reason}): save it as .keras, "
                "load it with KERAS_BACKEND=tensorflow and export it there."
            ) from error

    def _seeds(self):
        weights = {id(v) for v in self.weights}
        return [v for v in self.variables if id(v) not in weights and "seed" in v.path]

    def save_own_variables(self, store):
        """The seeds' states, which no layer saves; Keras saves all other variables."""
        for i, seed in enumerate(self._seeds()):
            store[f"seed_{i}"] = ops.convert_to_numpy(seed)

    def load_own_variables(self, store):
        """Their states again, where the GAN has as many seeds as the one that was saved."""
        seeds = self._seeds()
        if len(store.keys()) == len(seeds):
            for i, seed in enumerate(seeds):
                seed.assign(store[f"seed_{i}"])

    def get_config(self):
        return {
            "generator": keras.saving.serialize_keras_object(self.generator),
            "discriminator": keras.saving.serialize_keras_object(self.discriminator),
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        models = {
            k: keras.saving.deserialize_keras_object(config[k])
            for k in ("generator", "discriminator")
        }
        return cls(**{**config, **models})
