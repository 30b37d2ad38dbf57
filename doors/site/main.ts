/** The public page: what is pressed is done, what the call tells is shown. */

import { Call } from "./call.js";
import { busy, inCall, MARK, next, type Event, type Fault, type State } from "./states.js";

class Page {
  #state: State = "idle";
  #since = 0; // of the connection, milliseconds since the epoch
  #muted = false;
  #call: Call | null = null;
  readonly #words: Readonly<Record<string, string>>;

  constructor(private readonly root: HTMLElement) {
    this.#words = JSON.parse(document.getElementById("call-words")?.textContent ?? "{}") as Record<string, string>;
    this.#on("[data-act=dial]", () => this.#dial());
    this.#on("[data-act=hangup]", () => this.#call?.hangUp());
    this.#on("[data-act=mute]", () => this.#mute());
    for (const key of root.querySelectorAll<HTMLElement>("[data-digit]")) {
      key.addEventListener("click", () => this.#press(key.dataset["digit"] ?? ""));
    }
    addEventListener("keydown", (event) => this.#typed(event));
    addEventListener("beforeunload", (event) => { if (inCall(this.#state)) event.preventDefault(); });
    addEventListener("pagehide", () => { if (busy(this.#state)) this.#call?.hangUp(); });
    setInterval(() => this.#clock(), 500);
  }

  #dial(): void {
    if (!this.#event("dial")) return;
    this.#muted = false;
    this.#fault(null);
    const line = this.root.querySelector<HTMLInputElement | HTMLSelectElement>("[name=line]")?.value ?? "";
    this.#call = new Call({
      event: (event) => this.#event(event),
      fault: (fault) => { if (this.#event("fault")) this.#fault(fault); },
    });
    void this.#call.dial(line, this.root.dataset["domain"] ?? "");
  }

  #mute(): void {
    if (!inCall(this.#state)) return;
    this.#muted = !this.#muted;
    this.#call?.mute(this.#muted);
    this.#draw();
  }

  #press(key: string): void {
    if (inCall(this.#state)) this.#call?.press(key);
  }

  #typed(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey || !/^[0-9*#]$/.test(event.key)) return;
    const key = this.#find(`[data-digit="${event.key}"]`);
    if (!inCall(this.#state) || !key) return;
    key.focus();
    this.#press(event.key);
  }

  #event(event: Event): boolean {
    const state = next(this.#state, event);
    if (state === null) return false;
    if (event === "confirmed") this.#since = Date.now();
    if (event === "dial") this.#since = 0;
    this.#state = state;
    this.#draw();
    return true;
  }

  #fault(fault: Fault | null): void {
    this.#show("[data-fault]", fault !== null);
    this.#say("fault", fault ? this.#t(`call.fault.${fault}.title`) : "");
    this.#say("remedy", fault ? this.#t(`call.fault.${fault}.remedy`) : "");
  }

  #draw(): void {
    const state = this.#state;
    const [shape, tone] = MARK[state];
    this.root.dataset["state"] = state;
    this.#say("state", this.#t(`call.says.${state}`));
    this.#find("[data-now]")?.setAttribute("data-tone", tone);
    const mark = this.#find("[data-now] use");
    mark?.setAttribute("href", (mark.getAttribute("href") ?? "").replace(/#.*/, `#mark-${shape}`));
    const [shown, hidden] = busy(state) ? ["hangup", "dial"] : ["dial", "hangup"];
    const pressed = this.#find(`[data-act=${hidden}]`) === document.activeElement;
    this.#show(`[data-act=${shown}]`, true);
    if (pressed) this.#find(`[data-act=${shown}]`)?.focus();
    this.#show(`[data-act=${hidden}]`, false);
    this.#show("[data-act=mute]", inCall(state));
    this.#show("[data-pad]", inCall(state));
    this.#find("[data-act=mute]")?.setAttribute("aria-pressed", String(this.#muted));
    if (state === "ended" || state === "failed") this.#find("[data-act=dial] span")!.textContent = this.#t("call.again");
    const line = this.root.querySelector<HTMLSelectElement>("select[name=line]");
    if (line) line.disabled = busy(state);
    this.#clock();
  }

  #clock(): void {
    if (this.#since && (this.#state === "ended" || this.#state === "failed")) return; // how long it was stays
    const whole = Math.floor((Date.now() - this.#since) / 1000);
    this.#say("clock", this.#since ? `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}` : "");
  }

  #t(key: string): string {
    return this.#words[key] ?? key;
  }

  #say(name: string, words: string): void {
    const place = this.#find(`[data-says=${name}]`);
    if (place && place.textContent !== words) place.textContent = words;
  }

  #show(selector: string, shown: boolean): void {
    this.#find(selector)?.toggleAttribute("hidden", !shown);
  }

  #find(selector: string): HTMLElement | null {
    return this.root.querySelector<HTMLElement>(selector);
  }

  #on(selector: string, act: () => void): void {
    this.#find(selector)?.addEventListener("click", act);
  }
}

const root = document.getElementById("call");
if (root) new Page(root);
