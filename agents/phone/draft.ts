/** What is typed and not yet saved. It lies in this browser until the server has it, and no longer. */

export type Body = Readonly<Record<string, string>>;
export interface Draft { revision: number; body: Body }

/** Where drafts lie in the browser: a Storage, or a stand-in for the tests. */
export type Shelf = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** The later of two, or the server's when they are the same. */
export function later(local: Draft | null, server: Draft): Draft {
  return local && local.revision > server.revision ? local : server;
}

export class DraftKeeper {
  #revision = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> = Promise.resolve();

  constructor(
    private readonly key: string,
    private readonly shelf: Shelf,
    private readonly send: (draft: Draft) => Promise<number>,
    private readonly told: (where: "here" | "server" | "away") => void,
    private readonly pauseMilliseconds = 800,
  ) {}

  /** How often something was typed, here or before. */
  get revision(): number {
    return this.#revision;
  }

  /** What to show in the form: the server's draft, or what this browser could not hand over. */
  begin(server: Draft): Draft {
    const draft = later(this.#read(), server);
    this.#revision = draft.revision;
    if (draft !== server) this.#schedule();
    return draft;
  }

  typed(body: Body): void {
    this.#revision += 1;
    this.#write({ revision: this.#revision, body });
    this.told("here");
    this.#schedule();
  }

  /** Try now, whatever the timer says. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#sending = this.#sending.then(() => this.#hand());
    return this.#sending;
  }

  /** Wait until nothing is on its way, and send nothing more by itself. */
  rest(): Promise<void> {
    clearTimeout(this.#timer);
    return this.#sending;
  }

  /** Saved or closed: the draft has served. */
  forget(): void {
    clearTimeout(this.#timer);
    this.shelf.removeItem(this.key);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), this.pauseMilliseconds);
  }

  async #hand(): Promise<void> {
    const draft = this.#read();
    if (!draft) return;
    try {
      const kept = await this.send(draft);
      this.#revision = Math.max(this.#revision, kept);
      if (this.#read()?.revision === draft.revision) this.shelf.removeItem(this.key);
      this.told("server");
    } catch {
      this.told("away");
      this.#timer = setTimeout(() => void this.flush(), 10 * this.pauseMilliseconds);
    }
  }

  #read(): Draft | null {
    const text = this.shelf.getItem(this.key);
    return text === null ? null : (JSON.parse(text) as Draft);
  }

  #write(draft: Draft): void {
    this.shelf.setItem(this.key, JSON.stringify(draft));
  }
}
