// Dense networks with their gradients, Adam, and random numbers from a seed.
//
// The scripts of the lab are classic ones that share the object `ganlab`: a browser refuses to load
// modules from a file that was opened without a server, and this book is read like that too.
"use strict";
(function (lab) {
  const SLOPE = 0.2; // of the leaky ReLU, where its input is negative

  /** Random numbers that are the same for the same seed and stream (mulberry32). */
  class Random {
    constructor(seed, stream = 0) {
      this.state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(stream + 1, 0x85ebca6b)) | 0;
      for (let i = 0; i < 8; i++) this.uniform(); // neighbouring seeds start alike
    }

    /** A number in [0, 1). */
    uniform() {
      this.state = (this.state + 0x6d2b79f5) | 0;
      let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
      t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    }

    /** A number from the standard normal distribution (Box and Muller). */
    normal() {
      const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
      return radius * Math.cos(2 * Math.PI * this.uniform());
    }

    /** Fill an array with standard normal numbers. */
    normals(target) {
      for (let i = 0; i < target.length; i++) target[i] = this.normal();
      return target;
    }

    /** A whole number from 0 to n - 1. */
    below(n) {
      return Math.floor(n * this.uniform());
    }
  }

  // The next two loops take four rows at a time: each number that is loaded serves four products.

  /** The products of a row of x, from i on, with each of the rows of `weights`, into `target`. */
  function rowTimes(target, t, weights, width, x, i, count) {
    let j = 0;
    for (; j + 3 < count; j += 4) {
      const r0 = j * width, r1 = r0 + width, r2 = r1 + width, r3 = r2 + width;
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0;
      for (let k = 0; k < width; k++) {
        const value = x[i + k];
        s0 += weights[r0 + k] * value;
        s1 += weights[r1 + k] * value;
        s2 += weights[r2 + k] * value;
        s3 += weights[r3 + k] * value;
      }
      target[t + j] = s0;
      target[t + j + 1] = s1;
      target[t + j + 2] = s2;
      target[t + j + 3] = s3;
    }
    for (; j < count; j++) {
      let sum = 0;
      for (let k = 0; k < width; k++) sum += weights[j * width + k] * x[i + k];
      target[t + j] = sum;
    }
  }

  /**
   * Add to a, from i on, the first `count` rows of b, each of the given width, times their factors:
   * the numbers at f, f + step, f + 2 step, ... of `factors`.
   */
  function addRows(a, i, width, factors, f, step, b, count) {
    let k = 0;
    for (; k + 3 < count; k += 4) {
      const f0 = factors[f + k * step], f1 = factors[f + (k + 1) * step];
      const f2 = factors[f + (k + 2) * step], f3 = factors[f + (k + 3) * step];
      const r0 = k * width, r1 = r0 + width, r2 = r1 + width, r3 = r2 + width;
      for (let c = 0; c < width; c++) {
        a[i + c] += f0 * b[r0 + c] + f1 * b[r1 + c] + (f2 * b[r2 + c] + f3 * b[r3 + c]);
      }
    }
    for (; k < count; k++) {
      const factor = factors[f + k * step], r = k * width;
      for (let c = 0; c < width; c++) a[i + c] += factor * b[r + c];
    }
  }

  /**
   * Dense layers with leaky ReLUs between them, for batches of rows stored one after another.
   *
   * All parameters lie in one array, layer by layer: the weights, a row for each output, then the
   * biases. What `forward`, `backward` and `inputGradients` return is overwritten by the next call.
   */
  class Network {
    /** `sizes` are the widths from input to output, such as [2, 64, 64, 1]. */
    constructor(sizes, random) {
      const count = (inputs, outputs) => (inputs + 1) * outputs;
      const total = sizes.slice(1).reduce((sum, size, l) => sum + count(sizes[l], size), 0);
      this.parameters = new Float64Array(total);
      this.gradients = new Float64Array(total);
      this.layers = [];
      let start = 0;
      for (let l = 0; l + 1 < sizes.length; l++) {
        const [inputs, outputs] = [sizes[l], sizes[l + 1]];
        const middle = start + inputs * outputs, end = start + count(inputs, outputs);
        const layer = {
          inputs,
          outputs,
          isLast: l + 2 === sizes.length,
          weights: this.parameters.subarray(start, middle),
          biases: this.parameters.subarray(middle, end),
          weightGradients: this.gradients.subarray(start, middle),
          biasGradients: this.gradients.subarray(middle, end),
        };
        // He's scale keeps the signal's size through the ReLUs. The last layer starts smaller: the
        // generator as a small cloud, the discriminator undecided.
        const scale = Math.sqrt((layer.isLast ? 0.1 : 2) / inputs);
        random.normals(layer.weights).forEach((w, i, weights) => (weights[i] = scale * w));
        if (!layer.isLast) random.normals(layer.biases); // ReLUs that switch all over the plane
        this.layers.push(layer);
        start = end;
      }
      this._reserve(256);
    }

    _reserve(rows) {
      this.rows = rows;
      for (const layer of this.layers) {
        layer.values = new Float64Array(rows * layer.outputs);
        layer.slopes = new Float64Array(rows * layer.outputs); // of the ReLU: 1 or SLOPE
        layer.deltas = new Float64Array(rows * layer.outputs); // gradient before the ReLU
        layer.tangents = new Float64Array(rows * layer.outputs);
      }
      this.inputDeltas = new Float64Array(rows * this.layers[0].inputs);
      this.ones = new Float64Array(rows * this.layers.at(-1).outputs).fill(1);
    }

    /** Outputs (n, last size) for inputs x (n, first size). */
    forward(x, n) {
      if (n > this.rows) this._reserve(n);
      this.n = n;
      this.x = x;
      for (const { inputs, outputs, isLast, weights, biases, values, slopes } of this.layers) {
        for (let row = 0, o = 0; row < n; row++) {
          rowTimes(values, o, weights, inputs, x, row * inputs, outputs);
          for (let j = 0; j < outputs; j++, o++) {
            const a = values[o] + biases[j];
            const slope = isLast || a > 0 ? 1 : SLOPE;
            slopes[o] = slope;
            values[o] = slope * a;
          }
        }
        x = values;
      }
      return x;
    }

    /**
     * Carry gradients at the outputs of the last `forward` back to its inputs.
     *
     * Adds to `gradients` what belongs to the parameters, unless `toParameters` is false, and
     * returns the gradients at the inputs (n, first size).
     */
    backward(outputGradients, toParameters = true) {
      const { n, layers } = this;
      layers.at(-1).deltas.set(outputGradients.subarray(0, n * layers.at(-1).outputs));
      for (let l = layers.length - 1; l >= 0; l--) {
        const { inputs, outputs, weights, weightGradients, biasGradients, deltas } = layers[l];
        const x = l ? layers[l - 1].values : this.x;
        const below = l ? layers[l - 1].deltas : this.inputDeltas;
        below.fill(0, 0, n * inputs);
        for (let row = 0; row < n; row++) {
          addRows(below, row * inputs, inputs, deltas, row * outputs, 1, weights, outputs);
        }
        if (toParameters) {
          for (let j = 0; j < outputs; j++) {
            addRows(weightGradients, j * inputs, inputs, deltas, j, outputs, x, n);
            for (let o = j; o < n * outputs; o += outputs) biasGradients[j] += deltas[o];
          }
        }
        if (l) {
          const { slopes } = layers[l - 1];
          for (let o = 0; o < n * inputs; o++) below[o] *= slopes[o];
        }
      }
      return this.inputDeltas;
    }

    /** Gradients g (n, first size) of one output with respect to the inputs of `forward`. */
    inputGradients() {
      return this.backward(this.ones, false);
    }

    /**
     * The backward pass of `inputGradients`, for penalties on g: add to `gradients` those of the
     * sum over the batch of <v, g>, where v (n, first size) is what the penalty's derivative with
     * respect to g has been found to be.
     *
     * <v, g> is how fast the output changes when the input moves along v. While no ReLU switches,
     * that is a forward pass of v without biases, through the slopes of the last `forward`. Weight
     * w of a layer stands in it once, between the tangent that enters the layer and the `deltas`
     * that `inputGradients` has left at its exit. Biases move only the places where ReLUs switch.
     */
    penaliseInputGradients(v) {
      const { n } = this;
      let tangents = v;
      for (const layer of this.layers) {
        const { inputs, outputs, isLast, weights, weightGradients, slopes, deltas } = layer;
        for (let j = 0; j < outputs; j++) {
          addRows(weightGradients, j * inputs, inputs, deltas, j, outputs, tangents, n);
        }
        if (isLast) return;
        for (let row = 0; row < n; row++) {
          const o = row * outputs;
          rowTimes(layer.tangents, o, weights, inputs, tangents, row * inputs, outputs);
        }
        for (let o = 0; o < n * outputs; o++) layer.tangents[o] *= slopes[o];
        tangents = layer.tangents;
      }
    }
  }

  /** Adam (Kingma and Ba 2015), as in Keras. */
  class Adam {
    constructor(network, beta2 = 0.999) {
      Object.assign(this, { network, beta2, decay1: 1, decay2: 1 });
      this.mean = new Float64Array(network.parameters.length);
      this.square = new Float64Array(network.parameters.length);
    }

    /** One update, which also sets the gradients to zero. `momentum` is Adam's beta 1. */
    step(rate, momentum) {
      const { mean, square, beta2 } = this;
      const { parameters, gradients } = this.network;
      this.decay1 *= momentum;
      this.decay2 *= beta2;
      const size = (rate * Math.sqrt(1 - this.decay2)) / (1 - this.decay1);
      for (let i = 0; i < parameters.length; i++) {
        mean[i] += (1 - momentum) * (gradients[i] - mean[i]);
        square[i] += (1 - beta2) * (gradients[i] * gradients[i] - square[i]);
        parameters[i] -= (size * mean[i]) / (Math.sqrt(square[i]) + 1e-7);
      }
      gradients.fill(0);
    }
  }

  Object.assign(lab, { Random, Network, Adam });
})((globalThis.ganlab ??= {}));
