import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import { ManualClock } from "#base/testing.ts";
import { isLoopback, networkOf } from "./peer-address.ts";
import { LoginThrottle } from "./throttle.ts";

const far = { address: "192.0.2.1" };
const other = { address: "198.51.100.1" };

async function fail(throttle: LoginThrottle, clock: ManualClock, name: string): Promise<number> {
  const began = clock.now();
  const entering = throttle.enter(far, name);
  while (throttle.waiting > 0) await clock.advance(100);
  (await entering).failed();
  return clock.now() - began;
}

test("the delay doubles up to its limit and is forgotten step by step", async () => {
  const clock = new ManualClock();
  const throttle = new LoginThrottle({ clock });
  const delays = [];
  for (let i = 0; i < 6; i++) delays.push(await fail(throttle, clock, "alice"));
  assert.deepEqual(delays, [0, 2_000, 4_000, 8_000, 15_000, 15_000]);
  assert.equal(throttle.delayMs(other, "alice"), 15_000);
  assert.equal(throttle.delayMs(far, "bob"), 15_000);
  assert.equal(throttle.delayMs(other, "bob"), 0);
  await clock.advance(3 * limits.penaltyDecayMs);
  assert.equal(throttle.delayMs(other, "alice"), 8_000);
  await clock.advance(5 * limits.penaltyDecayMs);
  assert.equal(throttle.delayMs(far, "alice"), 0);
});

test("a success forgets the failures of the account, not those of the network", async () => {
  const clock = new ManualClock();
  const throttle = new LoginThrottle({ clock });
  await fail(throttle, clock, "alice");
  await fail(throttle, clock, "alice");
  const entering = throttle.enter(other, "alice");
  await clock.advance(4_000);
  (await entering).succeeded();
  assert.equal(throttle.delayMs(other, "alice"), 0);
  assert.equal(throttle.delayMs(far, "alice"), 4_000);
});

test("waiting holds up nobody else, and guesses at one time count each other", async () => {
  const clock = new ManualClock();
  const throttle = new LoginThrottle({ clock });
  await fail(throttle, clock, "alice");
  const guesses = [1, 2, 3].map(() => throttle.enter(far, "alice"));
  assert.equal(throttle.waiting, 3);
  (await throttle.enter(other, "bob")).succeeded();
  await clock.advance(2_000);
  assert.equal(throttle.waiting, 2);
  await clock.advance(2_000);
  assert.equal(throttle.waiting, 1);
  await clock.advance(4_000);
  for (const guess of guesses) (await guess).abandoned();
  assert.equal(throttle.delayMs(far, "alice"), 2_000);
});

test("a burst of good logins does not wait", async () => {
  const throttle = new LoginThrottle({ clock: new ManualClock() });
  const attempts = await Promise.all([1, 2, 3, 4].map(() => throttle.enter(far, "alice")));
  for (const attempt of attempts) attempt.succeeded();
  assert.equal(throttle.delayMs(far, "alice"), 0);
});

test("a burst of first guesses waits", async () => {
  const clock = new ManualClock();
  const throttle = new LoginThrottle({ clock });
  const burst = Array.from({ length: limits.loginBurstMax }, (_, i) =>
    throttle.enter({ address: `192.0.2.${i}` }, "alice"),
  );
  const attempts = await Promise.all(burst);
  const next = throttle.enter(far, "alice");
  const last = throttle.enter(other, "alice");
  assert.equal(throttle.waiting, 2);
  (await throttle.enter(far, "bob")).succeeded();
  await clock.advance(2_000);
  assert.equal(throttle.waiting, 1);
  await clock.advance(2_000);
  for (const attempt of [...attempts, await next, await last]) attempt.abandoned();
  assert.equal(throttle.delayMs(far, "alice"), 0);
});

test("a crowd from one penalised network is refused", async () => {
  const clock = new ManualClock();
  const throttle = new LoginThrottle({ clock });
  await fail(throttle, clock, "alice");
  const waiting = Array.from({ length: limits.penaltyUnderwayMax }, (_, i) =>
    throttle.enter(far, `user${i}`),
  );
  await assert.rejects(throttle.enter(far, "one-more"), (error) => {
    return error instanceof Refusal && error.code === "UNAVAILABLE";
  });
  const legitimate = throttle.enter(other, "alice");
  await clock.advance(20_000);
  (await legitimate).succeeded();
  for (const attempt of waiting) (await attempt).abandoned();
  assert.equal(throttle.waiting, 0);
});

test("who a balancer says to be at 127.0.0.1 is one address among others", async () => {
  const throttle = new LoginThrottle({ clock: new ManualClock() });
  const proxied = { address: "127.0.0.1", loopback: false };
  (await throttle.enter(proxied, "alice")).failed();
  assert.equal(throttle.delayMs(proxied, "bob"), 2_000);
  assert.equal(throttle.delayMs({ address: "127.0.0.1" }, "bob"), 0);
});

test("a client's whole IPv6 network waits", async () => {
  const throttle = new LoginThrottle({ clock: new ManualClock() });
  (await throttle.enter({ address: "2001:db8:1:2::1" }, "alice")).failed();
  assert.equal(throttle.delayMs({ address: "2001:db8:1:2:ffff::9" }, "bob"), 2_000);
  assert.equal(throttle.delayMs({ address: "2001:db8:1:3::1" }, "bob"), 0);
});

test("failures on a shared address count for the account alone", async () => {
  const clock = new ManualClock();
  const throttle = new LoginThrottle({ clock });
  for (const address of ["127.0.0.1", "::1", ""])
    (await throttle.enter({ address }, `user of ${address}`)).failed();
  assert.equal(throttle.delayMs({ address: "127.0.0.1" }, "bob"), 0);
  assert.equal(throttle.delayMs({ address: "127.0.0.1" }, "user of ::1"), 2_000);
  const sharedAddress = (address: string): boolean => address === "192.0.2.9";
  const webmail = new LoginThrottle({ clock, sharedAddress });
  for (const address of ["127.0.0.1", "192.0.2.9"])
    (await webmail.enter({ address }, `user of ${address}`)).failed();
  assert.equal(webmail.delayMs({ address: "192.0.2.9" }, "bob"), 0);
  assert.equal(webmail.delayMs({ address: "127.0.0.1" }, "bob"), 0);
  const off = new LoginThrottle({ clock, delayMsMax: 0 });
  (await off.enter(far, "alice")).failed();
  assert.equal(off.delayMs(far, "alice"), 0);
});

test("networks", () => {
  assert.equal(networkOf("192.0.2.1"), "192.0.2.1");
  assert.equal(networkOf("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(networkOf("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  assert.equal(networkOf("2001:DB8:0001:2::9"), "2001:db8:1:2::/64");
  assert.equal(networkOf("2001:db8::1"), "2001:db8:0:0::/64");
  assert.equal(networkOf("fe80::1%eth0"), "fe80:0:0:0::/64");
  assert.equal(networkOf("64:ff9b::192.0.2.1"), "64:ff9b:0:0::/64");
  assert.equal(networkOf("::"), "0:0:0:0::/64");
  for (const near of ["", "::1", "127.0.0.1", "127.9.9.9", "::ffff:127.0.0.1"])
    assert.equal(isLoopback(near), true, near);
  for (const away of ["::2", "12.7.0.0", "2001:db8::1", "127.example", "128.0.0.1"])
    assert.equal(isLoopback(away), false, away);
});
