"""A generator in the forms in which it can be taken away: how large, how fast, and is it the same?

    python benchmarks/exports.py [--width 32] [--side 32] [--output FILE]

The network is the generator of the chapter `own_images`, with weights drawn so that its images fill
the range. Each form is written, read by what runs it, and compared with Keras on 64 latents; a form
of which the package or the program is missing has no row. The milliseconds are those of one image
and, an image, of 64 at once: medians of 20 calls. `pip install onnx tf2onnx onnxruntime
ai-edge-litert` is what is needed beside TensorFlow, and Node for the last row, which runs in
TensorFlow.js as the book's live pages do.
"""

import contextlib
import io
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from importlib import metadata
from pathlib import Path

import machine
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
LATENT_DIM, COUNT = 64, 64


def network(side, width):
    """A generator whose images fill the range."""
    import keras
    import sizes

    generator = sizes.enlarging((side, side, 3), LATENT_DIM, width)
    draw = keras.random.SeedGenerator(0)
    for variable in generator.trainable_variables:
        if len(variable.shape) > 1:  # He's, and twice as much, for the last layer's range
            inputs = int(np.prod(variable.shape[:-1]))
            variable.assign(keras.random.normal(variable.shape, 0, (3 / inputs) ** 0.5, seed=draw))
    return generator


def version(*packages):
    return ", ".join(f"{name} {metadata.version(name)}" for name in packages)


def as_keras(generator, folder):
    import keras

    generator.save(folder / "generator.keras")
    read = keras.saving.load_model(folder / "generator.keras", compile=False)
    return lambda z: np.asarray(read(z, training=False)), version("keras")


def as_saved_model(generator, folder):
    import tensorflow as tf

    generator.export(folder / "saved", format="tf_saved_model", verbose=False)
    read = tf.saved_model.load(str(folder / "saved"))
    return lambda z: read.serve(z).numpy(), version("tensorflow")


def as_onnx(generator, folder):
    import onnxruntime

    generator.export(folder / "generator.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(folder / "generator.onnx")
    name = session.get_inputs()[0].name
    packages = version("onnx", "tf2onnx", "onnxruntime")
    return lambda z: session.run(None, {name: z})[0], packages


def as_litert(generator, folder):
    """For one image at a time: for any number, enlarging is no operation of LiteRT's own."""
    import keras
    from ai_edge_litert.interpreter import Interpreter

    file, one = folder / "generator.tflite", keras.InputSpec(shape=(1, LATENT_DIM), dtype="float32")
    generator.export(file, format="litert", verbose=False, input_signature=[one])
    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    (given,), (made,) = interpreter.get_input_details(), interpreter.get_output_details()

    def draw(z):
        images = []
        for row in z:
            interpreter.set_tensor(given["index"], row[None])
            interpreter.invoke()
            images.append(interpreter.get_tensor(made["index"]))
        return np.concatenate(images)

    return draw, version("ai-edge-litert")


FORMS = {
    ".keras": as_keras,
    "SavedModel": as_saved_model,
    "ONNX": as_onnx,
    "LiteRT": as_litert,
}


def of_files(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def milliseconds(draw, z, calls=20):
    draw(z)
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        draw(z)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times) / len(z)


JAVASCRIPT = """
const { description, weights, latents } = task;
ganlive.load(description, weights, "cpu").then((network) => {
  const draw = (given) => network.images({ latents: Float32Array.from(given) });
  const median = (given, count) => {
    const times = [];
    for (let i = 0; i < 5; i += 1) {
      const start = performance.now();
      draw(given);
      times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[2] / count;
  };
  const made = draw(latents.flat());
  const bytes = Buffer.from(made.buffer, made.byteOffset, made.byteLength).toString("base64");
  const one = median(latents[0], 1), many = median(latents.flat(), latents.length);
  console.log(JSON.stringify({ images: bytes, one, many }));
});
"""


def in_javascript(generator, z):
    """The network's steps, run by the script of the live pages in Node with TensorFlow.js."""
    import base64

    sys.path.append(str(ROOT / "tools"))
    import browser_network

    description, data = browser_network.network(generator, latents=[LATENT_DIM])
    static = ROOT / "book" / "_static"
    files = ["tfjs/tf-core.min", "tfjs/tf-backend-cpu.min", "live/network"]
    scripts = "".join(
        f"(0, eval)({json.dumps((static / f'{name}.js').read_text(encoding='utf-8'))});\n"
        for name in files
    )
    task = json.dumps(
        {
            "description": description,
            "weights": base64.b64encode(data).decode(),
            "latents": z.tolist(),
        }
    )
    program = f"delete globalThis.exports;\n{scripts}const task = {task};\n{JAVASCRIPT}"
    done = subprocess.run(
        [shutil.which("node"), "-"],
        input=program,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    images = np.frombuffer(base64.b64decode(found["images"]), "float32")
    size = len(data) + len(json.dumps(description))
    return images, size, found


def measure(*, width=32, side=32):
    """Yield a row for each form that can be had here."""
    generator = network(side, width)
    z = np.random.default_rng(0).standard_normal((COUNT, LATENT_DIM), dtype="float32")
    expected = np.asarray(generator(z, training=False))
    about = {"side": side, "width": width, "parameters": generator.count_params()}
    print(f"range {expected.min():.2f} to {expected.max():.2f}")
    for form, write in FORMS.items():
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = time.perf_counter()
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    draw, packages = write(generator, Path(folder))
            except ImportError as error:
                print(f"{form}: {error}")
                continue
            row = {
                "form": form,
                "bytes": of_files(Path(folder)),
                "written_and_read_s": time.perf_counter() - start,
                "ms_of_one": milliseconds(draw, z[:1]),
                "ms_of_64": milliseconds(draw, z),
                "apart": float(np.abs(draw(z) - expected).max()),
                "packages": packages,
            }
        print(row, flush=True)
        yield row | about
    if shutil.which("node"):
        images, size, found = in_javascript(generator, z)
        row = {
            "form": "steps for TensorFlow.js",
            "bytes": size,
            "written_and_read_s": None,
            "ms_of_one": found["one"],
            "ms_of_64": found["many"],
            "apart": float(np.abs(images - expected.ravel()).max()),
            "packages": "TensorFlow.js in Node, its backend in plain JavaScript",
        }
        print(row, flush=True)
        yield row | about


if __name__ == "__main__":
    machine.main(__doc__, measure)
