/** Replies of SMTP and LMTP. RFC 5321 §4.2, RFC 2034 §4 */

/** A reply as it is decided; `formatReply` makes lines of it. */
export interface Reply {
  /** 200 .. 599. */
  readonly code: number;
  /** Such as `5.1.1`; null where none belongs (greeting, LHLO, 3xx). RFC 3463 §2 */
  readonly enhanced: string | null;
  /** One line, or several. */
  readonly text: string | readonly string[];
}

/** The client's line does not fit the grammar; carries the reply to it. */
export class SmtpSyntaxError extends Error {
  override readonly name = "SmtpSyntaxError";
  readonly reply: Reply;
  constructor(code: number, enhanced: string, text: string) {
    super(text);
    this.reply = { code, enhanced, text };
  }
}

// What does not belong into a reply would break its lines or their charset.
const notText = /[^\x20-\x7e]/g;

/** The lines of a reply with their CRLFs; ASCII, whatever the text holds. */
export function formatReply(reply: Reply): string {
  const lines = typeof reply.text === "string" ? [reply.text] : reply.text;
  const prefix = reply.enhanced === null ? "" : `${reply.enhanced} `;
  const last = Math.max(0, lines.length - 1);
  let out = "";
  for (let i = 0; i <= last; i++) {
    const text = (lines[i] ?? "").replace(notText, "?");
    out += `${reply.code}${i === last ? " " : "-"}${prefix}${text}\r\n`;
  }
  return out;
}
