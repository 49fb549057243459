// Outlines of images: where ink ends, as smooth closed curves. What ganlib.works does in Python.
"use strict";
(function (alphabet) {
  const ZOOM = 3; // the image is enlarged before it is traced
  const SPACING = 0.7; // pixels between neighbouring points of a ring

  /** The weights of four neighbours, t beyond the second: Catmull and Rom's cubic. */
  const weights = (t) => [
    ((2 - t) * t - 1) * t / 2,
    ((3 * t - 5) * t * t + 2) / 2,
    ((4 - 3 * t) * t + 1) * t / 2,
    (t - 1) * t * t / 2,
  ];

  /** An image's rows, enlarged and turned: twice over, both sides are enlarged. */
  function enlarged(image, height, width) {
    const wide = width * ZOOM, out = new Float32Array(wide * height);
    for (let x = 0; x < wide; x++) {
      const at = (x + 0.5) / ZOOM - 0.5, first = Math.floor(at), share = weights(at - first);
      for (let k = 0; k < 4; k++) {
        const column = Math.min(width - 1, Math.max(0, first - 1 + k));
        for (let y = 0; y < height; y++) out[x * height + y] += share[k] * image[y * width + column];
      }
    }
    return out;
  }

  /**
   * Closed rings [[x, y], ...], in pixels from the top left corner, where an image of `side` x
   * `side` numbers crosses the middle of its range. What lies outside counts as dark.
   */
  function outline(image, side) {
    let dark = Infinity, light = -Infinity;
    for (const value of image) [dark, light] = [Math.min(dark, value), Math.max(light, value)];
    if (light - dark < 1 / 128) return [];
    const padded = side + 2, paper = new Float32Array(padded * padded).fill(dark);
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) paper[(y + 1) * padded + x + 1] = image[y * side + x];
    }
    const large = padded * ZOOM;
    const fine = enlarged(enlarged(paper, padded, padded), large, padded);
    return traced(fine, large, (dark + light) / 2)
      .map((ring) => evenly(ring.map((place) => place.map((x) => (x + 0.5) / ZOOM - 1))))
      .filter((ring) => ring.length > 2);
  }

  /**
   * Marching squares. Round each cell, from corner to corner, the line is crossed outwards and
   * inwards in turn; a segment leads from a way out to a way in, which is the neighbour's way out.
   */
  function traced(field, side, level) {
    const ink = (x, y) => field[y * side + x] > level;
    const next = new Map();
    for (let y = 0; y + 1 < side; y++) {
      for (let x = 0; x + 1 < side; x++) {
        const corners = [ink(x, y), ink(x + 1, y), ink(x + 1, y + 1), ink(x, y + 1)];
        const count = corners[0] + corners[1] + corners[2] + corners[3];
        if (count % 4 === 0) continue;
        const edges = [[x, y, 0], [x + 1, y, 1], [x, y + 1, 0], [x, y, 1]]; // top, right, below, left
        const key = edges.map(([u, v, down]) => 2 * (v * side + u) + down);
        const outward = [], inward = [];
        corners.forEach((inside, k) => {
          if (inside !== corners[(k + 1) % 4]) (inside ? outward : inward).push(k);
        });
        const here = field[y * side + x] + field[y * side + x + 1];
        const below = field[(y + 1) * side + x] + field[(y + 1) * side + x + 1];
        const middle = (here + below) / 4 > level; // in a saddle: whether the corners of ink are joined
        for (const from of outward) {
          const after = inward.find((k) => k === (from + 1) % 4);
          const before = inward.find((k) => k === (from + 3) % 4);
          const to = inward.length === 1 ? inward[0] : middle ? after : before;
          next.set(key[from], key[to]);
        }
      }
    }
    const place = (key) => {
      const at = key >> 1, x = at % side, y = (at - x) / side;
      const [a, b] = [field[at], field[at + (key % 2 ? side : 1)]];
      const share = (level - a) / (b - a);
      return key % 2 ? [x, y + share] : [x + share, y];
    };
    const rings = [];
    while (next.size) {
      const ring = [];
      let key = next.keys().next().value;
      while (next.has(key)) {
        const to = next.get(key);
        ring.push(place(key));
        next.delete(key);
        key = to;
      }
      rings.push(ring);
    }
    return rings;
  }

  /** As many points as fit, evenly along a closed ring. */
  function evenly(ring) {
    const closed = [...ring, ring[0]], along = [0];
    for (let i = 1; i < closed.length; i++) {
      along.push(along[i - 1] + Math.hypot(closed[i][0] - closed[i - 1][0], closed[i][1] - closed[i - 1][1]));
    }
    const whole = along.at(-1), count = Math.round(whole / SPACING), points = [];
    for (let i = 0, k = 1; i < count; i++) {
      const at = (i * whole) / count;
      while (along[k] < at) k++;
      const share = (at - along[k - 1]) / (along[k] - along[k - 1] || 1);
      points.push([0, 1].map((c) => closed[k - 1][c] + share * (closed[k][c] - closed[k - 1][c])));
    }
    return points;
  }

  /** Rings as the data of an SVG's path: points pull, and their middles are passed. */
  function pathData(rings, dx = 0, dy = 0) {
    const words = [], text = (x, y) => `${+(x + dx).toFixed(2)} ${+(y + dy).toFixed(2)}`;
    for (const ring of rings) {
      const middle = ([a, b], [c, d]) => [(a + c) / 2, (b + d) / 2];
      words.push(`M${text(...middle(ring.at(-1), ring[0]))}`);
      ring.forEach((point, i) => {
        words.push(`Q${text(...point)} ${text(...middle(point, ring[(i + 1) % ring.length]))}`);
      });
      words.push("Z");
    }
    return words.join("");
  }

  Object.assign(alphabet, { outline, pathData });
})((globalThis.ganalphabet ??= {}));
