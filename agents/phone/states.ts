/** The phone's states as tables: {state: {event: next}}. Pure: nothing here talks, draws or waits. */

export type Table<S extends string, E extends string> = Readonly<Record<S, Partial<Record<E, S>>>>;

/** The next state, or null where the table knows no such event in this state. */
export function next<S extends string, E extends string>(table: Table<S, E>, state: S, event: E): S | null {
  return table[state][event] ?? null;
}

export type LineState =
  | "idle" | "ringing" | "answering" | "dialling" | "talking" | "held" | "transferring" | "transferringHeld";
export type LineEvent =
  | "invited" | "dial" | "answer" | "confirmed" | "hold" | "resume" | "refer" | "referFailed" | "ended";

/** One line. A transfer that fails gives the call back as it was. */
export const LINE: Table<LineState, LineEvent> = {
  idle: { invited: "ringing", dial: "dialling" },
  ringing: { answer: "answering", ended: "idle" },
  answering: { confirmed: "talking", ended: "idle" },
  dialling: { confirmed: "talking", ended: "idle" },
  talking: { hold: "held", refer: "transferring", ended: "idle" },
  held: { resume: "talking", refer: "transferringHeld", ended: "idle" },
  transferring: { referFailed: "talking", ended: "idle" },
  transferringHeld: { referFailed: "held", ended: "idle" },
};

export type NetState = "off" | "connecting" | "registering" | "ready" | "lost" | "offline" | "refused";
export type NetEvent =
  | "start" | "connected" | "registered" | "refused" | "disconnected" | "offline" | "online" | "stop";

/** The way to the exchange. `lost` is retried by itself, `offline` waits for the network to return. */
export const NET: Table<NetState, NetEvent> = {
  off: { start: "connecting" },
  connecting: { connected: "registering", disconnected: "lost", offline: "offline", stop: "off" },
  registering: {
    registered: "ready", refused: "refused", disconnected: "lost", offline: "offline", stop: "off",
  },
  ready: {
    registered: "ready", refused: "refused", disconnected: "lost", offline: "offline", stop: "off",
  },
  lost: { start: "connecting", connected: "registering", offline: "offline", online: "connecting", stop: "off" },
  offline: { start: "connecting", online: "connecting", connected: "registering", stop: "off" },
  refused: { start: "connecting", registered: "ready", disconnected: "lost", offline: "offline", stop: "off" },
};

export type TabState = "asking" | "holder" | "elsewhere" | "free" | "taken";
export type TabEvent = "granted" | "refused" | "released" | "take" | "stolen";

/** Which tab holds the phone: one of them, and another only when a person says so. */
export const TAB: Table<TabState, TabEvent> = {
  asking: { granted: "holder", refused: "elsewhere" },
  elsewhere: { released: "free", take: "asking" },
  free: { take: "asking" },
  holder: { stolen: "taken" },
  taken: { released: "free", take: "asking" },
};

export interface Lines { one: LineState; two: LineState }

export type Act =
  | "answer" | "hangup" | "hold" | "resume" | "mute" | "digits"
  | "blind" | "consult" | "complete" | "swap" | "leader";

const inCall = (state: LineState): boolean => state === "talking" || state === "held";

const RULES: Readonly<Record<Act, (lines: Lines) => boolean>> = {
  answer: ({ one }) => one === "ringing",
  hangup: ({ one, two }) => two !== "idle" || (one !== "idle" && one !== "ringing"),
  hold: ({ one, two }) => one === "talking" && two === "idle",
  resume: ({ one, two }) => one === "held" && two === "idle",
  mute: ({ one, two }) => one === "talking" || two === "talking",
  digits: ({ one, two }) => one === "talking" || two === "talking",
  blind: ({ one, two }) => inCall(one) && two === "idle",
  consult: ({ one, two }) => inCall(one) && two === "idle",
  complete: ({ one, two }) => inCall(one) && inCall(two),
  swap: ({ one, two }) => (one === "held" && two === "talking") || (one === "talking" && two === "held"),
  leader: ({ one, two }) => inCall(one) && two === "idle",
};

/** What the agent may do now. */
export function allowed(lines: Lines): ReadonlySet<Act> {
  return new Set((Object.keys(RULES) as Act[]).filter((act) => RULES[act](lines)));
}

/** In a call: leaving the page now would cut somebody off. */
export function busy({ one, two }: Lines): boolean {
  return one !== "idle" || two !== "idle";
}

/** A ring that was cancelled near its limit was not answered in time; earlier, the caller gave up. */
export function rangOut(rangSeconds: number, ringSeconds: number): boolean {
  return rangSeconds >= ringSeconds - 1;
}
