/** The header of the PROXY protocol that a balancer sends before the octets of its client. */
import { concatBytes, latin1 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { type ProxyHeader, ProxyHeaderError } from "./header.ts";
import { lineBytesMax, parseLine } from "./version-1.ts";
import { fixedBytes, headerLength, parseBinary, signature } from "./version-2.ts";

const lineStart = Buffer.from("PROXY ");

/** A header, and what came behind it. */
export interface DecodedHeader {
  readonly header: ProxyHeader;
  readonly rest: Uint8Array;
}

/** Takes a header of either version in pieces; pure. One object for each connection. */
export class ProxyHeaderDecoder {
  #bytes: Uint8Array = new Uint8Array(0);

  /**
   * Takes octets; undefined while the header is not complete. Throws `ProxyHeaderError` as soon as
   * they can become no header.
   */
  push(chunk: Uint8Array): DecodedHeader | undefined {
    const bytes = (this.#bytes = concatBytes([this.#bytes, chunk]));
    if (startsAs(bytes, signature)) return this.#binary(bytes);
    if (startsAs(bytes, lineStart)) return this.#line(bytes);
    throw new ProxyHeaderError("No PROXY header");
  }

  #line(bytes: Uint8Array): DecodedHeader | undefined {
    const feed = bytes.indexOf(0x0a);
    if (feed < 0 && bytes.length < lineBytesMax) return undefined;
    if (feed < 0 || feed >= lineBytesMax) throw new ProxyHeaderError("A PROXY line too long");
    if (bytes[feed - 1] !== 0x0d) throw new ProxyHeaderError("A PROXY line without CRLF");
    const header = parseLine(latin1(bytes, 0, feed - 1));
    return { header, rest: bytes.subarray(feed + 1) };
  }

  #binary(bytes: Uint8Array): DecodedHeader | undefined {
    if (bytes.length < fixedBytes) return undefined;
    const length = headerLength(bytes);
    if (length > limits.proxyHeaderBytesMax) throw new ProxyHeaderError("A PROXY header too long");
    if (bytes.length < length) return undefined;
    return { header: parseBinary(bytes.subarray(0, length)), rest: bytes.subarray(length) };
  }
}

/** Whether `bytes` begin with `start`, as far as they are there. */
function startsAs(bytes: Uint8Array, start: Uint8Array): boolean {
  const count = Math.min(bytes.length, start.length);
  for (let i = 0; i < count; i++) if (bytes[i] !== start[i]) return false;
  return true;
}
