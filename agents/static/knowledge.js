// The box beside a form: what it finds is put into the answer, after all that was typed there.
// Enter takes the first, or the one chosen by the arrow keys; Escape goes back to the answer.

const boxOf = (element) => element.closest("[data-knowledge]");
const fieldOf = (box) => box.querySelector("input[type=search]");
const options = (box) => [...box.querySelectorAll("[role=option]")];
const FIELDS = "textarea[name=answer], textarea[name=public_reply]";
const lastTyped = new WeakMap(); // by scope: which answer she was writing

// On the desk the answer of that very call, elsewhere any on the page.
const scopeOf = (element) => element.closest(".work") || document.getElementById("main");

function target(box) {
  const scope = scopeOf(box);
  const last = lastTyped.get(scope);
  if (last && last.isConnected) return last;
  return [...scope.querySelectorAll(FIELDS)].find((field) => field.checkVisibility()) || scope.querySelector(FIELDS);
}

function say(box, words) {
  box.querySelector("[data-knowledge-said]").textContent = words;
}

function insert(box, option) {
  const field = target(box);
  if (!field) {
    say(box, box.dataset.nowhere);
    return;
  }
  for (let around = field.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
  const text = option.querySelector("[data-text]").textContent;
  const before = field.value && !field.value.endsWith("\n") ? "\n" : "";
  field.setRangeText(before + text, field.value.length, field.value.length, "end");
  const entry = field.form && field.form.elements.namedItem("entry");
  if (entry) entry.value = option.querySelector("[data-insert]").dataset.insert;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
  field.scrollTop = field.scrollHeight;
  say(box, box.dataset.inserted);
}

function take(box) {
  const chosen = options(box).find((option) => option.getAttribute("aria-selected") === "true");
  if (chosen) insert(box, chosen);
}

function choose(box, step) {
  const all = options(box);
  const at = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
  const next = all[Math.min(all.length - 1, Math.max(0, at + step))];
  for (const option of all) option.setAttribute("aria-selected", String(option === next));
  if (next) next.scrollIntoView({ block: "nearest" });
}

document.addEventListener("focusin", (event) => {
  if (event.target.matches(FIELDS)) lastTyped.set(scopeOf(event.target), event.target);
});

document.addEventListener("input", (event) => {
  const box = boxOf(event.target);
  if (!box) return;
  box.dataset.asking = ""; // until the answer to this very word is here
  say(box, "");
});

document.addEventListener("htmx:afterRequest", (event) => {
  const box = event.target.closest && boxOf(event.target);
  if (!box || event.target !== fieldOf(box)) return;
  delete box.dataset.asking;
  if ("wanted" in box.dataset && event.detail.successful) take(box);
  delete box.dataset.wanted;
});

document.addEventListener("keydown", (event) => {
  const box = event.target.closest && boxOf(event.target);
  if (!box || event.target !== fieldOf(box) || event.isComposing) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") choose(box, event.key === "ArrowDown" ? 1 : -1);
  else if (event.key === "Escape" && target(box)) target(box).focus();
  else if (event.key !== "Enter") return;
  else if ("asking" in box.dataset && fieldOf(box).value.trim()) box.dataset.wanted = "";
  else take(box);
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  const box = event.target.closest && boxOf(event.target);
  if (!box) return;
  const chosen = event.target.closest("[data-insert]");
  if (chosen) insert(box, chosen.closest("[role=option]"));
  if (event.target.closest("[data-knowledge-find]")) fieldOf(box).focus();
});

// Q finds, as on the desk, on pages of those who have no phone whose keys would do it.
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.isComposing || event.code !== "KeyQ") return;
  if (!event.altKey && event.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = [...document.querySelectorAll("[data-knowledge] input[type=search]")].find((each) => each.checkVisibility());
  if (!field) return;
  event.preventDefault();
  field.focus();
});
