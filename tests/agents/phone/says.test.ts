import assert from "node:assert/strict";
import { test } from "node:test";
import { saying, type Duty, type Model } from "../../../agents/phone/says.js";
import { target } from "../../../agents/phone/keys.js";
import { clock, t } from "../../../agents/phone/words.js";
import { wav } from "../../../agents/phone/tones.js";

const duty = (changes: Partial<Duty> = {}): Duty => ({
  wanted: "ready", reason: "", reason_name: "", live: "idle", live_at: "2026-01-01T00:00:00Z",
  call_id: null, wrapup_seconds: 60, ...changes,
});
const model = (changes: Partial<Model> = {}): Model => ({
  hardware: false, lines: { one: "idle", two: "idle" }, net: "ready", tab: "holder", duty: duty(), serves: true, ...changes,
});

test("wrap-up is never shown as ready", () => {
  assert.equal(saying(model({ duty: duty({ live: "wrapup" }) })).key, "wrapup");
});

test("a phone without a network never looks ready", () => {
  for (const net of ["off", "connecting", "registering", "lost", "offline", "refused"] as const)
    assert.notEqual(saying(model({ net })).key, "ready");
});

test("a call in hand is told before any trouble with the network", () => {
  assert.equal(saying(model({ net: "lost", lines: { one: "talking", two: "idle" } })).key, "talking");
});

test("asking a colleague is told while the caller is held", () => {
  assert.equal(saying(model({ lines: { one: "held", two: "dialling" } })).key, "dialling");
  assert.equal(saying(model({ lines: { one: "held", two: "talking" } })).key, "consulting");
  assert.equal(saying(model({ lines: { one: "talking", two: "held" } })).key, "talking");
});

test("an unanswered ring is told apart from a pause of one's own", () => {
  assert.equal(saying(model({ duty: duty({ wanted: "paused", reason: "no_answer" }) })).key, "no_answer");
  assert.equal(saying(model({ duty: duty({ wanted: "paused", reason: "meal" }) })).key, "paused");
});

test("a hardware phone follows the exchange's word, not this browser's network", () => {
  assert.equal(saying(model({ hardware: true, net: "off", tab: "elsewhere" })).key, "ready");
});

test("ready but not yet in the queue says so", () => {
  assert.equal(saying(model({ duty: duty({ live: "away" }) })).key, "entering");
});

const button = (key: string) => ({ dataset: { key }, disabled: false, checkVisibility: () => true });
const root = (...buttons: object[]) => ({ querySelectorAll: () => buttons }) as unknown as ParentNode;
const press = (code: string, more: object = {}) =>
  ({ code, key: code.slice(-1).toLowerCase(), target: { tagName: "BODY" }, ...more }) as unknown as KeyboardEvent;

test("a key alone works while nothing is typed, Alt with the key always", () => {
  const answer = button("a");
  assert.equal(target(press("KeyA"), root(answer)), answer);
  assert.equal(target(press("KeyA", { target: { tagName: "TEXTAREA" } }), root(answer)), null);
  assert.equal(target(press("KeyA", { target: { tagName: "TEXTAREA" }, altKey: true }), root(answer)), answer);
});

test("composing Chinese presses no button", () => {
  assert.equal(target(press("KeyA", { isComposing: true }), root(button("a"))), null);
});

test("a function key works while typing", () => {
  const close = button("f2");
  assert.equal(target(press("F2", { target: { tagName: "INPUT" } }), root(close)), close);
});

test("control with S saves, other control keys belong to the browser", () => {
  const save = button("s");
  assert.equal(target(press("KeyS", { ctrlKey: true, target: { tagName: "INPUT" } }), root(save)), save);
  assert.equal(target(press("KeyA", { ctrlKey: true }), root(button("a"))), null);
});

test("an unknown word shows its key, a clock its minutes", () => {
  assert.equal(t("phone.nothing"), "phone.nothing");
  assert.deepEqual([clock(-3), clock(65), clock(3725)], ["0:00", "1:05", "1:02:05"]);
});

test("a ring is a proper WAV of the length asked for", () => {
  const view = new DataView(wav(() => 0.5, 0.5));
  assert.equal(view.byteLength, 44 + 16000);
  assert.equal(view.getInt16(44, true), 16383);
});

test("a phone that only calls out speaks of no duty", () => {
  assert.equal(saying(model({ serves: false, duty: null })).key, "at_hand");
  assert.equal(saying(model({ serves: false, duty: null, net: "lost" })).key, "lost");
});
