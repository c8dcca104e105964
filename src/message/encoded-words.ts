import { fromLatin1 } from "#base/bytes.ts";
import { charsetName, decodeCharset } from "./charsets.ts";
import type { Parameter } from "./part.ts";

/** RFC 2047 §2; tolerates spaces in the encoded text, which careless senders leave there. */
const encodedWord = /=\?([^?\s]{1,80})\?([bBqQ])\?([^?]*)\?=/y;

/**
 * A header value as text: encoded words decoded, raw 8-bit taken for UTF-8 or else windows-1252.
 *
 * Encoded words that only white space separates are joined, and those in one charset are joined as
 * bytes, so that a character cut in two comes out whole. RFC 2047 §6.2
 *
 * @param value unfolded, one character per byte
 */
export function decodeHeaderText(value: string): string {
  let at = value.indexOf("=?");
  if (at < 0) return rawText(value);
  let out = "";
  let done = 0;
  /** Bytes of the words since the last other text. */
  let charset = "";
  let pending = "";
  while (at >= 0) {
    encodedWord.lastIndex = at;
    const match = encodedWord.exec(value);
    if (match === null) {
      at = value.indexOf("=?", at + 2);
      continue;
    }
    const between = value.slice(done, at);
    const name = charsetName(match[1]!);
    const adjoins = charset !== "" && between.trim() === "";
    if (!adjoins || name !== charset) {
      out += decodeWords(pending, charset) + (adjoins ? "" : rawText(between));
      pending = "";
    }
    charset = name;
    pending += decodeWordBytes(match[2]!, match[3]!);
    done = encodedWord.lastIndex;
    at = value.indexOf("=?", done);
  }
  return out + decodeWords(pending, charset) + rawText(value.slice(done));
}

function decodeWords(bytes: string, charset: string): string {
  return bytes === "" ? "" : decodeCharset(fromLatin1(bytes), charset);
}

/** RFC 2047 §4 */
function decodeWordBytes(encoding: string, text: string): string {
  if (encoding === "b" || encoding === "B") return Buffer.from(text, "base64").toString("latin1");
  return text
    .replaceAll("_", " ")
    .replace(/=([0-9A-Fa-f]{2})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    );
}

/** Text outside encoded words: ASCII, as a rule. */
function rawText(value: string): string {
  return /^[\x00-\x7f]*$/.test(value) ? value : decodeCharset(fromLatin1(value), "us-ascii");
}

/**
 * The text of a parameter: `name*` decoded as RFC 2231 §4 has it, else `name`, in which encoded
 * words are decoded as well, because many senders put them there against RFC 2047 §5.
 * Undefined where there is no such parameter.
 */
export function parameterText(params: readonly Parameter[], name: string): string | undefined {
  const extended = `${name}*`;
  let plain: string | undefined;
  for (const param of params) {
    if (param.name === extended) return decodeExtended(param.value);
    if (param.name === name) plain ??= param.value;
  }
  return plain === undefined ? undefined : decodeHeaderText(plain);
}

/** `charset'language'percent-encoded`. RFC 2231 §4 */
function decodeExtended(value: string): string {
  const match = /^([^']*)'[^']*'/.exec(value);
  const bytes = fromLatin1(decodePercent(match === null ? value : value.slice(match[0].length)));
  return decodeCharset(bytes, match?.[1] || "us-ascii");
}

/** `%XX` to the octet; anything else stays. */
function decodePercent(value: string): string {
  return value.replace(/%([0-9A-Fa-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
}
