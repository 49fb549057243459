// A generator that Keras trained, step by step with TensorFlow.js. The steps are those that
// tools/explorer.py wrote into generator.js, the numbers those in weights.js.
"use strict";
(function (explorer) {
  const plus = (x, bias) => (bias ? tf.add(x, bias) : x);
  const flat = (x) => tf.reshape(x, [x.shape[0], x.shape[1] * x.shape[2], x.shape[3]]);
  const channelwise = (x) => tf.reshape(x, [x.shape[0], 1, 1, x.shape[1]]);

  /** What a step does with its inputs, given its weights and its other details. */
  const OPS = {
    dense: ([x], { kernel, bias }) => plus(tf.matMul(x, kernel), bias),
    conv: ([x], { kernel, bias }) => plus(tf.conv2d(x, kernel, 1, "same"), bias),
    normalise: ([x], { mean, variance, gain, bias, epsilon }) =>
      tf.batchNorm(x, mean, variance, bias, gain, epsilon),
    modulate: ([x, gain, bias]) =>
      tf.add(tf.mul(x, tf.add(channelwise(gain), 1)), channelwise(bias)),
    attend([queries, keys, values]) {
      const attention = tf.softmax(tf.matMul(flat(queries), flat(keys), false, true));
      const gathered = tf.matMul(attention, flat(values));
      return tf.reshape(gathered, [...queries.shape.slice(0, 3), values.shape[3]]);
    },
    pool: ([x]) => tf.maxPool(x, 2, 2, "valid"),
    upsample: ([x]) => tf.image.resizeNearestNeighbor(x, [2 * x.shape[1], 2 * x.shape[2]]),
    relu: ([x]) => tf.relu(x),
    tanh: ([x]) => tf.tanh(x),
    scale: ([x], { by }) => tf.mul(x, by),
    add: ([x, y]) => tf.add(x, y),
    concatenate: (inputs) => tf.concat(inputs, -1),
    split: ([x], { out }) => tf.split(x, out.length, -1),
    reshape: ([x], { shape }) => tf.reshape(x, [x.shape[0], ...shape]),
  };

  /** The generator that `description` and `weights` (base64 of float32) describe. */
  class Generator {
    constructor(description, weights) {
      Object.assign(this, description);
      const bytes = Uint8Array.from(atob(weights), (letter) => letter.charCodeAt(0));
      const numbers = new Float32Array(bytes.buffer);
      let start = 0;
      this.tensors = {};
      for (const [name, shape] of Object.entries(this.shapes)) {
        const size = shape.reduce((product, side) => product * side, 1);
        this.tensors[name] = tf.tensor(numbers.subarray(start, start + size), shape);
        start += size;
      }
    }

    /**
     * Images in [-1, 1], one after the other in a Float32Array.
     *
     * `latents` are arrays of `latentDim` numbers; `shares` are arrays with the share of each
     * class: 1 for one of them and 0 for the others, or a mixture.
     */
    images(latents, shares) {
      const made = tf.tidy(() => {
        const values = { latents: tf.tensor2d(latents), classes: tf.tensor2d(shares) };
        let last;
        for (const step of this.steps) {
          const details = Object.fromEntries(
            Object.entries(step).map(([key, value]) => [key, this.tensors[value] ?? value]),
          );
          const result = OPS[step.op](step.in.map((name) => values[name]), details);
          step.out.forEach((name, i) => (values[name] = step.out.length > 1 ? result[i] : result));
          last = result;
        }
        return last;
      });
      const numbers = made.dataSync();
      made.dispose();
      return numbers;
    }
  }

  /**
   * The page's generator, ready to be asked.
   *
   * On the processor, so that every machine gets the same numbers, where a phone's graphics may
   * compute with half as many digits: in WebAssembly, or where that is not to be had in JavaScript,
   * which is several times slower.
   */
  explorer.load = async (backend = "wasm") => {
    if (backend === "wasm" && !(await startWasm())) backend = "cpu";
    await tf.setBackend(backend);
    return new Generator(explorer.generator, explorer.weights);
  };

  /** Whether WebAssembly runs here: the one binary that comes with the book needs SIMD. */
  async function startWasm() {
    if (!explorer.wasm || !(await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT"))) return false;
    if (tf.getBackend() === "wasm") return true;
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false); // those are other binaries
    // It wants to know of three, and with SIMD and without threads starts this one.
    const names = ["", "-simd", "-threaded-simd"].map((kind) => `tfjs-backend-wasm${kind}.wasm`);
    tf.wasm.setWasmPaths(Object.fromEntries(names.map((name) => [name, explorer.wasm])));
    return tf.setBackend("wasm").catch(() => false);
  }
})((globalThis.ganexplorer ??= {}));
