import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, fromLatin1, latin1 } from "#base/bytes.ts";
import { seededRandom } from "#base/random.ts";
import { formatIp, parseAddress } from "./address.ts";
import { type DecodedHeader, ProxyHeaderDecoder } from "./decoder.ts";
import { ProxyHeaderError } from "./header.ts";
import { signature } from "./version-2.ts";

const seed = 20_261;
const rounds = 30_000;

const start = [...signature, 0x21, 0x11, 0, 26, 192, 0, 2, 1, 192, 0, 2, 2, 0, 1, 0, 2];
const samples = [
  fromLatin1("PROXY TCP4 192.0.2.1 198.51.100.7 40000 143\r\na LOGIN"),
  fromLatin1("PROXY TCP6 2001:db8::1 ::1 40000 143\r\n"),
  fromLatin1("PROXY UNKNOWN\r\n"),
  Uint8Array.of(...start, 0x20, 0, 8, 1, 0, 0, 0, 0, 0x21, 0, 0, 5, 0, 0, 65),
  Uint8Array.of(...start, 3, 0, 4, 0, 0, 0, 0, 2, 0, 4, 65, 66, 67, 68),
];

test(`any octets are a header, the beginning of one, or an error (seed ${seed})`, () => {
  const random = seededRandom(seed);
  const outcome = (chunks: readonly Uint8Array[]): string => {
    const decoder = new ProxyHeaderDecoder();
    try {
      for (const [index, chunk] of chunks.entries()) {
        const decoded: DecodedHeader | undefined = decoder.push(chunk);
        if (decoded === undefined) continue;
        const rest = concatBytes([decoded.rest, ...chunks.slice(index + 1)]);
        return JSON.stringify([decoded.header, latin1(rest)]);
      }
      return "more";
    } catch (error) {
      assert.ok(error instanceof ProxyHeaderError, String(error));
      return "error";
    }
  };
  for (let round = 0; round < rounds; round++) {
    const bytes = Uint8Array.from(samples[random.below(samples.length)]!);
    for (let edits = random.below(4); edits > 0; edits--)
      bytes[random.below(bytes.length)] = random.below(256);
    const cut = random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    const at = random.below(cut.length + 1);
    assert.equal(
      outcome([cut.subarray(0, at), cut.subarray(at)]),
      outcome([cut]),
      `round ${round}`,
    );
  }
});

test(`any 16 octets are an address that is read as it is written (seed ${seed})`, () => {
  const random = seededRandom(seed);
  for (let round = 0; round < 20_000; round++) {
    const octets = random.bytes(16);
    for (let i = 0; i < 16; i += 2) if (random.below(2) === 0) octets[i] = octets[i + 1] = 0;
    const text = formatIp(octets);
    assert.deepEqual(formatIp(parseAddress(text)!), text);
    if (!text.includes("."))
      assert.deepEqual(Buffer.from(parseAddress(text)!), Buffer.from(octets));
  }
});
