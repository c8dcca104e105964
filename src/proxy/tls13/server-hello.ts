import { contentType, headerBytes } from "./record-protection.ts";

/** RFC 8446 §4 */
const serverHelloType = 2;
const messageHeaderBytes = 4;
const versionBytes = 2;
const randomBytes = 32;

/**
 * The cipher suite of a ServerHello or HelloRetryRequest that lies in this record of our own;
 * undefined for any other record. RFC 8446 §4.1.3
 */
export function chosenSuite(record: Buffer): number | undefined {
  if (record[0] !== contentType.handshake || record[headerBytes] !== serverHelloType)
    return undefined;
  const sessionId = headerBytes + messageHeaderBytes + versionBytes + randomBytes;
  if (sessionId >= record.length) return undefined;
  const at = sessionId + 1 + record[sessionId]!;
  return at + 2 <= record.length ? record.readUInt16BE(at) : undefined;
}
