import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import { concatBytes, fromLatin1, latin1 } from "#base/bytes.ts";
import { seededRandom } from "#base/random.ts";
import { decodePart, decodedSize, transferDecoder } from "./transfer-encoding.ts";

const cases: readonly [encoding: string, encoded: string, decoded: string][] = [
  ["7bit", "as it is=20\r\n", "as it is=20\r\n"],
  ["8bit", "\xe4\r\n", "\xe4\r\n"],
  ["binary", "\0\n\r\xff", "\0\n\r\xff"],
  ["base64", "", ""],
  ["base64", "SGVsbG8=", "Hello"],
  ["base64", "SGVs\r\nbG8=\r\n", "Hello"],
  ["base64", "S G!V?s bG8=", "Hello"],
  ["base64", "SGVsbG8", "Hello"],
  ["base64", "SGVsbG8gdA", "Hello t"],
  ["base64", "SGVsbG8=IHRoZXJl", "Hello there"],
  ["base64", "YQ==YQ==", "aa"],
  ["base64", "=====", ""],
  ["base64", "A", ""],
  ["base64", "/+8=", "\xff\xef"],
  ["quoted-printable", "", ""],
  ["quoted-printable", "a=3Db=e4=E4", "a=b\xe4\xe4"],
  ["quoted-printable", "soft=\r\nbreak", "softbreak"],
  ["quoted-printable", "soft= \t\r\nbreak", "softbreak"],
  ["quoted-printable", "soft=\nbreak", "softbreak"],
  ["quoted-printable", "trailing \t \r\nspace  \nx ", "trailing\r\nspace\nx"],
  ["quoted-printable", "inner  space\tx", "inner  space\tx"],
  ["quoted-printable", "kept=20\r\n", "kept \r\n"],
  ["quoted-printable", "bad=ZZ =4 =", "bad=ZZ =4 "],
  ["quoted-printable", "bad=4", "bad=4"],
  ["quoted-printable", "bad=4\r\n", "bad=4\r\n"],
  ["quoted-printable", "==41", "=A"],
  ["quoted-printable", "bare\rcr \rx", "bare\rcr \rx"],
  ["quoted-printable", "end =\r", "end "],
  ["quoted-printable", "= x", "= x"],
];

test("decoding", () => {
  for (const [encoding, encoded, decoded] of cases) {
    const bytes = fromLatin1(encoded);
    assert.equal(latin1(decodePart(bytes, encoding)), decoded, JSON.stringify(encoded));
    assert.equal(decodedSize(bytes, encoding), decoded.length);
  }
});

function decodeCut(encoded: Uint8Array, encoding: string, next: () => number): string {
  const decoder = transferDecoder(encoding);
  const out: Uint8Array[] = [];
  for (let at = 0; at < encoded.length;) {
    const size = next();
    out.push(Uint8Array.from(decoder.push(encoded.subarray(at, at + size))));
    at += size;
  }
  out.push(decoder.end());
  return latin1(concatBytes(out));
}

test("the cut of the pieces does not matter", () => {
  for (const [encoding, encoded, decoded] of cases)
    for (let size = 1; size <= 5; size++)
      assert.equal(
        decodeCut(fromLatin1(encoded), encoding, () => size),
        decoded,
        `${JSON.stringify(encoded)} in pieces of ${size}`,
      );
});

test("random input in random pieces decodes as in one", () => {
  const random = seededRandom(4711);
  const alphabet = "=  \t\r\n\r\nAbC4+/=";
  for (let round = 0; round < 3000; round++) {
    let encoded = "";
    for (let left = random.below(40); left > 0; left--)
      encoded += alphabet[random.below(alphabet.length)]!.repeat(
        random.below(30) === 0 ? 995 + random.below(10) : 1,
      );
    const bytes = fromLatin1(encoded);
    for (const encoding of ["base64", "quoted-printable"])
      assert.equal(
        decodeCut(bytes, encoding, () => 1 + random.below(encoded.length > 500 ? 400 : 4)),
        latin1(decodePart(bytes, encoding)),
        JSON.stringify(encoded),
      );
  }
});

test("base64 agrees with the platform's on what is well formed", () => {
  const random = seededRandom(1);
  for (let size = 0; size < 200; size++) {
    const bytes = random.bytes(size);
    const encoded = Buffer.from(bytes).toString("base64").replace(/.{76}/g, "$&\r\n");
    assert.deepEqual(Buffer.from(decodePart(fromLatin1(encoded), "base64")), Buffer.from(bytes));
  }
});

test("an encoding that nobody knows is refused", () => {
  assert.throws(
    () => decodePart(fromLatin1("x"), "x-unknown"),
    (error) => error instanceof Refusal && error.code === "UNKNOWN-CTE",
  );
});

test("long runs of white space take one pass", () => {
  for (const piece of [" ", "\t", "= ", "=", "\r", "=\r"])
    decodeCut(fromLatin1(piece.repeat(300_000)), "quoted-printable", () => 10_000);
});
