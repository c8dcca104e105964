/** The traces of RFC 8448 §3 to §7: keys, records and sequence numbers as they are printed there. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { cipherSuites } from "./cipher-suites.ts";
import { HandshakeMessages } from "./handshake-messages.ts";
import { contentType, open } from "./record-protection.ts";
import { sealed } from "./testing.ts";
import { trafficKeys } from "./traffic-keys.ts";
import type { TrafficKeys } from "./traffic-keys.ts";

interface TraceRecord {
  readonly type: number;
  readonly content: string;
  readonly record: string;
}

interface Trace {
  readonly section: string;
  readonly title: string;
  readonly clientHandshakeSecret: string;
  readonly clientSecret: string;
  readonly serverSecret: string;
  /** The client's records after the server's Finished, up to its own. */
  readonly clientFlight: readonly string[];
  /** What followed, by who sent it. */
  readonly client: readonly TraceRecord[];
  readonly server: readonly TraceRecord[];
}

const traces = JSON.parse(
  readFileSync(new URL("rfc8448.json", import.meta.url), "utf8"),
) as readonly Trace[];
const suite = cipherSuites[0]!;
const keysOf = (secret: string): TrafficKeys => trafficKeys(suite, Buffer.from(secret, "hex"));

test("keys of §3", () => {
  const keys = keysOf(traces[0]!.clientSecret);
  assert.equal(Buffer.from(keys.key).toString("hex"), "17422dda596ed5d9acd890e3c63f5051");
  assert.equal(Buffer.from(keys.iv).toString("hex"), "5b78923dee08579033e523d9");
});

for (const trace of traces)
  describe(`${trace.section}, ${trace.title}`, () => {
    test("the Finished is found, and nothing after it", () => {
      const keys = keysOf(trace.clientHandshakeSecret);
      const messages = new HandshakeMessages();
      const ends = trace.clientFlight.map((record) => {
        const bytes = Buffer.from(record, "hex");
        if (bytes[0] === contentType.changeCipherSpec) return undefined;
        const opened = open(keys, bytes);
        assert.ok(typeof opened !== "string");
        assert.equal(opened.type, contentType.handshake);
        const end = messages.finishedEnd(opened.content);
        return end === opened.content.length;
      });
      assert.equal(ends.at(-1), true);
      assert.ok(ends.slice(0, -1).every((end) => end === undefined));
    });

    for (const side of ["client", "server"] as const)
      test(`the records of the ${side}, opened and sealed`, () => {
        const secret = side === "client" ? trace.clientSecret : trace.serverSecret;
        const [opening, sealing] = [keysOf(secret), keysOf(secret)];
        for (const { type, content, record } of trace[side]) {
          const opened = open(opening, Buffer.from(record, "hex"));
          assert.ok(typeof opened !== "string");
          assert.equal(opened.type, type);
          assert.equal(opened.content.toString("hex"), content);
          assert.equal(sealed(sealing, type, Buffer.from(content, "hex")).toString("hex"), record);
        }
        assert.equal(opening.sequence, trace[side].length);
      });
  });
