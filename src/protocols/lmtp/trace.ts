import { utf8 } from "#base/bytes.ts";

/** How a message came to us. */
export interface Arrival {
  /** The name that the client gave itself. */
  readonly clientName: string;
  /** Address of the client, or "unix". */
  readonly clientAddress: string;
  /** Our own name. */
  readonly hostname: string;
  readonly secure: boolean;
  readonly smtpUtf8: boolean;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** The trace field of this hop, with its CRLF. RFC 5321 §4.4; the protocol's name RFC 3848, 6531 §4.3 */
export function receivedField(arrival: Arrival): Uint8Array {
  const { clientName, clientAddress, hostname, secure, smtpUtf8, at } = arrival;
  const literal = clientAddress.includes(":") ? `IPv6:${clientAddress}` : clientAddress;
  const from = clientAddress === "unix" ? clientName : `${clientName} ([${literal}])`;
  const protocol = `${smtpUtf8 ? "UTF8LMTP" : "LMTP"}${secure ? "S" : ""}`;
  const date = new Date(at).toUTCString().replace("GMT", "+0000");
  return utf8(`Received: from ${from}\r\n\tby ${hostname} with ${protocol}; ${date}\r\n`);
}
