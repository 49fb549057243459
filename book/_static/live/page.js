// What the pages with a network have in common: parts with names, images on canvases, and buttons in
// the text.
"use strict";
(function (live) {
  /** How a page finds the elements that it names, `data-<page>`: the first of a name, or all. */
  live.named = (page, root) => ({
    find: (name) => root.querySelector(`[data-${page}="${name}"]`),
    all: (name) => [...root.querySelectorAll(`[data-${page}="${name}"]`)],
  });

  live.percent = (share) => `${Math.round(100 * share)}%`;

  /** Show an image, the numbers of one in [-1, 1], on a canvas. */
  live.paint = (canvas, numbers, [height, width, depth]) => {
    Object.assign(canvas, { width, height });
    const picture = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) {
        picture.data[4 * i + c] = 127.5 * (numbers[i * depth + (c % depth)] + 1);
      }
      picture.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(picture, 0, 0);
  };

  /**
   * Have the buttons of the text that hold settings, `data-<page>-set-up`, hand them to `setUp`.
   *
   * They lead to the part of the page that they name, `data-live-part`, and in it to the control
   * of the class `<page>-first`.
   */
  live.setUps = (page, root, setUp) => {
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
    for (const button of document.querySelectorAll(`[data-${page}-set-up]`)) {
      button.hidden = false;
      button.addEventListener("click", () => {
        setUp(JSON.parse(button.getAttribute(`data-${page}-set-up`)));
        const part = root.querySelector(`[data-live-part="${button.dataset.part}"]`);
        part.scrollIntoView({ behavior: calm.matches ? "auto" : "smooth", block: "start" });
        part.querySelector(`.${page}-first`).focus({ preventScroll: true });
      });
    }
  };
})((globalThis.ganlive ??= {}));
