import { limits } from "#base/limits.ts";

/**
 * An address as ENVELOPE has it: one character per byte, nothing decoded. RFC 9051 §7.5.2
 *
 * A group is `{ mailbox: its name, host: undefined }`, its members, and `groupEnd`.
 */
export interface Address {
  /** Display name (or the comment after the address), without quotes. */
  readonly name: string | undefined;
  /** Source route of RFC 5322 §4.4. */
  readonly route: string | undefined;
  readonly mailbox: string | undefined;
  /** Empty where the address has no domain. */
  readonly host: string | undefined;
}

/** Ends the members of a group. */
export const groupEnd: Address = {
  name: undefined,
  route: undefined,
  mailbox: undefined,
  host: undefined,
};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x28;
const CLOSE = 0x29;
const LESS = 0x3c;
const GREATER = 0x3e;
const COMMA = 0x2c;
const COLON = 0x3a;
const SEMICOLON = 0x3b;
const AT = 0x40;
const LEFT = 0x5b;

/** 1: ends a run of ordinary characters. */
const special = new Uint8Array(256);
for (const c of [QUOTE, OPEN, LESS, GREATER, COMMA, COLON, SEMICOLON, AT, LEFT]) special[c] = 1;
for (let c = 0; c <= 0x20; c++) special[c] = 1;

/** Reads an address list with all that RFC 5322 §3.4 and §4.4 allow, and tolerates the rest. */
class AddressReader {
  readonly #text: string;
  readonly #max: number;
  readonly #out: Address[] = [];
  #at = 0;
  #inGroup = false;
  /** Words of a display name or local part; `#glued` says that no space precedes the next one. */
  #words = "";
  #glued = true;
  #comment: string | undefined;
  #mailbox: string | undefined;
  #route: string | undefined;
  #host: string | undefined;

  constructor(text: string, max: number) {
    this.#text = text;
    this.#max = max;
  }

