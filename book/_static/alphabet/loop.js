// A circle of latents, and what a sheet of it looks like: numbers and texts, no page.
"use strict";
(function (alphabet) {
  /** Three latents at right angles, each as long as latents usually are, that belong to a seed. */
  function axes(seed, count) {
    const { uniforms, truncated, mix, dot } = ganexplorer, found = [];
    const drawn = uniforms(seed, 3 * count).map((u) => truncated(u));
    for (let k = 0; k < 3; k++) {
      let axis = drawn.slice(k * count, (k + 1) * count);
      for (const other of found) axis = mix(axis, other, 1, -dot(axis, other) / count);
      found.push(axis.map((x) => x * Math.sqrt(count / dot(axis, axis))));
    }
    return found;
  }

  /** The latent at the time t of a round, on a circle `angle` (radians) away from the first axis. */
  function latent([centre, east, north], t, angle, radius = 1) {
    const turn = 2 * Math.PI * t;
    const [along, aside] = [Math.cos(angle) * radius, Math.sin(angle) * radius];
    const [x, y] = [aside * Math.cos(turn), aside * Math.sin(turn)];
    return centre.map((c, i) => along * c + x * east[i] + y * north[i]);
  }

  /** Shares of the classes that logits mean. */
  function shares(logits) {
    const most = Math.max(...logits), powers = logits.map((x) => Math.exp(x - most));
    const sum = powers.reduce((a, b) => a + b, 0);
    return powers.map((x) => x / sum);
  }

  /** The entropy of shares, as a share of the largest one that is possible. */
  const unsure = (p) =>
    -p.reduce((sum, x) => sum + (x > 0 ? x * Math.log(x) : 0), 0) / Math.log(p.length);

  const COLUMNS = 5, CELL = [21, 28], CUT = 3.5, MARGIN = 7, FOOT = 9, PRINT = 2.6;

  /** Where each character of a text is on its sheet, and how large that is, in pixels of an image. */
  function layout(text) {
    const columns = Math.min(COLUMNS, Math.max(1, text.length));
    const rows = Math.max(1, Math.ceil(text.length / columns));
    const places = [...text].map((_, i) => [
      MARGIN - CUT + CELL[0] * (i % columns),
      MARGIN - CUT + CELL[1] * Math.floor(i / columns),
    ]);
    const size = [CELL[0] * columns + 2 * MARGIN, CELL[1] * rows + 2 * MARGIN - 2 * CUT + FOOT];
    return { places, size };
  }

  /** Where lines of small print are on a sheet, and how large, so that the longest fits. */
  function footer(lines, [width, height]) {
    const longest = Math.max(1, ...lines.map((line) => line.length));
    const size = Math.min(PRINT, (2 * (width - 4)) / longest);
    return { size, at: lines.map((text, i) => [text, height - 4 - 1.25 * PRINT * (lines.length - 1 - i)]) };
  }

  const escaped = (text) =>
    text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);

  /** The sheet as an SVG that says what it is: in its metadata, and below in small print. */
  function svg(outlines, { size: [width, height], places }, [ink, paper], about, lines) {
    const { size, at } = footer(lines, [width, height]);
    const title = escaped(about.title), paths = outlines.map((rings, i) => {
      const data = alphabet.pathData(rings, ...places[i]);
      return `<path fill="${ink}" fill-rule="evenodd" d="${data}"/>`;
    });
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${8 * width}" height="${8 * height}" ` +
        `viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">`,
      `<title>${title}</title>`,
      `<metadata>${escaped(JSON.stringify(about))}</metadata>`,
      `<rect width="${width}" height="${height}" fill="${paper}"/>`,
      ...paths,
      ...at.map(
        ([text, y]) =>
          `<text x="${width / 2}" y="${y}" font-family="serif" font-size="${size}" ` +
          `text-anchor="middle" fill="${ink}">${escaped(text)}</text>`,
      ),
      "</svg>",
      "",
    ].join("\n");
  }

  Object.assign(alphabet, { axes, latent, shares, unsure, layout, footer, svg });
})((globalThis.ganalphabet ??= {}));
