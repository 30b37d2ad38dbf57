/** The strip on the screen: paints what it is told, and turns its buttons into acts. It decides nothing. */

import { clock, learn, t } from "./words.js";
import { allowed, type Act } from "./states.js";
import { saying, type Duty, type Model, type Saying } from "./says.js";

/** What the buttons of the strip ask for: `data-act`, with `data-value` where there is one. */
export type Pressed = (act: string, value: string) => void;

export class Strip {
  #saying: Saying | null = null;
  #duty: Duty | null = null;
  #since = 0; // of the line's state, in milliseconds since the epoch
  #may: ReadonlySet<Act> = new Set();

  constructor(readonly element: HTMLElement, pressed: Pressed) {
    element.addEventListener("keydown", ({ key }) => { if (key === "Escape") this.panel(""); });
    element.addEventListener("click", (event) => {
      const colleague = (event.target as HTMLElement).closest<HTMLElement>("[data-fill]");
      if (colleague) return this.#fill(colleague.dataset["fill"]!);
      const button = (event.target as HTMLElement).closest<HTMLButtonElement>("button[data-act]");
      if (!button) return;
      pressed(button.dataset["act"]!, button.dataset["value"] ?? (button.form ? this.#target.value.trim() : ""));
    });
    element.addEventListener("input", () => this.#offer());
    element.addEventListener("submit", (event) => {
      event.preventDefault(); // a new page would end the call
      this.element.querySelector<HTMLElement>(":is([data-act=consult], [data-act=blind]):enabled")?.click();
    });
    setInterval(() => this.#tick(), 500);
  }

  paint(model: Model, muted: boolean, who: string, other: string, since: number): void {
    this.#duty = model.duty;
    this.#since = since;
    this.#saying = saying(model);
    const { key, shape, tone } = this.#saying;
    const now = this.#find("[data-now]");
    now.dataset["tone"] = tone;
    now.dataset["state"] = key;
    const use = now.querySelector("use")!;
    use.setAttribute("href", use.getAttribute("href")!.replace(/#.*/, `#mark-${shape}`));
    write(this.#find("[data-says=state]"), t(`phone.says.${key}`, { reason: model.duty?.reason_name ?? "" }));
    write(this.#find("[data-says=who]"), other ? t("phone.with", { who, other }) : who);
    this.#keys(model, muted);
    this.#dutyKeys(model);
    this.#tick();
  }

  /** A sentence that stays until the next one or until it is put away. */
  notice(text: string, tone: "calm" | "warn" | "bad" = "calm"): void {
    const place = this.#find("[data-notice]");
    place.hidden = text === "";
    place.dataset["tone"] = tone;
    write(place.querySelector("[data-says=notice]")!, text);
  }

  panel(name: string, open?: boolean): void {
    for (const panel of this.element.querySelectorAll<HTMLElement>("[data-panel]")) {
      const show = panel.dataset["panel"] === name && (open ?? panel.hidden);
      panel.hidden = !show;
      // With a colleague on the line the next step is to hand over.
      const next = panel.querySelector<HTMLElement>("[data-act=complete]:enabled") ?? panel.querySelector("input, button");
      if (show) next?.focus();
    }
    for (const button of this.element.querySelectorAll<HTMLElement>("[aria-controls]"))
      button.setAttribute("aria-expanded", String(!document.getElementById(button.getAttribute("aria-controls")!)!.hidden));
  }

  /** The same strip in another language. */
  replace(text: string): void {
    const page = new DOMParser().parseFromString(text, "text/html");
    learn(page.getElementById("phone-words"));
    this.element.replaceChildren(...page.getElementById(this.element.id)!.childNodes);
  }

  /** Somebody was picked: her extension is the target, asking first the usual way. */
  #fill(extension: string): void {
    this.#target.value = extension;
    this.#offer();
    this.#find("[data-act=consult]").focus();
    if (this.#outward) this.#find("[data-act=blind]").focus();
  }

  get #target(): HTMLInputElement {
    return this.element.querySelector<HTMLInputElement>("input[name=target]")!;
  }

  /** Beyond the house a caller is handed over at once: staff phones dial nobody outside, to ask or otherwise. */
  get #outward(): boolean {
    return this.#target.value.trim() === this.#target.dataset["outside"];
  }

  #offer(): void {
    for (const button of this.element.querySelectorAll<HTMLButtonElement>("button[data-needs]"))
      button.disabled = !button.dataset["needs"]!.split(" ").some((act) => this.#may.has(act as Act));
    const consult = this.#find("[data-act=consult]") as HTMLButtonElement;
    consult.disabled ||= this.#outward;
    consult.title = this.#outward ? t("phone.move.at_once_why") : "";
  }

  #keys({ lines, tab, hardware, duty }: Model, muted: boolean): void {
    const byHand = new Set<Act>(duty?.live === "talking" ? ["leader"] : []); // the rest is on the phone itself
    this.#may = hardware ? byHand : allowed(lines);
    this.#offer();
    const held = lines.one === "held" && lines.two === "idle";
    label(this.#find("[data-act=hold]"), t(held ? "phone.key.resume" : "phone.key.hold"), held);
    label(this.#find("[data-act=mute]"), t(muted ? "phone.key.unmute" : "phone.key.mute"), muted);
    this.element.dataset["tab"] = hardware ? "holder" : tab;
  }

  #dutyKeys({ duty }: Model): void {
    for (const wanted of ["ready", "paused", "off"])
      this.#find(`[data-wanted=${wanted}]`).setAttribute("aria-pressed", String(duty?.wanted === wanted));
    (this.#find("[data-act=done]") as HTMLButtonElement).disabled = duty?.live !== "wrapup";
  }

  #tick(): void {
    const place = this.#find("[data-says=clock]");
    const since = (iso: string): number => (Date.now() - Date.parse(iso)) / 1000;
    switch (this.#saying?.clock) {
      case "line": return write(place, clock((Date.now() - this.#since) / 1000));
      case "duty": return write(place, clock(since(this.#duty!.live_at)));
      case "wrapup": return write(place, clock(this.#duty!.wrapup_seconds - since(this.#duty!.live_at)));
      default: return write(place, "");
    }
  }

  #find(selector: string): HTMLElement {
    return this.element.querySelector<HTMLElement>(selector)!;
  }
}

/** Only what changed: a live region must not be read twice. */
function write(place: Element, text: string): void {
  if (place.textContent !== text) place.textContent = text;
}

function label(button: HTMLElement, text: string, pressed: boolean): void {
  write(button.querySelector("[data-label]")!, text);
  button.setAttribute("aria-pressed", String(pressed));
}
