/** The phone: two lines over one exchange. It places, takes and moves calls; it draws nothing. */

import { C } from "jssip";
import type { RTCSession } from "jssip/lib/RTCSession.js";
import type { IncomingRTCSessionEvent, RTCSessionEvent } from "jssip/lib/UA.js";
import { Exchange, type PhoneSettings } from "./exchange.js";
import { allowed, busy, LINE, next, type Act, type LineEvent, type Lines, type NetState } from "./states.js";

export type LineName = "one" | "two";

/** What the INVITE says of a call. `callId` is empty for a colleague's call that concerns no caller. */
export interface Ring { callId: string; offer: string; number: string; name: string; out?: boolean }

/** A line ended: after a conversation (`lost`: its media stopped), or a ring that lasted so long. `faulty`: the
 * exchange or the carrier could not place it (SIP 5xx), whatever the one who was called would have done. */
export interface Ending { ring: Ring; spoke: boolean; lost: boolean; faulty: boolean; rangSeconds: number }

export interface PhoneEvents {
  changed(): void;
  network(state: NetState): void;
  /** An INVITE for a caller is being read: what the ring will show can be asked for. */
  offered(callId: string, offer: string): void;
  ringing(ring: Ring): void;
  answered(ring: Ring): void;
  ended(line: LineName, how: Ending): void;
  transferFailed(target: string): void;
  audio(line: LineName, stream: MediaStream | null): void;
}

interface Taken {
  session: RTCSession;
  ring: Ring;
  since: number; // of the ring or the dialling, then of the conversation; milliseconds since the epoch
  heldSince: number;
  spoke: boolean;
  lost: boolean;
}

const NO_STUN: RTCConfiguration = { iceServers: [] };
const LOST_MILLISECONDS = 8000; // without media; the exchange gave the caller to somebody else after 6 s
const REOFFER_MILLISECONDS = 50;
const GATHER_MILLISECONDS = 100; // host candidates only: what is known by then is all we need

export class Phone {
  readonly lines: Lines = { one: "idle", two: "idle" };
  muted = false;
  readonly exchange: Exchange;
  readonly #taken: Record<LineName, Taken | null> = { one: null, two: null };

