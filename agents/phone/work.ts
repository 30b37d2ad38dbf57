/** The calls in hand: the caller's record and the ticket form of each, kept until saved or closed. */

import { DraftKeeper, type Body, type Draft } from "./draft.js";
import { getText, post, put, Refusal } from "./server.js";
import { t } from "./words.js";

const OPEN = "hotline.works"; // the calls in hand, so that a reload finds them again

declare const htmx: { process(element: Element): void }; // its links stay in the shell: a new page would end the call

interface Saved { message: string; link?: string; address?: string }

/** Resolves after the browser has put the last change on the screen. */
export function painted(): Promise<void> {
  return new Promise((resolve) =>
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve();
      port2.postMessage(null);
    }),
  );
}

/** A call in hand. Without a form its ticket is written already: there is nothing to save or close. */
class Shown {
  rings = false;

  constructor(readonly element: HTMLElement) {}

  get touched(): boolean {
    return false;
  }

  ringing(rings: boolean): void {
    this.rings = rings;
  }

  /** A colleague's ticket for this call came while something is typed here: she is told of it. */
  tell(_tickets: Iterable<Element>): void {}

  /** What was typed is not kept here any longer. */
  forget(): void {}
}

class Work extends Shown {
  readonly form: HTMLFormElement;
  readonly #keeper: DraftKeeper;
  #saving = false;

  constructor(element: HTMLElement, readonly callId: string, private readonly done: () => void) {
    super(element);
    this.form = element.querySelector("form")!;
    this.#keeper = new DraftKeeper(
      `hotline.draft.${element.dataset["person"]}.${callId}`,
      localStorage,
      async (draft) => (await put<{ revision: number }>(`/desk/calls/${callId}/draft`, draft)).revision,
      (where) => this.#say("draft", t(`desk.draft.${where}`)),
    );
    this.#restore();
    this.#kind();
    this.form.addEventListener("input", () => this.#typed());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.save();
    });
    for (const button of element.querySelectorAll<HTMLButtonElement>("button[data-reason]"))
      button.addEventListener("click", () => void this.close(button.dataset["reason"]!));
  }

  get body(): Body {
    return Object.fromEntries([...new FormData(this.form)].map(([name, value]) => [name, String(value)]));
  }

  /** While it rings there is nothing to save or close; afterwards all of that. */
  override ringing(rings: boolean): void {
    super.ringing(rings);
    for (const button of this.element.querySelectorAll<HTMLButtonElement>(".ticket-acts button")) button.disabled = rings;
  }

  override get touched(): boolean {
    return this.#keeper.revision > 0 || "done" in this.element.dataset;
  }

  override tell(tickets: Iterable<Element>): void {
    if (this.#saving) return; // her own
    for (const told of this.form.querySelectorAll(".ticket-saved")) told.remove();
    this.form.prepend(...tickets);
    htmx.process(this.form);
  }

  override forget(): void {
    this.#keeper.forget();
  }

  async save(): Promise<void> {
    await this.#act(() => post<Saved>(`/desk/calls/${this.callId}/ticket`, this.body));
  }

  async close(reason: string): Promise<void> {
    await this.#act(() => post<Saved>(`/desk/calls/${this.callId}/close`, { reason, note: "" }));
  }

  async #act(act: () => Promise<Saved>): Promise<void> {
    this.#busy(true);
    this.#faults({});
    this.#say("result", t("desk.saving"));
    await this.#keeper.rest();
    try {
      const saved = await act();
      this.#keeper.forget();
      this.#finish(saved);
    } catch (error) {
      const refusal = error as Refusal;
      this.#busy(false);
      const elsewhere = this.#faults(refusal.fields);
      this.#say("result", elsewhere || refusal.message || t(refusal.away ? "desk.away" : "desk.refused"), "bad");
    }
  }

  #finish(saved: Saved): void {
    this.element.dataset["done"] = "";
    this.#say("result", saved.message, "calm");
    this.#say("draft", "");
    const link = this.element.querySelector<HTMLAnchorElement>("[data-saved]");
    if (link && saved.address) {
      link.href = saved.address;
      link.textContent = saved.link ?? "";
      link.hidden = false;
      htmx.process(link);
    }
    this.done();
  }

  #restore(): void {
    const island = this.element.querySelector("script[data-draft]");
    const draft = this.#keeper.begin(JSON.parse(island?.textContent ?? '{"revision":0,"body":{}}') as Draft);
    if (draft.revision === 0) return;
    for (const field of this.form.elements) fill(field, draft.body);
    this.#say("draft", t("desk.draft.restored"));
  }

  #typed(): void {
    this.#kind();
    this.#keeper.typed(this.body);
  }

  /** A kind that is sealed asks whom it is about; each kind has its own categories and longer limits. */
  #kind(): void {
    const kind = this.form.querySelector<HTMLInputElement>("input[name=kind]:checked");
    if (!("offeredSealed" in this.element.dataset)) this.element.toggleAttribute("data-sealed", kind?.dataset["sealed"] === "1");
    for (const name of ["choice", "category"]) {
      const choice = this.form.elements.namedItem(name) as HTMLSelectElement;
      for (const option of choice.options) {
        const kinds = option.dataset["kinds"];
        option.hidden = option.disabled = kinds !== undefined && !kinds.split(" ").includes(kind?.value ?? "");
      }
      for (const group of choice.querySelectorAll("optgroup")) group.hidden = !group.querySelector("option:enabled");
      if (choice.selectedOptions[0]?.disabled) choice.value = "";
    }
  }

  #busy(busy: boolean): void {
    this.#saving = busy;
    for (const button of this.element.querySelectorAll<HTMLButtonElement>("button")) button.disabled = busy;
  }

  #say(where: "draft" | "result", text: string, tone = ""): void {
    const place = this.element.querySelector<HTMLElement>(`[data-says=${where}]`);
    if (!place) return;
    place.textContent = text;
    place.dataset["tone"] = tone;
  }

  /** Each fault beside its field; what belongs to none of them is returned. */
  #faults(fields: Readonly<Record<string, string>>): string {
    for (const place of this.form.querySelectorAll<HTMLElement>("[data-fault]")) {
      const name = place.dataset["fault"]!;
      const text = fields[name] ?? "";
      place.textContent = text;
      for (const field of this.form.querySelectorAll(`[name="${name}"]`)) {
        if (text) field.setAttribute("aria-invalid", "true");
        else field.removeAttribute("aria-invalid");
      }
    }
    this.form.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
    const elsewhere = Object.entries(fields).filter(([name]) => !this.form.querySelector(`[data-fault="${name}"]`));
    return elsewhere.map(([, sentence]) => sentence).join(" ");
  }
}

