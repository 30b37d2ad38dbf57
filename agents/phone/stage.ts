/** Where the calls in hand lie on the screen. A call that arrives disturbs nothing: on the desk it fills the
 * empty place, elsewhere a card floats beside the page, and the page itself stays as it is. */

import { getText } from "./server.js";
import { Works } from "./work.js";

export class Stage {
  readonly #works: Works;
  #over = false; // the desk lies over another page, which waits underneath as it was

  readonly #desk: HTMLElement;

  constructor() {
    const pane = document.querySelector<HTMLTemplateElement>("#desk-pane")!;
    const main = document.getElementById("main")!;
    main.before(pane.content.cloneNode(true));
    this.#desk = document.getElementById("desk")!;
    const find = (name: string): HTMLElement => this.#desk.querySelector<HTMLElement>(`[data-${name}]`)!;
    this.#works = new Works(find("works"), find("tabs"), () => this.#arrange());
    find("back").addEventListener("click", () => {
      this.#over = false;
      this.#arrange();
    });
    document.addEventListener("click", ({ target }) => {
      if ((target as HTMLElement).closest("[data-ring-card]")) this.#cover();
    });
    document.addEventListener("htmx:beforeRequest", () => { this.#over = false; });
    for (const moved of ["htmx:pushedIntoHistory", "htmx:historyRestore", "htmx:afterSettle"])
      document.addEventListener(moved, () => this.#arrange());
    addEventListener("popstate", () => this.#arrange());
    this.#arrange();
  }

  /** Show the record of a call that rings; false when there is none to be had. */
  async arrive(callId: string, offer: string): Promise<boolean> {
    const record = await this.#works.open(callId, offer, !this.#works.current || this.#idle());
    if (!record) return false;
    if (!this.#onDesk) this.#float(record);
    return true;
  }

  /** The call was answered: its record and form come to the front. */
  front(callId: string): void {
    this.#works.show(callId);
    if (!this.#onDesk) this.#cover();
  }

  ringOver(): void {
    this.#card.hidden = true;
  }

  async colleagues(): Promise<void> {
    const place = document.querySelector<HTMLElement>("[data-colleagues]")!;
    place.innerHTML = await getText("/desk/colleagues");
  }

  get #onDesk(): boolean {
    return this.#over || location.pathname === "/desk";
  }

  /** What is on the screen is saved or closed: nobody is writing there. */
  #idle(): boolean {
    return "done" in (this.#works.current?.dataset ?? {});
  }

  #cover(): void {
    this.#over = true;
    this.ringOver();
    this.#arrange();
  }

  #float(element: HTMLElement): void {
    const head = element.querySelector("[data-card]")?.cloneNode(true);
    if (!head) return;
    this.#card.querySelector("[data-card-body]")!.replaceChildren(head);
    this.#card.hidden = false;
  }

  get #card(): HTMLElement {
    return document.querySelector<HTMLElement>("[data-ring-card]")!;
  }

  #arrange(): void {
    const elsewhere = location.pathname !== "/desk";
    document.body.dataset["desk"] = !elsewhere ? "page" : this.#over ? "over" : "away";
    this.#desk.hidden = elsewhere && !this.#over;
    this.#desk.querySelector<HTMLElement>("[data-back]")!.hidden = !elsewhere;
    this.#desk.querySelector<HTMLElement>("[data-empty]")!.hidden = this.#works.current !== null;
  }
}
