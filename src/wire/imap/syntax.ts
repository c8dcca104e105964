/** What the grammar is made of: the error it raises and the classes of its octets. */

/** Codes that a syntax error may carry into the tagged response. RFC 7889 §4, RFC 5530 §3 */
export type SyntaxCode = "TOOBIG" | "LIMIT";

/** The client's octets do not fit the grammar. The text may be sent to the client. */
export class ImapSyntaxError extends Error {
  override readonly name = "ImapSyntaxError";
  readonly code: SyntaxCode | null;
  constructor(text: string, code: SyntaxCode | null = null) {
    super(text);
    this.code = code;
  }
}

/** Bits of `octetClass`. */
export const isAtom = 1;
export const isAstring = 2;
export const isTag = 4;
export const isListChar = 8;
export const isDigit = 16;
export const isPrintable = 32;

/**
 * Class bits of each octet. RFC 9051 §9: ATOM-CHAR, ASTRING-CHAR, tag, list-char.
 */
export const octetClass: Uint8Array = ((): Uint8Array => {
  const table = new Uint8Array(256);
  for (let octet = 0x20; octet < 0x7f; octet++) {
    const char = String.fromCharCode(octet);
    let bits = isPrintable;
    const atom = !'(){ %*"\\]'.includes(char);
    if (atom) bits |= isAtom;
    if (atom || char === "]") bits |= isAstring;
    if ((atom || char === "]") && char !== "+") bits |= isTag;
    if (atom || "]%*".includes(char)) bits |= isListChar;
    if (octet >= 0x30 && octet <= 0x39) bits |= isDigit;
    table[octet] = bits;
  }
  return table;
})();

/** ASCII octets the grammar names often. */
export const octet = {
  lf: 0x0a,
  cr: 0x0d,
  space: 0x20,
  quote: 0x22,
  dollar: 0x24,
  percent: 0x25,
  ampersand: 0x26,
  open: 0x28,
  close: 0x29,
  star: 0x2a,
  plus: 0x2b,
  comma: 0x2c,
  minus: 0x2d,
  dot: 0x2e,
  zero: 0x30,
  nine: 0x39,
  colon: 0x3a,
  less: 0x3c,
  greater: 0x3e,
  bracket: 0x5b,
  backslash: 0x5c,
  unbracket: 0x5d,
  brace: 0x7b,
  unbrace: 0x7d,
  tilde: 0x7e,
} as const;
