import { Refusal } from "#base/assert.ts";
import type { ByteBudget } from "#base/byte-budget.ts";
import { concatBytes, fromLatin1 } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import { withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import type { Shutdown } from "#base/shutdown.ts";
import type { ByteStream, PeerInfo } from "#base/stream.ts";
import {
  type Address,
  type BodyType,
  formatAddress,
  formatReply,
  type MailCommand,
  type RcptCommand,
  type Reply,
  type SmtpCommand,
  SmtpDecoder,
  type SmtpEvent,
} from "#wire/index.ts";
import type { Deliver, DeliverRecipient } from "./deliver-port.ts";
import { bugReply, refusalReply, reply } from "./replies.ts";

export interface LmtpConnection {
  readonly stream: ByteStream;
  readonly peer: PeerInfo;
  readonly shutdown: Shutdown;
  /** STARTTLS is offered while this is true. */
  readonly canUpgradeTls: boolean;
  upgradeTls(): Promise<ByteStream>;
}

export interface LmtpServices {
  readonly deliver: Deliver;
  readonly clock: Clock;
  readonly log: Log;
  readonly arriving: ByteBudget;
  readonly hostname: string;
  /** Bytes of a message with CRLF line ends. */
  readonly messageBytesMax: number;
}

interface Transaction {
  readonly from: Address | null;
  readonly body: BodyType | null;
  readonly size: number;
  readonly smtpUtf8: boolean;
  readonly recipients: DeliverRecipient[];
  /** What has arrived, and how much of the shared budget it holds. */
  pieces: Uint8Array[];
  bytes: number;
  /** Why the rest is only swallowed. */
  refused: Reply | undefined;
  chunking: boolean;
}

/** Serves one LMTP connection until it ends. RFC 2033 */
export async function serveLmtp(connection: LmtpConnection, services: LmtpServices): Promise<void> {
  await new LmtpSession(connection, services).run();
}

class LmtpSession {
  readonly #connection: LmtpConnection;
  readonly #services: LmtpServices;
  readonly #decoder = new SmtpDecoder();
  #replies = "";
  #greeted = false;
  #transaction: Transaction | undefined;
  #errors = 0;
  #ended = false;

  constructor(connection: LmtpConnection, services: LmtpServices) {
    this.#connection = connection;
    this.#services = services;
  }

  async run(): Promise<void> {
    const { stream, shutdown } = this.#connection;
    const forget = shutdown.whenBegun(() => {
      // In the middle of a transaction the client gets its answers first.
      if (this.#transaction === undefined) this.#goodbye(421, "4.3.2", "Shutting down");
    });
    try {
      this.#say(reply(220, null, `${this.#services.hostname} LMTP Roost ready`));
      while (!this.#ended) {
        await this.#flush();
        const chunk = await this.#read();
        if (chunk === null) break;
        this.#decoder.push(chunk);
        await this.#drain();
      }
      await this.#flush();
    } finally {
      forget();
      this.#endTransaction();
      stream.end();
    }
  }

  async #read(): Promise<Uint8Array | null> {
    const { stream } = this.#connection;
    try {
      const { clock } = this.#services;
      return await withDeadline(clock, limits.lmtpTimeoutMs, "A command", stream.read());
    } catch {
      this.#goodbye(421, "4.4.2", "Timeout, or the connection broke");
      return null;
    }
  }

  #say(answer: Reply): void {
    this.#replies += formatReply(answer);
  }

  /** Replies of a pipelined group leave in one write. RFC 2920 §3.2 */
  async #flush(): Promise<void> {
    if (this.#replies === "") return;
    const bytes = fromLatin1(this.#replies);
    this.#replies = "";
    await this.#connection.stream.write(bytes);
  }

  #goodbye(code: number, enhanced: string, text: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#say(reply(code, enhanced, text));
    const bytes = fromLatin1(this.#replies);
    this.#replies = "";
    // The peer may be gone already.
    this.#connection.stream.write(bytes)?.catch(() => undefined);
    this.#connection.stream.end();
  }

  async #drain(): Promise<void> {
    while (!this.#ended) {
      const event = this.#decoder.next();
      if (event.kind === "more") return;
      try {
        await this.#take(event);
      } catch (error) {
        const refused = refusalReply(error);
        if (refused === undefined)
          this.#services.log.error(
            { err: error, peer: this.#connection.peer.address },
            "LMTP failed",
          );
        this.#say(refused ?? bugReply);
      }
    }
  }

  async #take(event: Exclude<SmtpEvent, { kind: "more" }>): Promise<void> {
    switch (event.kind) {
      case "command":
        return this.#command(event.command);
      case "error":
        return this.#fail(event.reply);
      case "data":
        return this.#collect(event.bytes);
      case "data-end":
        return this.#dataEnd(event);
    }
  }

  #fail(answer: Reply): void {
    this.#say(answer);
    if (++this.#errors >= limits.lmtpErrorsMax) this.#goodbye(421, "4.7.0", "Too many errors");
  }

  async #command(command: SmtpCommand): Promise<void> {
    switch (command.verb) {
      case "LHLO":
        return this.#hello();
      case "HELO":
      case "EHLO":
        return this.#fail(reply(500, "5.5.1", "This is LMTP: say LHLO"));
      case "MAIL":
        return this.#mail(command);
      case "RCPT":
        return this.#rcpt(command);
      case "DATA":
        return this.#data();
      case "BDAT":
        return this.#bdat(command.size, command.last);
      case "RSET":
        this.#endTransaction();
        return this.#say(reply(250, "2.0.0", "Ok"));
      case "NOOP":
        return this.#say(reply(250, "2.0.0", "Ok"));
      case "HELP":
        return this.#say(reply(214, "2.0.0", "See RFC 2033"));
      case "VRFY":
      case "EXPN":
        return this.#say(reply(252, "2.5.0", "Send mail, and see"));
      case "AUTH":
        return this.#fail(reply(502, "5.5.1", "There is no AUTH here"));
      case "STARTTLS":
        return this.#startTls();
      case "QUIT":
        return this.#goodbye(221, "2.0.0", "Bye");
    }
  }

  #hello(): void {
    this.#endTransaction();
    this.#greeted = true;
    this.#say(
      reply(250, null, [
        this.#services.hostname,
        "PIPELINING",
        "8BITMIME",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
        `SIZE ${this.#services.messageBytesMax}`,
        "CHUNKING",
        "BINARYMIME",
        ...(this.#connection.canUpgradeTls ? ["STARTTLS"] : []),
      ]),
    );
  }

  async #startTls(): Promise<void> {
    if (!this.#connection.canUpgradeTls)
      return this.#fail(reply(502, "5.5.1", "TLS is not to be had here"));
    if (this.#decoder.buffered > 0) {
      // RFC 3207 §4.2: nothing that was sent in clear text may be taken for what came under TLS.
      return this.#goodbye(421, "5.5.1", "Nothing may follow STARTTLS");
    }
    this.#endTransaction();
    this.#greeted = false;
    this.#say(reply(220, "2.0.0", "Go ahead"));
    const bytes = fromLatin1(this.#replies);
    this.#replies = "";
    void this.#connection.stream.write(bytes);
    try {
      await this.#connection.upgradeTls();
    } catch (error) {
      this.#ended = true;
      this.#services.log.info({ err: error }, "TLS handshake failed");
    }
  }

  #mail(command: MailCommand): void {
    if (!this.#greeted) return this.#fail(reply(503, "5.5.1", "Say LHLO first"));
    if (this.#transaction !== undefined)
      return this.#fail(reply(503, "5.5.1", "There is a sender already"));
    const max = this.#services.messageBytesMax;
    if ((command.size ?? 0) > max)
      return this.#say(reply(552, "5.3.4", `A message has at most ${max} bytes`));
    this.#decoder.smtpUtf8 = command.smtpUtf8;
    this.#transaction = {
      from: command.from,
      body: command.body,
      size: command.size ?? 0,
      smtpUtf8: command.smtpUtf8,
      recipients: [],
      pieces: [],
      bytes: 0,
      refused: undefined,
      chunking: false,
    };
    this.#say(reply(250, "2.1.0", "Ok"));
  }

  async #rcpt(command: RcptCommand): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === undefined || transaction.chunking)
      return this.#fail(reply(503, "5.5.1", "Say MAIL first"));
    if (transaction.recipients.length >= limits.lmtpRecipientsMax)
      return this.#say(reply(452, "4.5.3", "Too many recipients"));
    const address = formatAddress(command.to);
    const recipient = await this.#services.deliver.resolve(address, transaction.size);
    transaction.recipients.push(recipient);
    this.#say(reply(250, "2.1.5", "Ok"));
  }

  async #data(): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === undefined || transaction.chunking)
      return this.#fail(reply(503, "5.5.1", "Say MAIL and RCPT first"));
    // RFC 2033 §4.2: without a good recipient there is nobody to answer for.
    if (transaction.recipients.length === 0)
      return this.#fail(reply(503, "5.5.1", "No valid recipients"));
    if (transaction.body === "BINARYMIME")
      return this.#fail(reply(503, "5.6.1", "BINARYMIME travels by BDAT only"));
    this.#decoder.startData();
    this.#say(reply(354, null, "End with a dot on a line of its own"));
    await this.#flush();
  }

  #bdat(size: number, last: boolean): void {
    const transaction = this.#transaction;
    const first = transaction === undefined || !transaction.chunking;
    this.#decoder.startChunk(size, first);
    this.#lastChunk = last;
    if (transaction === undefined || transaction.recipients.length === 0) {
      this.#orphanChunk = true;
      return;
    }
    this.#orphanChunk = false;
    transaction.chunking = true;
  }

  #lastChunk = false;
  /** A BDAT outside a transaction: its octets are swallowed, then it is refused. */
  #orphanChunk = false;

  #collect(bytes: Uint8Array): void {
    const transaction = this.#transaction;
    if (transaction === undefined || this.#orphanChunk || transaction.refused !== undefined) return;
    const max = this.#services.messageBytesMax;
    if (transaction.bytes + bytes.length > max)
      transaction.refused = reply(552, "5.3.4", `A message has at most ${max} bytes`);
    else if (!this.#services.arriving.take(bytes.length))
      transaction.refused = reply(452, "4.3.1", "Too much mail is arriving; try again later");
    else {
      transaction.pieces.push(bytes);
      transaction.bytes += bytes.length;
      return;
    }
    this.#release(transaction);
  }

  async #dataEnd(end: { bareCr: boolean; bareLf: boolean }): Promise<void> {
    const transaction = this.#transaction;
    if (this.#orphanChunk) {
      this.#orphanChunk = false;
      return this.#fail(reply(503, "5.5.1", "Say MAIL and RCPT first"));
    }
    if (transaction === undefined) return;
    if (transaction.chunking && !this.#lastChunk) {
      this.#say(transaction.refused ?? reply(250, "2.0.0", "Ok"));
      return;
    }
    if (end.bareCr || end.bareLf)
      this.#services.log.debug({ peer: this.#connection.peer.address }, "Line ends were mended");
    await this.#deliver(transaction);
    this.#endTransaction();
    if (this.#connection.shutdown.begun) this.#goodbye(421, "4.3.2", "Shutting down");
  }

  /** RFC 2033 §4.2: one reply per accepted recipient, in their order. */
  async #deliver(transaction: Transaction): Promise<void> {
    const { recipients, refused } = transaction;
    if (refused !== undefined) {
      for (const _ of recipients) this.#say(refused);
      return;
    }
    const sender = transaction.from === null ? "" : formatAddress(transaction.from);
    const content = concatBytes(transaction.pieces);
    const outcomes = await this.#services.deliver.deliver({ sender, content }, recipients);
    for (const { recipient, error } of outcomes) {
      if (error === null) this.#say(reply(250, "2.0.0", `<${recipient.address}> Saved`));
      else this.#say(this.#failure(error, recipient));
    }
  }

  #failure(error: unknown, recipient: DeliverRecipient): Reply {
    const refused = refusalReply(error);
    const fields = { err: error, account: recipient.accountId };
    if (refused === undefined) this.#services.log.error(fields, "Delivery failed");
    else if (!(error instanceof Refusal && error.code === "OVERQUOTA"))
      this.#services.log.warn(fields, "Delivery was refused");
    return refused ?? bugReply;
  }

  #release(transaction: Transaction): void {
    this.#services.arriving.give(transaction.bytes);
    transaction.bytes = 0;
    transaction.pieces = [];
  }

  #endTransaction(): void {
    if (this.#transaction === undefined) return;
    this.#release(this.#transaction);
    this.#transaction = undefined;
    this.#decoder.smtpUtf8 = false;
  }
}
