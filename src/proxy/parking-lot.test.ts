/** What is said to and by clients whose connections of TLS 1.3 are parked. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import type { AccountId } from "#base/brand.ts";
import { noBytes, utf8 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { silentLog } from "#base/log.ts";
import { Metrics } from "#base/metrics.ts";
import { systemRandom } from "#base/random.ts";
import { ManualClock } from "#base/testing.ts";
import type { Connection } from "./connection.ts";
import { ParkingLot, type ReturningSession } from "./parking-lot.ts";
import { LineClient, serve } from "./testing.ts";
import { contentType } from "./tls13/record-protection.ts";
import { sealed, StepClient, testContext } from "./tls13/testing.ts";
import { nextTrafficKeys } from "./tls13/traffic-keys.ts";

interface Parked {
  readonly client: StepClient;
  readonly clock: ManualClock;
  readonly lot: ParkingLot;
  /** Sessions that came back, in order. */
  readonly returned: ReturningSession[];
}

/** A client whose session was parked after `greetings` records, and what `goOn` does with it later. */
async function parked(
  t: TestContext,
  greetings: number,
  goOn: (connection: Connection, park: () => boolean) => Promise<void>,
): Promise<Parked> {
  const clock = new ManualClock();
  const context = testContext();
  const accountId = "a" as AccountId;
  const frozen = utf8("frozen");
  const session = { frozen, waitsFor: undefined, idling: true, silentMs: 0, accountId };
  const park = (connection: Connection): boolean => {
    const { peer, listener } = connection;
    return lot.park(connection, { ...session, name: "alice", peer, listener });
  };
  const { port, listeners } = await serve(
    t,
    async (connection) => {
      for (let i = 0; i < greetings; i++) {
        void connection.stream.write(utf8("."));
        await connection.whenSent();
      }
      assert.equal(park(connection), true);
    },
    { contexts: { contextFor: () => context }, implicitTls: true },
  );
  const returned: ReturningSession[] = [];
  const lot = ParkingLot.open({
    ...{ clock, listeners, random: systemRandom, log: silentLog, metrics: new Metrics() },
    serve: async (connection, back) => {
      returned.push(back);
      assert.equal(connection.peer.secure, true);
      await goOn(connection, () => park(connection));
    },
  })!;
  t.after(() => {
    if (lot.count > 0) lot.close(utf8(""));
  });
  const client = await StepClient.connect(t, port);
  client.socket.write(client.hello());
  await client.serverFlight();
  client.socket.write(client.finishedRecord());
  await client.receiveText(greetings);
  while (lot.count === 0) await new Promise((resolve) => setImmediate(resolve));
  return { client, clock, lot, returned };
}

const skip = process.platform !== "linux" && "needs epoll";

describe("a parked connection of TLS 1.3", { skip }, () => {
  test("gets signs of life as records, also where their number becomes longer", async (t) => {
    const { client, clock, lot, returned } = await parked(t, 120, async (connection, park) => {
      await connection.whenSent();
      assert.equal(park(), true);
    });
    const sign = "* OK Still here\r\n";
    for (let i = 0; i < 12; i++) {
      await clock.advance(limits.idleKeepAliveMs);
      assert.equal(await client.receiveText(sign.length), sign);
      while (lot.count === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(
      returned.map(({ spoke, says }) => [spoke, says && Buffer.from(says).toString()]),
      [[undefined, sign]],
    );
  });

  test("hears a farewell and close_notify", async (t) => {
    const { client, lot } = await parked(t, 1, () => Promise.resolve());
    lot.close(utf8("* BYE\r\n"));
    assert.equal(await client.receiveText(7), "* BYE\r\n");
    const goodbye = await client.receive();
    assert.deepEqual([goodbye?.type, goodbye?.content.toString("hex")], [21, "0100"]);
    assert.equal(await client.receive(), null);
  });

  test("comes back for a part of a record and for what is no data, and is read from there", async (t) => {
    const said: string[] = [];
    let parks = true;
    const { client, lot, returned } = await parked(t, 1, async ({ stream }, park) => {
      said.push(Buffer.from((await stream.read())!).toString());
      if (parks) assert.equal(park(), true);
      else stream.end();
    });
    for (let round = 0; round < 30; round++) {
      parks = round < 29;
      if (round % 3 === 0) {
        const update = Buffer.from("1800000100", "hex");
        client.socket.write(sealed(client.writeKeys, contentType.handshake, update));
        client.writeKeys = nextTrafficKeys(client.writeKeys);
        while (returned.length === round) await new Promise((resolve) => setImmediate(resolve));
      }
      const record = client.data(`command ${round}`);
      const cut = (round * 7) % record.length;
      client.socket.write(record.subarray(0, cut));
      await new Promise((resolve) => setTimeout(resolve, round % 4));
      client.socket.write(record.subarray(cut));
      while (said.length === round) await new Promise((resolve) => setImmediate(resolve));
      while (parks && lot.count === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(
      said,
      Array.from({ length: 30 }, (_, round) => `command ${round}`),
    );
    for (const { input, spoke } of returned)
      assert.deepEqual([input, spoke], [undefined, { waitsFor: undefined, idling: true }]);
  });
});

test("where there is no room a session keeps its socket, and is not parked over and over", async (t) => {
  const clock = new ManualClock();
  const accountId = "a" as AccountId;
  const session = { frozen: utf8("x"), waitsFor: undefined, idling: false, silentMs: 0, accountId };
  const outcomes: boolean[] = [];
  const park = (connection: Connection): boolean => {
    const { peer, listener } = connection;
    const parked = lot.park(connection, { ...session, name: "alice", peer, listener });
    outcomes.push(parked);
    return parked;
  };
  const { port, listeners } = await serve(t, async (connection) => void park(connection));
  const stays = Promise.withResolvers<Connection>();
  const lot = ParkingLot.open({
    ...{ clock, listeners, random: systemRandom, log: silentLog, metrics: new Metrics() },
    sessionsMax: 1,
    serve: async (connection) => {
      // As a session that is parked at every rest: the second time it is to stay.
      if (!park(connection)) stays.resolve(connection);
      await connection.stream.read();
    },
  })!;
  t.after(() => lot.close(noBytes));
  const clients = [await LineClient.connect(t, port), await LineClient.connect(t, port)];
  const connection = await stays.promise;
  // The second one was given back within its call of `park`, and asked again there.
  assert.deepEqual(outcomes, [true, false, true]);
  assert.equal(lot.count, 1);
  void connection.stream.write(utf8("still here\r\n"));
  const lines = await Promise.race(clients.map((client) => client.line()));
  assert.equal(lines, "still here");
});
