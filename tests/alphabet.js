// What test_alphabet.py asks of the alphabet's scripts, which run before this one.
"use strict";
const questions = {
  /** What a network of the page makes, float32 as base64; and how many tensors are left. */
  async run({ name, inputs }) {
    const { networks, weights } = ganalphabet;
    const network = await ganlive.load(networks[name], weights[name]);
    const before = tf.memory().numTensors;
    const made = network.images(inputs);
    const bytes = new Uint8Array(made.buffer, made.byteOffset, made.byteLength);
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    return { made: btoa(text), left: tf.memory().numTensors - before };
  },

  outline: ({ image, side }) => ganalphabet.outline(image, side),
  axes: ({ seed, count }) => ganalphabet.axes(seed, count),
  latents: ({ axes, times, angle, radius }) =>
    times.map((t) => ganalphabet.latent(axes, t, angle, radius)),
  shares: ({ logits }) => [ganalphabet.shares(logits), ganalphabet.unsure(ganalphabet.shares(logits))],
  layout: ({ text }) => ganalphabet.layout(text),

  /** An SVG of an image, as the page saves it. */
  svg({ images, side, text, about, lines }) {
    const outlines = images.map((image) => ganalphabet.outline(image, side));
    return ganalphabet.svg(outlines, ganalphabet.layout(text), ["#1b1b1f", "#f4efe4"], about, lines);
  },
};
const answer = async ({ question, ...rest }) => questions[question](rest);
