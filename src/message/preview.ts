import { limits } from "#base/limits.ts";
import { decodeCharset } from "./charsets.ts";
import { htmlText } from "./html-text.ts";
import { parameter } from "./parameters.ts";
import type { ParsedMessage, TextSample } from "./part.ts";
import { decodePart, transferEncoding } from "./transfer-encoding.ts";

/** Enough of most texts; the whole sample is decoded only where this gives too little. */
const firstLook = 512;

/**
 * The beginning of a message's text for a list of messages: at most
 * `limits.previewCharactersMax` characters, white space collapsed, control characters left out.
 * From the first inline text/plain part, or else from text/html. Empty where there is no text.
 * RFC 8970 §3
 */
export function previewOf(message: ParsedMessage): string {
  const plain = message.plain === undefined ? "" : previewOfSample(message.plain, plainLines);
  if (plain !== "" || message.html === undefined) return plain;
  return previewOfSample(message.html, htmlText);
}

function previewOfSample(sample: TextSample, textOf: (text: string) => string): string {
  const short = sample.bytes.length > firstLook;
  if (short) {
    const text = collapse(textOf(decodeSample(sample, firstLook)));
    if (text.length >= limits.previewCharactersMax * 2) return cut(text);
  }
  return cut(collapse(textOf(decodeSample(sample, sample.bytes.length))));
}

function decodeSample({ part, bytes }: TextSample, count: number): string {
  const encoding = transferEncoding(part.encoding);
  // Text in an unknown encoding is no text.
  if (encoding === undefined) return "";
  const decoded = decodePart(bytes.subarray(0, count), encoding);
  return decodeCharset(decoded, parameter(part.params, "charset") ?? "us-ascii");
}

/** Without the lines that quote another message, unless there are no others. */
function plainLines(text: string): string {
  if (!text.includes(">")) return text;
  const own = text.replace(/^[ \t]*>.*$/gm, "");
  return own.trim() === "" ? text.replace(/^[ \t>]+/gm, "") : own;
}

/** Characters that are not seen: controls, soft hyphens, zero-width padding, byte order marks. */
const unseen =
  /[\0-\u0008\u000e-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]+|\u034f+/g;

function collapse(text: string): string {
  // Single spaces stay untouched: they are most of the white space.
  return text
    .replace(unseen, "")
    .replace(/[^\S ]\s*| \s+/g, " ")
    .trim();
}

function cut(text: string): string {
  const max = limits.previewCharactersMax;
  if (text.length <= max) return text.toWellFormed();
  let at = 0;
  for (let count = 0; count < max && at < text.length; count++)
    at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return text.slice(0, at).trimEnd().toWellFormed();
}
