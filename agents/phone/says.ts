/** What the strip says: one line of words, a shape and a tone for everything the phone can be. Pure. */

import type { Lines, NetState, TabState } from "./states.js";

/** GET /desk/duty. Times are ISO 8601; `reason_name` is in the person's language. */
export interface Duty {
  wanted: "off" | "ready" | "paused";
  reason: string;
  reason_name: string;
  live: "away" | "idle" | "ringing" | "talking" | "wrapup" | "paused";
  live_at: string;
  call_id: string | null;
  wrapup_seconds: number;
}

export type Tone = "calm" | "quiet" | "accent" | "warn" | "bad";

export interface Saying {
  key: string; // message phone.says.<key>
  shape: string; // symbol of the icon sheet
  tone: Tone;
  clock: "line" | "wrapup" | "duty" | "";
}

export interface Model {
  hardware: boolean;
  lines: Lines;
  net: NetState | "over"; // over: the log-in has ended, and the phone has left with it
  tab: TabState;
  duty: Duty | null;
  serves: boolean; // takes calls; else the phone is there to call out
}

const say = (key: string, shape: string, tone: Tone, clock: Saying["clock"] = ""): Saying =>
  ({ key, shape, tone, clock });

const LINES: Readonly<Record<Exclude<Lines["one"], "idle">, Saying>> = {
  ringing: say("ringing", "dot", "accent", "line"),
  answering: say("answering", "dot", "accent", "line"),
  dialling: say("dialling", "dot", "accent", "line"),
  talking: say("talking", "dot", "accent", "line"),
  held: say("held", "bars", "warn", "line"),
  transferring: say("transferring", "dot", "accent", "line"),
  transferringHeld: say("transferring", "dot", "accent", "line"),
};

const TABS: Readonly<Record<TabState, Saying | null>> = {
  asking: say("connecting", "ring", "quiet"),
  elsewhere: say("elsewhere", "square", "quiet"),
  free: say("free", "square", "warn"),
  taken: say("taken", "square", "warn"),
  holder: null,
};

const NETS: Readonly<Record<NetState | "over", Saying | null>> = {
  off: say("connecting", "ring", "quiet"),
  connecting: say("connecting", "ring", "warn"),
  registering: say("connecting", "ring", "warn"),
  lost: say("lost", "triangle", "bad"),
  offline: say("offline", "triangle", "bad"),
  refused: say("refused", "triangle", "bad"),
  over: say("over", "square", "warn"),
  ready: null,
};

function duty({ wanted, reason, live }: Duty): Saying {
  if (live === "wrapup") return say("wrapup", "half", "calm", "wrapup");
  if (wanted === "paused" && reason === "no_answer") return say("no_answer", "bars", "bad", "duty");
  if (wanted === "paused" && reason === "phone_lost") return say("phone_lost", "bars", "bad", "duty");
  if (wanted === "paused") return say("paused", "bars", "warn", "duty");
  if (wanted === "off") return say("off", "square", "quiet");
  if (live === "idle") return say("ready", "tick", "calm", "duty");
  if (live === "ringing" || live === "talking") return say(live, "dot", "accent", "duty");
  return say("entering", "ring", "warn");
}

export function saying({ hardware, lines, net, tab, duty: of, serves }: Model): Saying {
  if (lines.two === "dialling") return LINES.dialling;
  if (lines.two === "talking") return say("consulting", "dot", "accent", "line");
  if (lines.one !== "idle") return LINES[lines.one];
  if (!hardware) {
    const trouble = TABS[tab] ?? NETS[net];
    if (trouble) return trouble;
  }
  if (!serves) return say("at_hand", "tick", "calm");
  return of ? duty(of) : say("unknown", "triangle", "warn");
}
