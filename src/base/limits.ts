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
  /** Memory for all messages that arrive at one time; APPENDs beyond it wait, mail is refused. */
  arrivingBytesMax: 256 * MiB,
  /** What one account may take of it, with all its sessions, and all of LMTP. */
  arrivingShareBytesMax: 128 * MiB,
  /** How long a client that has taken of it may be silent. */
  arrivingSilenceMs: 60_000,
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
  /** Parameters of one Content-Type or Content-Disposition field; further ones are ignored. */
  mimeParametersMax: 200,
  /** A boundary that is honoured; RFC 2046 §5.1.1 allows 70 characters. */
  boundaryBytesMax: 250,
  /** A delimiter line with its padding. RFC 2046 §5.1.1 */
  delimiterLineBytesMax: 1_000,
  /** Tags of a Content-Language field. */
  languageTagsMax: 100,
  /** Characters of a preview. RFC 8970 §3.2 */
  previewCharactersMax: 200,
  /** Encoded bytes of a text part that a preview is made from. */
  previewSourceBytesMax: 16 * KiB,
  /** Message ids of one References or In-Reply-To field: the first and the last ones. */
  referencesMax: 500,
  /** BODYSTRUCTURE of a message; what would be longer leaves out embedded envelopes and parameters. */
  bodyStructureBytesMax: 1 * MiB,
  /** Text of a part that is decoded and searched at a time. */
  searchChunkBytes: 64 * KiB,
  /** A string that is searched for. */
  searchNeedleCharactersMax: 4_096,

  /** An arriving message that is parsed at once, and the step for larger ones. */
  preparedAtOnceBytesMax: 1 * MiB,
  preparedStepBytes: 256 * KiB,

  // Store
  shards: 1024,
  /** Bodies up to this size travel inside a journal batch. */
  inlineBodyBytesMax: 256 * KiB,
  batchBytesMax: 8 * MiB,
  /** The changes of one record, and the contents that travel with it. */
  recordBytesMax: 2 * MiB,
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
  /** Directories remembered as existing. */
  objectDirectoriesMax: 16_384,
  /** Files of deleted segments kept for reuse: their blocks are written already, so a batch in
   * them costs half. */
  spareSegmentsMax: 2,
  /** Damaged versions of one segment that are kept. */
  setAsideMax: 1_000,
  /** Attempts to learn the fate of one put. */
  putAttemptsMax: 5,
  packBytesMax: 64 * MiB,
  /** Messages that settling puts into one pack; packs grow when they are merged. */
  packWriteBytesMax: 16 * MiB,
  /** Bodies shorter than this are stored as they are: expanding costs more than reading them. */
  compressBytesMin: 4 * KiB,
  /** Larger bodies are compressed in blocks of this size, so that nothing blocks for long. */
  compressBlockBytes: 256 * KiB,
  /** Places of one message that its pack entry names, for rebuilding. */
  packEntryPlacesMax: 100,
  /** Packs of similar size before they are merged into one. */
  similarPacksMax: 8,
  /** Packs below this size are similar, whatever their size is. */
  smallPackBytesMax: 64 * KiB,
  /** Header fields that are kept among the cached fields of a message. */
  keptHeaderBytesMax: 4 * KiB,
  /** Read-ahead over the cached fields of a pack: first, and after many reads in a row. */
  fieldsWindowBytesMin: 16 * KiB,
  fieldsWindowBytesMax: 512 * KiB,
  fieldsWindowsMax: 16,
  /** Compressed bodies that were read from packs and may be asked for again, piece by piece, and the
   * smallest and the greatest of them. */
  bodyCacheBytes: 16 * MiB,
  cachedBodyBytesMin: 128 * KiB,
  cachedBodyBytesMax: 2 * MiB,
  /** A larger message is sent to a client piece by piece. */
  heldBodyBytesMax: 1 * MiB,
  /** A smaller piece of a large message is cut out of a block that is kept for the next one. */
  keptPieceBytesMax: 64 * KiB,
  /** A pack entry, and the message in it, that is read into memory that is used again at once. */
  lentBodyBytesMax: 256 * KiB,
  /** Deltas beside a snapshot before a new one is written, and bytes that are worth no snapshot. */
  deltasMax: 32,
  deltaBytesMin: 64 * KiB,
  /** Messages of an account whose sort keys are stored, and that may be missing in what is stored. */
  storedKeysMessagesMin: 256,
  /** A section of sort keys that is read without waiting where the medium is local. */
  keysReadAtOnceBytesMax: 1 * MiB,
  /** An account is settled so long after its last change, and at the latest after its first. */
  settleIdleMs: 2 * 60 * 1000,
  settleMsMax: 10 * 60 * 1000,
  /** How often accounts are looked at for settling and eviction. */
  settleCheckMs: 5 * 1000,
  /** The same where nothing but dropped objects waits for its time. */
  sweepPauseMsMax: 3600 * 1000,
  /** Pause after a settling that failed; it doubles up to the greatest. */
  settleRetryMsMin: 5 * 1000,
  settleRetryMsMax: 5 * 60 * 1000,
  /** Records of one account that are not settled; more of them are settled at once. */
  unsettledBytesMax: 8 * MiB,
  unsettledUnitsMax: 20_000,
  /** Accounts that are settled at the same time. */
  settlingMax: 4,
  /** Settled accounts that are kept in memory while nobody uses them. */
  accountMemoryBytes: 256 * MiB,
  accountsInMemoryMax: 20_000,
  /** Accounts that left memory of which is remembered how far they were settled. */
  settledModseqsMax: 100_000,
  /** Damages that are remembered for a report. */
  damagesMax: 1_000,
  /** While nothing can be written: how often it is tried. */
  writeProbeMs: 1_000,
  /** What a restored older state skips, so that no uid and no modseq is given twice. */
  restoreUidGap: 100_000,
  restoreModseqGap: 1_000_000_000,
  /** References of a message that may decide its thread. */
  threadReferencesMax: 32,
  /** Expunge history that is always kept, per mailbox. */
  expungeHistoryEntriesMin: 10_000,
  /** Beyond it even young entries go: clients that were away then look at everything anew. */
  expungeHistoryEntriesMax: 1_000_000,
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
  /** What a refused command may still send in literals before the connection is closed. */
  swallowBytesMax: 256 * MiB,
  argumentsMax: 20_000,
  nestingMax: 64,
  sequenceRangesMax: 20_000,
  searchKeysMax: 5_000,
  /** Syntax errors in a row before BYE. */
  syntaxErrorsMax: 20,
  outputBufferBytes: 64 * KiB,
  /** Buffers for output that wait to be used again, in the whole process. */
  spareOutputBuffersMax: 64,
  /** FETCH sets \Seen for, and asks ahead for, this many messages, or this many bytes, at a time. */
  fetchAheadMessagesMax: 256,
  fetchAheadBytesMax: 4 * MiB,
  /** A MIME part that BINARY decodes at once, and the step for larger ones. */
  decodedBytesMax: 128 * KiB,
  decodedStepBytes: 64 * KiB,
  /** Ranges of numbers that are written before it is looked whether the output is full. */
  rangesPerWriteMax: 2_000,
  /** Messages that SEARCH looks at in one go, first at their columns, then at their contents. */
  searchBlockMessages: 1_024,
  /** A larger message is searched piece by piece. */
  searchedAtOnceBytesMax: 128 * KiB,
  /** Keys of SORT and THREAD that are kept, over all mailboxes. */
  sortKeyBytesMax: 128 * MiB,
  imapIdleTimeoutMs: 30 * 60 * 1000,
  preLoginTimeoutMs: 60 * 1000,
  /** Untagged sign of life during IDLE. */
  idleKeepAliveMs: 2 * 60 * 1000,
  /** Messages of one MULTIAPPEND, and their sizes together: they are added all or none. */
  appendMessagesMax: 1_000,
  appendBytesMax: 100 * MiB,
  /** How long an arriving message waits for memory before it is refused. */
  arrivingWaitMs: 30_000,
  /** Patterns of one LIST. */
  listPatternsMax: 100,

  // POP3
  /** A command with its CRLF. RFC 2449 §4 */
  pop3LineBytesMax: 255,
  /** A client's line within AUTH. RFC 5034 §4 */
  pop3SaslLineBytesMax: 12 * KiB,
  /** What a line that is too long may go on for before the connection is closed. */
  pop3SwallowBytesMax: 64 * KiB,
  /** A response line with its CRLF. RFC 2449 §4 */
  pop3ResponseBytesMax: 512,
  /** Commands that fail for their grammar or place, in a row, before the connection is closed. */
  pop3ErrorsMax: 20,
  /** RFC 1939 §3: at least 10 minutes. */
  pop3IdleTimeoutMs: 10 * 60 * 1000,
  /** Messages that a listing looks up in one go. */
  pop3BlockMessages: 2_000,

  // LMTP
  lmtpLineBytesMax: 4 * KiB,
  lmtpRecipientsMax: 1_000,
  lmtpErrorsMax: 20,
  lmtpTimeoutMs: 5 * 60 * 1000,
  /** An address of the envelope: it becomes a line of the header. RFC 5322 §2.1.1 */
  smtpPathBytesMax: 900,
  /** Accounts that one message is filed for at a time. */
  deliveryAccountsMax: 256,
  /** Copies of one message that are being delivered to several accounts at a time. */
  deliveryBytesMax: 64 * MiB,

  // Logins and connections
  connectionsMax: 20_000,
  /** The header that a balancer sends first, by the PROXY protocol, and how long it may take. */
  proxyHeaderBytesMax: 4 * KiB,
  proxyHeaderMs: 10_000,
  connectionsPerUserMax: 50,
  connectionsPerAddressMax: 500,
  loginAttemptsPerConnectionMax: 5,
  passwordBytesMax: 1024,
  /** A login name or an address, in bytes of its normal form. RFC 5321 §4.5.3.1 allows 64 + 1 + 255. */
  loginNameBytesMax: 320,
  /** One SASL message without base64. */
  saslMessageBytesMax: 8 * KiB,
  passwordQueueMax: 1_000,
  /** Threads that hash passwords, and how long an idle one is kept. */
  passwordThreads: 2,
  passwordThreadIdleMs: 60_000,
  /** What a stored hash may cost at most; dearer ones are not even tried. */
  argon2MemoryKiBMax: 1024 * 1024,
  argon2PassesMax: 64,
  argon2LanesMax: 16,
  bcryptCostMax: 15,
  shaCryptRoundsMax: 2_000_000,
  pbkdf2RoundsMax: 4_000_000,
  /** Successful logins whose password need not be hashed again, and for how long. */
  verifiedLoginsMax: 50_000,
  verifiedLoginMs: 60_000,
  /** A refused login is answered no sooner than this after it came in. */
  loginRefusalMsMin: 200,
  penaltyDelayMsMax: 15_000,
  /** Delay after the first failure; it doubles with each further one. */
  penaltyDelayMsMin: 2_000,
  /** One failure is forgotten in this time without another. */
  penaltyDecayMs: 60_000,
  /** Addresses, and accounts, whose failures are remembered. */
  penaltyEntriesMax: 100_000,
  /** Logins of one penalised address that wait at one time; more are refused. */
  penaltyUnderwayMax: 20,
  /** Logins to one account at a time that wait for nothing: programs open several connections. */
  loginBurstMax: 20,
  /** Logins that wait for their delay to pass. */
  penaltyWaitingMax: 10_000,
  /** Logins and addresses that a directory driver may keep in memory. */
  directoryCacheMax: 20_000,
  /** How long a change by another process may stay unseen. */
  directoryStaleMsMax: 1_000,
  addressesPerAccountMax: 10_000,
  appPasswordsPerAccountMax: 100,
  accountsPerPageMax: 1_000,
  shutdownMs: 5_000,
  /** A second signal within this time is an echo of the first one. */
  signalEchoMs: 500,
  /** From the start of a TLS handshake to its end. */
  tlsHandshakeMs: 30_000,
  /** What a client may send in a TLS handshake, certificates and refused early data included. */
  tlsHandshakeBytesMax: 256 * KiB,
  tlsHandshakeRecordsMax: 4_096,
  /** Records that we seal with the same keys before we change them. RFC 8446 §5.5: below 2^24.5 */
  tlsRecordsBeforeKeyUpdate: 2 ** 24 - 2 ** 16,
  /** Records of a peer under the same keys. */
  tlsReadRecordsMax: 2 ** 40,
  /** Key changes that a peer may ask for in a row, and the time after which it may ask once more. */
  tlsKeyUpdatesMax: 16,
  tlsKeyUpdateMs: 10_000,
  /** Buffers of `writeBytes` for sealed TLS records that are kept for the next write. */
  tlsSpareBuffersMax: 16,
  /** TLS records in a row that bring no data. */
  tlsEmptyRecordsMax: 32,
  /** How long a peer may take to accept the last bytes that we send. */
  lastWriteMs: 60_000,
  /** How long a peer may take to close its side after we closed ours. */
  lingerMs: 2_000,
  /** Bytes taken from a peer before somebody reads them. */
  inputBufferBytes: 64 * KiB,
  /** Bytes that are handed to the system at a time where there is much to send. */
  writeBytes: 128 * KiB,
  /** Bytes of a connection that the system has not taken yet: more make who writes wait. */
  unsentBytesMax: 256 * KiB,
  /** Neighbouring parts of a write up to this size are copied together. */
  mergedPartBytesMax: 16 * KiB,
  /** Output of one step of a decompressor, under COMPRESS=DEFLATE. */
  inflatedBytesMax: 16 * KiB,
  /** Silence after which TCP asks whether the peer is still there. */
  tcpKeepAliveMs: 5 * 60 * 1000,
  /** A literal before login: a name or a password. */
  preLoginLiteralBytesMax: 4 * KiB,
  /** Fields of a client's ID that are kept. RFC 2971 §3.3 */
  clientIdFieldsMax: 30,
  /** Parameters of one administrative operation, as JSON. */
  adminParamsBytesMax: 256 * KiB,
  /** One line of an operation's answer. */
  adminLineBytesMax: 16 * MiB,
  /** Entries of one page of a list for administrators. */
  adminPageMax: 10_000,
  /** A hook of the configuration file. */
  hookMs: 10_000,
  /** How often it is looked whether the process is idle; less CPU time than this between two looks
   * is idleness. */
  idleLookMs: 2_000,
  idleCpuMsMax: 40,
  /** CPU time since the last collection of garbage that makes another one worth while in idleness,
   * and the largest heap that is collected so, with its garbage and without: it takes 30 ms and more. */
  collectedCpuMsMin: 200,
  collectedHeapBytesMax: 96 * MiB,
  collectedLiveBytesMax: 32 * MiB,
  /** Connections that the kernel keeps waiting for us, per listener. */
  acceptBacklog: 1_024,

  // Parked sessions
  /** Sessions that one process may park. */
  parkedSessionsMax: 1_000_000,
  /** Memory for what they are frozen to, with their addresses and the like. */
  parkedBytesMax: 1024 * MiB,
  /** Tag, transport state and frozen session of one of them. */
  parkedBytesOfRowMax: 64 * KiB,
  parkedTagBytesMax: 255,
  /** Mailboxes that one of them may wait for. */
  parkedWaitsMax: 100,
  /** After a session found no room in the parked table, none is parked for this time. */
  parkAgainMs: 1_000,
  /** Sessions that an administrator is shown at a time. */
  sessionsListedMax: 10_000,
  /** What is read of a parked client before its connection is given back to Node. */
  parkedReadBytes: 16 * KiB,
  /** Deadlines of parked sessions that come due together. */
  parkedTickMs: 1_000,
  /** An account id or an address that many rows share. */
  internedTextBytesMax: 64,
  /** Rows by which a table grows at a time. */
  rowsPerGrowth: 4_096,
  /** Descriptors that are reported ready in one batch. */
  readyBatchMax: 1_024,
  /** Descriptors that are passed to another process at a time (Linux allows 253), with their bytes. */
  passedDescriptorsMax: 250,
  passedBytesMax: 8 * MiB,

  // Hop
  /** Payload of one frame between two nodes, and of the first one, before the peer is known. */
  hopFrameBytesMax: 256 * KiB,
  hopHelloBytesMax: 1 * KiB,
  /** Input or output of a stream, or a piece of a call, that one frame may carry, and that is put
   * into one: smaller frames come in whole more often, and large ones lose their place in caches. */
  hopPartBytesMax: 64 * KiB,
  hopPartBytes: 32 * KiB,
  /** Bodies of frames up to this size are copied behind their headers. */
  hopCopiedBytesMax: 2 * KiB,
  /** What opens a stream: a login, or a frozen session. */
  hopHeadBytesMax: 128 * KiB,
  /** State of a session that a flush carries. */
  hopStateBytesMax: 48 * KiB,
  /** What one direction of a stream may have on the way before its receiver has taken it. */
  hopWindowBytes: 512 * KiB,
  /** Bytes that wait for the carrier of a link: more make who writes wait. */
  hopQueueBytesMax: 4 * MiB,
  /** Streams of one link at a time, of each side. */
  hopStreamsMax: 65_536,
  /** Calls of one link that wait for their answer, of each side. */
  hopCallsMax: 4_096,
  /** The payload of a call or an answer, and of all of one link and direction at a time. */
  hopCallBytesMax: 64 * MiB,
  hopCallsBytesMax: 256 * MiB,
  /** Name of a node, a role, a protocol, a call or a note, in bytes of UTF-8. */
  hopNameBytesMax: 255,
  /** A reason or the text of a refusal; longer ones are cut. */
  hopTextBytesMax: 2_000,
  /** From a connected carrier to the end of the hellos. */
  hopHandshakeMs: 5_000,
  /** How often each side asks for a sign of life, and how often in a row it may get none. */
  hopHeartbeatMs: 1_000,
  hopSilentHeartbeatsMax: 5,
  /** Time for a sign of life when there is reason to doubt. */
  hopProbeMs: 500,
  /** From goodbye to the end of a link whose streams do not end by themselves. */
  hopGoodbyeMs: 10_000,
  /** Pause after a dial that failed; it doubles up to the greatest. */
  hopRedialMsMin: 50,
  hopRedialMsMax: 5_000,
  /** Failed dials in a row before those who wait for the link are refused. */
  hopDialsMax: 6,
  /** Those who wait for one link. */
  hopWaitingMax: 10_000,
  /** Sessions whose generation a backend remembers, and how long after their stream ended. */
  hopSessionsRememberedMax: 200_000,
  hopSessionsRememberedMs: 10 * 60 * 1000,

  // Sessions that survive their backend
  /** Input that is kept until a backend has consumed it. */
  relayInputBytesMax: 1 * MiB,
  /** A proxy sends nothing again that is older than this. */
  relayRepeatMsMax: 10 * 60 * 1000,
  /** From the loss of a backend to the end of the attempts to go on with another. */
  relayResumeMs: 60_000,
  /** Backends that a session may lose without one of them having got any further with it. */
  relayLossesMax: 8,
  /** Pause between two attempts; it doubles up to the greatest. */
  relayRetryMsMin: 20,
  relayRetryMsMax: 1_000,
} as const;

