/**
 * Modified UTF-7, the encoding of mailbox names before IMAP4rev2. RFC 3501 §5.1.3
 */
import { latin1, tryUtf8 } from "../../base/bytes.ts";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

const valueOf: Int8Array = ((): Int8Array => {
  const table = new Int8Array(128).fill(-1);
  for (let i = 0; i < 64; i++) table[alphabet.charCodeAt(i)] = i;
  return table;
})();

function standsForItself(unit: number): boolean {
  return unit >= 0x20 && unit <= 0x7e;
}

/** Modified UTF-7 form of a mailbox name; only printable ASCII comes out. */
export function encodeUtf7(name: string): string {
  let out = "";
  let bits = 0;
  let held = 0;
  let shifted = false;
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (!standsForItself(unit)) {
      if (!shifted) out += "&";
      shifted = true;
      bits = (bits << 16) | unit;
      for (held += 16; held >= 6; held -= 6) out += alphabet[(bits >>> (held - 6)) & 63]!;
      bits &= 63;
      continue;
    }
    if (shifted) out += (held > 0 ? alphabet[(bits << (6 - held)) & 63]! : "") + "-";
    shifted = false;
    bits = held = 0;
    out += unit === 0x26 ? "&-" : name[i]!;
  }
  if (shifted) out += (held > 0 ? alphabet[(bits << (6 - held)) & 63]! : "") + "-";
  return out;
}

/** The units between `&` and `-`, or undefined where one is not of the alphabet. */
function decodeShifted(text: string, start: number, end: number): string | undefined {
  let out = "";
  let bits = 0;
  let held = 0;
  for (let i = start; i < end; i++) {
    const value = valueOf[text.charCodeAt(i)] ?? -1;
    if (value < 0) return undefined;
    bits = ((bits << 6) | value) & 0xffffff;
    held += 6;
    if (held < 16) continue;
    held -= 16;
    out += String.fromCharCode((bits >>> held) & 0xffff);
  }
  return out;
}

/**
 * Name of a modified UTF-7 text. Undefined where the text is not the one canonical encoding of a
 * well-formed name: so that two spellings never mean one mailbox.
 */
export function decodeUtf7(text: string): string | undefined {
  let out = "";
  let at = 0;
  for (;;) {
    const shift = text.indexOf("&", at);
    if (shift < 0) break;
    const end = text.indexOf("-", shift);
    if (end < 0) return undefined;
    const decoded = end === shift + 1 ? "&" : decodeShifted(text, shift + 1, end);
    if (decoded === undefined) return undefined;
    out += text.slice(at, shift) + decoded;
    at = end + 1;
  }
  out += text.slice(at);
  return out.isWellFormed() && encodeUtf7(out) === text ? out : undefined;
}

/**
 * Mailbox name from the wire. With `utf8` (IMAP4rev2 or UTF8=ACCEPT enabled) the octets are UTF-8;
 * otherwise modified UTF-7, and UTF-8 where an octet is above 127. Undefined: neither.
 */
export function decodeMailboxName(bytes: Uint8Array, utf8: boolean): string | undefined {
  let special = false;
  for (const byte of bytes) {
    if (byte >= 0x80) return tryUtf8(bytes);
    if (byte === 0x26 || !standsForItself(byte)) special = true;
  }
  const text = latin1(bytes);
  return special && !utf8 ? decodeUtf7(text) : text;
}
