/**
 * Every limit of the server: a name, a unit, one home. Limits that belong together are checked
 * against each other at the end of the file, when it is loaded.
 */
import { assert } from "./assert.ts";

const KiB = 1024;
const MiB = 1024 * KiB;

export const limits = {
  // Messages
  /** A message as it arrives, in bytes with CRLF line ends. */
  messageBytesMax: 50 * MiB,
  /** Memory for all messages that are arriving at one time; more arrivals wait. */
  arrivingBytesMax: 256 * MiB,
  /** MIME nesting; deeper parts are opaque. */
  mimeDepthMax: 64,
  /** MIME parts of one message; what follows belongs to the last one. */
  mimePartsMax: 2_000,
  /** A header block; what follows counts as body. */
  headerBytesMax: 1 * MiB,
  /** One header field that is parsed for its meaning (addresses, parameters). */
  headerFieldBytesMax: 64 * KiB,
  /** Addresses taken from one header field into an ENVELOPE. */
  envelopeAddressesMax: 1_000,
  /** Characters of a preview. RFC 8970 §3.2 */
  previewCharactersMax: 200,

  // Store
  shards: 1024,
  /** Bodies up to this size travel inside a journal batch. */
  inlineBodyBytesMax: 256 * KiB,
  batchBytesMax: 8 * MiB,
  segmentBytes: 64 * MiB,
  /** The unsettled tail of a journal: beyond it appends wait for settling. */
  tailBatchesMax: 4_096,
  tailBytesMax: 256 * MiB,
  /** Batches of the tail in the local form, where only bytes cost time on recovery. */
  localTailBatchesMax: 131_072,
  batchEntriesMax: 16_384,
  /** Appends that wait for their batch: more are refused. */
  journalQueueEntriesMax: 65_536,
  journalQueueBytesMax: 256 * MiB,
  /** Steps of a fencer after a writer that keeps winning, before it gives up. */
  fenceStepsMax: 10_000,
  objectKeyBytesMax: 512,
  /** Open files kept for synchronous reads of objects. */
  objectDescriptorsMax: 256,
  /** Attempts to learn the fate of one put. */
  putAttemptsMax: 5,
  packBytesMax: 64 * MiB,
  /** Expunge history that is always kept, per mailbox. */
  expungeHistoryEntriesMin: 10_000,
  expungeHistoryMs: 30 * 24 * 3600 * 1000,
  /** How long dropped objects are kept. */
  retentionMs: 7 * 24 * 3600 * 1000,
  /** Work on the owner's thread yields after this time. */
  sliceMs: 5,
  mailboxesPerAccountMax: 10_000,
  mailboxNameBytesMax: 1_000,
  mailboxDepthMax: 50,
  messagesPerMailboxMax: 10_000_000,
  keywordBytesMax: 128,
  keywordsPerMailboxMax: 10_000,
  keywordsPerMessageMax: 128,

  // IMAP
  /** One command line without its literals. */
  commandLineBytesMax: 64 * KiB,
  /** A literal that is not a message. */
  literalBytesMax: 1 * MiB,
  /** All that one command may hold in memory beside messages. */
  commandBytesMax: 4 * MiB,
  argumentsMax: 20_000,
  nestingMax: 64,
  sequenceRangesMax: 20_000,
  searchKeysMax: 5_000,
  /** Syntax errors in a row before BYE. */
  syntaxErrorsMax: 20,
  outputBufferBytes: 64 * KiB,
  imapIdleTimeoutMs: 30 * 60 * 1000,
  preLoginTimeoutMs: 60 * 1000,
  /** Untagged sign of life during IDLE. */
  idleKeepAliveMs: 2 * 60 * 1000,
  /** Messages of one MULTIAPPEND. */
  appendMessagesMax: 1_000,

  // LMTP
  lmtpLineBytesMax: 4 * KiB,
  lmtpRecipientsMax: 1_000,
  lmtpErrorsMax: 20,
  lmtpTimeoutMs: 5 * 60 * 1000,

  // Logins and connections
  connectionsMax: 20_000,
  connectionsPerUserMax: 50,
  connectionsPerAddressMax: 500,
  loginAttemptsPerConnectionMax: 5,
  passwordBytesMax: 1024,
  passwordQueueMax: 1_000,
  penaltyDelayMsMax: 15_000,
  shutdownMs: 5_000,
  /** From the start of a TLS handshake to its end. */
  tlsHandshakeMs: 30_000,
  /** How long a peer may take to close its side after we closed ours. */
  lingerMs: 2_000,
  /** Bytes taken from a peer before somebody reads them. */
  inputBufferBytes: 64 * KiB,
  /** Writes of one burst up to this size are copied together rather than sent piecewise. */
  mergedWriteBytesMax: 32 * KiB,
  /** Connections that the kernel keeps waiting for us, per listener. */
  acceptBacklog: 1_024,
} as const;

assert(limits.inlineBodyBytesMax < limits.batchBytesMax, "An inline body fits a batch");
assert(limits.batchBytesMax * 2 <= limits.segmentBytes, "A segment holds several batches");
assert(limits.segmentBytes < limits.tailBytesMax, "The tail holds several segments");
assert(limits.messageBytesMax < limits.packBytesMax, "A message fits a pack");
assert(limits.batchEntriesMax <= 0x1_0000, "Positions have 16 bits for the entry of a batch");
assert(limits.batchBytesMax < limits.journalQueueBytesMax, "The journal's queue fills a batch");
