// The theme lets the keyboard reach code that is wider than its box, but it measures the boxes only
// when the window changes its size: let it measure again what a reader has unfolded.
document.addEventListener("click", (event) => {
  if (event.target.closest("summary, .toggle-button, .admonition-title")) {
    setTimeout(() => window.dispatchEvent(new Event("resize")));
  }
});

// It does not know of the figures, which on a phone scroll on their own.
const reachFigures = () => {
  for (const figure of document.querySelectorAll(".bd-article figure:has(img)")) {
    if (figure.scrollWidth > figure.clientWidth) figure.tabIndex = 0;
    else figure.removeAttribute("tabindex");
  }
};
window.addEventListener("load", reachFigures);
window.addEventListener("resize", reachFigures);
