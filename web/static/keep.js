// Forms marked data-keep="<name>" keep what is typed in this tab until it is saved: through a wrong click,
// a reload, a crash of the page. Stored per person and thing (the name says both); gone when the tab closes.
"use strict";

const storeName = (form) => "keep:" + form.dataset.keep;
const keptForms = (root) =>
  root.matches && root.matches("form[data-keep]") ? [root] : root.querySelectorAll("form[data-keep]");

function valuesOf(form) {
  return [...new FormData(form)].filter(([name]) => name !== "version");
}

function fill(form, values) {
  for (const field of form.elements) {
    if (!field.name || field.name === "version") continue;
    const own = values.filter(([name]) => name === field.name).map(([, value]) => value);
    if (field.type === "checkbox" || field.type === "radio") field.checked = own.includes(field.value);
    else if (own.length) field.value = own[0];
  }
}

function restore(form) {
  const kept = sessionStorage.getItem(storeName(form));
  if (kept === null || kept === JSON.stringify(valuesOf(form))) return;
  fill(form, JSON.parse(kept));
  form.querySelector("[data-kept]").hidden = false;
}

document.addEventListener("input", (event) => {
  const form = event.target.form;
  if (form && form.dataset.keep) sessionStorage.setItem(storeName(form), JSON.stringify(valuesOf(form)));
});

document.addEventListener("click", (event) => {
  const drop = event.target.closest("[data-keep-drop]");
  if (!drop) return;
  const form = drop.closest("form") || main().querySelector("form[data-keep]");
  sessionStorage.removeItem(storeName(form));
  if (drop.type === "button") {
    form.reset();
    form.querySelector("[data-kept]").hidden = true;
  }
});

document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.detail.elt;
  if (event.detail.successful && form.dataset && form.dataset.keep) sessionStorage.removeItem(storeName(form));
});

document.addEventListener("submit", (event) => {
  if (new URL(event.target.action).pathname === "/logout") sessionStorage.clear();
});

document.addEventListener("htmx:load", (event) => keptForms(event.detail.elt).forEach(restore));
