import type { HeaderIndex } from "./header.ts";

/** A parameter of Content-Type or Content-Disposition; RFC 2231 continuations are joined. */
export interface Parameter {
  /** Lower case; ends with `*` where the value is an RFC 2231 extended value. */
  readonly name: string;
  /** As sent, without quotes. One character per byte. */
  readonly value: string;
}

/** RFC 2183 §2 */
export interface Disposition {
  /** Lower case. */
  readonly type: string;
  readonly params: readonly Parameter[];
}

/**
 * - `leaf`: content that is not looked into
 * - `multipart`: `children` are its parts, at least one: if there is none, one is made up, of
 *   text/plain, with the body where no delimiter was found in it, else empty
 * - `message`: message/rfc822 or message/global; its only child is the embedded message
 */
export type PartKind = "leaf" | "multipart" | "message";

/**
 * A MIME part. Offsets are bytes from the start of the message. All strings have one character per
 * byte (what the message says, 8-bit included), nothing is decoded.
 */
export interface MessagePart {
  readonly kind: PartKind;
  /** Lower case; `text` where the message says nothing that can be understood. RFC 2045 §5.2 */
  readonly type: string;
  readonly subtype: string;
  readonly params: readonly Parameter[];
  readonly id: string | undefined;
  readonly description: string | undefined;
  /** Content-Transfer-Encoding, lower case, `7bit` if absent. */
  readonly encoding: string;
  readonly md5: string | undefined;
  readonly disposition: Disposition | undefined;
  readonly language: readonly string[];
  readonly location: string | undefined;
  readonly headerStart: number;
  /** First byte after the empty line that ends the header. */
  readonly bodyStart: number;
  /** The line end before the next delimiter is not in the body. */
  readonly bodyEnd: number;
  /** Line ends in the body. */
  readonly lines: number;
  readonly children: readonly MessagePart[];
  /** The header of a message (the whole one, or an embedded one); undefined for other parts. */
  readonly header: HeaderIndex | undefined;
}

/** The beginning of a text part, still encoded, from which a preview can be made. */
export interface TextSample {
  readonly part: MessagePart;
  /** At most `limits.previewSourceBytesMax`. */
  readonly bytes: Uint8Array;
}

/** What one pass over a message finds. */
export interface ParsedMessage {
  /** Bytes of the whole message. */
  readonly size: number;
  /** The message itself, as a part. */
  readonly root: MessagePart;
  /** Parts in the tree, the root included. */
  readonly partCount: number;
  /** The first inline text/plain and text/html outside embedded messages. */
  readonly plain: TextSample | undefined;
  readonly html: TextSample | undefined;
}
