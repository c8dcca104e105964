import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, fromLatin1, utf8 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { crc32c } from "./crc32c.ts";
import { ProxyHeaderDecoder } from "./decoder.ts";
import { type ProxyHeader, ProxyHeaderError } from "./header.ts";
import { signature } from "./version-2.ts";

/** The header, taken whole and octet by octet, with what came behind it. */
function decode(bytes: Uint8Array): ProxyHeader {
  const behind = utf8("EHLO");
  const whole = new ProxyHeaderDecoder().push(concatBytes([bytes, behind]));
  assert.ok(whole !== undefined);
  assert.deepEqual(Buffer.from(whole.rest), Buffer.from(behind));
  const slow = new ProxyHeaderDecoder();
  for (const [index, octet] of bytes.entries()) {
    const decoded = slow.push(Uint8Array.of(octet));
    assert.equal(decoded !== undefined, index === bytes.length - 1);
    if (decoded !== undefined) assert.deepEqual(decoded.header, whole.header);
  }
  return whole.header;
}

const line = (text: string): ProxyHeader => decode(fromLatin1(`${text}\r\n`));

function refused(bytes: Uint8Array, pattern: RegExp): void {
  assert.throws(
    () => new ProxyHeaderDecoder().push(bytes),
    (error) => error instanceof ProxyHeaderError && pattern.test(error.message),
  );
}

const u16 = (value: number): number[] => [value >> 8, value & 0xff];
const tlv = (type: number, value: Uint8Array): Uint8Array =>
  Uint8Array.of(type, ...u16(value.length), ...value);

function binary(command: number, family: number, ...content: Uint8Array[]): Uint8Array {
  const all = concatBytes([new Uint8Array(0), ...content]);
  return Uint8Array.of(...signature, 0x20 | command, family, ...u16(all.length), ...all);
}

const v4 = Uint8Array.of(192, 0, 2, 1, 198, 51, 100, 7, ...u16(40_000), ...u16(143));
const v4Endpoints = {
  ...{ address: "192.0.2.1", port: 40_000 },
  ...{ localAddress: "198.51.100.7", localPort: 143 },
};

test("version 1", () => {
  assert.deepEqual(line("PROXY TCP4 192.0.2.1 198.51.100.7 40000 143"), {
    version: 1,
    endpoints: v4Endpoints,
  });
  assert.deepEqual(line("PROXY TCP6 2001:DB8::1 ::1 0 65535").endpoints, {
    ...{ address: "2001:db8::1", port: 0, localAddress: "::1", localPort: 65_535 },
  });
  const unknown = { version: 1, endpoints: undefined };
  assert.deepEqual(line("PROXY UNKNOWN"), unknown);
  const long = `PROXY UNKNOWN ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535`;
  assert.equal(long.length + 2, 107);
  assert.deepEqual(line(long), unknown);
});

test("lines that do not fit the grammar", () => {
  for (const text of [
    "PROXY ",
    "PROXY TCP5 192.0.2.1 192.0.2.2 1 2",
    "PROXY TCP4 192.0.2.1 192.0.2.2 1",
    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3",
    "PROXY TCP4  192.0.2.1 192.0.2.2 1 2",
    "PROXY TCP4 192.0.2.01 192.0.2.2 1 2",
    "PROXY TCP4 ::1 ::1 1 2",
    "PROXY TCP6 192.0.2.1 192.0.2.2 1 2",
    "PROXY TCP4 192.0.2.1 192.0.2.2 01 2",
    "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536",
    "PROXY TCP4 192.0.2.1 192.0.2.2 1 -2",
  ])
    refused(fromLatin1(`${text}\r\n`), /PROXY line/);
  refused(utf8("PROXY UNKNOWN\n"), /without CRLF/);
  refused(fromLatin1(`PROXY UNKNOWN ${"x".repeat(92)}\r\n`), /too long/);
  refused(fromLatin1(`PROXY UNKNOWN ${"x".repeat(200)}`), /too long/);
});

test("anything else is refused with its first wrong octet", () => {
  for (const text of ["a", "PROXX", "\r\n\r\n\0\r\nQUIX", "* OK", "\u0016\u0003\u0001"])
    refused(fromLatin1(text), /No PROXY header/);
});

