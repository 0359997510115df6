"use strict";

// Names for screen readers and phones that the stock list has no place for, the button that copies a snippet, and ages.
const UNITS = [[86400, "day", "d"], [3600, "hour", "h"], [60, "minute", "min"], [1, "second", "s"]];
const opened = performance.now();

// An age as the pages write durations: in its largest unit, and the next one while that says something.
function short(seconds) {
  const at = UNITS.findIndex(([size]) => seconds >= size);
  if (at < 0 || seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  const [size, , unit] = UNITS[at];
  const whole = Math.floor(seconds / size);
  const next = UNITS[at + 1];
  const rest = next && whole < 10 ? Math.floor((seconds % size) / next[0]) : 0;
  return `${whole} ${unit}${rest ? ` ${rest} ${next[2]}` : ""}`;
}

// An age in words of the page's language: "3 minutes ago".
function ago(seconds) {
  const [size, unit] = UNITS.find(([least]) => seconds >= least) || UNITS[3];
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang || "en", { numeric: "auto" });
  return words.format(-Math.floor(seconds / size), unit);
}

// Let ages go on: each second while one is below a minute, else each ten; each minute for who wants little motion.
function tick(ages) {
  const passed = (performance.now() - opened) / 1000;
  let least = Infinity;
  for (const each of ages) {
    const seconds = Number(each.dataset.age) + passed;
    const text = "short" in each.dataset ? short(seconds) : ago(seconds);
    if (each.textContent !== text) {
      each.textContent = text;
    }
    least = Math.min(least, seconds);
  }
  wait(ages, least);
}

function wait(ages, least) {
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  setTimeout(tick, isCalm ? 60000 : least < 60 ? 1000 : 10000, ages);
}

// Note on each cell what its column is called: where rows are cards, that stands before it.
function name(table) {
  const names = [...table.querySelectorAll("thead th")].map((head) => head.innerText.trim());
  for (const row of table.tBodies[0].rows) {
    [...row.cells].forEach((cell, at) => { cell.dataset.label = names[at] || ""; });
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const list = document.getElementById("result_list");
  if (list) {
    list.setAttribute("aria-label", document.querySelector("[data-list]").dataset.list);
    name(list);
  }
  const ages = [...document.querySelectorAll("[data-age]")];
  if (ages.length) {
    wait(ages, Math.min(...ages.map((each) => Number(each.dataset.age))));
  }
  for (const button of document.querySelectorAll("[data-copies]")) {
    if (!navigator.clipboard) {
      continue;
    }
    const text = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
      button.textContent = button.dataset.copied;
      setTimeout(() => { button.textContent = text; }, 2000);
    });
  }
});
