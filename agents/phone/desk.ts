/** One agent's desk: what happens on the line is said, shown and written down; what she presses is done. */

import { microphone, MicrophoneFault, playOn } from "./devices.js";
import { DeviceTest } from "./device_test.js";
import type { PhoneSettings } from "./exchange.js";
import * as keys from "./keys.js";
import * as notice from "./notice.js";
import { permission, watchButtons } from "./dialler.js";
import { Phone, type Ending, type LineName, type PhoneEvents, type Ring } from "./phone.js";
import type { Duty } from "./says.js";
import { get, getText, post, Refusal } from "./server.js";
import { Stage } from "./stage.js";
import { rangOut, type NetState, type TabState } from "./states.js";
import { Strip } from "./strip.js";
import { Tab } from "./tab.js";
import { BELL, Loop, RINGBACK } from "./tones.js";
import { t } from "./words.js";

const AGAIN_MILLISECONDS = 3000;

type Told = Duty & { message?: string };

const settings = (): Promise<PhoneSettings> => get<PhoneSettings>("/phone/settings");

export class Desk implements PhoneEvents {
  #phone: Phone | null = null;
  #duty: Duty | null = null;
  #questions = 0; // asked about it
  #answered = 0; // the last of them that was heard
  #net: NetState | "over" = "off";
  #lookAgain = 0;
  #over = false; // the log-in was ended, here or elsewhere
  #shown: Promise<void> = Promise.resolve(); // nothing is asked of the server while a ring's record is on its way
  readonly #names = new Map<string, string>(); // call id → the caller, as far as known
  readonly #hardware: boolean;
  readonly #serves: boolean; // takes calls
  readonly #strip: Strip;
  readonly #stage: Stage;
  readonly #ringer = new Loop(BELL);
  readonly #ringback = new Loop(RINGBACK);
  readonly #tab: Tab;
  readonly #audio: Record<LineName, HTMLAudioElement> = { one: new Audio(), two: new Audio() };

  constructor(element: HTMLElement) {
    this.#hardware = element.dataset["phone"] !== "browser";
    this.#serves = "serves" in element.dataset;
    this.#strip = new Strip(element, (act, value) => void this.#press(act, value));
    this.#stage = new Stage(() => this.#strip.notice(t("desk.untold"), "warn"));
    this.#tab = new Tab((state) => void this.#tabChanged(state), () => this.#phone?.busy ?? false);
  }

