// What the reader draws: strokes of a round pen, as anti-aliased as the digits of the data.
"use strict";
(function (translator) {
  const EDGE = 1.2; // pixels: of the edge of a glyph in ganlib.data

  /** How far a point is from the line between two others. */
  function distance(x, y, [ax, ay], [bx, by]) {
    const dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
    const along = length ? ((x - ax) * dx + (y - ay) * dy) / length : 0;
    const t = Math.min(1, Math.max(0, along));
    return Math.hypot(x - ax - t * dx, y - ay - t * dy);
  }

  const known = new WeakMap(); // stroke -> how far each pixel is from it, and from how much of it

  /**
   * How far the middle of each pixel is from a stroke, where that is within reach.
   *
   * A stroke only grows: what is known of its beginning is not computed again.
   */
  function distances(points, reach, side) {
    let found = known.get(points);
    if (found?.reach !== reach || found.nearest.length !== side * side) {
      found = { reach, nearest: new Float64Array(side * side).fill(Infinity), last: 0 };
      known.set(points, found);
    }
    const { nearest } = found;
    const from = (a) => Math.max(0, Math.floor(a - reach));
    const to = (a) => Math.min(side - 1, Math.ceil(a + reach));
    for (let k = found.last; k < Math.max(1, points.length - 1); k++) {
      const a = points[k], b = points[k + 1] ?? a;
      for (let row = from(Math.min(a[1], b[1])); row <= to(Math.max(a[1], b[1])); row++) {
        for (let column = from(Math.min(a[0], b[0])); column <= to(Math.max(a[0], b[0])); column++) {
          const i = side * row + column;
          nearest[i] = Math.min(nearest[i], distance(column + 0.5, row + 0.5, a, b));
        }
      }
    }
    found.last = points.length - 1;
    return nearest;
  }

  /**
   * The ink of strokes on a square of so many pixels a side, from 0 to 1 in steps of 1/255.
   *
   * A stroke is a list of points in pixels; the first pixel reaches from 0 to 1. As the ink of a
   * glyph falls off with the distance from its outline, so does that of a line from the pen's.
   */
  translator.ink = (strokes, radius, side) => {
    const nearest = new Float64Array(side * side).fill(Infinity);
    for (const points of strokes) {
      distances(points, radius + EDGE, side).forEach((d, i) => {
        if (d < nearest[i]) nearest[i] = d;
      });
    }
    return Float64Array.from(nearest, (d) => {
      const ink = Math.min(1, Math.max(0, 0.5 + (radius - d) / EDGE));
      return Math.round(255 * ink) / 255;
    });
  };

  /** What is on the paper, an example's digit or null and strokes, and what was there before. */
  translator.Drawing = class {
    constructor() {
      Object.assign(this, { example: null, strokes: [], before: [] });
    }

    /** Another paper: with an example on it, or an empty one, and strokes. */
    show(example, strokes = []) {
      this.before.push([this.example, this.strokes]);
      Object.assign(this, { example, strokes });
    }

    /** Put the pen down. */
    begin(x, y) {
      this.show(this.example, [...this.strokes, [[x, y]]]);
    }

    /** Move the pen. */
    extend(x, y) {
      this.strokes.at(-1).push([x, y]);
    }

    /** Take back the last stroke, or what took its place; whether there was anything. */
    undo() {
      if (!this.before.length) return false;
      [this.example, this.strokes] = this.before.pop();
      return true;
    }

    /** The image, numbers from -1 to 1, with the ink of the example below the strokes. */
    image(radius, side, ink) {
      const drawn = translator.ink(this.strokes, radius, side);
      return Float32Array.from(drawn, (value, i) => 2 * Math.max(value, ink?.[i] ?? 0) - 1);
    }
  };

  /** Mean distance of two images, pixel by pixel. */
  translator.apart = (a, b) =>
    a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;

  /** So many normal numbers, those of a seed. */
  translator.normal = (count, seed) =>
    ganexplorer.uniforms(seed, count).map((u) => ganexplorer.truncated(u));

  /** An image with so much of a noise upon it, within -1 and 1. */
  translator.noisy = (image, deviation, noise) =>
    image.map((value, i) => Math.min(1, Math.max(-1, value + deviation * noise[i])));
})((globalThis.gantranslator ??= {}));