test("version 2: families and commands", () => {
  assert.deepEqual(decode(binary(1, 0x11, v4)), { version: 2, endpoints: v4Endpoints });
  const v6 = new Uint8Array(36);
  v6.set([0x20, 0x01, 0x0d, 0xb8], 0);
  v6[15] = v6[31] = 1;
  v6.set([0x12, 0x34, 0x00, 0x8f], 32);
  assert.deepEqual(decode(binary(1, 0x21, v6)).endpoints, {
    ...{ address: "2001:db8::1", port: 0x1234, localAddress: "::1", localPort: 143 },
  });
  const mapped = new Uint8Array(36);
  mapped.set([0xff, 0xff, 192, 0, 2, 1], 10);
  assert.equal(decode(binary(1, 0x21, mapped)).endpoints?.address, "192.0.2.1");
  assert.equal(decode(binary(1, 0x31, new Uint8Array(216))).endpoints?.address, "unix");
  for (const nobody of [
    binary(0, 0x00),
    binary(0, 0x11, v4),
    binary(0, 0xff, utf8("whatever it is")),
    binary(1, 0x00),
    binary(1, 0x10, v4),
  ])
    assert.deepEqual(decode(nobody), { version: 2, endpoints: undefined });
});

test("version 2: what cannot be meant", () => {
  refused(binary(2, 0x11, v4), /version or command/);
  const third = binary(1, 0x11, v4);
  third[12] = 0x31;
  refused(third, /version or command/);
  refused(binary(1, 0x41, v4), /address family/);
  refused(binary(1, 0x13, v4), /address family/);
  refused(binary(1, 0x11, v4.subarray(0, 11)), /without its addresses/);
  refused(binary(1, 0x11, v4, Uint8Array.of(4)), /half a TLV/);
  refused(binary(1, 0x11, v4, Uint8Array.of(4, 0, 2, 0)), /cut short/);
  refused(binary(1, 0x11, v4, tlv(5, new Uint8Array(129))), /unique id/);
  refused(binary(1, 0x11, v4, tlv(0x20, new Uint8Array(4))), /too little/);
  refused(binary(1, 0x11, v4, tlv(2, Uint8Array.of(0xff))), /UTF-8/);
  refused(binary(1, 0x11, new Uint8Array(limits.proxyHeaderBytesMax)), /too long/);
});

test("version 2: what the balancer says beside the addresses", () => {
  const tls = Uint8Array.of(
    ...[7, 0, 0, 0, 0],
    ...tlv(0x21, utf8("TLSv1.3")),
    ...tlv(0x22, utf8("Alice")),
    ...tlv(0x23, utf8("TLS_AES_128_GCM_SHA256")),
  );
  const header = decode(
    binary(
      ...([1, 0x11, v4] as const),
      ...[tlv(1, utf8("imap")), tlv(2, utf8("mail.example.org")), tlv(4, new Uint8Array(5))],
      ...[tlv(5, utf8("id-1")), tlv(0x30, utf8("namespace")), tlv(0xe0, utf8("own"))],
      tlv(0x20, tls),
    ),
  );
  assert.deepEqual(header, {
    version: 2,
    endpoints: v4Endpoints,
    alpn: "imap",
    authority: "mail.example.org",
    uniqueId: "69642d31",
    tls: { used: true, verified: true, version: "TLSv1.3", commonName: "Alice" },
  });
  const of = (...octets: number[]): ProxyHeader["tls"] =>
    decode(binary(1, 0x11, v4, tlv(0x20, Uint8Array.from(octets)))).tls;
  assert.deepEqual(of(0, 0, 0, 0, 0), { used: false, verified: false });
  assert.deepEqual(of(1, 0, 0, 0, 0), { used: true, verified: false }, "no certificate");
  assert.deepEqual(of(3, 0, 0, 0, 19), { used: true, verified: false }, "a bad certificate");
});

test("version 2: a checksum that is there must fit", () => {
  // RFC 3720 §B.4 has this one for 32 zeros.
  assert.equal(crc32c(new Uint8Array(32)), 0x8a91_36aa);
  assert.equal(crc32c(fromLatin1("1234"), fromLatin1("56789")), 0xe306_9283);
  const bytes = binary(1, 0x11, v4, tlv(3, new Uint8Array(4)), tlv(2, utf8("name")));
  refused(bytes, /checksum/);
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(16 + 12 + 3, crc32c(bytes));
  assert.equal(decode(bytes).authority, "name");
  for (let at = 16; at < bytes.length; at++) {
    const damaged = Uint8Array.from(bytes);
    damaged[at]! ^= 1;
    assert.throws(() => decode(damaged), Error, `octet ${at}`);
  }
  refused(binary(1, 0x11, v4, tlv(3, new Uint8Array(3))), /no checksum/);
});
