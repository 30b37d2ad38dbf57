/** One call from the page: microphone, visit, socket, SIP, sound. It draws nothing and is used once. */

import { C, UA } from "jssip";
import type { RTCSession } from "jssip/lib/RTCSession.js";
import { VisitSocket } from "./socket.js";
import { faultOf, microphoneFault, type Event, type Fault } from "./states.js";

export interface CallEvents {
  event(event: Event): void;
  fault(fault: Fault): void;
}

const NO_STUN: RTCConfiguration = { iceServers: [] };
const PATIENCE_MILLISECONDS = 10_000; // for the visit, and for the sound to come through
const GATHER_MILLISECONDS = 100; // host candidates only: what is known by then is all we need
const PHASES: ReadonlySet<string> = new Set(["menu", "waiting", "talking"]);

export class Call {
  readonly #audio = new Audio();
  #microphone: MediaStream | null = null;
  #ua: UA | null = null;
  #session: RTCSession | null = null;
  #over = false;

  constructor(private readonly tell: CallEvents) {
    this.#audio.autoplay = true;
  }

  async dial(number: string, domain: string): Promise<void> {
    try {
      this.#microphone = await microphone();
      if (this.#over) return this.#release();
      this.tell.event("allowed");
      const token = await visit();
      if (this.#over) return;
      this.#open(token, `sip:${number}@${domain}`, domain);
    } catch (fault) {
      this.#end(fault instanceof CallFault ? fault.code : "other");
    }
  }

  hangUp(): void {
    this.tell.event("hangup");
    if (this.#session && !this.#session.isEnded()) this.#session.terminate();
    else this.#end();
  }

  mute(muted: boolean): void {
    muted ? this.#session?.mute() : this.#session?.unmute();
  }

  press(key: string): void {
    this.#session?.sendDTMF(key, { transportType: C.DTMF_TRANSPORT.RFC2833, duration: 160 });
  }

  #open(token: string, target: string, domain: string): void {
    const address = `${location.origin.replace(/^http/, "ws")}/call/phone?visit=${token}`;
    const socket = new VisitSocket(address, ({ phase }) => this.#phase(phase), (code) => this.#closed(code));
    const ua = new UA({ sockets: [socket], uri: `sip:guest@${domain}`, register: false, session_timers: false });
    this.#ua = ua;
    ua.on("connected", () => this.#call(ua, target));
    ua.start();
  }

  #call(ua: UA, target: string): void {
    const mediaStream = this.#microphone;
    if (!mediaStream || this.#over) return;
    const session = ua.call(target, { mediaStream, pcConfig: NO_STUN });
    this.#session = session;
    session.on("icecandidate", ({ ready }) => setTimeout(ready, GATHER_MILLISECONDS));
    session.on("confirmed", () => this.tell.event("confirmed"));
    session.on("ended", () => this.#end());
    // A socket that our server closed says why in its code; wait for that.
    session.on("failed", () => setTimeout(() => this.#end("other"), GATHER_MILLISECONDS));
    const connection = session.connection;
    connection.addEventListener("track", ({ streams, track }) => {
      this.#audio.srcObject = streams[0] ?? new MediaStream([track]);
      void this.#audio.play().catch(() => {});
    });
    connection.addEventListener("connectionstatechange", () => {
      if (connection.connectionState === "failed") this.#silent();
    });
    setTimeout(() => { if (connection.connectionState !== "connected") this.#silent(); }, PATIENCE_MILLISECONDS);
  }

  #phase(phase = ""): void {
    if (PHASES.has(phase)) this.tell.event(phase as Event);
  }

  #silent(): void {
    if (this.#over) return;
    this.#session?.terminate();
    this.#end(navigator.onLine ? "media" : "offline");
  }

  /** Without a word from our server (a restart, a lost network) the talk itself goes on while its sound does. */
  #closed(code: number): void {
    if (code >= 4000) this.#end(faultOf(code));
    else if (!this.#session?.isEstablished()) this.#end(navigator.onLine ? "away" : "offline");
  }

  #end(fault?: Fault): void {
    if (this.#over) return;
    this.#over = true;
    if (fault) this.tell.fault(fault);
    else this.tell.event("over");
    this.#release();
    if (this.#session && !this.#session.isEnded()) this.#session.terminate();
    // After JsSIP has sent its last message.
    setTimeout(() => this.#ua?.stop(), GATHER_MILLISECONDS);
  }

  #release(): void {
    this.#microphone?.getTracks().forEach((track) => track.stop());
    this.#audio.srcObject = null;
  }
}

class CallFault extends Error {
  constructor(readonly code: Fault) {
    super(code);
  }
}

async function microphone(): Promise<MediaStream> {
  if (!navigator.mediaDevices) throw new CallFault("insecure");
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    });
  } catch (error) {
    throw new CallFault(microphoneFault((error as DOMException).name));
  }
}

/** A token for one socket. */
async function visit(): Promise<string> {
  let answer: Response;
  try {
    answer = await fetch("/call/visit", { method: "POST", signal: AbortSignal.timeout(PATIENCE_MILLISECONDS) });
  } catch {
    throw new CallFault(navigator.onLine ? "away" : "offline");
  }
  const { token, why } = (await answer.json().catch(() => ({}))) as { token?: string; why?: Fault };
  if (!token) throw new CallFault(why ?? "away");
  return token;
}
