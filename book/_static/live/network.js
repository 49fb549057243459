// A network that Keras trained, step by step with TensorFlow.js. The steps are those that
// tools/browser_network.py wrote into a script of the page, the numbers those of another.
"use strict";
(function (live) {
  const plus = (x, bias) => (bias ? tf.add(x, bias) : x);
  const flat = (x) => tf.reshape(x, [x.shape[0], x.shape[1] * x.shape[2], x.shape[3]]);
  const channelwise = (x) => tf.reshape(x, [x.shape[0], 1, 1, x.shape[1]]);

  /** What a step does with its inputs, given its weights and its other details. */
  const OPS = {
    dense: ([x], { kernel, bias }) => plus(tf.matMul(x, kernel), bias),
    conv([x], { kernel, bias, stride = 1, padding = "same", groups = 1 }) {
      const kernels = tf.split(kernel, groups, -1);
      const made = tf.split(x, groups, -1)
        .map((part, i) => tf.conv2d(part, kernels[i], stride, padding));
      return plus(tf.concat(made, -1), bias);
    },
    transposed([x], { kernel, bias, stride = [1, 1] }) {
      const [n, height, width] = x.shape;
      const shape = [n, height * stride[0], width * stride[1], kernel.shape[2]];
      return plus(tf.conv2dTranspose(x, kernel, shape, stride, "same"), bias);
    },
    mirror: ([x], { ring }) => tf.mirrorPad(x, ring, "reflect"),
    normalise: ([x], { mean, variance, gain, bias, epsilon }) =>
      tf.batchNorm(x, mean, variance, bias, gain, epsilon),
    instance([x], { gain, bias, epsilon }) {
      const centred = tf.sub(x, tf.mean(x, [1, 2], true));
      const deviation = tf.sqrt(tf.add(tf.mean(tf.square(centred), [1, 2], true), epsilon));
      const normal = tf.div(centred, deviation);
      return plus(gain ? tf.mul(normal, gain) : normal, bias);
    },
    modulate: ([x, gain, bias]) =>
      tf.add(tf.mul(x, tf.add(channelwise(gain), 1)), channelwise(bias)),
    attend([queries, keys, values]) {
      const attention = tf.softmax(tf.matMul(flat(queries), flat(keys), false, true));
      const gathered = tf.matMul(attention, flat(values));
      return tf.reshape(gathered, [...queries.shape.slice(0, 3), values.shape[3]]);
    },
    pool: ([x]) => tf.maxPool(x, 2, 2, "valid"),
    upsample: ([x]) => tf.image.resizeNearestNeighbor(x, [2 * x.shape[1], 2 * x.shape[2]]),
    /** Each value, and between two of them their mean; the last is repeated. */
    doubled([x]) {
      for (const axis of [1, 2]) {
        const size = x.shape[axis], shape = x.shape.map((side, i) => (i === axis ? 2 * side : side));
        const [, rest] = tf.split(x, [1, size - 1], axis);
        const [, last] = tf.split(x, [size - 1, 1], axis);
        const between = tf.mul(tf.add(x, tf.concat([rest, last], axis)), 0.5);
        x = tf.reshape(tf.stack([x, between], axis + 1), shape);
      }
      return x;
    },
    relu: ([x]) => tf.relu(x),
    leaky: ([x], { slope }) => tf.leakyRelu(x, slope),
    tanh: ([x]) => tf.tanh(x),
    scale: ([x], { by }) => tf.mul(x, by),
    add: ([x, y]) => tf.add(x, y),
    concatenate: (inputs) => tf.concat(inputs, -1),
    split: ([x], { out }) => tf.split(x, out.length, -1),
    reshape: ([x], { shape }) => tf.reshape(x, [x.shape[0], ...shape]),
  };

  /** Single precision, of which only the leading `count` of four bytes have been written. */
  function floats(bytes, count) {
    const whole = new Uint8Array((4 * bytes.length) / count);
    for (let i = 0; i < bytes.length; i++) {
      whole[4 * Math.floor(i / count) + 4 - count + (i % count)] = bytes[i];
    }
    return new Float32Array(whole.buffer);
  }

  /** The network that `description` and `weights` describe: base64 of float32, or of leading bytes. */
  class Network {
    constructor(description, weights) {
      Object.assign(this, description);
      const bytes = Uint8Array.from(atob(weights), (letter) => letter.charCodeAt(0));
      const numbers = floats(bytes, this.bytes ?? 4);
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
     * `given` has for each of the description's inputs the numbers of all examples, one after the
     * other.
     */
    images(given) {
      const made = tf.tidy(() => {
        const values = {};
        for (const [name, shape] of Object.entries(this.inputs)) {
          values[name] = tf.reshape(tf.tensor1d(given[name]), [-1, ...shape]);
        }
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
   * A network, ready to be asked.
   *
   * On the processor, so that every machine gets the same numbers, where a phone's graphics may
   * compute with half as many digits: in WebAssembly, or where that is not to be had in JavaScript,
   * which is several times slower.
   */
  live.load = async (description, weights, backend = "wasm") => {
    if (backend === "wasm" && !(await startWasm())) backend = "cpu";
    await tf.setBackend(backend);
    return new Network(description, weights);
  };

  /** Whether WebAssembly runs here: the one binary that comes with the book needs SIMD. */
  async function startWasm() {
    if (!live.wasm || !tf.wasm || !(await tf.env().getAsync("WASM_HAS_SIMD_SUPPORT"))) return false;
    if (tf.getBackend() === "wasm") return true;
    tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false); // those are other binaries
    // It wants to know of three, and with SIMD and without threads starts this one.
    const names = ["", "-simd", "-threaded-simd"].map((kind) => `tfjs-backend-wasm${kind}.wasm`);
    tf.wasm.setWasmPaths(Object.fromEntries(names.map((name) => [name, live.wasm])));
    return tf.setBackend("wasm").catch(() => false);
  }
})((globalThis.ganlive ??= {}));
