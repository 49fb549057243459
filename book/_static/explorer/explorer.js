// The latent explorer on the page: its controls, and the pictures that follow them.
"use strict";
(function (explorer) {
  const NONE = 3; // the threshold's right end: no truncation
  const STRIP = 9; // pictures from A to B

  async function start(root) {
    const { find, all } = ganlive.named("explorer", root), { percent } = ganlive;
    const generator = await ganlive.load(explorer.generator, explorer.weights.generator);
    const { latentDim, classes, directions } = generator;
    const painted = new Map(); // canvas -> the latent and the classes that it shows
    const waiting = new Map(); // canvas -> the same, of a picture that is to be made
    let idle = Promise.resolve(), kept = {};

    // ------------------------------------------------------------------------- the pictures

    const only = (label) => Array.from({ length: classes }, (_, i) => (i === label ? 1 : 0));

    /** Have a picture on a canvas soon. */
    function show(canvas, latent, shares) {
      const key = [latent, shares].join();
      if (painted.get(canvas) === key) return waiting.delete(canvas);
      if (!waiting.size) idle = new Promise((done) => setTimeout(work, 0, done));
      waiting.set(canvas, { latent, shares, key });
    }

    /** Make one picture, one that follows a slider first, and let the page breathe before the next. */
    function work(done) {
      if (!waiting.size) return done();
      const first = [find("sample"), find("between")].find((canvas) => waiting.has(canvas));
      const canvas = first ?? waiting.keys().next().value;
      const { latent, shares, key } = waiting.get(canvas);
      waiting.delete(canvas);
      const image = generator.images({ latents: latent, classes: shares });
      ganlive.paint(canvas, image, generator.imageShape);
      painted.set(canvas, key);
      setTimeout(work, 0, done);
    }

    // -------------------------------------------------------------------------- the sample

    const number = () => Math.max(0, Math.floor(Number(find("number").value)) || 0);
    const label = () => Number(root.querySelector("[name=explorer-class]:checked").value);
    const names = Array.from(root.querySelectorAll(".explorer-classes label"), (each) =>
      each.textContent.trim(),
    );
    /** How the page's text calls a class: "class 3", or "horse". */
    const called = (i) => (isNaN(names[i]) ? names[i] : `class ${names[i]}`);
    const offsets = () => all("direction").map((slider) => Number(slider.value));

    function threshold() {
      const value = Number(find("threshold").value);
      return value < NONE ? value : undefined;
    }

    /** The latent of a draw, truncated, and moved along the directions. */
    function latent(seed = number(), moved = offsets()) {
      const drawn = explorer.uniforms(seed, latentDim)
        .map((u) => explorer.truncated(u, threshold()));
      return moved.reduce((z, offset, k) => explorer.mix(z, directions[k], 1, offset), drawn);
    }

    const digits = (value, count = 1) => value.toFixed(count).replace("-", "−");

    function showSample() {
      const z = latent();
      show(find("sample"), z, only(label()));
      all("class").forEach((canvas, i) => show(canvas, z, only(i)));
      const bound = threshold() ? digits(threshold()) : "none";
      find("threshold-value").textContent = bound;
      find("threshold").setAttribute("aria-valuetext", bound);
      all("direction-value").forEach((output, k) => (output.textContent = digits(offsets()[k])));
      find("length").textContent = digits(explorer.length(z));
      find("sample").setAttribute("aria-label", `The picture: ${summary()}`);
    }

    function summary() {
      const moved = offsets().flatMap((offset, k) =>
        offset ? [`, ${digits(offset)} along direction ${k + 1}`] : [],
      );
      const bound = threshold() ? `threshold ${digits(threshold())}` : "no truncation";
      return `draw ${number()} as ${called(label())}, ${bound}${moved.join("")}`;
    }

    /** Tell everybody what has changed, those too who do not see the picture. */
    const say = (text) => (find("status").textContent = text);

    // ----------------------------------------------------------------- between two samples

    function keep(name) {
      kept[name] = { latent: latent(), label: label(), says: summary() };
      showWalk();
    }

    function between(t) {
      const { A, B } = kept, path = explorer[find("path").value];
      return [path(A.latent, B.latent, t), explorer.straight(only(A.label), only(B.label), t)];
    }

    function showWalk() {
      const t = Number(find("place").value), { A, B } = kept, [z, shares] = between(t);
      show(find("between"), z, shares);
      show(find("A"), A.latent, only(A.label));
      show(find("B"), B.latent, only(B.label));
      all("strip").forEach((canvas, i) => show(canvas, ...between(i / (STRIP - 1))));
      const mixture =
        A.label === B.label
          ? called(A.label)
          : `${percent(1 - t)} ${called(A.label)}, ${percent(t)} ${called(B.label)}`;
      find("place-value").textContent = digits(t, 2);
      find("mixture").textContent = mixture;
      find("walk-length").textContent = digits(explorer.length(z));
      for (const [name, text] of [
        ["A", `A: ${A.says}`],
        ["B", `B: ${B.says}`],
        ["between", `Between A and B, at ${digits(t, 2)}: ${mixture}`],
      ]) {
        find(name).setAttribute("aria-label", text);
      }
    }

    // ------------------------------------------------------------------------------ wiring

    /** Take these settings, the rest as at the start. */
    function setUp({ draw = 1, digit = 3, bound = NONE, moved = [], from, to, path, place }) {
      const take = (sample) => {
        find("number").value = sample.draw;
        root.querySelector(`[name=explorer-class][value="${sample.digit}"]`).checked = true;
      };
      find("threshold").value = bound;
      all("direction").forEach((slider, k) => (slider.value = moved[k] ?? 0));
      find("path").value = path ?? "spherical";
      find("place").value = place ?? 0.5;
      kept = {};
      for (const [name, sample] of [["A", from], ["B", to]]) {
        take(sample ?? (name === "A" ? { draw, digit } : { draw: draw + 1, digit }));
        kept[name] = { latent: latent(), label: label(), says: summary() };
      }
      take({ draw, digit });
      showSample();
      showWalk();
      say(`Now: ${summary()}.`);
    }

    for (const name of ["threshold", "number"]) find(name).addEventListener("input", showSample);
    for (const slider of all("direction")) slider.addEventListener("input", showSample);
    for (const name of ["place", "path"]) find(name).addEventListener("input", showWalk);
    root.addEventListener("change", ({ target }) => {
      if (target.name === "explorer-class") showSample();
      if (target.closest("[data-live-part=sample]")) say(`Now: ${summary()}.`);
    });
    find("new").addEventListener("click", () => {
      find("number").value = number() + 1;
      showSample();
      say(`Now: ${summary()}.`);
    });
    find("back").addEventListener("click", () => {
      for (const slider of all("direction")) slider.value = 0;
      showSample();
      say(`Now: ${summary()}.`);
    });
    for (const name of ["A", "B"]) {
      find(`keep-${name}`).addEventListener("click", () => {
        keep(name);
        say(`${name} is ${summary()}.`);
      });
    }
    ganlive.setUps("explorer", root, setUp);

    document.documentElement.classList.add("explorer-runs"); // hides the still figure
    root.hidden = false;
    setUp({ draw: number(), digit: label(), to: { draw: number() + 1, digit: 8 } });
    await idle;
    explorer.page = { generator, setUp, latent, between, idle: () => idle }; // for tests
  }

  const root = document.getElementById("explorer");
  if (root) start(root);
})((globalThis.ganexplorer ??= {}));
