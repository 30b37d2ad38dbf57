/** Where a guest's call stands, as tables: {state: {event: next}}. Pure. */

export type State =
  | "idle" | "asking" | "connecting" | "connected" | "menu" | "waiting" | "talking" | "ending" | "ended" | "failed";
export type Event =
  | "dial" | "allowed" | "confirmed" | "menu" | "waiting" | "talking" | "hangup" | "over" | "fault";

type Row = Partial<Record<Event, State>>;

const AGAIN: Row = { dial: "asking" };
// The relay may tell of any of these at any time: a transfer leads from talking back to waiting.
const IN_CALL: Row = {
  menu: "menu", waiting: "waiting", talking: "talking", hangup: "ending", over: "ended", fault: "failed",
};

export const CALL: Readonly<Record<State, Row>> = {
  idle: AGAIN,
  asking: { allowed: "connecting", hangup: "idle", fault: "failed" },
  connecting: { confirmed: "connected", hangup: "ending", over: "failed", fault: "failed" },
  connected: IN_CALL,
  menu: IN_CALL,
  waiting: IN_CALL,
  talking: IN_CALL,
  ending: { over: "ended", fault: "ended" },
  ended: AGAIN,
  failed: AGAIN,
};

export const next = (state: State, event: Event): State | null => CALL[state][event] ?? null;

/** Whether a key can be pressed, or the microphone muted. */
export const inCall = (state: State): boolean => CALL[state] === IN_CALL;

/** Whether leaving the page now would end something. */
export const busy = (state: State): boolean => CALL[state] !== AGAIN;

export type Tone = "calm" | "quiet" | "accent" | "bad";

/** The mark beside the words: a shape of the icon sheet, and its tone. */
export const MARK: Readonly<Record<State, readonly [shape: string, tone: Tone]>> = {
  idle: ["ring", "quiet"],
  asking: ["half", "calm"],
  connecting: ["half", "calm"],
  connected: ["dot", "accent"],
  menu: ["dot", "accent"],
  waiting: ["half", "accent"],
  talking: ["dot", "accent"],
  ending: ["square", "quiet"],
  ended: ["square", "quiet"],
  failed: ["triangle", "bad"],
};

export type Fault =
  | "insecure" | "denied" | "none" | "occupied" | "media" | "busy" | "often" | "closed" | "away" | "offline"
  | "time" | "other";

/** Why our server closed the socket (doors/relay.py). */
const CLOSED: Readonly<Record<number, Fault>> = { 4409: "time", 4429: "often", 4430: "busy", 4503: "away" };

export const faultOf = (code: number): Fault => CLOSED[code] ?? "other";

const MICROPHONE: Readonly<Record<string, Fault>> = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "occupied",
  AbortError: "occupied",
};

export const microphoneFault = (name: string): Fault => MICROPHONE[name] ?? "other";