  constructor(
    readonly settings: PhoneSettings,
    private readonly tell: PhoneEvents,
    private readonly microphone: () => Promise<MediaStream>,
    freshSettings: () => Promise<PhoneSettings>,
  ) {
    this.exchange = new Exchange(settings, (state) => tell.network(state), freshSettings, (message) => this.#arrived(message));
    this.exchange.ua.on("newRTCSession", (event: RTCSessionEvent) => {
      if (event.originator === "remote") this.#invited(event as IncomingRTCSessionEvent);
    });
  }

  start(): void {
    this.exchange.start();
  }

  stop(): void {
    this.exchange.stop();
  }

  may(act: Act): boolean {
    return allowed(this.lines).has(act);
  }

  get busy(): boolean {
    return busy(this.lines);
  }

  /** Since when it rings, is held or is spoken on, in milliseconds since the epoch. */
  since(line: LineName): number {
    const taken = this.#taken[line];
    if (!taken) return Date.now();
    return this.lines[line] === "held" ? taken.heldSince : taken.since;
  }

  /** Whom a line is connected with, as dialled or shown. */
  peer(line: LineName): Ring | null {
    return this.#taken[line]?.ring ?? null;
  }

  async answer(): Promise<void> {
    const taken = this.#taken.one;
    if (!taken || !this.may("answer")) return;
    const mediaStream = await this.microphone();
    if (!this.#event("one", "answer")) return release(mediaStream);
    taken.session.answer({ mediaStream, pcConfig: NO_STUN });
    releaseAtEnd(taken.session, mediaStream);
  }

  hangUp(): void {
    if (!this.may("hangup")) return;
    (this.#taken.two ?? this.#taken.one)?.session.terminate();
  }

  hold(): void {
    if (this.may("hold")) this.#hold("one");
  }

  resume(): void {
    if (this.may("resume")) this.#resume("one");
  }

  toggleMute(): void {
    if (!this.may("mute")) return;
    this.muted = !this.muted;
    this.#applyMute();
    this.tell.changed();
  }

  digit(tone: string): void {
    if (!this.may("digits")) return;
    const line = this.lines.two === "talking" ? "two" : "one";
    this.#taken[line]?.session.sendDTMF(tone, { transportType: C.DTMF_TRANSPORT.RFC2833, duration: 160 });
  }

  /** Hand the caller over at once and leave; an answerless transfer comes back as a new ring. */
  blind(target: string): void {
    if (this.may("blind")) this.#refer("one", target);
  }

  /** Hold the caller and ask a colleague, who gets the caller's record too: the dialplan knows our call. */
  async consult(target: string): Promise<void> {
    const caller = this.#taken.one;
    if (!caller || !this.may("consult")) return;
    const mediaStream = await this.microphone();
    if (!this.may("consult")) return release(mediaStream);
    if (this.lines.one === "talking") this.#hold("one");
    const session = this.exchange.ua.call(this.#uri(target), { mediaStream, pcConfig: NO_STUN });
    releaseAtEnd(session, mediaStream);
    this.#take("two", session, { ...caller.ring, number: target, name: "" }, "dial");
  }

  /** Call out: `target` is a token that the exchange knows, `name` what the strip says of it. */
  async dial(target: string, name: string): Promise<void> {
    const mediaStream = await this.microphone();
    if (this.busy) return release(mediaStream);
    const session = this.exchange.ua.call(this.#uri(target), { mediaStream, pcConfig: NO_STUN });
    releaseAtEnd(session, mediaStream);
    this.#take("one", session, { callId: "", offer: "", number: "", name, out: true }, "dial");
  }

  /** Join the caller to the colleague who was asked, and leave. */
  complete(): void {
    const other = this.#taken.two;
    if (other && this.may("complete")) this.#refer("one", other.ring.number, other.session);
  }

  swap(): void {
    if (!this.may("swap")) return;
    const [talking, held]: [LineName, LineName] = this.lines.one === "talking" ? ["one", "two"] : ["two", "one"];
    this.#hold(talking);
    this.#resume(held);
  }

  /** JsSIP takes its time over an INVITE; the caller's record need not wait for that. */
  #arrived(message: string): void {
    if (this.busy || !message.startsWith("INVITE ")) return;
    const header = (name: string): string => new RegExp(`^${name}: *(\\S+)`, "mi").exec(message)?.[1] ?? "";
    if (header("X-Hotline-Call")) this.tell.offered(header("X-Hotline-Call"), header("X-Hotline-Offer"));
  }

  #invited({ session, request }: IncomingRTCSessionEvent): void {
    if (this.busy) return session.terminate({ status_code: 486 });
    const header = (name: string): string => (request.getHeader(name) as string | undefined) ?? "";
    const ring: Ring = {
      callId: header("X-Hotline-Call"),
      offer: header("X-Hotline-Offer"),
      number: session.remote_identity.uri.user ?? "",
      name: session.remote_identity.display_name ?? "",
    };
    this.#take("one", session, ring, "invited");
    this.tell.ringing(ring);
  }

  #take(line: LineName, session: RTCSession, ring: Ring, event: LineEvent): void {
    this.#taken[line] = { session, ring, since: Date.now(), heldSince: 0, spoke: false, lost: false };
    session.on("icecandidate", ({ ready }) => setTimeout(ready, GATHER_MILLISECONDS));
    session.on("peerconnection", () => this.#listen(line, session));
    session.on("confirmed", () => this.#confirmed(line));
    session.on("ended", () => this.#ended(line));
    session.on("failed", ({ message }) => this.#ended(line, isFaulty(message)));
    if (session.connection) this.#listen(line, session);
    this.#event(line, event);
  }

  #listen(line: LineName, session: RTCSession): void {
    const connection = session.connection;
    connection.addEventListener("track", ({ streams, track }) => {
      this.tell.audio(line, streams[0] ?? new MediaStream([track]));
    });
    connection.addEventListener("connectionstatechange", () => this.#mediaChanged(line, session));
  }

  /** Media that stay away end the call: its BYE may never reach us. */
  #mediaChanged(line: LineName, session: RTCSession): void {
    const gone = (): boolean => ["disconnected", "failed"].includes(session.connection.connectionState);
    if (!gone()) return;
    setTimeout(() => {
      const taken = this.#taken[line];
      if (taken?.session !== session || session.isEnded() || !gone()) return;
      taken.lost = true;
      session.terminate();
    }, LOST_MILLISECONDS);
  }

  #confirmed(line: LineName): void {
    const taken = this.#taken[line];
    if (!taken || !this.#event(line, "confirmed")) return;
    taken.spoke = true;
    taken.since = Date.now();
    this.#applyMute();
    if (line === "one") this.tell.answered(taken.ring);
  }

  #ended(line: LineName, faulty = false): void {
    const taken = this.#taken[line];
    if (!taken) return;
    const rangSeconds = taken.spoke ? 0 : (Date.now() - taken.since) / 1000;
    this.#taken[line] = null;
    this.tell.audio(line, null);
    this.#event(line, "ended");
    if (!this.busy) this.muted = false;
    if (line === "two") this.#backToCaller();
    else if (this.#taken.two) this.#promote();
    this.tell.ended(line, { ring: taken.ring, spoke: taken.spoke, lost: taken.lost, faulty, rangSeconds });
  }

  /** The consultation is over: the caller must not wait on hold for somebody to notice. */
  #backToCaller(): void {
    if (this.lines.one === "held") this.#resume("one");
  }

  /** The caller left while a colleague was being asked: nothing remains to hand over. */
  #promote(): void {
    if (this.lines.two === "dialling") this.#taken.two?.session.terminate();
  }

  #hold(line: LineName): void {
    this.#reoffer(line, (session) => session.hold(), "hold");
  }

  #resume(line: LineName): void {
    this.#reoffer(line, (session) => session.unhold(), "resume");
  }

  /** A re-INVITE waits for the one under way: the key was pressed once and is meant. */
  #reoffer(line: LineName, act: (session: RTCSession) => boolean, event: LineEvent): void {
    const session = this.#taken[line]?.session;
    if (!session || session.isEnded()) return;
    if (!session.isReadyToReOffer()) setTimeout(() => this.#reoffer(line, act, event), REOFFER_MILLISECONDS);
    else if (act(session)) this.#event(line, event);
  }

  #refer(line: LineName, target: string, replaces?: RTCSession): void {
    const session = this.#taken[line]?.session;
    if (!session || !this.#event(line, "refer")) return;
    const failed = (): void => {
      if (this.#event(line, "referFailed")) this.tell.transferFailed(target);
    };
    session.refer(this.#uri(target), {
      ...(replaces ? { replaces } : {}),
      eventHandlers: { requestFailed: failed, failed, accepted: () => session.isEnded() || session.terminate() },
    });
  }

  #applyMute(): void {
    for (const taken of Object.values(this.#taken)) {
      if (taken?.session.isEstablished()) this.muted ? taken.session.mute() : taken.session.unmute();
    }
  }

  #event(line: LineName, event: LineEvent): boolean {
    const state = next(LINE, this.lines[line], event);
    if (state === null) return false;
    this.lines[line] = state;
    const taken = this.#taken[line];
    if (taken && event === "hold") taken.heldSince = Date.now();
    this.tell.changed();
    return true;
  }

  #uri(target: string): string {
    return `sip:${target}@${this.settings.uri.split("@")[1]}`;
  }
}

function release(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}

function releaseAtEnd(session: RTCSession, stream: MediaStream): void {
  session.on("ended", () => release(stream));
  session.on("failed", () => release(stream));
}

/** Whether its final answer was a 5xx; what we ended ourselves has none. */
function isFaulty(message: object | null): boolean {
  return message !== null && "status_code" in message && Number(message.status_code) >= 500;
}