assert(
  limits.pop3SaslLineBytesMax >= (limits.saslMessageBytesMax / 3) * 4 + 4,
  "A SASL message fits a line of POP3",
);
assert(limits.messageBytesMax <= limits.appendBytesMax, "A message fits an APPEND");
assert(limits.appendBytesMax <= limits.arrivingShareBytesMax, "An APPEND fits what may arrive");
assert(limits.arrivingShareBytesMax <= limits.arrivingBytesMax / 2, "One account blocks no other");
assert(limits.inlineBodyBytesMax < limits.batchBytesMax, "An inline body fits a batch");
assert(limits.recordBytesMax * 2 < limits.batchBytesMax, "A record fits a batch with its contents");
assert(limits.compressBlockBytes <= limits.heldBodyBytesMax, "Bodies of one block are held");
assert(limits.batchBytesMax * 2 <= limits.segmentBytes, "A segment holds several batches");
assert(limits.segmentBytes < limits.tailBytesMax, "The tail holds several segments");
assert(limits.messageBytesMax < limits.packBytesMax, "A message fits a pack");
assert(limits.writeBytes < limits.unsentBytesMax, "One write is prepared while another is sent");
assert(limits.batchEntriesMax <= 0x1_0000, "Positions have 16 bits for the entry of a batch");
assert(limits.batchBytesMax < limits.journalQueueBytesMax, "The journal's queue fills a batch");
assert(limits.penaltyDelayMsMin <= limits.penaltyDelayMsMax, "Delays grow up to their limit");
assert(limits.penaltyDelayMsMax < limits.preLoginTimeoutMs, "A delayed login is still answered");
assert(
  limits.parkedBytesOfRowMax +
    limits.passedDescriptorsMax * limits.parkedWaitsMax * (limits.internedTextBytesMax + 32) <
    limits.passedBytesMax / 2,
  "Half of what is passed at a time has room for waits and a last session",
);
assert(
  2 * (limits.hopPartBytesMax + limits.hopStateBytesMax + KiB) <= limits.hopWindowBytes,
  "Half a window holds the largest part of a flush",
);
assert(limits.hopPartBytes <= limits.hopPartBytesMax, "What is sent as one part is taken as one");
assert(limits.hopHeadBytesMax + KiB <= limits.hopFrameBytesMax, "What opens a stream fits a frame");
assert(limits.messageBytesMax + MiB <= limits.hopCallBytesMax, "A call carries a message");
assert(limits.hopCallBytesMax * 2 <= limits.hopCallsBytesMax, "One call blocks no other");
assert(limits.tlsRecordsBeforeKeyUpdate < 2 ** 24, "Keys change before their cipher wears out");
assert(limits.tlsEmptyRecordsMax < 0x100, "A byte counts the empty records");
