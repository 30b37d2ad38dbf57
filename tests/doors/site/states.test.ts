import assert from "node:assert/strict";
import { test } from "node:test";
import { busy, CALL, faultOf, inCall, MARK, microphoneFault, next, type State } from "../../../doors/site/states.js";

const walk = (...events: Parameters<typeof next>[1][]): State =>
  events.reduce<State>((state, event) => next(state, event) ?? assert.fail(`${event} in ${state}`), "idle");

test("a call goes from the button to the agent and ends", () => {
  assert.equal(walk("dial", "allowed", "confirmed", "menu", "waiting", "talking", "hangup", "over"), "ended");
});

test("a transfer leads from talking back to waiting", () => {
  assert.equal(walk("dial", "allowed", "confirmed", "talking", "waiting", "talking"), "talking");
});

test("whatever went wrong, one can call again", () => {
  for (const state of ["ended", "failed", "idle"] as const) assert.equal(next(state, "dial"), "asking");
  assert.equal(walk("dial", "fault", "dial", "hangup"), "idle");
});

test("while a call is under way it cannot be dialled twice", () => {
  for (const state of Object.keys(CALL) as State[]) assert.equal(next(state, "dial") === null, busy(state));
});

test("keys and mute are for a call that was taken", () => {
  const open = (Object.keys(CALL) as State[]).filter(inCall);
  assert.deepEqual(open, ["connected", "menu", "waiting", "talking"]);
});

test("a phase that comes late changes nothing", () => {
  assert.equal(next("ended", "talking"), null);
  assert.equal(next("ending", "waiting"), null);
});

test("every state has a mark, every reason a fault", () => {
  assert.deepEqual(Object.keys(MARK), Object.keys(CALL));
  assert.equal(faultOf(4430), "busy");
  assert.equal(faultOf(4400), "other");
  assert.equal(microphoneFault("NotFoundError"), "none");
  assert.equal(microphoneFault("Whatever"), "other");
});
