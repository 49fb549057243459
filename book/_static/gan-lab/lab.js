// The lab on the page: its controls, and the loop that trains and draws.
"use strict";
(function (lab) {
  const TRAINING = 8; // milliseconds of training between two pictures, at most
  const PICTURE = 20; // milliseconds of training and drawing for a picture: where drawing is slow, train less
  const CURVES = 100; // milliseconds between two drawings of the curves
  const SPEEDS = { slow: 4, medium: 40, fast: Infinity }; // rounds a second, if there is time
  const WEIGHTS = { none: 0.1, r1: 0.1, gradient_penalty: 1, weight_clipping: 0.1 };
  const RESTART = ["density", "seed"]; // settings that begin a new game

  function start(root) {
    const find = (name) => root.querySelector(`[data-lab="${name}"]`);
    const fields = new Map(
      [...root.querySelectorAll("[data-setting]")].map((field) => [field.dataset.setting, field]),
    );
    const plane = new lab.Plane(find("plane"));
    const drawing = new lab.Drawing();
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
    let colours = lab.theme(root);
    let game, history, real, generated, pulls, covered;
    let running = false, visible = true, before = 0, shown = 0, written = 0, owed = 0, frames = 0;
    let request; // for the next picture
    let took = 0; // milliseconds that drawing the last one took
    let losses = []; // of the rounds since the last picture
    let pen = null; // the cursor of somebody who draws with the keyboard

    // ------------------------------------------------------------------------------ settings

    function settings() {
      const read = ([name, { value }]) => [name, isNaN(value) ? value : Number(value)];
      return Object.fromEntries([...fields].map(read));
    }

    /** Show which controls mean what, and which can be used. */
    function showControls() {
      const { loss, penalty, density } = settings(), drawn = density === "drawn";
      fields.get("weight").disabled = penalty === "none";
      find("weight-name").textContent =
        penalty === "weight_clipping" ? "Largest weight" : "Penalty's weight";
      find("low").textContent = loss === "wasserstein" ? "lower logit" : "says generated";
      find("high").textContent = loss === "wasserstein" ? "higher logit" : "says real";
      find("clear").disabled = !drawn;
      find("hint").hidden = !drawn;
      plane.canvas.classList.toggle("lab-drawing", drawn);
      plane.canvas.setAttribute("role", drawn ? "application" : "img");
      if (drawn) plane.canvas.tabIndex = 0;
      else plane.canvas.removeAttribute("tabindex");
    }

    function changed(name) {
      if (name === "penalty") fields.get("weight").value = WEIGHTS[settings().penalty];
      if (RESTART.includes(name)) reset();
      game.settings = settings();
      showControls();
      draw();
    }

    /** Take these settings, the rest from the defaults, and begin a new game. */
    function setUp(values) {
      for (const [name, value] of Object.entries({ ...lab.DEFAULTS, ...values })) {
        fields.get(name).value = value;
      }
      showControls();
      reset();
    }

    function reset() {
      pause();
      game = new lab.Game(settings(), drawing);
      history = new lab.History();
      losses = [];
      pen = null;
      showRealPoints();
      draw();
      say(`New game. ${summary()}`);
    }

    function showRealPoints() {
      const sample = () =>
        game.density.sample(new lab.Random(game.settings.seed, 4), new Float64Array(800));
      real = game.density === drawing ? Float64Array.from(drawing.points.flat()) : sample();
    }

    // ------------------------------------------------------------------------------ the loop

    function run() {
      if (!playable()) return;
      running = true;
      before = performance.now();
      owed = 1;
      find("run").textContent = "Pause";
      say("Running.");
      request = requestAnimationFrame(frame);
    }

    function pause() {
      if (!running) return;
      running = false;
      cancelAnimationFrame(request);
      find("run").textContent = "Run";
      draw();
      say(`Paused. ${summary()}`);
    }

    function frame(now) {
      request = requestAnimationFrame(frame);
      const rate = SPEEDS[find("speed").value], passed = Math.max(0, now - before) / 1000;
      before = now;
      if (!visible) return;
      owed = rate === Infinity ? Infinity : Math.min(owed + rate * passed, 10);
      const training = Math.max(1, Math.min(TRAINING, PICTURE - took));
      for (const end = performance.now() + training; owed >= 1 && performance.now() < end; owed--) {
        game.round();
        losses.push([game.discriminatorLoss, game.generatorLoss]);
      }
      if (!Number.isFinite(game.generatorLoss + game.discriminatorLoss) && game.rounds) {
        pause();
        say("The numbers have grown beyond all bounds. Change a setting, and reset.");
      } else if (now - shown >= (calm.matches ? 500 : 0)) {
        shown = now;
        const start = performance.now();
        drawPlane(frames++ % 2 === 0);
        if (now - written >= CURVES) {
          written = now;
          write();
        }
        took = performance.now() - start;
      }
    }

    function step(player) {
      pause();
      if (!playable()) return;
      for (let i = 0; i < Number(find("presses").value); i++) {
        if (player === "generator") game.stepGenerator();
        else game.stepDiscriminator();
      }
      losses.push([game.discriminatorLoss, game.generatorLoss]);
      draw();
      say(summary());
    }

    function playable() {
      const empty = game.density === drawing && !drawing.points.length;
      if (empty) say("Draw some points first: there is nothing to learn yet.");
      return !empty;
    }

    // ------------------------------------------------------------------------- what is shown

    function draw() {
      drawPlane();
      write();
    }

    function drawPlane(freshHeat) {
      generated = game.generated();
      covered = lab.coverage(game.density, generated);
      pulls = plane.draw(game, real, generated, colours, pen, freshHeat);
      if (!losses.length) return;
      const mean = (k) => losses.reduce((sum, pair) => sum + pair[k], 0) / losses.length;
      const updates = game.discriminatorUpdates + game.generatorUpdates;
      history.add([updates, mean(0), mean(1), covered.covered]);
      losses = [];
    }

    /** The curves and the numbers. */
    function write() {
      const { density, discriminatorUpdates, generatorUpdates } = game;
      const rows = history.all(), places = density.places.length;
      lab.drawCurves(find("losses"), rows, [[1, lab.REAL], [2, lab.FAKE, [5, 3]]], colours);
      lab.drawCurves(find("modes"), rows, [[3, lab.MODES]], colours, [0, Math.max(1, places)]);

      let pull = 0;
      for (let i = 0; i < pulls.length; i += 2) pull += Math.hypot(pulls[i], pulls[i + 1]);
      const [, discriminatorLoss, generatorLoss] = rows.at(-1) ?? [];
      const values = {
        round: whole(game.rounds),
        updates: `${whole(discriminatorUpdates)}, ${whole(generatorUpdates)}`,
        "discriminator-loss": number(discriminatorLoss),
        "generator-loss": number(generatorLoss),
        covered: `${covered.covered} of ${places}`,
        share: `${Math.round(100 * covered.share)}%`,
        pull: number((2 * pull) / pulls.length),
        "covered-name": `${density.unit} covered`,
        "covered-curve": density.unit,
      };
      for (const [name, text] of Object.entries(values)) {
        if (find(name).textContent !== text) find(name).textContent = text;
      }
    }

    const whole = (value) => value.toLocaleString("en");

    function number(value) {
      if (!Number.isFinite(value)) return "–";
      const size = Math.abs(value);
      const digits = size >= 100 ? 0 : size >= 0.1 ? 2 : size >= 0.001 ? 3 : 0;
      const text = size && size < 0.001 ? value.toExponential(0) : value.toFixed(digits);
      return text.replaceAll("-", "−");
    }

    function summary() {
      const { places, unit } = game.density;
      return `Round ${game.rounds}: ${covered.covered} of ${places.length} ${unit} covered.`;
    }

    /** Tell everybody, those too who do not see the picture. */
    function say(text) {
      find("status").textContent = text;
      plane.canvas.setAttribute(
        "aria-label",
        game.density === drawing
          ? "The plane. The arrow keys move a pen, the space bar draws points where it stands. " + text
          : `The plane: real points, generated points, and arrows at these. ${text}`,
      );
    }

    // ---------------------------------------------------------------------- the reader's pen

    function ink(x, y, count) {
      const random = new lab.Random(drawing.points.length, 5);
      for (let i = 0; i < count; i++) {
        drawing.add(x + 0.08 * random.normal(), y + 0.08 * random.normal());
      }
      showRealPoints();
      if (!running) draw();
    }

    let stroke = null; // where the pointer last drew
    plane.canvas.addEventListener("pointerdown", (event) => {
      if (game.density !== drawing || event.button) return;
      plane.canvas.setPointerCapture(event.pointerId);
      pen = null;
      stroke = plane.point(event);
      ink(...stroke, 3);
    });
    plane.canvas.addEventListener("pointermove", (event) => {
      if (!stroke) return;
      const [x, y] = plane.point(event);
      if (Math.hypot(x - stroke[0], y - stroke[1]) < 0.08) return;
      stroke = [x, y];
      ink(x, y, 3);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      plane.canvas.addEventListener(end, () => {
        if (stroke) say(`${drawing.points.length} points drawn.`);
        stroke = null;
      });
    }
    plane.canvas.addEventListener("keydown", (event) => {
      if (game.density !== drawing || event.ctrlKey || event.metaKey || event.altKey) return;
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const move = moves[event.key];
      if (!move && event.key !== " ") return;
      event.preventDefault();
      pen ??= [0, 0];
      if (move) {
        const to = (k) => Math.min(2.9, Math.max(-2.9, pen[k] + 0.2 * move[k]));
        pen = [to(0), to(1)];
        say(`Pen at ${pen.map((p) => p.toFixed(1)).join(", ")}.`);
        draw();
      } else {
        ink(...pen, 12);
        say(`${drawing.points.length} points drawn.`);
      }
    });

    // ------------------------------------------------------------------------------- wiring

    const press = (name, act) => find(name).addEventListener("click", act);
    press("run", () => (running ? pause() : run()));
    press("step-discriminator", () => step("discriminator"));
    press("step-generator", () => step("generator"));
    press("reset", reset);
    press("draw", () => {
      if (game.density !== drawing) {
        fields.get("density").value = "drawn";
        changed("density");
      }
      plane.canvas.focus();
    });
    press("clear", () => {
      drawing.clear();
      reset();
    });
    for (const [name, field] of fields) field.addEventListener("change", () => changed(name));
    for (const button of document.querySelectorAll("[data-lab-set-up]")) {
      button.hidden = false;
      button.addEventListener("click", () => {
        setUp(JSON.parse(button.dataset.labSetUp));
        root.scrollIntoView({ behavior: calm.matches ? "auto" : "smooth" });
        find("run").focus({ preventScroll: true });
      });
    }

    new ResizeObserver(draw).observe(plane.canvas);
    new IntersectionObserver(([entry]) => (visible = entry.isIntersecting)).observe(root);
    new MutationObserver(() => {
      colours = lab.theme(root);
      draw();
    }).observe(document.documentElement, { attributeFilter: ["data-theme"] });

    document.documentElement.classList.add("lab-runs"); // hides the still figure
    root.hidden = false;
    setUp({});
    lab.page = { game: () => game, setUp }; // for tests, and for readers at the console
  }

  const root = document.getElementById("lab");
  if (root) start(root);
})((globalThis.ganlab ??= {}));
