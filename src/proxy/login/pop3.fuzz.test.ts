import assert from "node:assert/strict";
import { test } from "node:test";
import type { CredentialCheck } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import { concatBytes, latin1, utf8 } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { silentLog } from "#base/log.ts";
import type { Log } from "#base/log.ts";
import { Metrics } from "#base/metrics.ts";
import { seededRandom } from "#base/random.ts";
import type { Random } from "#base/random.ts";
import { Shutdown } from "#base/shutdown.ts";
import type { Connection } from "../connection.ts";
import { servePop3Login } from "./pop3.ts";
import { LoginMetrics } from "./login-metrics.ts";
import { UserConnections } from "./user-connections.ts";

const seed = 20_27;
const rounds = 3_000;

const phrases = [
  "USER alice\r\nPASS secret\r\n",
  "PASS a b c\r\n",
  "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n",
  "AUTH PLAIN\r\nAGFsaWNlAHdyb25n\r\n",
  "AUTH SCRAM-SHA-256\r\nbixuPWFsaWNlLHI9YWJj\r\n",
  "AUTH LOGIN\r\nYWxpY2U=\r\n*\r\n",
  "AUTH PLAIN =\r\n",
  "CAPA\r\nUTF8\r\n",
  "LANG\r\nLANG *\r\nLANG de\r\n",
  "STLS\r\n",
  "STAT\r\nRETR 1\r\nTOP 1 1\r\nUIDL\r\n",
  "QUIT\r\n",
  "\0\r\n. + \x80\xff 99999999999\r\n",
];

const credentials: CredentialCheck = {
  verify: () => Promise.reject(new Refusal("AUTHENTICATIONFAILED", "No")),
  scramChallenge: async (name, hash) => ({
    ...{ name, hash, salt: utf8("0123456789abcdef"), iterations: 4096, verifiers: [] },
  }),
  verifyScram: () => Promise.reject(new Refusal("AUTHENTICATIONFAILED", "No")),
};

/** Phrases one after another, some octets changed, cut into chunks anywhere. */
function conversation(random: Random): Uint8Array[] {
  let text = "";
  for (let i = random.below(6); i >= 0; i--) text += phrases[random.below(phrases.length)]!;
  const bytes = Buffer.from(text, "latin1");
  for (let i = random.below(4); i > 0; i--) bytes[random.below(bytes.length)] = random.below(256);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = 1 + random.below(random.below(2) === 0 ? 4 : bytes.length);
    chunks.push(bytes.subarray(at, at + length));
    at += length;
  }
  return chunks;
}

test(`whatever a client says before login, it gets lines and an end (seed ${seed})`, async () => {
  const random = seededRandom(seed);
  const bugs: unknown[] = [];
  const log: Log = { ...silentLog, error: (fields) => void bugs.push(fields) };
  const metrics = new LoginMetrics(new Metrics()).of("pop3");
  const users = new UserConnections(new Shutdown());
  const until = Date.now() + 2_500;
  for (let round = 0; round < rounds && Date.now() < until; round++) {
    const input = conversation(random);
    const said: Uint8Array[] = [];
    let ended = false;
    const stream = {
      compressed: false,
      startCompression() {},
      read: async () => (ended ? null : (input.shift() ?? null)),
      write: (bytes: Uint8Array) => void said.push(bytes),
      end: () => (ended = true),
      destroy: () => (ended = true),
    };
    const connection = {
      stream,
      peer: { address: "127.0.0.1", port: 1, secure: false, loopback: true },
      shutdown: new Shutdown(),
      canUpgradeTls: false,
      channelBinding: () => undefined,
    } as unknown as Connection;
    await servePop3Login(connection, {
      credentials,
      start: () => Promise.reject(new Error("Nobody can log in here")),
      capabilities: ["UIDL"],
      clearTextLogin: "loopback",
      ...{ users, metrics, log, random, clock: systemClock },
    });
    const lines = latin1(concatBytes(said)).split("\r\n");
    assert.equal(lines.pop(), "");
    for (const line of lines)
      assert.match(line, /^(\+OK|-ERR|\+) [ -~]*$|^(\.|UIDL|USER|en English|SASL [ -~]+)$/);
  }
  assert.deepEqual(bugs, []);
});
