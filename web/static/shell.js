// The shell's own behaviour: navigation that keeps the phone, notices, keys, language and theme in place.
// Pages bring no script of their own; they mark what they need with data- attributes.
"use strict";

const main = () => document.getElementById("main");
const notices = () => document.getElementById("notice");

/** Mark the rail entry of the page that is open. */
function markPlace() {
  const here = location.pathname;
  for (const link of document.querySelectorAll("[data-place]")) {
    const path = link.dataset.place;
    if (here === path || here.startsWith(path + "/")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** On a phone a row of a list is a block: each cell bears its column's head (base.css). */
function nameCells() {
  for (const list of document.querySelectorAll("table.list:not([data-named])")) {
    const heads = [...list.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    for (const row of list.tBodies[0]?.rows ?? [])
      if (row.cells.length === heads.length) heads.forEach((head, place) => { row.cells[place].dataset.head = head; });
    list.dataset.named = "";
  }
}

/** A notice in the corner; words come from the page, so that they are in the person's language. */
function notify(title, text) {
  const box = document.createElement("div");
  box.className = "notice bad";
  box.setAttribute("role", "alert");
  const body = document.createElement("div");
  for (const [tag, words] of [["strong", title], ["p", text]]) {
    const line = document.createElement(tag);
    line.textContent = words;
    body.append(line);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.className = "button bare";
  close.dataset.close = "";
  close.textContent = notices().dataset.close;
  box.append(body, close);
  notices().replaceChildren(box);
}

/** What the shell asks by itself (data-quiet) neither tells of a fault nor clears one that is told. */
const byItself = (event) => event.target.closest("[data-quiet]") !== null;

function offline(event) {
  if (byItself(event)) return;
  notify(notices().dataset.offline, notices().dataset.offlineRemedy);
}

document.addEventListener("htmx:sendError", offline);
document.addEventListener("htmx:timeout", offline);
document.addEventListener("htmx:beforeRequest", (event) => {
  if (!byItself(event)) notices().replaceChildren();
});

// A new page in main: focus goes to it (screen readers announce it) and it starts at its top.
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target !== main()) return;
  markPlace();
  const wanted = main().querySelector("[data-focus]") || main();
  wanted.focus({ preventScroll: true });
  if (wanted === main()) window.scrollTo(0, 0);
  else wanted.scrollIntoView({ block: "nearest" });
});
document.addEventListener("htmx:historyRestore", markPlace);
for (const drawn of ["htmx:afterSettle", "htmx:historyRestore"]) document.addEventListener(drawn, nameCells);

// One stream of events for the whole shell: `hotline:<event>` on the body, ids in detail.
// `hotline:stream` tells whether it is up; `hotline:resync` and "up" after a gap: show again what may have changed.
const SILENCE_MS = 40000;

function listen() {
  const address = notices() && notices().dataset.events;
  if (!address) return;
  let source;
  let watch;
  const tell = (name, detail) =>
    document.body.dispatchEvent(new CustomEvent("hotline:" + name, { detail, bubbles: true }));
  const again = () => {
    clearTimeout(watch);
    source.close();
    tell("stream", { up: false });
    setTimeout(open, 2000 + Math.random() * 2000);
  };
  const alive = () => {
    clearTimeout(watch);
    watch = setTimeout(again, SILENCE_MS);
  };
  function open() {
    source = new EventSource(address);
    source.onmessage = (message) => {
      alive();
      const { event, data } = JSON.parse(message.data);
      if (event === "hello") tell("stream", { up: true });
      else if (event !== "beat") tell(event, data);
    };
    source.onerror = again;
    alive();
  }
  open();
}
listen();
nameCells();

document.addEventListener("hotline:session.ended", () => notify(notices().dataset.ended, notices().dataset.endedRemedy));

document.addEventListener("click", (event) => {
  const close = event.target.closest("[data-close]");
  if (close) close.closest(".notice").remove();
  if (event.target.closest("[data-print]")) window.print();
});

// Language and theme change in place: a reload would hang up the phone.
document.addEventListener("hotline:language", (event) => {
  document.documentElement.lang = event.detail.value === "zh" ? "zh-CN" : "en";
});
document.addEventListener("hotline:theme", (event) => {
  const theme = event.detail.value;
  document.documentElement.dataset.theme = theme;
  const media = { auto: "screen and (prefers-color-scheme: dark)", dark: "screen", light: "not all" };
  document.getElementById("dark").media = media[theme];
  document.querySelector('meta[name="color-scheme"]').content = theme === "auto" ? "light dark" : theme;
});

// Keys. Nothing here fires while somebody types, and nothing that a phone key could mean.
function typing(target) {
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

function moveRow(step) {
  const links = [...main().querySelectorAll("[data-row]")];
  const at = links.indexOf(document.activeElement);
  const next = links[Math.min(links.length - 1, Math.max(0, at + step))];
  if (next) next.focus();
}

document.addEventListener("keydown", (event) => {
  if (event.altKey && !event.ctrlKey && /^Digit[1-9]$/.test(event.code)) {
    const link = document.querySelectorAll("#rail nav [data-place]")[Number(event.code[5]) - 1];
    if (link) {
      event.preventDefault();
      link.click();
    }
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && notices().firstElementChild) notices().replaceChildren();
  if (typing(event.target)) return;
  if (event.key === "/") {
    const first = main().querySelector(".filters input, .filters select");
    if (first) {
      event.preventDefault();
      first.focus();
    }
  } else if (event.key === "j") moveRow(1);
  else if (event.key === "k") moveRow(-1);
});
