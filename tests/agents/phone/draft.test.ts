import assert from "node:assert/strict";
import { test } from "node:test";
import { DraftKeeper, later, type Draft } from "../../../agents/phone/draft.js";

class Shelf {
  items = new Map<string, string>();
  getItem = (key: string): string | null => this.items.get(key) ?? null;
  setItem = (key: string, text: string): void => void this.items.set(key, text);
  removeItem = (key: string): void => void this.items.delete(key);
}

const empty: Draft = { revision: 0, body: {} };

function keeper(shelf: Shelf, send: (draft: Draft) => Promise<number>) {
  const told: string[] = [];
  return { told, keeper: new DraftKeeper("k", shelf, send, (where) => told.push(where), 100_000) };
}

test("what is typed lies in the browser at once", () => {
  const shelf = new Shelf();
  const { keeper: one } = keeper(shelf, async ({ revision }) => revision);
  one.begin(empty);
  one.typed({ title: "停水" });
  assert.deepEqual(JSON.parse(shelf.getItem("k")!), { revision: 1, body: { title: "停水" } });
  one.forget();
});

test("once the server has it the browser keeps nothing", async () => {
  const shelf = new Shelf();
  const { keeper: one, told } = keeper(shelf, async ({ revision }) => revision);
  one.begin(empty);
  one.typed({ title: "停水" });
  await one.flush();
  assert.equal(shelf.getItem("k"), null);
  assert.deepEqual(told, ["here", "server"]);
});

test("with the server away it stays, and a reload finds it", async () => {
  const shelf = new Shelf();
  const { keeper: one, told } = keeper(shelf, () => Promise.reject(new Error("away")));
  one.begin({ revision: 4, body: { title: "停" } });
  one.typed({ title: "停水" });
  await one.flush();
  assert.equal(told.at(-1), "away");
  void one.rest();
  const { keeper: two } = keeper(shelf, async ({ revision }) => revision);
  assert.deepEqual(two.begin({ revision: 4, body: { title: "停" } }), { revision: 5, body: { title: "停水" } });
  two.forget();
});

test("typing while a draft is on its way is not taken for handed over", async () => {
  const shelf = new Shelf();
  let arrived = (_revision: number): void => {};
  const { keeper: one } = keeper(shelf, () => new Promise((resolve) => (arrived = resolve)));
  one.begin(empty);
  one.typed({ title: "a" });
  const sending = one.flush();
  await Promise.resolve();
  one.typed({ title: "ab" });
  arrived(1);
  await sending;
  assert.deepEqual(JSON.parse(shelf.getItem("k")!).body, { title: "ab" });
  one.forget();
});

test("the later of two drafts wins, the server's when they are the same", () => {
  const server: Draft = { revision: 7, body: { title: "server" } };
  assert.equal(later(null, server), server);
  assert.equal(later({ revision: 7, body: {} }, server), server);
  assert.equal(later({ revision: 8, body: {} }, server).revision, 8);
});
