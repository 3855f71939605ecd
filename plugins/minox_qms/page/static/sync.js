"use strict";
// Airflow's own choice of light or dark, and ways out of the frame that Airflow shows this page in.
(() => {
  const root = document.documentElement;
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch { /* no storage: the system's own choice stands */ }
  if (window.top === window) return;
  root.classList.add("framed");
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-top]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    // The frame itself may not lead its surroundings elsewhere; a link of the surrounding page may.
    const outer = window.top.document.createElement("a");
    outer.href = link.href;
    outer.click();
  });
})();