  read(): Address[] {
    const text = this.#text;
    while (this.#at < text.length && this.#out.length < this.#max) this.#step();
    if (this.#out.length < this.#max) this.#endAddress();
    if (this.#inGroup) this.#out.push(groupEnd);
    return this.#out;
  }

  #step(): void {
    const c = this.#text.charCodeAt(this.#at);
    if (special[c] !== 1) return this.#addWord(this.#readRun());
    switch (c) {
      case QUOTE:
        return this.#addWord(this.#readQuoted());
      case OPEN:
        this.#comment = this.#readComment();
        return;
      case LESS:
        return this.#readAngle();
      case LEFT:
        return this.#addWord(this.#readLiteral());
      case AT:
        this.#at++;
        if (this.#host !== undefined) {
          this.#readDomain();
          return;
        }
        // What came so far was the local part.
        this.#mailbox = this.#words;
        this.#words = "";
        this.#host = this.#readDomain();
        return;
      case COMMA:
        this.#at++;
        return this.#endAddress();
      case COLON:
        this.#at++;
        return this.#beginGroup();
      case SEMICOLON:
        this.#at++;
        this.#endAddress();
        if (this.#inGroup) this.#out.push(groupEnd);
        this.#inGroup = false;
        return;
      default:
        this.#at++;
        this.#glued = this.#words === "";
    }
  }

  #addWord(word: string): void {
    this.#words += this.#glued ? word : " " + word;
    this.#glued = true;
  }

  #beginGroup(): void {
    if (this.#inGroup || this.#host !== undefined) return;
    this.#out.push({ ...groupEnd, mailbox: this.#words.trim() });
    this.#forget();
    this.#inGroup = true;
  }

  #forget(): void {
    this.#words = "";
    this.#glued = true;
    this.#comment = this.#mailbox = this.#route = this.#host = undefined;
  }

  #endAddress(): void {
    const name = this.#words.trim();
    if (this.#mailbox !== undefined) {
      const known = this.#mailbox !== "" || this.#host !== "" || name !== "";
      if (known)
        this.#out.push({
          name: name === "" ? this.#comment : name,
          route: this.#route,
          mailbox: this.#mailbox,
          host: this.#host ?? "",
        });
    } else if (name !== "")
      this.#out.push({ name: this.#comment, route: undefined, mailbox: name, host: "" });
    this.#forget();
  }

  /** `<route:local@domain>`. The closing bracket may be missing. */
  #readAngle(): void {
    const text = this.#text;
    this.#at++;
    let local = "";
    let host: string | undefined;
    for (;;) {
      if (this.#at >= text.length) break;
      const c = text.charCodeAt(this.#at);
      if (c === GREATER) {
        this.#at++;
        break;
      }
      if (c === AT) {
        this.#at++;
        const domain = this.#readDomain();
        if (local === "" && this.#route === undefined && this.#atRoute()) this.#readRoute(domain);
        else host ??= domain;
      } else if (c === QUOTE) local += this.#readQuoted();
      else if (c === OPEN) this.#comment = this.#readComment();
      else if (c === LEFT) local += this.#readLiteral();
      else if (special[c] !== 1) {
        const run = this.#readRun();
        if (host === undefined) local += run;
      } else {
        this.#at++;
        if (c > 0x20 && c !== LESS && host === undefined) local += String.fromCharCode(c);
      }
    }
    this.#mailbox = local;
    this.#host = host ?? "";
  }

  #atRoute(): boolean {
    const c = this.#text.charCodeAt(this.#at);
    return c === COMMA || c === COLON;
  }

  /** The rest of `@a,@b:` after its first domain. RFC 5322 §4.4 */
  #readRoute(first: string): void {
    let route = "@" + first;
    while (this.#text.charCodeAt(this.#at) === COMMA) {
      this.#at++;
      this.#skipSpace();
      if (this.#text.charCodeAt(this.#at) !== AT) continue;
      this.#at++;
      route += ",@" + this.#readDomain();
    }
    if (this.#text.charCodeAt(this.#at) === COLON) this.#at++;
    this.#route = route;
  }

  #skipSpace(): void {
    while (this.#text.charCodeAt(this.#at) <= 0x20) this.#at++;
  }

  #readDomain(): string {
    let domain = "";
    for (;;) {
      this.#skipSpace();
      const c = this.#text.charCodeAt(this.#at);
      if (c === LEFT) domain += this.#readLiteral();
      else if (c === OPEN) this.#comment = this.#readComment();
      else if (Number.isNaN(c) || special[c] === 1) return domain;
      else {
        // Two words without a dot between them: the domain ended.
        const dotted = domain === "" || domain.endsWith(".") || c === 0x2e;
        if (!dotted) return domain;
        domain += this.#readRun();
      }
    }
  }

  #readRun(): string {
    const text = this.#text;
    let end = this.#at + 1;
    while (end < text.length && special[text.charCodeAt(end)] !== 1) end++;
    const run = text.slice(this.#at, end);
    this.#at = end;
    return run;
  }

  #readQuoted(): string {
    const text = this.#text;
    let value = "";
    let from = this.#at + 1;
    for (let i = from; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c === QUOTE) {
        this.#at = i + 1;
        return value + text.slice(from, i);
      }
      if (c === BACKSLASH && i + 1 < text.length) {
        value += text.slice(from, i);
        from = ++i;
      }
    }
    this.#at = text.length;
    return value + text.slice(from);
  }

  #readComment(): string {
    const text = this.#text;
    let value = "";
    let from = this.#at + 1;
    let depth = 1;
    for (let i = from; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c === BACKSLASH && i + 1 < text.length) {
        value += text.slice(from, i);
        from = ++i;
      } else if (c === OPEN) depth++;
      else if (c === CLOSE && --depth === 0) {
        this.#at = i + 1;
        return (value + text.slice(from, i)).trim();
      }
    }
    this.#at = text.length;
    return (value + text.slice(from)).trim();
  }

  /** A domain literal with its brackets. RFC 5322 §3.4.1 */
  #readLiteral(): string {
    const close = this.#text.indexOf("]", this.#at);
    const end = close < 0 ? this.#text.length : close + 1;
    const literal = this.#text.slice(this.#at, end);
    this.#at = end;
    return literal;
  }
}

/**
 * The addresses of a field value.
 *
 * @param field unfolded, one character per byte
 * @param max the most addresses that are returned (group ends may come on top)
 */
export function parseAddresses(
  field: string,
  max: number = limits.envelopeAddressesMax,
): Address[] {
  return new AddressReader(field, max).read();
}
