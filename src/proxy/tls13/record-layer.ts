import type { Clock } from "#base/clock.ts";
import { assert } from "#base/assert.ts";
import { concatBytes, noBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { alertContent, alertNumbers } from "./alerts.ts";
import type { AlertName } from "./alerts.ts";
import { contentType, open, overheadBytes, plaintextBytesMax, seal } from "./record-protection.ts";
import type { Tls13State } from "./state.ts";
import { nextTrafficKeys } from "./traffic-keys.ts";
import type { TrafficKeys } from "./traffic-keys.ts";

/** RFC 8446 §4 */
const keyUpdateType = 24;
const handshakeHeaderBytes = 4;
const keyUpdateBytes = handshakeHeaderBytes + 1;

/** What a record from the peer amounts to. */
export type Received =
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  /** Something between the two ends only. */
  | { readonly kind: "nothing" }
  /** The peer said close_notify: it sends no more. */
  | { readonly kind: "closed" }
  /** The connection is over. `alert` is what the peer is to be told; undefined: it knows. */
  | { readonly kind: "failed"; readonly alert: AlertName | undefined; readonly reason: string };

const nothing: Received = { kind: "nothing" };
const closed: Received = { kind: "closed" };

/**
 * The record layer of a TLS 1.3 server after the handshake: bytes in, bytes out, no sockets and no
 * waiting. Never throws for what a peer sends.
 *
 * RFC 8446 §4.6.3, §5, §6
 */
export class RecordLayer {
  #read: TrafficKeys;
  #write: TrafficKeys;
  #keyUpdateOwed: boolean;
  /** Records in a row that brought no data. */
  #emptyRecords: number;
  /** The beginning of a handshake message that goes on in the next record. */
  #partialMessage: Uint8Array;

  readonly #clock: Clock;
  /** How many KeyUpdates the peer may send now; grows with time. */
  #keyUpdatesAllowed: number = limits.tlsKeyUpdatesMax;
  #allowedAt: number;

  /** Goes on from `state`, which is this layer's own from now on. */
  constructor(state: Tls13State, clock: Clock) {
    this.#read = state.read;
    this.#write = state.write;
    this.#keyUpdateOwed = state.keyUpdateOwed;
    this.#emptyRecords = state.emptyRecords;
    this.#partialMessage = state.partialMessage;
    this.#clock = clock;
    this.#allowedAt = clock.monotonic();
  }

  get state(): Tls13State {
    return {
      read: this.#read,
      write: this.#write,
      keyUpdateOwed: this.#keyUpdateOwed,
      emptyRecords: this.#emptyRecords,
      partialMessage: this.#partialMessage,
    };
  }

  /** Takes one whole record of the peer. After "closed" or "failed" there is no next one. */
  receive(record: Buffer): Received {
    // The peer's own ChangeCipherSpec comes before its Finished, and nothing is in the clear now.
    if (record[0] !== contentType.applicationData)
      return failed("unexpected_message", "an unprotected record");
    if (this.#read.sequence >= limits.tlsReadRecordsMax)
      return failed("internal_error", "too many records under the same keys");
    const opened = open(this.#read, record);
    if (typeof opened === "string") return failed(opened, `a record that is no good: ${opened}`);
    const { type, content } = opened;
    if (this.#partialMessage.length > 0 && type !== contentType.handshake)
      return failed("unexpected_message", "a record in the middle of a handshake message");
    if (type === contentType.applicationData && content.length > 0) {
      this.#emptyRecords = 0;
      return { kind: "data", bytes: content };
    }
    if (++this.#emptyRecords > limits.tlsEmptyRecordsMax)
      return failed("unexpected_message", "too many records without data");
    switch (type) {
      case contentType.applicationData:
        return nothing;
      case contentType.alert:
        return this.#receiveAlert(content);
      case contentType.handshake:
        return this.#receiveHandshake(content);
      default:
        return failed("unexpected_message", `a record of type ${type}`);
    }
  }

  /**
   * Records with the bytes of `pieces`, in as few of them as possible, and the KeyUpdate before
   * them that is due. What was sealed must be sent, in this order and once.
   *
   * @param allocate gives memory of at least so many bytes
   */
  seal(pieces: readonly Uint8Array[], allocate = allocateNew): Buffer {
    let length = 0;
    for (const piece of pieces) length += piece.length;
    const records = Math.ceil(length / plaintextBytesMax);
    assert(records < limits.tlsRecordsBeforeKeyUpdate, "One KeyUpdate is enough");
    const target = allocate(length + records * overheadBytes + overheadBytes + keyUpdateBytes);
    let at = 0;
    let piece = 0;
    let offset = 0;
    while (length > 0) {
      if (this.#keyUpdateOwed || this.#write.sequence >= limits.tlsRecordsBeforeKeyUpdate)
        at = this.#sealKeyUpdate(target, at);
      const count = Math.min(length, plaintextBytesMax);
      const content: Uint8Array[] = [];
      for (let left = count; left > 0;) {
        const whole = pieces[piece]!;
        const part = whole.subarray(offset, offset + left);
        if (part.length > 0) content.push(part);
        left -= part.length;
        offset += part.length;
        if (offset < whole.length) continue;
        piece++;
        offset = 0;
      }
      const what = { pieces: content, length: count };
      at = seal(this.#write, contentType.applicationData, what, { target, at });
      length -= count;
    }
    return target.subarray(0, at);
  }

  /** The record that says `name`. */
  sealAlert(name: AlertName): Buffer {
    const content = alertContent(name);
    const target = Buffer.allocUnsafe(content.length + overheadBytes);
    const what = { pieces: [content], length: content.length };
    seal(this.#write, contentType.alert, what, { target, at: 0 });
    return target;
  }

  /** One message in one record, the last one under the old keys. RFC 8446 §4.6.3 */
  #sealKeyUpdate(target: Buffer, at: number): number {
    const message = Uint8Array.of(keyUpdateType, 0, 0, 1, 0);
    const what = { pieces: [message], length: message.length };
    const end = seal(this.#write, contentType.handshake, what, { target, at });
    this.#write = nextTrafficKeys(this.#write);
    this.#keyUpdateOwed = false;
    return end;
  }

  /** RFC 8446 §6: alerts are not fragmented, and one record has one of them. */
  #receiveAlert(content: Buffer): Received {
    if (content.length === 0) return failed("unexpected_message", "an empty alert");
    if (content.length !== 2) return failed("decode_error", "an alert of a wrong length");
    switch (content[1]) {
      case alertNumbers.close_notify:
        return closed;
      case alertNumbers.user_canceled:
        return nothing;
      default:
        return { kind: "failed", alert: undefined, reason: `the peer's alert ${content[1]}` };
    }
  }

  /** A client has nothing to say but KeyUpdate: we ask it for no certificate here. */
  #receiveHandshake(content: Buffer): Received {
    if (content.length === 0) return failed("unexpected_message", "an empty handshake record");
    const message =
      this.#partialMessage.length === 0 ? content : concatBytes([this.#partialMessage, content]);
    if (message[0] !== keyUpdateType)
      return failed("unexpected_message", `a handshake message of type ${message[0]}`);
    // A message under new keys begins a record, so this one has to end its own.
    if (message.length > keyUpdateBytes)
      return failed("unexpected_message", "more after a KeyUpdate in its record");
    for (let i = 1; i < Math.min(message.length, handshakeHeaderBytes); i++)
      if (message[i] !== (i === 3 ? 1 : 0))
        return failed("decode_error", "a KeyUpdate of a wrong length");
    if (message.length < keyUpdateBytes) {
      this.#partialMessage = Uint8Array.from(message);
      return nothing;
    }
    this.#partialMessage = noBytes;
    return this.#receiveKeyUpdate(message[handshakeHeaderBytes]!);
  }

  /** Our own KeyUpdate goes before the next data, once however often it was asked for. */
  #receiveKeyUpdate(request: number): Received {
    // RFC 8446 §4.6.3: illegal_parameter for anything else
    if (request > 1) return failed("illegal_parameter", "a KeyUpdate with an unknown request");
    if (!this.#allowKeyUpdate()) return failed("unexpected_message", "too many KeyUpdates");
    this.#read = nextTrafficKeys(this.#read);
    if (request === 1) this.#keyUpdateOwed = true;
    return nothing;
  }

  #allowKeyUpdate(): boolean {
    const now = this.#clock.monotonic();
    const grown = Math.floor((now - this.#allowedAt) / limits.tlsKeyUpdateMs);
    if (grown > 0) {
      this.#keyUpdatesAllowed = Math.min(limits.tlsKeyUpdatesMax, this.#keyUpdatesAllowed + grown);
      this.#allowedAt += grown * limits.tlsKeyUpdateMs;
    }
    if (this.#keyUpdatesAllowed === 0) return false;
    this.#keyUpdatesAllowed--;
    return true;
  }
}

function allocateNew(length: number): Buffer {
  return Buffer.allocUnsafe(length);
}

function failed(alert: AlertName, reason: string): Received {
  return { kind: "failed", alert, reason };
}
