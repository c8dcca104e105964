/**
 * LMTP: takes mail from a relay and answers for every recipient. RFC 2033
 *
 * - 250 for a recipient means that the message is durable for that recipient.
 * - Knows no store: recipients are resolved and messages handed over through the port `Deliver`.
 * - Only CRLF.CRLF ends a message; other line ends are content, mended on arrival.
 * - Memory for a message is taken from a budget that all connections share.
 */
export type { Deliver, DeliverMessage, DeliverRecipient } from "./deliver-port.ts";
export { DeliveryLog } from "./delivery-log.ts";
export { type LmtpConnection, type LmtpServices, serveLmtp } from "./session.ts";
