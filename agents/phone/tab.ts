/** Only one tab of this browser holds the phone; another takes it over when a person says so. */

import { next, TAB, type TabEvent, type TabState } from "./states.js";

const LOCK = "hotline-phone";
const ASK_MILLISECONDS = 300;

export class Tab {
  state: TabState = "asking";
  readonly #channel = new BroadcastChannel(LOCK);

  constructor(private readonly changed: (state: TabState) => void, private readonly isBusy: () => boolean) {
    this.#channel.addEventListener("message", ({ data }) => {
      if (data === "busy?" && this.state === "holder" && this.isBusy()) this.#channel.postMessage("busy");
    });
  }

  claim(): void {
    void this.#hold({ ifAvailable: true });
  }

  /** Take the phone from the other tab; false when it is in a call, which must end there. */
  async take(): Promise<boolean> {
    if (await this.#otherIsBusy()) return false;
    this.#tell("take");
    void this.#hold({ steal: true });
    return true;
  }

  async #hold(how: LockOptions): Promise<void> {
    try {
      await navigator.locks.request(LOCK, how, (lock) => {
        this.#tell(lock ? "granted" : "refused");
        return lock ? new Promise<void>(() => {}) : undefined;
      });
    } catch {
      this.#tell("stolen");
    }
    if (this.state !== "holder") void this.#noticeRelease();
  }

  /** Wait in line only to learn that the holder has gone; the lock is given back at once. */
  async #noticeRelease(): Promise<void> {
    await navigator.locks.request(LOCK, () => {}).catch(() => {});
    this.#tell("released");
  }

  #otherIsBusy(): Promise<boolean> {
    return new Promise((resolve) => {
      const heard = ({ data }: MessageEvent): void => { if (data === "busy") resolve(true); };
      this.#channel.addEventListener("message", heard);
      this.#channel.postMessage("busy?");
      setTimeout(() => {
        this.#channel.removeEventListener("message", heard);
        resolve(false);
      }, ASK_MILLISECONDS);
    });
  }

  #tell(event: TabEvent): void {
    const state = next(TAB, this.state, event);
    if (state === null) return;
    this.state = state;
    this.changed(state);
  }
}
