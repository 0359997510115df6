"use strict";

// Names for screen readers that the stock list has no place for, and the button that copies a snippet.
document.addEventListener("DOMContentLoaded", () => {
  const list = document.getElementById("result_list");
  if (list) {
    list.setAttribute("aria-label", "Statistic entries");
  }
  for (const button of document.querySelectorAll("[data-copies]")) {
    if (!navigator.clipboard) {
      continue;
    }
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
});