function fill(field: Element, body: Body): void {
  if (field instanceof HTMLInputElement && (field.type === "radio" || field.type === "checkbox"))
    field.checked = body[field.name] === field.value;
  else if (field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement || field instanceof HTMLSelectElement)
    field.value = body[field.name] ?? "";
}

/** A call's record as the server draws it, empty when it cannot be had. */
function drawn(callId: string, offer: string): Promise<string> {
  return getText(`/desk/calls/${callId}?offer=${encodeURIComponent(offer)}`).catch(() => "");
}

function record(text: string): HTMLElement | null {
  return new DOMParser().parseFromString(text, "text/html").querySelector<HTMLElement>(".work");
}

export class Works {
  readonly #works = new Map<string, Shown>();
  readonly #asked = new Map<string, Promise<string>>(); // ahead of their ring
  readonly #coming = new Map<string, Promise<HTMLElement | null>>();

  constructor(
    private readonly stage: HTMLElement,
    private readonly tabs: HTMLElement,
    private readonly changed: () => void,
  ) {}

  get current(): HTMLElement | null {
    return this.stage.querySelector<HTMLElement>(".work:not([hidden])");
  }

  /** Have a record on its way before it is wanted. */
  ask(callId: string, offer: string): void {
    if (!this.#coming.has(callId)) this.#asked.set(callId, drawn(callId, offer));
  }

  /** A call's record, fetched once; in front at once when nothing else is, else as one more tab. */
  async open(callId: string, offer: string, front: boolean): Promise<HTMLElement | null> {
    const coming = this.#coming.get(callId) ?? this.#fetch(callId, offer);
    this.#coming.set(callId, coming);
    const element = await coming;
    if (!element) this.#coming.delete(callId);
    else if (front || !this.current) this.show(callId);
    return element;
  }

  async #fetch(callId: string, offer: string): Promise<HTMLElement | null> {
    const text = this.#asked.get(callId) ?? drawn(callId, offer);
    this.#asked.delete(callId);
    const element = record(await text);
    if (!element) return null;
    element.hidden = true;
    element.dataset["fresh"] = ""; // the record first: its form is drawn a frame later
    this.stage.append(element);
    this.#works.set(callId, this.#inHand(callId, element));
    this.#drawTabs();
    void painted().then(() => {
      performance.mark("pop-painted", { detail: callId });
      delete element.dataset["fresh"];
      htmx.process(element);
    });
    return element;
  }

