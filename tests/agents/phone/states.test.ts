import assert from "node:assert/strict";
import { test } from "node:test";
import { allowed, busy, LINE, NET, next, rangOut, TAB, type LineState } from "../../../agents/phone/states.js";

const walk = (events: string[]): string[] => {
  let state = "idle" as LineState;
  return events.map((event) => (state = next(LINE, state, event as never) ?? state));
};

test("a call rings, is answered, held, resumed and ends", () => {
  assert.deepEqual(walk(["invited", "answer", "confirmed", "hold", "resume", "ended"]),
    ["ringing", "answering", "talking", "held", "talking", "idle"]);
});

test("a transfer that fails gives the call back as it was", () => {
  assert.equal(walk(["invited", "answer", "confirmed", "refer", "referFailed"]).at(-1), "talking");
  assert.equal(walk(["invited", "answer", "confirmed", "hold", "refer", "referFailed"]).at(-1), "held");
});

test("every state of a line can end, and only an idle line begins", () => {
  for (const state of Object.keys(LINE) as LineState[]) {
    assert.equal(next(LINE, state, "ended"), state === "idle" ? null : "idle");
    assert.equal(next(LINE, state, "invited"), state === "idle" ? "ringing" : null);
  }
});

test("an event that does not belong changes nothing", () => {
  assert.equal(next(LINE, "idle", "answer"), null);
  assert.equal(next(LINE, "ringing", "hold"), null);
});

test("every state named as a next one is in its table", () => {
  for (const table of [LINE, NET, TAB])
    for (const [state, moves] of Object.entries(table))
      for (const to of Object.values(moves)) assert.ok(to in table, `${state} → ${to}`);
});

test("while it rings there is only answering: nobody hangs up on a caller by mistake", () => {
  assert.deepEqual([...allowed({ one: "ringing", two: "idle" })], ["answer"]);
});

test("an idle phone offers nothing", () => {
  assert.equal(allowed({ one: "idle", two: "idle" }).size, 0);
  assert.equal(busy({ one: "idle", two: "idle" }), false);
});

test("a consultation can be completed once the colleague speaks, and swapped", () => {
  const asking = allowed({ one: "held", two: "dialling" });
  assert.ok(asking.has("hangup") && !asking.has("complete") && !asking.has("resume"));
  const speaking = allowed({ one: "held", two: "talking" });
  assert.ok(speaking.has("complete") && speaking.has("swap") && !speaking.has("blind"));
});

test("a lost connection is retried and a lost network waited for", () => {
  assert.equal(next(NET, "ready", "disconnected"), "lost");
  assert.equal(next(NET, "lost", "connected"), "registering");
  assert.equal(next(NET, "ready", "offline"), "offline");
  assert.equal(next(NET, "offline", "disconnected"), null);
  assert.equal(next(NET, "offline", "online"), "connecting");
});

test("a second tab gets the phone only when told, and the first one learns of it", () => {
  assert.equal(next(TAB, "asking", "refused"), "elsewhere");
  assert.equal(next(TAB, "elsewhere", "granted"), null);
  assert.equal(next(TAB, "elsewhere", "released"), "free");
  assert.equal(next(TAB, "elsewhere", "take"), "asking");
  assert.equal(next(TAB, "holder", "stolen"), "taken");
});

test("a ring cancelled at its limit was missed; earlier, the caller gave up", () => {
  assert.equal(rangOut(14.8, 15), true);
  assert.equal(rangOut(6, 15), false);
});
