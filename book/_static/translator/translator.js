// The translator on the page: the paper, the pen, and the images that follow them.
"use strict";
(function (translator) {
  const PAUSE = 15; // milliseconds between two answers, at least: the pen goes first
  const WAYS = { there: "back", back: "there" };

  async function start(root) {
    const { find, all } = ganlive.named("translator", root);
    const { networks, weights } = translator, loaded = {}, digits = {};
    for (const way of Object.keys(WAYS)) {
      loaded[way] = await ganlive.load(networks[way], weights[way]);
      const letters = atob(translator.digits[way]);
      digits[way] = Float64Array.from(letters, (letter) => letter.charCodeAt(0) / 255);
    }
    const shape = loaded.there.imageShape, [side] = shape, size = side * side;
    const NOISE = translator.normal(size, 0), MIDDLE = [side / 2, side / 2];
    const paper = find("paper"), cursor = find("cursor");
    const drawing = new translator.Drawing();
    let way = "there", pen = null, down = false, touched = null, took = 0;
    let images = {}; // as they are shown
    let idle = Promise.resolve(), due = null;

    // ------------------------------------------------------------------------- the images

    const ink = (digit, of = way) => digits[of].subarray(size * digit, size * (digit + 1));
    const scaled = (values) => Float32Array.from(values, (value) => 2 * value - 1);

    /** Which of the examples is on the paper, if it is alone there; or null. */
    const alone = () => (drawing.strokes.length ? null : drawing.example);

    /** Another paper, which a stroke that is being drawn does not go on upon. */
    function show(example, strokes) {
      touched = null;
      drawing.show(example, strokes);
    }

    /** Show what is on the paper now, and have the networks answer soon. */
    function changed() {
      const { example } = drawing;
      images.paper = drawing.image(networks[way].pen, side, example === null ? null : ink(example));
      ganlive.paint(paper, images.paper, shape);
      if (!due) idle = new Promise((done) => (due = setTimeout(answer, Math.max(PAUSE, took), done)));
    }

    /** Let both networks answer what is on the paper now. */
    function answer(done) {
      const began = performance.now(), digit = alone();
      due = null;
      images.translated = loaded[way].images({ images: images.paper });
      images.noisy = translator.noisy(images.translated, noise(), NOISE);
      images.returned = loaded[WAYS[way]].images({ images: images.noisy });
      images.right = digit === null ? null : scaled(ink(digit, WAYS[way]));
      for (const name of ["translated", "noisy", "returned"]) {
        ganlive.paint(find(name), images[name], shape);
      }
      find("right").hidden = !images.right;
      find("unknown").hidden = Boolean(images.right);
      if (images.right) ganlive.paint(find("right"), images.right, shape);
      find("noise-value").textContent = noise().toFixed(2);
      find("right-apart").textContent = images.right ? `${off("translated", "right")} away` : "";
      find("returned-apart").textContent = `${off("returned", "paper")} away`;
      for (const button of all("example")) {
        button.setAttribute("aria-pressed", String(Number(button.value) === digit));
      }
      took = performance.now() - began;
      done();
    }

    const noise = () => Number(find("noise").value);
    const off = (one, other) => translator.apart(images[one], images[other]).toFixed(3);

    // --------------------------------------------------------------------------- the words

    /** Tell everybody what there is now, once it is there; those too who do not see it. */
    async function say(text = "") {
      await idle;
      const digit = alone(), strokes = drawing.strokes.length;
      const marks = strokes === 1 ? "1 stroke" : `${strokes} strokes`;
      const what = digit !== null
        ? `Example ${digit}`
        : drawing.example !== null
          ? `An example and ${marks}`
          : strokes
            ? `Your drawing, ${marks}`
            : "An empty paper";
      const right = images.right ? `; translated, ${off("translated", "right")} from the answer` : "";
      const back = `; there and back, ${off("returned", "paper")} from itself`;
      tell(`${text}${what}${right}${back}.`);
    }

    const tell = (text) => (find("status").textContent = text);

    // ----------------------------------------------------------------------------- the pen

    /** Where on the paper, in pixels of the image. */
    function place(event) {
      const box = paper.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * side;
      const y = ((event.clientY - box.top) / box.height) * side;
      return [x, y];
    }

    paper.addEventListener("pointerdown", (event) => {
      if (event.button || !event.isPrimary) return;
      paper.setPointerCapture(event.pointerId);
      touched = event.pointerId;
      movePen(null);
      drawing.begin(...place(event));
      changed();
    });
    paper.addEventListener("pointermove", (event) => {
      if (touched !== event.pointerId) return;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) drawing.extend(...place(each));
      changed();
    });
    for (const end of ["pointerup", "pointercancel"]) {
      paper.addEventListener(end, (event) => {
        if (touched !== event.pointerId) return;
        touched = null;
        say();
      });
    }

    /** Where the keyboard's pen stands, if it is in use, and whether it is on the paper. */
    function movePen(to, onPaper = false) {
      [pen, down] = [to, onPaper];
      cursor.hidden = !pen;
      cursor.classList.toggle("translator-down", down);
      if (!pen) return;
      cursor.style.left = `${(100 * pen[0]) / side}%`;
      cursor.style.top = `${(100 * pen[1]) / side}%`;
    }

    const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

    paper.addEventListener("keydown", (event) => {
      const undoes = event.key === "z" && (event.ctrlKey || event.metaKey);
      if ((event.ctrlKey || event.metaKey || event.altKey) && !undoes) return;
      const move = MOVES[event.key], puts = event.key === " " || event.key === "Enter";
      if (event.key === "Backspace" || undoes) undo();
      else if (event.key === "Escape" && down) lift();
      else if (move) step(move);
      else if (puts && !event.repeat) down ? lift() : lower();
      else if (!puts) return;
      event.preventDefault();
    });

    function step([dx, dy]) {
      const [x, y] = pen ?? MIDDLE;
      const within = (value) => Math.min(side - 0.5, Math.max(0.5, value));
      movePen([within(x + dx), within(y + dy)], down);
      if (down) {
        drawing.extend(...pen);
        changed();
      }
      const [column, row] = pen.map((value) => Math.floor(value) + 1);
      tell(`Pen ${down ? "down" : "up"}, column ${column}, row ${row} of ${side}.`);
    }

    function lower() {
      touched = null; // one pen at a time
      movePen(pen ?? MIDDLE, true);
      drawing.begin(...pen);
      changed();
      tell("Pen down.");
    }

    function lift() {
      movePen(pen);
      say("Pen up. ");
    }

    paper.addEventListener("focus", () => {
      if (paper.matches(":focus-visible") && !pen) movePen(MIDDLE);
    });
    paper.addEventListener("blur", () => movePen(null));

    // ------------------------------------------------------------------------------ wiring

    function undo() {
      touched = null; // a stroke that is being drawn ends here
      const found = drawing.undo();
      movePen(pen);
      changed();
      say(found ? "Taken back. " : "Nothing to take back. ");
    }

    /** Change the way: strokes stay as they are, an example becomes that of the other typeface. */
    function turn(to) {
      way = to;
      root.querySelector(`[name=translator-way][value="${way}"]`).checked = true;
      for (const button of all("example")) {
        ganlive.paint(button.querySelector("canvas"), scaled(ink(Number(button.value))), shape);
      }
      changed();
    }

    /** Take these settings, the rest as at the start; strokes are given in shares of a side. */
    function setUp({ to = "there", digit = null, strokes = [], deviation = 0 }) {
      const scale = (points) => points.map((place) => place.map((share) => share * side));
      show(digit, strokes.map(scale));
      find("noise").value = deviation;
      turn(to);
      return say();
    }

    for (const button of all("example")) {
      button.addEventListener("click", () => {
        show(Number(button.value));
        changed();
        say();
      });
    }
    for (const radio of root.querySelectorAll("[name=translator-way]")) {
      radio.addEventListener("change", () => {
        turn(radio.value);
        say();
      });
    }
    find("undo").addEventListener("click", undo);
    find("clear").addEventListener("click", () => {
      show(null);
      changed();
      say();
    });
    find("noise").addEventListener("input", changed);
    find("noise").addEventListener("change", () => say());
    ganlive.setUps("translator", root, setUp);

    document.documentElement.classList.add("translator-runs"); // hides the still figure
    paper.setAttribute("aria-label", `The paper, of ${side} by ${side} pixels`);
    root.hidden = false;
    await setUp({ digit: 7 });
    drawing.before = [];
    translator.page = { setUp, drawing, images: () => images, took: () => took, idle: () => idle }; // for tests
  }

  const root = document.getElementById("translator-live");
  if (root) start(root);
})((globalThis.gantranslator ??= {}));
