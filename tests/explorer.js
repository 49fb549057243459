// What test_explorer.py asks of the explorer's scripts, which run before this one.
"use strict";
const questions = {
  /** Images, float32 as base64, by the page's generator or another; and how many tensors are left. */
  async images({ latents, classes, description, weights }) {
    const { load } = ganlive, page = ganexplorer;
    const generator = await load(description ?? page.generator, weights ?? page.weights.generator);
    const before = tf.memory().numTensors;
    const made = generator.images({ latents: latents.flat(), classes: classes.flat() });
    const bytes = new Uint8Array(made.buffer, made.byteOffset, made.byteLength);
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    return { images: btoa(text), left: tf.memory().numTensors - before };
  },

  uniforms: ({ seed, count }) => ganexplorer.uniforms(seed, count),
  below: ({ values }) => values.map(ganexplorer.below),

  /** Truncated numbers of the same draws; a threshold of null is none. */
  truncated: ({ uniforms, threshold }) =>
    uniforms.map((u) => ganexplorer.truncated(u, threshold ?? undefined)),

  walk: ({ path, a, b, places }) => places.map((t) => ganexplorer[path](a, b, t)),
};
const answer = async ({ question, ...rest }) => questions[question](rest);
