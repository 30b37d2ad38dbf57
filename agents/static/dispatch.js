// The dispatcher's page: seconds that run down, rows ticked by key.
"use strict";

const ends = new WeakMap(); // element → when its time is over, in the page's own milliseconds

function begin() {
  for (const element of document.querySelectorAll("[data-countdown], [data-while]")) {
    const seconds = Number(element.dataset.countdown || element.dataset.while);
    if (!ends.has(element)) ends.set(element, performance.now() + seconds * 1000);
  }
}

function run() {
  begin(); // what came with a swap since
  for (const element of document.querySelectorAll("[data-countdown]")) {
    const left = Math.ceil((ends.get(element) - performance.now()) / 1000);
    if (left > 0) element.textContent = left;
    else element.closest("form").remove();
  }
  for (const form of document.querySelectorAll("form[data-while]")) {
    if (ends.get(form) <= performance.now()) form.remove();
  }
}

run();
setInterval(run, 500);

const ticks = () => [...document.querySelectorAll("#main [data-tick]")];

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-tick-all]")) return;
  const all = ticks();
  const on = all.some((box) => !box.checked);
  for (const box of all) box.checked = on;
});

// S ticks the row that J and K have brought the reader to.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.key.toLowerCase() !== "s") return;
  if (!event.target.matches("[data-row]")) return;
  const box = event.target.closest("tr").querySelector("[data-tick]");
  if (!box) return;
  event.preventDefault();
  box.checked = !box.checked;
});
