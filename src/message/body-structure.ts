import { limits } from "#base/limits.ts";
import { emptyEnvelope, encodeEnvelope, envelopeOf, imapNString, imapString } from "./envelope.ts";
import type { MessagePart, Parameter } from "./part.ts";

/** What an encoding contains. */
interface Shape {
  /** BODYSTRUCTURE rather than BODY. */
  readonly extended: boolean;
  /** Without embedded envelopes, parameters and free text: the size depends on the parts alone. */
  readonly bare: boolean;
  /** Bytes that may still come; below zero the encoding is given up. */
  left: number;
}

/**
 * BODYSTRUCTURE or BODY as IMAP bytes, one character per byte. Where that would be longer than
 * `limits.bodyStructureBytesMax`, embedded envelopes, parameters and free text are left out.
 * RFC 9051 §7.5.2
 */
export function encodeBodyStructure(root: MessagePart, extended: boolean): string {
  const shape: Shape = { extended, bare: false, left: limits.bodyStructureBytesMax };
  const full = encodePart(root, shape);
  if (shape.left >= 0) return full;
  return encodePart(root, { extended, bare: true, left: Infinity });
}

function encodePart(part: MessagePart, shape: Shape): string {
  if (shape.left < 0) return "";
  if (part.kind === "multipart") return encodeMultipart(part, shape);
  const { type, subtype } = part;
  let out = `(${imapString(type)} ${imapString(subtype)} ${bodyParameters(part, shape)} `;
  out += shape.bare ? "NIL NIL " : `${imapNString(part.id)} ${imapNString(part.description)} `;
  out += `${imapString(part.encoding)} ${part.bodyEnd - part.bodyStart}`;
  shape.left -= out.length;
  if (part.kind === "message") {
    const embedded = part.children[0]!;
    const { header } = embedded;
    const envelope =
      shape.bare || header === undefined ? emptyEnvelope : encodeEnvelope(envelopeOf(header));
    shape.left -= envelope.length;
    out += ` ${envelope} ${encodePart(embedded, shape)} ${part.lines}`;
  } else if (type === "text") out += ` ${part.lines}`;
  if (shape.extended) {
    const end = ` ${shape.bare ? "NIL" : imapNString(part.md5)} ${tail(part, shape)}`;
    shape.left -= end.length;
    out += end;
  }
  return out + ")";
}

function encodeMultipart(part: MessagePart, shape: Shape): string {
  let out = "(";
  for (const child of part.children) out += encodePart(child, shape);
  let end = ` ${imapString(part.subtype)}`;
  if (shape.extended) end += ` ${parameterList(part.params, shape)} ${tail(part, shape)}`;
  shape.left -= end.length;
  return out + end + ")";
}

/** A text without a charset is US-ASCII, and said to be. RFC 2046 §4.1.2 */
function bodyParameters(part: MessagePart, shape: Shape): string {
  if (part.type !== "text" || part.params.some((param) => param.name.startsWith("charset")))
    return parameterList(part.params, shape);
  return parameterList([...part.params, usAscii], shape);
}

const usAscii: Parameter = { name: "charset", value: "us-ascii" };

function parameterList(params: readonly Parameter[], shape: Shape): string {
  if (params.length === 0 || shape.bare) return "NIL";
  let out = "";
  for (const { name, value } of params)
    out += `${out === "" ? "(" : " "}${imapString(name)} ${imapString(value)}`;
  return out + ")";
}

/** Disposition, language, location. */
function tail(part: MessagePart, shape: Shape): string {
  const { disposition, language } = part;
  if (shape.bare) return "NIL NIL NIL";
  const dsp =
    disposition === undefined
      ? "NIL"
      : `(${imapString(disposition.type)} ${parameterList(disposition.params, shape)})`;
  let lang = "NIL";
  if (language.length === 1) lang = imapString(language[0]!);
  else if (language.length > 1) lang = `(${language.map(imapString).join(" ")})`;
  return `${dsp} ${lang} ${imapNString(part.location)}`;
}
