// The theme lets the keyboard reach code that is wider than its box, but it measures the boxes only
// when the window changes its size: let it measure again what a reader has unfolded.
document.addEventListener("click", (event) => {
  if (event.target.closest("summary, .toggle-button, .admonition-title")) {
    setTimeout(() => window.dispatchEvent(new Event("resize")));
  }
});
