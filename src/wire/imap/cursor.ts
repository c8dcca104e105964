/**
 * Reads the tokens of one complete command that lies in contiguous memory, literals in place.
 * Every method throws `ImapSyntaxError` where the octets do not fit, and nothing else.
 */
import { asBuffer, latin1, tryUtf8 } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import type { SequenceSet } from "./sequence-set.ts";
import { noRanges, star } from "./sequence-set.ts";
import type { SyntaxCode } from "./syntax.ts";
import {
  ImapSyntaxError,
  isAstring,
  isAtom,
  isListChar,
  isTag,
  octet,
  octetClass,
} from "./syntax.ts";
import { decodeMailboxName } from "./utf7.ts";

/** 2^63-1 and what rounding adds on the way to it. RFC 7162 §7 */
const modSeqMax = 2 ** 63 + 4096;
const number32Max = 0xffff_ffff;

/** The one value of `$`. */
const savedSet: SequenceSet = { pairs: noRanges, saved: true };

const systemFlags: ReadonlyMap<string, string> = new Map(
  ["\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft", "\\Recent"].map((flag) => [
    flag.toLowerCase(),
    flag,
  ]),
);

export class Cursor {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;
  /** IMAP4rev2 or UTF8=ACCEPT is enabled. */
  readonly utf8: boolean;
  /** Set by the one who reads the first words of the command. */
  tag = "*";
  /** The command was prefixed by UID. */
  uid = false;
  #arguments = 0;

  constructor(bytes: Uint8Array, start: number, end: number, utf8: boolean) {
    this.bytes = asBuffer(bytes);
    this.at = start;
    this.end = end;
    this.utf8 = utf8;
  }

  fail(text: string, code: SyntaxCode | null = null): never {
    throw new ImapSyntaxError(text, code);
  }

  /** The next octet, or -1 at the end. */
  peek(): number {
    return this.at < this.end ? this.bytes[this.at]! : -1;
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  /** Takes the octet `expected`. */
  byte(expected: number): void {
    if (this.at >= this.end || this.bytes[this.at] !== expected) {
      const found = this.at >= this.end ? "the end of the line" : "something else";
      const name = expected === octet.space ? "a space" : `'${String.fromCharCode(expected)}'`;
      this.fail(`Expected ${name}, found ${found}`);
    }
    this.at++;
  }

  /** Takes the octet `wanted` if it comes next. */
  skipByte(wanted: number): boolean {
    if (this.at >= this.end || this.bytes[this.at] !== wanted) return false;
    this.at++;
    return true;
  }

  space(): void {
    this.byte(octet.space);
  }

  /** Nothing may follow. */
  finish(): void {
    if (this.at < this.end) this.fail("Unexpected text at the end of the command");
  }

  /** Bounds the work that one command may ask for. */
  count(): void {
    if (++this.#arguments > limits.argumentsMax) this.fail("Too many arguments", "LIMIT");
  }

  #run(bit: number): number {
    const { bytes, end } = this;
    let at = this.at;
    while (at < end && (octetClass[bytes[at]!]! & bit) !== 0) at++;
    return at;
  }

  #word(bit: number, what: string): string {
    const start = this.at;
    const end = this.#run(bit);
    if (end === start) this.fail(`Expected ${what}`);
    this.count();
    this.at = end;
    return latin1(this.bytes, start, end);
  }

  /** RFC 9051 §9 (tag) */
  readTag(): string {
    return this.#word(isTag, "a tag");
  }

  /** RFC 9051 §9 (atom) */
  atom(what = "an atom"): string {
    return this.#word(isAtom, what);
  }

  /** An atom whose case has no meaning, in capitals. */
  keyword(what = "a keyword"): string {
    return this.#word(isAtom, what).toUpperCase();
  }

  /** Letters, digits and dots in capitals: names that a bracket may follow. */
  dottedName(): string {
    const start = this.at;
    while (isDotted(this.peek())) this.at++;
    this.count();
    if (this.at === start) this.fail("Expected a name");
    return latin1(this.bytes, start, this.at).toUpperCase();
  }