  #inHand(callId: string, element: HTMLElement): Shown {
    return element.querySelector("form") ? new Work(element, callId, () => this.#settled()) : new Shown(element);
  }

  /** A colleague may have written the call's ticket: it takes the place of a form that nobody wrote into. */
  async lookAgain(callId: string): Promise<void> {
    const work = this.#works.get(callId);
    if (!work || work.rings || "done" in work.element.dataset) return;
    const element = record(await drawn(callId, ""));
    const tickets = element?.querySelectorAll(".ticket-saved") ?? [];
    if (!element || !tickets.length || this.#works.get(callId) !== work) return;
    if (work.touched) return work.tell(tickets);
    element.hidden = work.element.hidden;
    work.element.replaceWith(element);
    htmx.process(element);
    this.#works.set(callId, this.#inHand(callId, element));
    this.#coming.set(callId, Promise.resolve(element));
    this.#settled();
  }

  /** A sealed call that was handed over goes from the screen, with what was typed beside it. */
  async handedOver(): Promise<void> {
    for (const [callId, work] of [...this.#works]) {
      const code = await getText(`/desk/calls/${callId}`).then(() => "", (refusal: Refusal) => refusal.code);
      if (code !== "error.handed_over") continue;
      work.forget();
      this.#drop(callId);
    }
    this.#settled();
  }

  /** What was in hand before a reload. */
  async reopen(): Promise<void> {
    for (const callId of JSON.parse(sessionStorage.getItem(OPEN) ?? "[]") as string[]) await this.open(callId, "", false);
  }

  show(callId: string): void {
    for (const [id, { element }] of this.#works) {
      if (id !== callId && !element.hidden && "done" in element.dataset) this.#drop(id); // has served
      else element.hidden = id !== callId;
    }
    this.#settled();
  }

  /** Nothing can be saved while it rings. */
  ringing(callId: string, rings: boolean): void {
    this.#works.get(callId)?.ringing(rings);
  }

  /** The call was not taken here; what nobody wrote into goes. */
  missed(callId: string): void {
    const work = this.#works.get(callId);
    if (!work || work.touched) return;
    this.#drop(callId);
    const [left] = this.#works.keys();
    if (left !== undefined && !this.current) this.show(left);
    else this.#settled();
  }

  #settled(): void {
    this.#drawTabs();
    this.changed();
  }

  #drawTabs(): void {
    const open = [...this.#works].filter(([, { element }]) => !("done" in element.dataset)).map(([id]) => id);
    sessionStorage.setItem(OPEN, JSON.stringify(open));
    this.tabs.hidden = this.#works.size < 2;
    this.tabs.replaceChildren(
      ...[...this.#works].map(([id, { element }]) => {
        const tab = document.createElement("button");
        tab.type = "button";
        tab.className = "button";
        tab.textContent = element.dataset["title"] ?? id;
        tab.setAttribute("aria-pressed", String(!element.hidden));
        tab.addEventListener("click", () => this.show(id));
        return tab;
      }),
    );
  }

  #drop(callId: string): void {
    this.#works.get(callId)?.element.remove();
    this.#works.delete(callId);
    this.#coming.delete(callId);
  }
}
