// What the lab shows: the plane with both players in it, and the curves of the game.
"use strict";
(function (lab) {
  const REAL = [61, 143, 209]; // the book's colours, as in ganlib.plots
  const FAKE = [226, 118, 47];
  const MODES = [43, 165, 124];
  const CELLS = 44; // of the heat map, along each side
  const ARROWS = 80;
  const rgb = (colour, alpha = 1) => `rgba(${colour.join(",")},${alpha})`;

  /** The context of a canvas, cleared, in units of CSS pixels, sharp on every screen. */
  function prepare(canvas) {
    const scale = Math.min(2, window.devicePixelRatio || 1);
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    return { context, width, height };
  }

  /** The page's colours, which change with its theme. */
  function theme(element) {
    const style = getComputedStyle(element);
    const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
    return {
      text: read("--pst-color-text-base", "#222832"),
      muted: read("--pst-color-text-muted", "#48566b"),
      page: read("--pst-color-background", "#ffffff"),
      line: read("--pst-color-border", "#c9c9c9"),
      font: style.fontFamily,
    };
  }

  /** How real a logit looks, from 0 to 1, given the loss; a critic's logits only rank. */
  function belief(logits, loss) {
    const clamp = (p) => Math.min(1, Math.max(0, p));
    if (loss === "least_squares") return logits.map(clamp);
    if (loss === "hinge") return logits.map((l) => clamp((l + 1) / 2));
    let centre = 0, unit = 1;
    if (loss === "wasserstein") {
      centre = logits.reduce((sum, l) => sum + l, 0) / logits.length;
      const square = logits.reduce((sum, l) => sum + (l - centre) ** 2, 0) / logits.length;
      unit = Math.sqrt(square) / 2 + 1e-12;
    }
    return logits.map((l) => 1 / (1 + Math.exp((centre - l) / unit)));
  }

  /**
   * The plane: discriminator, real points, generated points, and where the loss pulls them.
   *
   * The map of the discriminator takes longest to compute, and can be left as it was.
   */
  class Plane {
    constructor(canvas) {
      this.canvas = canvas;
      this.heat = document.createElement("canvas");
      this.heat.width = this.heat.height = CELLS;
      this.image = new ImageData(CELLS, CELLS);
      this.row = new Float64Array(2 * CELLS);
      this.logits = new Float64Array(CELLS * CELLS);
      this.stamps = new Map();
    }

    /** From a position in the page to the plane. */
    point(event) {
      const box = this.canvas.getBoundingClientRect();
      const at = (position, start, length) => (2 * (position - start)) / length - 1;
      return [
        lab.LIMIT * at(event.clientX, box.left, box.width),
        -lab.LIMIT * at(event.clientY, box.top, box.height),
      ];
    }

    /** `real` and `generated` hold points x, y, x, y, ...; `pen` is a point or null. */
    draw(game, real, generated, colours, pen, freshHeat = true) {
      const { context, width } = prepare(this.canvas);
      const unit = width / (2 * lab.LIMIT);
      if (freshHeat) this._mapHeat(game);
      context.drawImage(this.heat, 0, 0, width, width);
      const place = (points, i) => [
        (points[i] + lab.LIMIT) * unit,
        (lab.LIMIT - points[i + 1]) * unit,
      ];
      const radius = Math.max(1.6, width / 200);
      this._dots(context, real, place, radius, rgb(REAL), colours.page);
      this._dots(context, generated, place, radius, rgb(FAKE), colours.page);
      const pulled = generated.subarray(0, 2 * ARROWS);
      const pulls = game.pulls(pulled, pulled.length / 2);
      this._arrows(context, pulled, pulls, place, unit, colours.text);
      if (pen) {
        const [x, y] = place(pen, 0);
        context.strokeStyle = colours.text;
        context.lineWidth = 2;
        context.beginPath();
        context.arc(x, y, 9, 0, 2 * Math.PI);
        context.moveTo(x - 14, y);
        context.lineTo(x + 14, y);
        context.moveTo(x, y - 14);
        context.lineTo(x, y + 14);
        context.stroke();
      }
      return pulls;
    }

    _mapHeat({ discriminator, settings }) {
      const step = (2 * lab.LIMIT) / CELLS;
      for (let r = 0; r < CELLS; r++) {
        for (let c = 0; c < CELLS; c++) {
          this.row[2 * c] = -lab.LIMIT + (c + 0.5) * step;
          this.row[2 * c + 1] = lab.LIMIT - (r + 0.5) * step;
        }
        this.logits.set(discriminator.forward(this.row, CELLS).subarray(0, CELLS), r * CELLS);
      }
      const { data } = this.image;
      belief(this.logits, settings.loss).forEach((p, i) => {
        data.set(p > 0.5 ? REAL : FAKE, 4 * i);
        data[4 * i + 3] = 160 * Math.abs(2 * p - 1);
      });
      this.heat.getContext("2d").putImageData(this.image, 0, 0);
    }

    /** Dots with an outline, stamped: thousands of paths would cost most of a picture's time. */
    _dots(context, points, place, radius, fill, outline) {
      const key = [radius, fill, outline].join(), half = radius + 1.5;
      if (!this.stamps.has(key)) this.stamps.set(key, stamp(radius, half, fill, outline));
      for (let i = 0; i < points.length; i += 2) {
        const [x, y] = place(points, i);
        context.drawImage(this.stamps.get(key), x - half, y - half, 2 * half, 2 * half);
      }
    }

    /** Half a unit of the plane for a gradient of 1, and never longer than 0.6. */
    _arrows(context, points, pulls, place, unit, colour) {
      context.beginPath();
      for (let i = 0; i < points.length; i += 2) {
        const size = Math.hypot(pulls[i], pulls[i + 1]);
        const length = unit * Math.min(0.5 * size, 0.6);
        if (!(length > 1)) continue;
        const [x, y] = place(points, i);
        const [ux, uy] = [pulls[i] / size, -pulls[i + 1] / size];
        const [tx, ty] = [x + length * ux, y + length * uy], head = Math.min(5, length / 2);
        context.moveTo(x, y);
        context.lineTo(tx, ty);
        context.lineTo(tx - head * (ux + 0.6 * uy), ty - head * (uy - 0.6 * ux));
        context.moveTo(tx, ty);
        context.lineTo(tx - head * (ux - 0.6 * uy), ty - head * (uy + 0.6 * ux));
      }
      context.strokeStyle = colour;
      context.lineWidth = 1.2;
      context.stroke();
    }
  }

  function stamp(radius, half, fill, outline) {
    const canvas = document.createElement("canvas"), scale = 2;
    canvas.width = canvas.height = Math.ceil(2 * half * scale);
    const context = canvas.getContext("2d");
    for (const [r, colour] of [[radius + 0.8, outline], [radius, fill]]) {
      context.beginPath();
      context.arc(canvas.width / 2, canvas.width / 2, r * scale, 0, 2 * Math.PI);
      context.fillStyle = colour;
      context.fill();
    }
    return canvas;
  }

  /** Numbers recorded as the game goes on; when there are too many, neighbours are averaged. */
  class History {
    constructor(limit = 400) {
      Object.assign(this, { limit, rows: [], waiting: [], stride: 1 });
    }

    add(row) {
      this.waiting.push(row);
      if (this.waiting.length < this.stride) return;
      this.rows.push(average(this.waiting));
      this.waiting = [];
      if (this.rows.length < this.limit) return;
      this.rows = this.rows.flatMap((row, i) =>
        i % 2 ? [average([this.rows[i - 1], row])] : [],
      );
      this.stride *= 2;
    }

    /** The rows, with what has not been averaged yet. */
    all() {
      return this.waiting.length ? [...this.rows, average(this.waiting)] : this.rows;
    }
  }

  function average(rows) {
    return rows[0].map((_, column) => {
      const known = rows.map((row) => row[column]).filter(Number.isFinite);
      return known.reduce((sum, value) => sum + value, 0) / known.length; // NaN if there is none
    });
  }

  /**
   * Curves over the first column of the rows.
   *
   * `series` are [column, colour, dash]; `range` is [lowest, highest], by default what the curves
   * need.
   */
  function drawCurves(canvas, rows, series, colours, range) {
    const { context, width, height } = prepare(canvas);
    const left = 42, right = width - 8, top = 10, bottom = height - 24;
    let [low, high] = range ?? [Infinity, -Infinity];
    if (!range) {
      const shown = series.flatMap(([column]) => rows.map((row) => row[column]));
      for (const value of shown) {
        if (!Number.isFinite(value)) continue;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
      if (low > high) [low, high] = [0, 1];
      const margin = Math.max(0.05 * (high - low), 0.01 * Math.abs(high), 0.01);
      [low, high] = [low - margin, high + margin];
    }
    const end = Math.max(20, rows.at(-1)?.[0] ?? 0);
    const x = (value) => left + ((right - left) * value) / end;
    const y = (value) => bottom - ((bottom - top) * (value - low)) / (high - low);

    context.font = `12px ${colours.font}`;
    context.fillStyle = colours.muted;
    context.strokeStyle = colours.line;
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.beginPath();
    for (const tick of ticks(low, high, 4)) {
      context.moveTo(left, y(tick.value));
      context.lineTo(right, y(tick.value));
      context.fillText(tick.label, left - 6, y(tick.value));
    }
    context.stroke();
    context.textBaseline = "top";
    for (const tick of ticks(0, end, 4)) {
      context.textAlign = tick.value === 0 ? "left" : x(tick.value) > right - 20 ? "right" : "center";
      context.fillText(tick.label, x(tick.value), bottom + 6);
    }

    for (const [column, colour, dash = []] of series) {
      context.strokeStyle = rgb(colour);
      context.lineWidth = 1.8;
      context.setLineDash(dash);
      context.beginPath();
      let drawing = false;
      for (const row of rows) {
        if (!Number.isFinite(row[column])) continue;
        if (drawing) context.lineTo(x(row[0]), y(row[column]));
        else context.moveTo(x(row[0]), y(row[column]));
        drawing = true;
      }
      context.stroke();
      context.setLineDash([]);
    }
  }

  /** Round numbers between two others, about `count` of them. */
  function ticks(low, high, count) {
    const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const found = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) {
      const value = k * step + 0; // not -0
      const label = digits ? value.toFixed(Math.min(digits, 4)) : value.toLocaleString("en");
      found.push({ value, label: label.replace("-", "−") });
    }
    return found;
  }

  Object.assign(lab, { Plane, History, drawCurves, theme, REAL, FAKE, MODES });
})((globalThis.ganlab ??= {}));
