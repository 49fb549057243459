// What the generator has to learn: three densities in the plane, and points that the reader draws.
//
// A density can `sample(random, target)`, which fills an array with points x, y, x, y, ... . Its
// `places` are centres of discs of the radius `reach` that together hold the density: its modes, or
// stretches of its curve. All of it fits into the square from -LIMIT to LIMIT.
"use strict";
(function (lab) {
  const LIMIT = 3;

  /** Equal Gaussians with the standard deviation sigma around the places. */
  class Mixture {
    constructor(places, sigma) {
      Object.assign(this, { places, sigma, reach: 3 * sigma, unit: "modes" });
    }

    sample(random, target) {
      for (let i = 0; i < target.length; i += 2) {
        const [x, y] = this.places[random.below(this.places.length)];
        target[i] = x + this.sigma * random.normal();
        target[i + 1] = y + this.sigma * random.normal();
      }
      return target;
    }
  }

  function ring(modes = 8, radius = 2, sigma = 0.1) {
    const angles = Array.from({ length: modes }, (_, k) => (2 * Math.PI * k) / modes);
    return new Mixture(angles.map((a) => [radius * Math.cos(a), radius * Math.sin(a)]), sigma);
  }

  function grid(side = 5, spacing = 1, sigma = 0.07) {
    const axis = Array.from({ length: side }, (_, k) => spacing * (k - (side - 1) / 2));
    return new Mixture(axis.flatMap((x) => axis.map((y) => [x, y])), sigma);
  }

  /** Gaussian noise around a spiral of one and a half turns, as in `ganlib.data.swiss_roll`. */
  class SwissRoll {
    constructor(radius = 2.4, sigma = 0.06) {
      Object.assign(this, { radius, sigma, reach: 0.3, unit: "stretches" });
      this.places = [];
      for (let u = 0; u <= 1; u += 0.001) this._addPlace(this.curve(u));
    }

    /** A point of the spiral, from u = 0 inside to u = 1 outside. */
    curve(u) {
      const t = (1.5 + 3 * u) * Math.PI, r = (this.radius * t) / (4.5 * Math.PI);
      return [r * Math.cos(t), r * Math.sin(t)];
    }

    _addPlace(point) {
      if (distanceTo(this.places, point) >= 1.5 * this.reach) this.places.push(point);
    }

    sample(random, target) {
      for (let i = 0; i < target.length; i += 2) {
        const [x, y] = this.curve(random.uniform());
        target[i] = x + this.sigma * random.normal();
        target[i + 1] = y + this.sigma * random.normal();
      }
      return target;
    }
  }

  /** Points that the reader draws, each blurred a little. */
  class Drawing {
    constructor(points = []) {
      Object.assign(this, { points: [], places: [], sigma: 0.05, reach: 0.3, unit: "places" });
      for (const [x, y] of points) this.add(x, y);
    }

    add(x, y) {
      if (Math.abs(x) > LIMIT || Math.abs(y) > LIMIT) return;
      this.points.push([x, y]);
      if (distanceTo(this.places, [x, y]) >= 1.5 * this.reach) this.places.push([x, y]);
    }

    clear() {
      this.points.length = this.places.length = 0;
    }

    sample(random, target) {
      for (let i = 0; i < target.length; i += 2) {
        const [x, y] = this.points[random.below(this.points.length)];
        target[i] = x + this.sigma * random.normal();
        target[i + 1] = y + this.sigma * random.normal();
      }
      return target;
    }
  }

  const DENSITIES = { ring, grid, roll: () => new SwissRoll() };

  function distanceTo(places, [x, y]) {
    return places.reduce((least, [a, b]) => Math.min(least, Math.hypot(x - a, y - b)), Infinity);
  }

  /**
   * How many places the points reach, and the share of the points that lie in any of them.
   *
   * A place counts when it holds at least a quarter of its fair share of the points.
   */
  function coverage(density, points) {
    const { places, reach } = density, n = points.length / 2;
    const counts = new Array(places.length).fill(0);
    for (let i = 0; i < points.length; i += 2) {
      let nearest = -1, least = reach * reach;
      for (let k = 0; k < places.length; k++) {
        const dx = points[i] - places[k][0], dy = points[i + 1] - places[k][1];
        const square = dx * dx + dy * dy;
        if (square <= least) [nearest, least] = [k, square];
      }
      if (nearest >= 0) counts[nearest]++;
    }
    return {
      covered: counts.filter((count) => count >= n / (4 * places.length)).length,
      share: counts.reduce((sum, count) => sum + count, 0) / n,
    };
  }

  Object.assign(lab, { LIMIT, DENSITIES, Drawing, coverage });
})((globalThis.ganlab ??= {}));
