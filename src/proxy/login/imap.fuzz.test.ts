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
import { serveImapLogin } from "./imap.ts";
import { LoginMetrics } from "./login-metrics.ts";
import { UserConnections } from "./user-connections.ts";
import { startOnly } from "../testing.ts";

const seed = 20_26;
const rounds = 3_000;

const phrases = [
  "a LOGIN alice secret\r\n",
  "b LOGIN {5}\r\nalice {6+}\r\nsecret\r\n",
  "c AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n",
  "d AUTHENTICATE PLAIN\r\nAGFsaWNlAHdyb25n\r\n",
  "e AUTHENTICATE SCRAM-SHA-256\r\nbixuPWFsaWNlLHI9YWJj\r\n",
  "f AUTHENTICATE LOGIN\r\nYWxpY2U=\r\n*\r\n",
  'g ID ("name" "x" "y" NIL)\r\n',
  "h CAPABILITY\r\ni NOOP\r\n",
  "j APPEND INBOX (\\Seen) {5+}\r\nhello\r\n",
  "k STARTTLS\r\n",
  "l SELECT INBOX\r\nm UID FETCH 1:* (FLAGS)\r\n",
  "n LOGOUT\r\n",
  "\0\r\n{}\r\n* + \x80\xff {99999999999}\r\n",
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
  const metrics = new LoginMetrics(new Metrics()).of("imap");
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
    await serveImapLogin(connection, {
      credentials,
      sessions: startOnly(() => Promise.reject(new Error("Nobody can log in here"))),
      capabilities: ["IMAP4rev1"],
      clearTextLogin: "loopback",
      ...{ users, metrics, log, random, clock: systemClock },
    });
    const lines = latin1(concatBytes(said)).split("\r\n");
    assert.equal(lines.pop(), "");
    for (const line of lines)
      assert.match(line, /^(\* (OK|BYE|CAPABILITY|ID|BAD) ?|\+ |[!-~]+ (OK|NO|BAD) )[ -~]*$/);
  }
  assert.deepEqual(bugs, []);
});