  /** Takes `word` (capitals) if it comes next and a whole atom of it. */
  skipKeyword(word: string): boolean {
    const end = this.at + word.length;
    if (end > this.end) return false;
    if (end < this.end && (octetClass[this.bytes[end]!]! & isAtom) !== 0) return false;
    for (let i = 0; i < word.length; i++) {
      const byte = this.bytes[this.at + i]!;
      const upper = byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte;
      if (upper !== word.charCodeAt(i)) return false;
    }
    this.at = end;
    return true;
  }

  /** Exactly `count` octets in capitals, whatever they are. */
  asciiUpper(count: number): string {
    const start = this.at;
    if (start + count > this.end) this.fail("Unexpected end of the line");
    this.at = start + count;
    return latin1(this.bytes, start, this.at).toUpperCase();
  }

  /** What is left of the command, one character per octet. */
  asciiRest(): string {
    const start = this.at;
    this.at = this.end;
    return latin1(this.bytes, start, this.end);
  }

  /** `min` to `max` decimal digits, at most 9. */
  digits(min: number, max: number): number {
    let value = 0;
    let count = 0;
    for (; count < max; count++) {
      const byte = this.peek();
      if (byte < octet.zero || byte > octet.nine) break;
      value = value * 10 + byte - octet.zero;
      this.at++;
    }
    return count < min ? this.fail("Expected a digit") : value;
  }

