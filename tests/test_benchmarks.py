"""The benchmarks run; what they measure is for a quiet machine."""

import importlib
import json
import math
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from ganlib import models

if keras.config.backend() != "tensorflow":
    pytest.skip("the peers are written in TensorFlow", allow_module_level=True)

SHAPE = (8, 8, 1)


@pytest.fixture(autouse=True)
def beside(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")


@pytest.mark.slow
def test_round_compares_with_every_peer(monkeypatch, capsys):
    round_ = importlib.import_module("round")
    images = np.zeros((64, *SHAPE), "uint8")
    data = importlib.import_module("ganlib").data.Dataset("black", images)
    monkeypatch.setattr(round_, "batches", lambda size: data.batches(size, repeat=True))

    def tiny():
        return models.dcgan.generator(SHAPE, 3, 4), models.dcgan.discriminator(SHAPE, 4)

    rows = list(round_.measure({"tiny": (tiny, 4, 1)}, rounds=1, repeats=2))
    installed = importlib.util.find_spec("torch") is not None
    assert [row["peer"] for row in rows] == ["by hand", "tutorial", "torch"][: 2 + installed]
    for row in rows:
        assert row["range"][0] <= row["ratio"] <= row["range"][1] and row["fit_ms"] > 0


@pytest.mark.parametrize("name", ["book_models", "tutorial_models"])
def test_round_builds_its_networks(name):
    generator, discriminator = getattr(importlib.import_module("round"), name)()
    assert generator.output_shape == discriminator.input_shape == (None, 28, 28, 1)


def test_the_operations_of_a_network_are_counted():
    cost = importlib.import_module("cost")
    network = keras.Sequential(
        [
            keras.Input((6, 6, 3)),
            keras.layers.Conv2D(5, 3, 2, "same"),  # 3 x 3 places
            keras.layers.Conv2DTranspose(2, 4, 2, "same"),  # from 3 x 3 places
            keras.layers.Flatten(),
            keras.layers.Dense(7),
        ]
    )
    assert cost.flops(network) == 2 * (9 * 9 * 3 * 5 + 9 * 16 * 5 * 2 + 6 * 6 * 2 * 7)


@pytest.mark.slow
def test_cost_is_a_share_of_the_peak(capsys):
    cost = importlib.import_module("cost")
    (row,) = cost.measure([(8, 4, 4)], seconds=0.01, repeats=1)
    assert 0 < row["share"] < 1 and row["ms"] > 0
    operations, gflop = cost.of_round, row["gflop"]
    generator = models.dcgan.generator(SHAPE, width=4)
    assert gflop == 4 * operations(generator, models.dcgan.discriminator(SHAPE, width=4)) / 1e9


def test_the_generator_of_own_images_is_the_one_on_its_page():
    """What `sizes` and `exports` measure is what the chapter has."""
    sizes = importlib.import_module("sizes")
    chapter = json.loads(
        (Path(__file__).parents[1] / "book/own_images.ipynb").read_text(encoding="utf-8")
    )
    sources = ["".join(cell["source"]) for cell in chapter["cells"]]
    (source,) = [text for text in sources if text.startswith("def enlarging(")]
    names = {"math": math, "keras": keras, "layers": keras.layers}
    exec(source, names)
    one, other = names["enlarging"]((24, 32, 3), 5, 6), sizes.enlarging((24, 32, 3), 5, 6)
    assert [type(layer) for layer in one.layers] == [type(layer) for layer in other.layers]
    assert [w.shape for w in one.weights] == [w.shape for w in other.weights]
    assert one.output_shape == other.output_shape == (None, 24, 32, 3)


@pytest.mark.slow
def test_sizes_and_forms_have_rows(capsys):
    (row,) = importlib.import_module("sizes").measure([(8, 4)], seconds=0.01, repeats=1, width=2)
    assert row["peak_mb"] > 100 and row["processor_ms"] > 0 and row["gflop"] > 0
    rows = list(importlib.import_module("exports").measure(width=2, side=8))
    assert [row["form"] for row in rows][:2] == [".keras", "SavedModel"]
    assert all(row["apart"] < 1e-4 and row["bytes"] > 1000 for row in rows)


def test_what_was_found_is_written_with_the_machine(tmp_path, capsys):
    def measure(case=3, *, seconds=2.0, all_passes=False):
        yield from [case, seconds, all_passes]

    machine, file = importlib.import_module("machine"), tmp_path / "new" / "a.json"
    machine.main("text", measure, ["--seconds", "1", "--all-passes", "--output", str(file)])
    found = json.loads(file.read_text())
    assert found["rows"] == [3, 1, True]
    assert set(found) == {"git", "hardware", "versions", "rows"}
    assert f"{found['hardware']['cores']} cores of" in capsys.readouterr().out


COMMANDS = [
    "cost",
    "doctor",
    "exports",
    "memory",
    "monitor",
    "repeat",
    "replicas",
    "resume",
    "round",
    "sizes",
    "time_to_quality",
]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_are_those_of_its_first_lines(name):
    benchmark = importlib.import_module(name)
    said = re.findall(r"\[--([\w-]+) ?(.*?)\]", benchmark.__doc__)
    assert said.pop() == ("output", "FILE")
    said = [(option.replace("-", "_"), default or "False") for option, default in said]
    defaults = benchmark.measure.__kwdefaults__
    assert said == [(option, f"{value}".removesuffix(".0")) for option, value in defaults.items()]
