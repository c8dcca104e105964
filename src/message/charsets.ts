import iconv from "iconv-lite";
import { concatBytes, noBytes } from "#base/bytes.ts";

/** Turns the bytes of a text into characters, piece by piece. Never throws. */
export interface CharsetDecoder {
  push(bytes: Uint8Array): string;
  end(): string;
}

/** `undefined`: the charset is unknown. */
type DecoderMaker = (() => CharsetDecoder) | undefined;

const makers = new Map<string, DecoderMaker>();
/** Labels come from messages: what is remembered about them must not grow without end. */
const makersMax = 500;

/** What iconv-lite calls an encoding and is no charset. */
const notCharsets = new Set(["base64", "hex", "binary", "internal", "ucs2hex"]);

/** Other names of charsets that the decoders know. */
const aliases = new Map([
  ["ansi_x3.4-1968", "us-ascii"],
  ["ascii", "us-ascii"],
  ["default", "us-ascii"],
  ["us-ascii", "us-ascii"],
  ["unknown-8bit", "us-ascii"],
  ["x-unknown", "us-ascii"],
  ["7bit", "us-ascii"],
  ["8bit", "us-ascii"],
  ["utf-8", "utf-8"],
  ["utf8", "utf-8"],
  ["utf-8mb4", "utf-8"],
  ["cp932", "shift_jis"],
  ["windows-31j", "shift_jis"],
  ["cp949", "euc-kr"],
  ["cp936", "gbk"],
  ["cp950", "big5"],
  ["unicode-1-1-utf-7", "utf-7"],
  ["utf7", "utf-7"],
]);

