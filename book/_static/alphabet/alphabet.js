// The alphabet on the page: its controls, the sheet that follows them, and the files it leaves.
"use strict";
(function (alphabet) {
  const STILLS = 8; // of a round
  const LICENCE = "CC BY 4.0";
  const PAPERS = {
    ink: ["#1b1b1f", "#f4efe4"],
    night: ["#f4efe4", "#14213d"],
    brick: ["#8f2f1b", "#fbe9d7"],
    moss: ["#f1f3e0", "#2f4a2c"],
  };
  const KINDS = ["video/webm;codecs=vp9", "video/webm", "video/mp4"];

  async function start(root) {
    const { find, all } = ganlive.named("alphabet", root), { percent } = ganlive;
    const { networks, weights } = alphabet, loaded = {};
    for (const name of ["creative", "plain", "styles"]) {
      loaded[name] = await ganlive.load(networks[name], weights[name]);
    }
    const [latentDim] = networks.creative.inputs.latents, [modes] = networks.creative.inputs.modes;
    const side = networks.creative.imageShape[0], size = side * side;
    const sheet = find("sheet");
    let axes = null, axesOf = null, playing = null, recording = null, frames = 0;
    let idle = Promise.resolve(), due = null, shown = {};

    // ------------------------------------------------------------------------ the settings

    const value = (name) => Number(find(name).value);
    const chosen = (name) => root.querySelector(`[name=alphabet-${name}]:checked`).value;
    const seed = () => Math.max(0, Math.floor(value("seed")) || 0);
    const text = () => find("text").value.replace(/\D/g, "") || "0123456789";
    const colours = () => PAPERS[chosen("colours")];

    /** All that makes the outlines, so that they can be made again. */
    const settings = () => ({
      text: text(),
      network: chosen("network"),
      seed: seed(),
      loop: value("loop"),
      radius: value("radius"),
      place: value("place"),
    });

    function latent(of) {
      if (axesOf !== of.seed) [axes, axesOf] = [alphabet.axes(of.seed, latentDim), of.seed];
      return alphabet.latent(axes, of.place, (of.loop * Math.PI) / 180, of.radius);
    }

    // ------------------------------------------------------------------------- the images

    /** What a network makes of a latent, a digit after the other; each digit once. */
    function drawn(of) {
      const z = latent(of), digits = [...new Set(of.text)].map(Number);
      const hot = new Float32Array(modes * digits.length);
      digits.forEach((digit, i) => (hot[modes * i + (modes / 10) * digit] = 1));
      const images = loaded[of.network].images({
        latents: Float32Array.from(digits.flatMap(() => z)),
        modes: hot,
      });
      return new Map(digits.map((digit, i) => [digit, images.subarray(size * i, size * (i + 1))]));
    }

    /** The outlines of a text, and the images they are of. */
    function made(of) {
      const images = drawn(of);
      const outlines = new Map([...images].map(([digit, x]) => [digit, alphabet.outline(x, side)]));
      return { images, outlines: [...of.text].map((digit) => outlines.get(Number(digit))) };
    }

    /** Paint outlines on a canvas that is so many pixels wide. */
    function paint(canvas, outlines, of, wide, lines = []) {
      const { places, size: [width, height] } = alphabet.layout(of.text), [ink, paper] = colours();
      const scale = wide / width, high = Math.round(scale * height);
      if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
      const context = canvas.getContext("2d");
      context.setTransform(scale, 0, 0, high / height, 0, 0);
      context.fillStyle = paper;
      context.fillRect(0, 0, width, height);
      context.fillStyle = ink;
      outlines.forEach((rings, i) => {
        context.fill(new Path2D(alphabet.pathData(rings, ...places[i])), "evenodd");
      });
      const print = alphabet.footer(lines, [width, height]);
      context.font = `${print.size}px serif`;
      context.textAlign = "center";
      print.at.forEach(([line, y]) => context.fillText(line, width / 2, y));
    }

    const wide = () => Math.round(Math.min(2, window.devicePixelRatio || 1) * (sheet.clientWidth || 560));

    /** Paint the sheet, and ask the reader of typefaces what it sees. */
    function show() {
      const of = settings();
      shown = { of, ...made(of) };
      paint(sheet, shown.outlines, of, wide());
      if (frames++ % 6 === 0 || !playing) judge(of);
      find("place-value").textContent = of.place.toFixed(2);
      find("loop-value").textContent = `${of.loop}°`;
      find("radius-value").textContent = of.radius.toFixed(1);
      find("speed-value").textContent = `${value("speed")} s`;
    }

    function judge(of) {
      const images = of.text === "0123456789" ? shown.images : drawn({ ...of, text: "0123456789" });
      const logits = loaded.styles.images({ images: Float32Array.from([...images.values()].flatMap((x) => [...x])) });
      const names = networks.names, each = [...images].map((_, i) =>
        alphabet.shares([...logits.subarray(names.length * i, names.length * (i + 1))]),
      );
      shown.shares = names.map((_, k) => each.reduce((sum, p) => sum + p[k], 0) / each.length);
      shown.unsure = each.reduce((sum, p) => sum + alphabet.unsure(p), 0) / each.length;
      all("share").forEach((meter, k) => (meter.value = shown.shares[k]));
      all("share-value").forEach((output, k) => (output.textContent = percent(shown.shares[k])));
      find("unsure").textContent = percent(shown.unsure);
    }

    /** The stills of the round, small. */
    function showStills() {
      const of = settings();
      all("still").forEach((button, k) => {
        const still = { ...of, text: of.text.slice(0, 5), place: k / STILLS };
        paint(button.querySelector("canvas"), made(still).outlines, still, 160);
      });
    }

    /** Have all that the settings mean painted soon. */
    function changed(stills = true) {
      if (due) clearTimeout(due.timer);
      const both = stills || due?.stills;
      idle = new Promise((done) => {
        const timer = setTimeout(() => {
          due = null;
          show();
          if (both) showStills();
          done();
        }, 0);
        due = { timer, stills: both };
      });
    }

    // --------------------------------------------------------------------------- the words

    const words = ({ seed, network, loop, radius, place }) =>
      `seed ${seed}, ${network} GAN, place ${place.toFixed(2)}, loop ${loop}°, radius ${radius.toFixed(1)}`;

    /** Tell everybody what there is, those too who do not see it. */
    async function say(first = "") {
      await idle;
      const most = shown.shares.indexOf(Math.max(...shown.shares));
      const like = `read as ${networks.names[most]} with ${percent(shown.shares[most])}`;
      sheet.setAttribute("aria-label", `The digits ${text()}: ${words(settings())}`);
      find("status").textContent = `${first}Now: ${words(settings())}; ${like}.`;
    }

    /** What stands below a work: how it was set, and whose it is. */
    const smallPrint = (of, said = words(of)) => [
      said,
      `network ${networks.run.name}, revision ${networks.run.revision.slice(0, 7)}, ${LICENCE}`,
    ];

    const about = (of) => ({
      title: `Numerals ${of.seed}`,
      ...Object.fromEntries(Object.entries(of).map(([key, it]) => [key, String(it)])),
      source: `the ${of.network} network of the run ${networks.run.name}`,
      revision: networks.run.revision,
      licence: LICENCE,
      chosen: "by hand, in a browser",
      "digital source type": "trainedAlgorithmicMedia",
    });

    // ---------------------------------------------------------------------------- the film

    /** Let the film run by the clock, from where it stands. */
    function play() {
      const began = performance.now(), from = value("place");
      playing = { id: 0 };
      const step = (now) => {
        if (!playing) return;
        find("place").value = (from + Math.max(0, now - began) / 1000 / value("speed")) % 1;
        show();
        playing.id = requestAnimationFrame(step);
      };
      playing.id = requestAnimationFrame(step);
      find("play").textContent = "Pause";
    }

    function pause() {
      if (playing) cancelAnimationFrame(playing.id);
      playing = null;
      find("play").textContent = "Play";
    }

    // --------------------------------------------------------------------------- the files

    function leave(blob, name) {
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      alphabet.left = { blob, name }; // for tests
    }

    const named = (of, kind) => `numerals-${of.network}-${of.seed}.${kind}`;

    function saveSvg() {
      const of = settings(), { outlines } = made(of);
      const drawing = alphabet.svg(outlines, alphabet.layout(of.text), colours(), about(of), smallPrint(of));
      leave(new Blob([drawing], { type: "image/svg+xml" }), named(of, "svg"));
      say("The SVG is saved. ");
    }

    const kind = KINDS.find((name) => globalThis.MediaRecorder?.isTypeSupported(name));

    /** Record one round on a canvas of its own, at the pace of the film, the seed in small print. */
    function record() {
      const of = settings(), canvas = document.createElement("canvas"), seconds = value("speed");
      const small = smallPrint(of, words(of).replace(/, place [\d.]+/, ""));
      const frame = (t) => {
        const then = { ...of, place: t % 1 };
        paint(canvas, made(then).outlines, then, 960, small);
      };
      frame(0);
      const recorder = new MediaRecorder(canvas.captureStream(30), { mimeType: kind, videoBitsPerSecond: 4e6 });
      const parts = [], began = performance.now();
      recorder.ondataavailable = ({ data }) => parts.push(data);
      recorder.onstop = () => {
        const whole = recording === recorder;
        recording = null;
        find("record").textContent = "Record a round";
        if (!whole) return say("The recording is given up. ");
        leave(new Blob(parts, { type: kind }), named(of, kind.slice(6, kind.indexOf(";") > 0 ? kind.indexOf(";") : undefined)));
        say("The film is saved. ");
      };
      recording = recorder;
      recorder.start();
      find("record").textContent = "Stop recording";
      const step = () => {
        if (recording !== recorder) return;
        const gone = (performance.now() - began) / 1000;
        const said = `Recording, ${Math.min(seconds, Math.floor(gone))} of ${seconds} s.`;
        if (find("status").textContent !== said) find("status").textContent = said; // read aloud once
        if (gone >= seconds) return recorder.stop();
        frame(gone / seconds);
        setTimeout(step, 1000 / 30);
      };
      step();
    }

    function giveUp() {
      const recorder = recording;
      recording = null;
      recorder.stop();
    }

    // ------------------------------------------------------------------------------ wiring

    /** Take these settings, the rest as at the start. */
    function setUp({ text = "0123456789", network = "creative", seed = 7, loop = 45, radius = 1, place = 0, speed = 8, paper = "ink" }) {
      pause();
      for (const [name, to] of Object.entries({ text, seed, loop, radius, place, speed })) find(name).value = to;
      for (const [name, to] of [["network", network], ["colours", paper]]) {
        root.querySelector(`[name=alphabet-${name}][value="${to}"]`).checked = true;
      }
      changed();
      return say();
    }

    find("place").addEventListener("input", () => {
      pause();
      changed(false);
    });
    find("speed").addEventListener("input", () => {
      const goes = playing;
      pause();
      changed(false);
      if (goes) play();
    });
    for (const name of ["seed", "text", "loop", "radius"]) find(name).addEventListener("input", () => changed());
    root.addEventListener("change", ({ target }) => {
      if (target.type === "radio") changed();
      say();
    });
    find("new").addEventListener("click", () => {
      find("seed").value = seed() + 1;
      changed();
      say();
    });
    find("play").addEventListener("click", () => {
      if (!playing) return play();
      pause();
      changed(false);
      say("Paused. ");
    });
    all("still").forEach((button, k) => {
      button.addEventListener("click", () => {
        pause();
        find("place").value = k / STILLS;
        changed(false);
        say();
      });
    });
    find("svg").addEventListener("click", saveSvg);
    find("record").hidden = !kind;
    find("record").addEventListener("click", () => (recording ? giveUp() : record()));
    window.addEventListener("resize", () => changed(false));
    ganlive.setUps("alphabet", root, setUp);

    document.documentElement.classList.add("alphabet-runs"); // hides the still figure
    root.hidden = false;
    await setUp({});
    alphabet.page = { setUp, settings, latent, shown: () => shown, playing: () => Boolean(playing), idle: () => idle }; // for tests
  }

  const root = document.getElementById("alphabet-live");
  if (root) start(root);
})((globalThis.ganalphabet ??= {}));
