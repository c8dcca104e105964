import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccountId } from "#base/brand.ts";
import { Shutdown } from "#base/shutdown.ts";
import { type AccountSessions, UserConnections } from "./user-connections.ts";

const alice = "alice" as AccountId;
const bob = "bob" as AccountId;
const farewell = { text: "The account was disabled", code: "CONTACTADMIN" };

function enter(users: UserConnections, id: AccountId): AccountSessions {
  const sessions = users.enter(users.arrive(), id);
  assert.ok(typeof sessions === "object");
  return sessions;
}

test("the sessions of one account end, those of others and later ones do not", () => {
  const server = new Shutdown();
  const users = new UserConnections(server, 2);
  const first = enter(users, alice);
  const other = enter(users, bob);
  users.end(alice, farewell);
  assert.equal(first.shutdown.begun, true);
  assert.deepEqual(first.shutdown.farewell, farewell);
  assert.equal(other.shutdown.begun, false);
  // Those that still say goodbye do not count, and their end takes nothing from others.
  const [second, third] = [enter(users, alice), enter(users, alice)];
  users.leave(first);
  assert.equal(users.enter(users.arrive(), alice), "limit");
  users.leave(second);
  assert.equal(enter(users, alice).shutdown.begun, false);
  server.begin();
  assert.equal(third.shutdown.begun, true);
  assert.equal(third.shutdown.farewell.code, "UNAVAILABLE");
  assert.equal(other.shutdown.begun, true);
});

test("a login that was under way when the sessions ended comes to nothing", () => {
  const users = new UserConnections(new Shutdown());
  const [early, elsewhere, gone] = [users.arrive(), users.arrive(), users.arrive()];
  users.giveUp(gone);
  users.end(alice, farewell);
  assert.equal(users.enter(early, alice), "ended");
  assert.equal(typeof users.enter(elsewhere, bob), "object");
  assert.equal(gone.ended.size, 0);
  assert.equal(typeof users.enter(users.arrive(), alice), "object");
});

test("an account without sessions keeps nothing at the server's shutdown", () => {
  const server = new Shutdown();
  const users = new UserConnections(server);
  const sessions = enter(users, alice);
  users.leave(sessions);
  server.begin();
  assert.equal(sessions.shutdown.begun, false);
});