/** A charset's name as compared: lower case, trimmed, without quotes or an RFC 2231 language. */
export function charsetName(label: string): string {
  const name = label
    .trim()
    .replace(/^["']+|["']+$/g, "")
    .toLowerCase();
  const star = name.indexOf("*");
  const bare = star < 0 ? name : name.slice(0, star);
  return aliases.get(bare) ?? bare;
}

/** A text that claims to be ASCII: UTF-8 if it is that, else windows-1252. */
function guessed(bytes: Uint8Array): string {
  return strictUtf8(bytes) ?? windows1252.decode(bytes);
}

const windows1252 = new TextDecoder("windows-1252");
const looseUtf8 = new TextDecoder("utf-8", { ignoreBOM: false });
const fatalUtf8 = new TextDecoder("utf-8", { fatal: true });

function strictUtf8(bytes: Uint8Array): string | undefined {
  try {
    return fatalUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function makerFor(label: string): DecoderMaker {
  const name = charsetName(label);
  if (makers.has(name)) return makers.get(name);
  const maker = findMaker(name);
  if (makers.size >= makersMax) makers.clear();
  makers.set(name, maker);
  return maker;
}

function findMaker(name: string): DecoderMaker {
  if (name === "" || name.length > 64) return undefined;
  if (name === "utf-7") return () => new Utf7Decoder();
  const standard = name === "us-ascii" ? "windows-1252" : name;
  if (isWebEncoding(standard))
    return () => {
      const decoder = new TextDecoder(standard);
      return {
        push: (bytes) => decoder.decode(bytes, { stream: true }),
        end: () => decoder.decode(),
      };
    };
  if (notCharsets.has(name) || !iconv.encodingExists(name)) return undefined;
  return () => {
    const decoder = iconv.getDecoder(name);
    return {
      push: (bytes) => decoder.write(Buffer.from(bytes)),
      end: () => decoder.end() ?? "",
    };
  };
}

function isWebEncoding(name: string): boolean {
  // The web's name for charsets that it refuses to decode.
  if (name === "replacement") return false;
  try {
    return new TextDecoder(name).encoding !== "replacement";
  } catch {
    return false;
  }
}

/** True where text in this charset can be decoded; IMAP's BADCHARSET is the other case. */
export function knowsCharset(label: string): boolean {
  return makerFor(label) !== undefined;
}

const base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** RFC 2152. Broken shift sequences lose what they cannot say; surrogates alone become U+FFFD. */
class Utf7Decoder implements CharsetDecoder {
  #shifted = false;
  /** Something came since the `+`. */
  #used = false;
  #bits = 0;
  #count = 0;
  /** A high surrogate that waits for its other half. */
  #high = "";

  push(bytes: Uint8Array): string {
    let out = this.#high;
    for (const byte of bytes) out += this.#shifted ? this.#inShift(byte) : this.#direct(byte);
    this.#high = /[\ud800-\udbff]$/.exec(out)?.[0] ?? "";
    return out.slice(0, out.length - this.#high.length).toWellFormed();
  }

  #direct(byte: number): string {
    if (byte !== 0x2b) return String.fromCharCode(byte);
    this.#shifted = true;
    this.#used = false;
    this.#bits = this.#count = 0;
    return "";
  }

  #inShift(byte: number): string {
    const value = base64.indexOf(String.fromCharCode(byte));
    if (value < 0) {
      this.#shifted = false;
      if (byte === 0x2d) return this.#used ? "" : "+";
      return this.#direct(byte);
    }
    this.#used = true;
    this.#bits = (this.#bits << 6) | value;
    this.#count += 6;
    if (this.#count < 16) return "";
    this.#count -= 16;
    const unit = (this.#bits >> this.#count) & 0xffff;
    this.#bits &= (1 << this.#count) - 1;
    return String.fromCharCode(unit);
  }

  end(): string {
    return this.#high.toWellFormed();
  }
}

/** UTF-8 as long as it is that, from then on windows-1252, whose every byte is something. */
class GuessingDecoder implements CharsetDecoder {
  #decoder = new TextDecoder("utf-8", { fatal: true });
  /** The last bytes, in which a character may have begun. */
  #tail: Uint8Array = noBytes;

  push(bytes: Uint8Array): string {
    const before = this.#tail;
    this.#tail = tailOf(before, bytes);
    try {
      return this.#decoder.decode(bytes, { stream: true });
    } catch {
      this.#decoder = new TextDecoder("windows-1252");
      return this.#decoder.decode(concatBytes([unfinished(before), bytes]), { stream: true });
    }
  }

  end(): string {
    try {
      return this.#decoder.decode();
    } catch {
      return windows1252.decode(unfinished(this.#tail));
    }
  }
}

/** The last three bytes of what came so far: no character of UTF-8 has more before its last. */
function tailOf(before: Uint8Array, bytes: Uint8Array): Uint8Array {
  const last = bytes.length >= 3 ? bytes.subarray(-3) : concatBytes([before, bytes]).subarray(-3);
  return Uint8Array.from(last);
}

/** The bytes of a character of UTF-8 that begins in `tail` and does not end there. */
function unfinished(tail: Uint8Array): Uint8Array {
  let at = tail.length;
  while (at > 0 && tail[at - 1]! >= 0x80 && tail[at - 1]! < 0xc0) at--;
  if (at === 0) return noBytes;
  const lead = tail[at - 1]!;
  let size = 1;
  if (lead >= 0xf0) size = 4;
  else if (lead >= 0xe0) size = 3;
  else if (lead >= 0xc0) size = 2;
  return size > tail.length - at + 1 ? tail.subarray(at - 1) : noBytes;
}

/** A decoder for a charset, for texts that are too large for `decodeCharset`. */
export function charsetDecoder(label: string): CharsetDecoder {
  const name = charsetName(label);
  const make = name === "us-ascii" ? undefined : makerFor(name);
  return make === undefined ? new GuessingDecoder() : make();
}

/**
 * The characters of `bytes`. Never throws: broken sequences become U+FFFD, an unknown charset is
 * taken for UTF-8 if the bytes are that, else for windows-1252; so is one that claims to be ASCII.
 */
export function decodeCharset(bytes: Uint8Array, label: string): string {
  const name = charsetName(label);
  if (name === "utf-8") return looseUtf8.decode(bytes);
  if (name === "us-ascii") return guessed(bytes);
  const make = makerFor(name);
  if (make === undefined) return guessed(bytes);
  const decoder = make();
  return decoder.push(bytes) + decoder.end();
}

/** In these charsets the bytes below 0x80 are ASCII wherever they stand. */
const asciiCompatible =
  /^(?:us-ascii|utf-8|iso-?8859-\d+(?:-[ei])?|latin\d|windows-12\d\d|koi8-[ru]|macintosh|tis-620)$/;

/** Whether a byte below 0x80 is that ASCII character in this charset, in every context. */
export function isAsciiCompatible(label: string): boolean {
  return asciiCompatible.test(charsetName(label));
}
