// Latents: drawn, truncated, and walked between.
"use strict";
(function (explorer) {
  /** Uniform numbers in (0, 1) that belong to a seed: mulberry32, after some turns to mix it. */
  function uniforms(seed, count) {
    let state = Math.imul(seed + 1, 0x9e3779b1);
    const next = () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 + 2 ** -33;
    };
    for (let i = 0; i < 8; i++) next();
    return Array.from({ length: count }, next);
  }

  /** The share of a standard normal variable below x: its Taylor series, which converges fast. */
  function below(x) {
    if (Math.abs(x) > 8) return x > 0 ? 1 : 0;
    let term = x, sum = x;
    for (let k = 3; Math.abs(term) > 1e-17 * Math.abs(sum); k += 2) sum += term *= (x * x) / k;
    return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
  }

  /**
   * The number below which lies the share u of the normal distribution within ±threshold.
   *
   * A uniform u gives the law that the book's truncation has, which draws again until a number is
   * within; and the same u moves without a jump when the threshold does.
   */
  function truncated(u, threshold = Infinity) {
    const bound = Math.min(threshold, 8), start = below(-bound);
    const share = start + u * (below(bound) - start);
    let low = -bound, high = bound;
    for (let i = 0; i < 50; i++) {
      const middle = (low + high) / 2;
      if (below(middle) < share) low = middle;
      else high = middle;
    }
    return (low + high) / 2;
  }

  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const length = (a) => Math.sqrt(dot(a, a));
  const mix = (a, b, s, t) => a.map((x, i) => s * x + t * b[i]);

  /** From a (t = 0) to b (t = 1), along the line. */
  const straight = (a, b, t) => mix(a, b, 1 - t, t);

  /** From a to b along a great circle, as if both were on a sphere (White 2016). */
  function spherical(a, b, t) {
    const cosine = dot(a, b) / (length(a) * length(b));
    const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
    if (!(Math.sin(angle) > 1e-6)) return straight(a, b, t);
    return mix(a, b, ...[1 - t, t].map((part) => Math.sin(part * angle) / Math.sin(angle)));
  }

  Object.assign(explorer, { uniforms, below, truncated, dot, length, mix, straight, spherical });
})((globalThis.ganexplorer ??= {}));
