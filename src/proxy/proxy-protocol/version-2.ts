/** The binary header of version 2. The PROXY protocol, section 2.2 */
import { asBuffer, hex, tryUtf8 } from "#base/bytes.ts";
import { formatIp } from "./address.ts";
import { crc32c } from "./crc32c.ts";
import { type ProxiedEndpoints, type ProxiedTls, type ProxyHeader } from "./header.ts";
import { ProxyHeaderError } from "./header.ts";

export const signature = Uint8Array.of(
  ...[0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a],
  ...[0x51, 0x55, 0x49, 0x54, 0x0a],
);
/** Signature, version and command, family, length. */
export const fixedBytes = 16;

/** Values of a TLV that have their own meaning here; others are passed over. */
const types = { alpn: 0x01, authority: 0x02, crc32c: 0x03, uniqueId: 0x05, tls: 0x20 } as const;
const tlsTypes = { version: 0x21, commonName: 0x22 } as const;
const uniqueIdBytesMax = 128;
/** Bits of the first octet of the TLV about TLS. */
const clientTls = 0x01;
const clientCertificate = 0x02 | 0x04;

/** Octets of a header whose first `fixedBytes` are here. */
export function headerLength(fixed: Uint8Array): number {
  return fixedBytes + asBuffer(fixed).readUInt16BE(14);
}

/** @param bytes the whole header and nothing else */
export function parseBinary(bytes: Uint8Array): ProxyHeader {
  const versionAndCommand = bytes[12]!;
  const command = versionAndCommand & 0x0f;
  if (versionAndCommand >> 4 !== 2 || command > 1)
    throw new ProxyHeaderError("A PROXY header of an unknown version or command");
  const family = bytes[13]! >> 4;
  const transport = bytes[13]! & 0x0f;
  // LOCAL says nothing of anybody: all that follows is skipped.
  if (command === 0) return { version: 2, endpoints: undefined };
  if (family > 3 || transport > 2)
    throw new ProxyHeaderError("A PROXY header of an unknown address family");
  const length = addressBytes[family]!;
  const content = bytes.subarray(fixedBytes);
  if (content.length < length) throw new ProxyHeaderError("A PROXY header without its addresses");
  const known = transport === 0 ? undefined : endpointsOf(family, content);
  return { version: 2, endpoints: known, ...extrasOf(bytes, fixedBytes + length) };
}

/** Octets of the addresses of each family: UNSPEC, INET, INET6, UNIX. */
const addressBytes = [0, 12, 36, 216] as const;

function endpointsOf(family: number, content: Uint8Array): ProxiedEndpoints | undefined {
  if (family === 0) return undefined;
  if (family === 3) return { address: "unix", port: 0, localAddress: "unix", localPort: 0 };
  const size = family === 1 ? 4 : 16;
  const buffer = asBuffer(content);
  return {
    address: formatIp(content.subarray(0, size)),
    port: buffer.readUInt16BE(2 * size),
    localAddress: formatIp(content.subarray(size, 2 * size)),
    localPort: buffer.readUInt16BE(2 * size + 2),
  };
}

interface Tlv {
  readonly type: number;
  readonly value: Uint8Array;
  /** Where the value begins. */
  readonly at: number;
}

function* tlvs(bytes: Uint8Array, start: number): Generator<Tlv> {
  let at = start;
  while (at < bytes.length) {
    if (at + 3 > bytes.length) throw new ProxyHeaderError("A PROXY header with half a TLV");
    const length = (bytes[at + 1]! << 8) | bytes[at + 2]!;
    const end = at + 3 + length;
    if (end > bytes.length) throw new ProxyHeaderError("A PROXY header with a TLV cut short");
    yield { type: bytes[at]!, value: bytes.subarray(at + 3, end), at: at + 3 };
    at = end;
  }
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

function extrasOf(bytes: Uint8Array, start: number): Partial<ProxyHeader> {
  const out: Writable<Partial<ProxyHeader>> = {};
  for (const { type, value, at } of tlvs(bytes, start))
    switch (type) {
      case types.alpn:
        out.alpn = text(value);
        break;
      case types.authority:
        out.authority = text(value);
        break;
      case types.crc32c:
        checkCrc(bytes, at, value);
        break;
      case types.uniqueId:
        if (value.length > uniqueIdBytesMax)
          throw new ProxyHeaderError("A PROXY header whose unique id is too long");
        out.uniqueId = hex(value);
        break;
      case types.tls:
        out.tls = tlsOf(value);
        break;
    }
  return out;
}

function checkCrc(bytes: Uint8Array, at: number, value: Uint8Array): void {
  if (value.length !== 4)
    throw new ProxyHeaderError("A PROXY header whose checksum is no checksum");
  const actual = crc32c(bytes.subarray(0, at), new Uint8Array(4), bytes.subarray(at + 4));
  if (asBuffer(value).readUInt32BE(0) !== actual)
    throw new ProxyHeaderError("A PROXY header that does not fit its checksum");
}

/** Section 2.2.6: flags, the result of the verification (0: good), and TLVs of its own. */
function tlsOf(value: Uint8Array): ProxiedTls {
  if (value.length < 5) throw new ProxyHeaderError("A PROXY header that says too little of TLS");
  const flags = value[0]!;
  const out: Writable<ProxiedTls> = {
    used: (flags & clientTls) !== 0,
    verified: (flags & clientCertificate) !== 0 && asBuffer(value).readUInt32BE(1) === 0,
  };
  for (const { type, value: inner } of tlvs(value, 5))
    if (type === tlsTypes.version) out.version = text(inner);
    else if (type === tlsTypes.commonName) out.commonName = text(inner);
  return out;
}

function text(value: Uint8Array): string {
  const decoded = tryUtf8(value);
  if (decoded === undefined)
    throw new ProxyHeaderError("A PROXY header with text that is not UTF-8");
  return decoded;
}