  async begin(): Promise<void> {
    keys.listen();
    new DeviceTest().watch();
    if (!this.#hardware) this.#offerDialling();
    addEventListener("beforeunload", (event) => { if (this.#phone?.busy) event.preventDefault(); });
    this.#hear("stream", ({ up }) => { if (up) void this.#welcomeBack(); });
    this.#hear("session.ended", () => this.#leave());
    this.#hear("person.register", () => this.#phone?.exchange.again());
    this.#hear("person.duty", () => void this.#shown.then(() => this.#lookAtDuty()));
    this.#hear("person.offer", ({ call_id }) => { if (this.#hardware) void this.#show(String(call_id), ""); });
    this.#hear("language", () => void this.#speakAnew());
    this.changed();
    if (!this.#hardware) this.#tab.claim();
    await this.#lookAtDuty();
  }

  // -- what the phone tells -------------------------------------------------------------

  changed(): void {
    const phone = this.#phone;
    const lines = phone?.lines ?? { one: "idle", two: "idle" };
    if (lines.one === "dialling" || lines.two === "dialling") void this.#ringback.start().catch(() => {});
    else this.#ringback.stop();
    const model = { hardware: this.#hardware, lines, net: this.#net, tab: this.#tab.state, duty: this.#duty, serves: this.#serves };
    const name = (line: LineName): string => {
      const peer = phone?.peer(line);
      if (!peer) return "";
      const known = line === "one" ? this.#names.get(peer.callId) : undefined;
      return known ?? [peer.name, peer.number].filter((x, i, all) => x && all.indexOf(x) === i).join(" ");
    };
    this.#strip.paint(model, phone?.muted ?? false, name("one"), name("two"), phone?.since(lines.two === "talking" ? "two" : "one") ?? 0);
  }

  network(state: NetState): void {
    const before = this.#net;
    this.#net = state;
    if (state === "ready" && before !== "ready") this.#strip.notice("");
    if (state === "lost" || state === "offline" || state === "refused")
      this.#strip.notice(t(`phone.net.${state}`), "bad");
    this.changed();
  }

  offered(callId: string, offer: string): void {
    performance.mark("invite", { detail: callId });
    this.#stage.ask(callId, offer);
  }

  ringing(ring: Ring): void {
    this.#strip.notice("");
    this.#shown = this.#show(ring.callId, ring.offer);
    void this.#ringer.start().catch(() => this.#strip.notice(t("phone.fault.silent"), "warn"));
    notice.announce(t("phone.says.ringing"), t("phone.ring.look"));
  }

  answered(ring: Ring): void {
    this.#quiet();
    if (ring.callId) void this.#stage.bring(ring.callId, ring.offer).then((name) => this.#called(ring.callId, name));
  }

  ended(line: LineName, { ring, spoke, lost, faulty, rangSeconds }: Ending): void {
    if (lost) this.#strip.notice(t("phone.lost_call"), "bad");
    if (line === "two") return spoke ? undefined : this.#strip.notice(t("phone.transfer.no_answer", { target: ring.number }), "warn");
    this.#quiet();
    queueMicrotask(() => this.#leaveIfIdle());
    if (spoke) return;
    if (ring.out) return this.#strip.notice(t(faulty ? "phone.dial.not_placed" : "phone.dial.no_answer"), "warn");
    this.#stage.missed(ring.callId);
    if (rangOut(rangSeconds, this.#phone!.settings.ring_seconds)) this.#strip.notice(t("phone.ring.missed"), "warn");
    else this.#strip.notice(t("phone.ring.gone"));
  }

  transferFailed(target: string): void {
    this.#strip.notice(t("phone.transfer.failed", { target }), "warn");
  }

  audio(line: LineName, stream: MediaStream | null): void {
    const audio = this.#audio[line];
    audio.srcObject = stream;
    if (stream) void playOn("speaker", audio).catch(() => this.#strip.notice(t("phone.fault.silent"), "bad"));
  }

  // -- what the agent presses ---------------------------------------------------------------

  async #press(act: string, value: string): Promise<void> {
    try {
      await this.#act(act, value);
    } catch (error) {
      this.#strip.notice(sentence(error), "bad");
    }
    this.changed();
  }

  async #act(act: string, value: string): Promise<unknown> {
    const phone = this.#phone;
    switch (act) {
      case "answer": return phone?.answer();
      case "hangup": return phone?.hangUp();
      case "hold": return phone?.may("resume") ? phone.resume() : phone?.hold();
      case "mute": return phone?.toggleMute();
      case "digit": return phone?.digit(value);
      case "panel": return this.#openPanel(value);
      case "blind": return this.#toTarget(value, (target) => phone?.blind(target));
      case "consult": return this.#toTarget(value, (target) => phone?.consult(target));
      case "complete": return this.#complete();
      case "swap": return phone?.swap();
      case "leader": return this.#callLeader();
      case "take": return this.#take();
      case "duty": return this.#want(value);
      case "done": return this.#learn(post<Told>("/desk/wrapup/end"));
      case "close-notice": return this.#strip.notice("");
      default: throw new Error(`unknown act ${act}`);
    }
  }

  /** Buttons that call somebody: a phone that is elsewhere or in a call says so before anything is asked. */
  #offerDialling(): void {
    watchButtons(async (button) => {
      try {
        if (!this.#phone) return this.#strip.notice(t("phone.dial.not_here"), "warn");
        if (this.#phone.busy) return this.#strip.notice(t("phone.dial.busy"), "warn");
        const number = button.dataset["dial"];
        const shown = number ? t("phone.dial.calling", { number }) : t("phone.dial.calling_back");
        await this.#phone.dial(await permission(button), shown);
      } catch (error) {
        this.#strip.notice(sentence(error), "bad");
      }
      this.changed();
    });
  }

  async #openPanel(name: string): Promise<void> {
    if (name === "move") await this.#stage.colleagues();
    this.#strip.panel(name);
  }

  async #toTarget(target: string, act: (target: string) => unknown): Promise<void> {
    if (!/^\d{2,15}$/.test(target)) return this.#strip.notice(t("phone.transfer.whom"), "warn");
    this.#strip.panel("");
    await act(target);
  }

  #complete(): void {
    this.#strip.panel("");
    this.#phone?.complete();
  }

  async #callLeader(): Promise<void> {
    const callId = this.#hardware ? this.#duty?.call_id : this.#phone?.peer("one")?.callId;
    if (!callId) return;
    const { message } = await post<{ message: string }>(`/desk/calls/${callId}/leader`);
    this.#strip.notice(message);
  }

  async #take(): Promise<void> {
    if (!(await this.#tab.take())) this.#strip.notice(t("phone.tab.busy"), "warn");
  }

  /** Ready only with a microphone that works: better to hear it now than with a caller on the line. */
  async #want(value: string): Promise<void> {
    const [wanted = "", reason = ""] = value.split(" ");
    this.#strip.panel("");
    if (wanted === "ready" && !this.#hardware) {
      for (const track of (await microphone()).getTracks()) track.stop();
    }
    await this.#learn(post<Told>("/desk/duty", { wanted, reason }));
  }

  // -- what the server tells ---------------------------------------------------------------

  /** Notes of the event stream, as the shell passes them on: `hotline:<name>`. */
  #hear(name: string, heard: (detail: Readonly<Record<string, unknown>>) => void): void {
    document.addEventListener(`hotline:${name}`, (event) => heard((event as CustomEvent).detail ?? {}));
  }

  /** The log-in is over: the phone leaves the exchange at once, or when its call has ended. */
  #leave(): void {
    this.#over = true;
    this.#strip.notice(t(this.#phone?.busy ? "phone.over.in_call" : "phone.over.now"), "warn");
    this.#leaveIfIdle();
  }

  #leaveIfIdle(): void {
    if (!this.#over || !this.#phone || this.#phone.busy) return;
    this.#phone.stop();
    this.#phone = null;
    this.#net = "over";
    this.changed();
  }

  /** The stream is up: somebody is logged in, and a phone that had left comes back. */
  async #welcomeBack(): Promise<void> {
    const wasOver = this.#over;
    this.#over = false;
    if (wasOver && !this.#phone && this.#tab.state === "holder") await this.#connect();
    await this.#lookAtDuty();
  }

  /** Where it cannot be told now, it is asked for again until it can: she must see whether calls come to her. */
  async #lookAtDuty(): Promise<void> {
    if (!this.#serves) return;
    clearTimeout(this.#lookAgain);
    try {
      await this.#learn(get<Told>("/desk/duty"));
    } catch {
      this.#duty = null;
      this.changed();
      if (!this.#over) this.#lookAgain = window.setTimeout(() => void this.#lookAtDuty(), AGAIN_MILLISECONDS);
    }
  }

  /** Answers overtake each other; each change is told and asked for anew, so the last question knows best. */
  async #learn(answer: Promise<Told>): Promise<void> {
    const question = ++this.#questions;
    const duty = await answer;
    if (duty.message) this.#strip.notice(duty.message, "warn");
    if (question < this.#answered) return;
    this.#answered = question;
    if (this.#hardware) this.#follow(this.#duty, duty);
    this.#duty = duty;
    this.changed();
  }

  /** A hardware phone tells us nothing itself: what the exchange sees of it stands for its events. */
  #follow(before: Duty | null, now: Duty): void {
    const rang = before?.live === "ringing" ? before.call_id : null;
    if (now.live === "talking" && now.call_id) void this.#stage.bring(now.call_id);
    else if (rang && now.live !== "ringing") this.#stage.missed(rang);
    if (rang && now.live !== "ringing") this.#quiet();
  }

  // -- the rest ----------------------------------------------------------------------------

  async #tabChanged(state: TabState): Promise<void> {
    if (state === "holder") await this.#connect();
    else if (this.#phone && state === "taken") {
      this.#phone.stop();
      this.#phone = null;
      this.#net = "off";
    }
    this.changed();
  }

  async #connect(): Promise<void> {
    try {
      this.#phone = new Phone(await settings(), this, microphone, settings);
      this.#phone.start();
      this.#strip.notice("");
    } catch (error) {
      this.#strip.notice(sentence(error), "bad");
      setTimeout(() => { if (this.#tab.state === "holder" && !this.#phone) void this.#connect(); }, 5000);
    }
  }

  async #show(callId: string, offer: string): Promise<void> {
    if (callId) this.#called(callId, await this.#stage.ring(callId, offer));
  }

  #called(callId: string, name: string | null): void {
    if (name === null) return this.#strip.notice(t("desk.no_record"), "warn");
    this.#names.set(callId, name);
    this.changed();
  }

  async #speakAnew(): Promise<void> {
    this.#strip.replace(await getText("/phone/strip"));
    this.changed();
  }

  #quiet(): void {
    this.#ringer.stop();
    notice.withdraw();
    this.#stage.ringOver();
  }
}

function sentence(error: unknown): string {
  if (error instanceof MicrophoneFault) return t(`phone.fault.${error.code}`);
  if (error instanceof Refusal) return error.message || t(error.away ? "desk.away" : "desk.refused");
  throw error;
}
