/** Where the calls in hand lie on the screen. A call that arrives disturbs nothing: on the desk it fills the
 * empty place; over another call's form or another page a card floats, and what is there stays as it is. */

import { getText } from "./server.js";
import { Works } from "./work.js";

export class Stage {
  readonly #works: Works;
  readonly #desk: HTMLElement;
  #over = false; // the desk lies over another page, which waits underneath as it was

  /** `untold`: a record that she opened cannot be had. */
  constructor(readonly untold: () => void) {
    const pane = document.querySelector<HTMLTemplateElement>("#desk-pane")!;
    const main = document.getElementById("main")!;
    main.before(pane.content.cloneNode(true));
    this.#desk = document.getElementById("desk")!;
    const find = (name: string): HTMLElement => this.#desk.querySelector<HTMLElement>(`[data-${name}]`)!;
    this.#works = new Works(find("works"), find("tabs"), () => this.#arrange());
    document.addEventListener("click", ({ target }) => this.#clicked(target as HTMLElement));
    document.addEventListener("htmx:beforeRequest", (event) => {
      if ((event as CustomEvent<{ target: Element }>).detail.target === main) this.#cover(false);
    });
    for (const moved of ["htmx:pushedIntoHistory", "htmx:historyRestore", "htmx:afterSettle"])
      document.addEventListener(moved, () => this.#arrange());
    addEventListener("popstate", () => this.#arrange());
    for (const told of ["hotline:board.call", "hotline:person.call"]) // of a sealed call hears who is named for it
      document.addEventListener(told, (event) => {
        void this.#works.lookAgain(String((event as CustomEvent<{ call_id: string }>).detail.call_id));
      });
    document.addEventListener("hotline:person.handover", () => void this.#works.handedOver());
    this.#arrange();
    void this.#works.reopen();
  }

  /** The record of a call that is about to ring; where she last wrote is saved, its field hears no key any more. */
  ask(callId: string, offer: string): void {
    if (this.#idle()) (document.activeElement as HTMLElement | null)?.blur();
    this.#works.ask(callId, offer);
  }

  /** Show the record of a call that rings; its caller's name, or null when there is no record to be had. */
  async ring(callId: string, offer: string): Promise<string | null> {
    const record = await this.#works.open(callId, offer, !this.#works.current || this.#idle());
    if (!record) return null;
    this.#works.ringing(callId, true);
    if (!this.#onDesk || record.hidden) this.#float(record);
    return record.dataset["title"] ?? "";
  }

  /** The call was answered, or is wanted again: its record and form come to the front. */
  async bring(callId: string, offer = ""): Promise<string | null> {
    const record = await this.#works.open(callId, offer, true);
    this.#works.ringing(callId, false);
    if (record && !this.#onDesk) this.#cover(true);
    return record?.dataset["title"] ?? null;
  }

  missed(callId: string): void {
    this.#works.ringing(callId, false);
    this.#works.missed(callId);
  }

  ringOver(): void {
    this.#card.hidden = true;
  }

  async colleagues(): Promise<void> {
    const place = document.querySelector<HTMLElement>("[data-colleagues]")!;
    place.innerHTML = await getText("/desk/colleagues");
  }

  #clicked(target: HTMLElement): void {
    const open = target.closest<HTMLElement>("[data-open-call]");
    if (open) void this.bring(open.dataset["openCall"]!).then((name) => name ?? this.untold());
    else if (target.closest("[data-ring-card]")) this.#look(this.#card.dataset["call"]!);
    else if (target.closest("[data-back]")) this.#cover(false);
  }

  get #card(): HTMLElement {
    return document.querySelector<HTMLElement>("[data-ring-card]")!;
  }

  get #onDesk(): boolean {
    return this.#over || location.pathname === "/desk";
  }

  /** What is on the screen is saved or closed: nobody is writing there. */
  #idle(): boolean {
    return "done" in (this.#works.current?.dataset ?? {});
  }

  /** The record of the call on the card, while it still rings. */
  #look(callId: string): void {
    this.#works.show(callId);
    this.#cover(true);
  }

  #cover(over: boolean): void {
    this.#over = over;
    if (over) this.ringOver();
    this.#arrange();
  }

  #float(record: HTMLElement): void {
    const head = record.querySelector("[data-card]")?.cloneNode(true);
    if (!head) return;
    this.#card.dataset["call"] = record.dataset["call"] ?? "";
    this.#card.querySelector("[data-card-body]")!.replaceChildren(head);
    this.#card.hidden = false;
  }

  #arrange(): void {
    const elsewhere = location.pathname !== "/desk";
    document.body.dataset["desk"] = !elsewhere ? "page" : this.#over ? "over" : "away";
    this.#desk.hidden = elsewhere && !this.#over;
    this.#desk.querySelector<HTMLElement>("[data-back]")!.hidden = !elsewhere;
    this.#desk.querySelector<HTMLElement>("[data-empty]")!.hidden = this.#works.current !== null;
  }
}
