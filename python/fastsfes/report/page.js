"use strict";
// The page is complete without this: it only lets the reader choose the theme.
(() => {
  const button = document.getElementById("theme");
  const modes = ["auto", "light", "dark"];
  let mode = Math.max(0, modes.indexOf(document.documentElement.dataset.theme));
  button.hidden = false;
  const show = () => {
    if (mode === 0) delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = modes[mode];
    button.textContent = "Theme: " + modes[mode];
  };
  button.addEventListener("click", () => {
    mode = (mode + 1) % modes.length;
    show();
  });
  show();
})();