  #decimal(max: number): number {
    const { bytes, end } = this;
    const start = this.at;
    let at = start;
    let value = 0;
    for (; at < end; at++) {
      const digit = bytes[at]! - octet.zero;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      if (value > max) this.fail("Number too large");
    }
    if (at === start) this.fail("Expected a number");
    this.at = at;
    return value;
  }

  /** 0 .. 2^32-1. RFC 9051 §9 (number) */
  number(): number {
    return this.#decimal(number32Max);
  }

  /** 1 .. 2^32-1. RFC 9051 §9 (nz-number) */
  nzNumber(): number {
    const value = this.#decimal(number32Max);
    return value === 0 ? this.fail("Zero is not allowed here") : value;
  }

  /** 0 .. 2^53-1; larger ones do not exist here. RFC 9051 §9 (number64) */
  number64(): number {
    return this.#decimal(Number.MAX_SAFE_INTEGER);
  }

  /** 1 .. 2^53-1, like `modSeqOrZero`. RFC 7162 §7 (mod-sequence-value) */
  modSeq(): number {
    const value = this.modSeqOrZero();
    return value === 0 ? this.fail("A mod-sequence of zero is not allowed here") : value;
  }

  /**
   * 0 .. 2^53-1. Clients may send up to 2^63-1; no message here has one above 2^53-1, so a greater
   * one means the same. RFC 7162 §7 (mod-sequence-valzer)
   */
  modSeqOrZero(): number {
    return Math.min(this.#decimal(modSeqMax), Number.MAX_SAFE_INTEGER);
  }

  #quoted(): Uint8Array {
    const { bytes, end } = this;
    const start = this.at + 1;
    let escapes = 0;
    let high = false;
    let at = start;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === octet.quote) break;
      if (byte === octet.backslash) {
        const next = at + 1 < end ? bytes[at + 1]! : 0;
        if (next !== octet.quote && next !== octet.backslash)
          this.fail('Only \\ and " may follow a backslash in a quoted string');
        escapes++;
        at++;
      } else if (byte >= 0x80) high = true;
      else if (byte === octet.cr || byte === octet.lf || byte === 0)
        this.fail("Control character in a quoted string");
    }
    if (at >= end) this.fail("Quoted string without end");
    this.at = at + 1;
    if (high) this.#checkHigh(start, at);
    return escapes === 0
      ? bytes.subarray(start, at)
      : unescaped(bytes, start, at - escapes - start);
  }

  // RFC 9051 §9 (QUOTED-CHAR): UTF-8, and only once the client has enabled it.
  #checkHigh(start: number, end: number): void {
    if (!this.utf8) this.fail("Octets above 127 need a literal, or ENABLE IMAP4rev2");
    if (tryUtf8(this.bytes.subarray(start, end)) === undefined)
      this.fail("Quoted string is not UTF-8");
  }

  #literal(): Uint8Array {
    this.byte(octet.brace);
    const size = this.number64();
    this.skipByte(octet.plus);
    this.byte(octet.unbrace);
    this.skipByte(octet.cr);
    this.byte(octet.lf);
    const start = this.at;
    if (size > this.end - start) this.fail("Literal without end");
    this.at = start + size;
    const value = this.bytes.subarray(start, this.at);
    if (value.includes(0)) this.fail("NUL in a literal");
    return value;
  }

  /** Quoted string or literal, as a view into the command. RFC 9051 §9 (string) */
  string(): Uint8Array {
    this.count();
    const byte = this.peek();
    if (byte === octet.quote) return this.#quoted();
    if (byte === octet.brace) return this.#literal();
    return this.fail("Expected a string");
  }

  /** As a view into the command. RFC 9051 §9 (astring) */
  astring(): Uint8Array {
    const start = this.at;
    const end = this.#run(isAstring);
    if (end === start) return this.string();
    this.count();
    this.at = end;
    return this.bytes.subarray(start, end);
  }

  /** RFC 9051 §9 (nstring) */
  nstring(): Uint8Array | null {
    return this.skipKeyword("NIL") ? null : this.string();
  }

  /** An astring of UTF-8. */
  text(): string {
    return tryUtf8(this.astring()) ?? this.fail("Not UTF-8");
  }

  /** A mailbox name; any spelling of INBOX gives `INBOX`. RFC 9051 §5.1 */
  mailbox(): string {
    const name = this.#name(this.astring());
    return name.length === 5 && name.toUpperCase() === "INBOX" ? "INBOX" : name;
  }

  /** RFC 9051 §9 (list-mailbox) */
  listMailbox(): string {
    const start = this.at;
    const end = this.#run(isListChar);
    if (end === start) return this.#name(this.string());
    this.count();
    this.at = end;
    return this.#name(this.bytes.subarray(start, end));
  }

  #name(bytes: Uint8Array): string {
    if (bytes.length > limits.mailboxNameBytesMax * 4) this.fail("Mailbox name too long", "LIMIT");
    const name = decodeMailboxName(bytes, this.utf8);
    return name ?? this.fail("Mailbox name is not in the right encoding");
  }

  /** A flag; system flags in their canonical case. RFC 9051 §9 (flag) */
  flag(): string {
    if (!this.skipByte(octet.backslash)) return this.atom("a flag");
    const flag = `\\${this.atom("a flag")}`;
    return systemFlags.get(flag.toLowerCase()) ?? flag;
  }

  /** Flags in parentheses, possibly none. RFC 9051 §9 (flag-list) */
  flagList(): string[] {
    return this.list(() => this.flag(), true);
  }

  /** Items in parentheses, with one space between them. */
  list<T>(item: () => T, mayBeEmpty = false): T[] {
    this.byte(octet.open);
    const items: T[] = [];
    if (mayBeEmpty && this.skipByte(octet.close)) return items;
    do {
      this.count();
      items.push(item());
    } while (this.skipByte(octet.space));
    this.byte(octet.close);
    return items;
  }

  #sequenceNumber(): number {
    return this.skipByte(octet.star) ? star : this.nzNumber();
  }

  /** RFC 9051 §9 (sequence-set), RFC 5182 §2.1 (`$`) */
  sequenceSet(): SequenceSet {
    if (this.skipByte(octet.dollar)) return savedSet;
    const pairs: number[] = [];
    do {
      if (pairs.length >= 2 * limits.sequenceRangesMax) this.fail("Too many ranges", "LIMIT");
      const from = this.#sequenceNumber();
      pairs.push(from, this.skipByte(octet.colon) ? this.#sequenceNumber() : from);
    } while (this.skipByte(octet.comma));
    return { pairs: Uint32Array.from(pairs), saved: false };
  }

  /** A set of uids that are known to the client: neither `*` nor `$`. RFC 7162 §7 (known-uids) */
  knownSet(): SequenceSet {
    const set = this.sequenceSet();
    return set.saved || set.pairs.includes(star) ? this.fail("Only numbers are allowed here") : set;
  }
}

function isDotted(byte: number): boolean {
  const letter = byte | 0x20;
  if (byte === octet.dot || (byte >= octet.zero && byte <= octet.nine)) return true;
  return letter >= 0x61 && letter <= 0x7a && byte >= 0x41;
}

/** The `length` octets of a quoted string with its backslashes taken out. */
function unescaped(bytes: Buffer, start: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let at = start;
  for (let i = 0; i < length; i++) {
    if (bytes[at] === octet.backslash) at++;
    out[i] = bytes[at++]!;
  }
  return out;
}
