// What test_translator.py asks of the translator's scripts, which run before this one.
"use strict";
const questions = {
  /** Images, float32 as base64, by a network of the page or another; and how many tensors are left. */
  async images({ images, way, description, weights }) {
    const { networks, weights: own } = gantranslator;
    const network = await ganlive.load(description ?? networks[way], weights ?? own[way]);
    const before = tf.memory().numTensors;
    const made = network.images({ images });
    const bytes = new Uint8Array(made.buffer, made.byteOffset, made.byteLength);
    const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    return { images: btoa(text), left: tf.memory().numTensors - before };
  },

  ink: ({ strokes, radius, side }) => Array.from(gantranslator.ink(strokes, radius, side)),

  /** The ink of a stroke once it has grown to each of these lengths, with the radius then. */
  growing({ points, lengths, radii, side }) {
    const stroke = [];
    return lengths.map((length, k) => {
      stroke.push(...points.slice(stroke.length, length));
      return Array.from(gantranslator.ink([stroke], radii[k], side));
    });
  },

  /** What is on the paper after every act: the example, and how many points each stroke has. */
  drawing({ acts }) {
    const drawing = new gantranslator.Drawing();
    return acts.map(([name, ...details]) => {
      const said = drawing[name](...details) ?? null;
      return [drawing.example, drawing.strokes.map((points) => points.length), said];
    });
  },

  /** The image of an example's ink and of strokes upon it. */
  image({ strokes, radius, side, ink }) {
    const drawing = new gantranslator.Drawing();
    drawing.show(0, strokes);
    return Array.from(drawing.image(radius, side, ink));
  },

  normal: ({ count, seed }) => gantranslator.normal(count, seed),
  noisy: ({ image, deviation, noise }) => gantranslator.noisy(image, deviation, noise),
  apart: ({ a, b }) => gantranslator.apart(a, b),
};
const answer = async ({ question, ...rest }) => questions[question](rest);
