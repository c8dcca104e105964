/** The contract of a link over every carrier. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { systemClock } from "#base/clock.ts";
import { silentLog } from "#base/log.ts";
import { memoryStreams } from "#base/testing.ts";
import { hopContract, type Linked } from "./hop.contract.ts";
import {
  type Carried,
  dialAddress,
  type HopAddress,
  type HopListener,
  listenHop,
  localLinks,
} from "./index.ts";
import { makeAuthority, node, TestServices, wirePair } from "./testing.ts";

const clock = systemClock;
const log = silentLog;

const services = (): { servicesA: TestServices; servicesB: TestServices } => ({
  servicesA: new TestServices(clock),
  servicesB: new TestServices(clock),
});

hopContract("local", () => {
  const { servicesA, servicesB } = services();
  const [a, b] = localLinks(
    { info: node("a"), services: servicesA },
    { info: node("b"), services: servicesB },
    { clock, log },
  );
  return Promise.resolve({ a, b, servicesA, servicesB });
});

hopContract("memory", async () => {
  const { servicesA, servicesB } = services();
  return {
    ...(await wirePair(memoryStreams(), clock, [servicesA, servicesB])),
    servicesA,
    servicesB,
  };
});

/** A link over sockets: `listen` is where b waits, `dial` how a comes there. */
async function overSockets(
  t: TestContext,
  listen: HopAddress,
  dial: (listener: HopListener) => HopAddress,
): Promise<Linked & { readonly names: readonly (string | undefined)[] }> {
  const { servicesA, servicesB } = services();
  const accepted = Promise.withResolvers<Carried>();
  const listener = await listenHop({ address: listen, clock, log, accept: accepted.resolve });
  t.after(() => listener.stop());
  const dialed = await dialAddress(dial(listener), clock);
  const taken = await accepted.promise;
  const pair = await wirePair([dialed.carrier, taken.carrier], clock, [servicesA, servicesB]);
  return { ...pair, servicesA, servicesB, names: [dialed.verifiedId, taken.verifiedId] };
}

function socketPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "roost-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "hop.sock");
}

hopContract("Unix socket", (t) => {
  const address = { path: socketPath(t) };
  return overSockets(t, address, () => address);
});

const authority = makeAuthority();
const [ofA, ofB] = [authority.issue("a"), authority.issue("b")];

hopContract("TCP with mutual TLS", async (t) => {
  const host = "127.0.0.1";
  const listen = { host, port: 0, certificates: ofB };
  const linked = await overSockets(t, listen, ({ port }) => ({ host, port, certificates: ofA }));
  assert.deepEqual(linked.names, ["b", "a"]);
  return linked;
});

test("the socket file is its owner's alone, and a dead one is replaced", async (t) => {
  const address = { path: socketPath(t) };
  const listener = await listenHop({ address, clock, log, accept: () => {} });
  assert.equal(statSync(address.path).mode & 0o777, 0o600);
  await assert.rejects(listenHop({ address, clock, log, accept: () => {} }));
  await listener.stop();
  const again = await listenHop({ address, clock, log, accept: () => {} });
  await again.stop();
  await assert.rejects(dialAddress(address, clock));
});

test("a node without a certificate of the cluster does not get in", async (t) => {
  const host = "127.0.0.1";
  const accepted: Carried[] = [];
  const listener = await listenHop({
    address: { host, port: 0, certificates: ofB },
    clock,
    log,
    accept: (carried) => void accepted.push(carried),
  });
  t.after(() => listener.stop());
  const stranger = makeAuthority().issue("a");
  const { port } = listener;
  // The dialer does not know the server's authority.
  await assert.rejects(dialAddress({ host, port, certificates: stranger }, clock));
  // It does, but its own certificate is of another one: the server closes.
  const forged = { ...stranger, authority: authority.certificate };
  const { carrier } = await dialAddress({ host, port, certificates: forged }, clock);
  await assert.rejects(async () => assert.notEqual(await carrier.read(), null));
  assert.equal(accepted.length, 0);
});
