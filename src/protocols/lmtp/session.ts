import type { ByteAllowance } from "#base/byte-budget.ts";
import { concatBytes, fromLatin1 } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import { DeadlineExceeded, withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import type { Shutdown } from "#base/shutdown.ts";
import { type ByteStream, ConnectionBroken, type PeerInfo } from "#base/stream.ts";
import { LineEndNormaliser } from "#message/index.ts";
import {
  formatAddress,
  formatReply,
  type MailCommand,
  type RcptCommand,
  type Reply,
  type SmtpCommand,
  SmtpDecoder,
  type SmtpEvent,
} from "#wire/index.ts";
import { ArrivingMessage, tooBig } from "./arriving-message.ts";
import type { Deliver, DeliverRecipient } from "./deliver-port.ts";
import type { DeliveryLog } from "./delivery-log.ts";
import { bugReply, refusalReply, reply } from "./replies.ts";
import { receivedField } from "./trace.ts";

export interface LmtpConnection {
  readonly stream: ByteStream;
  readonly peer: PeerInfo;
  readonly shutdown: Shutdown;
  /** STARTTLS is offered while this is true. */
  readonly canUpgradeTls: boolean;
  /** Sends what was written, then shakes hands; gives the stream to go on with. */
  upgradeTls(): Promise<ByteStream>;
}

export interface LmtpServices {
  readonly deliver: Deliver;
  readonly clock: Clock;
  readonly log: Log;
  readonly arriving: ByteAllowance;
  readonly hostname: string;
  /** Bytes of a message with CRLF line ends. */
  readonly messageBytesMax: number;
  readonly deliveryLog?: DeliveryLog;
}

interface Transaction {
  /** Its name in the log. */
  readonly id: string;
  readonly command: MailCommand;
  readonly recipients: DeliverRecipient[];
  readonly message: ArrivingMessage;
  /** A BDAT has begun the message. */
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
  #stream: ByteStream;
  #replies = "";
  /** What the client called itself in LHLO. */
  #clientName: string | undefined;
  #transaction: Transaction | undefined;
  /** The octets of DATA or of a BDAT are awaited: no reply may come between. */
  #receiving = false;
  /** Of the BDAT whose octets are awaited. */
  #chunk: { readonly last: boolean; readonly orphan: boolean } = wholeMessage;
  /** Octets of the message under way that were not kept. */
  #swallowed = 0;
  /** Mistakes since the last good transaction began. */
  #errors = 0;
  #ended = false;
  /** While input is awaited: stops waiting for it. */
  #stopWaiting: (() => void) | undefined;

  constructor(connection: LmtpConnection, services: LmtpServices) {
    this.#connection = connection;
    this.#services = services;
    this.#stream = connection.stream;
  }

  async run(): Promise<void> {
    const forget = this.#connection.shutdown.whenBegun(() => {
      if (!this.#receiving) this.#stopWaiting?.();
    });
    try {
      this.#say(reply(220, null, `${this.#services.hostname} LMTP Roost ready`));
      while (!this.#ended) {
        if (this.#mayClose) this.#goodbye(421, "4.3.2", "Shutting down");
        await this.#flush();
        if (this.#ended) break;
        await this.#takeInput();
      }
      await this.#flush();
    } catch (error) {
      if (!(error instanceof ConnectionBroken)) throw error;
      const { address } = this.#connection.peer;
      this.#services.log.debug(
        { peer: address, reason: error.message },
        "An LMTP client went away",
      );
    } finally {
      forget();
      this.#endTransaction();
      this.#stream.end();
    }
  }

  /** The server shuts down, and no message is half here. */
  get #mayClose(): boolean {
    return this.#connection.shutdown.begun && !this.#receiving;
  }

  /** Waits for input and answers all of it. */
  async #takeInput(): Promise<void> {
    try {
      const chunk = await this.#read();
      if (chunk === null) this.#ended = !this.#mayClose;
      else this.#decoder.push(chunk);
    } catch (error) {
      if (!(error instanceof DeadlineExceeded)) throw error;
      this.#goodbye(421, "4.4.2", "Nothing came for too long");
    }
    while (!this.#ended) {
      const event = this.#decoder.next();
      if (event.kind === "more") return;
      await this.#take(event);
    }
  }

  /** The next octets, null at the end or when the shutdown begins at a good moment. */
  async #read(): Promise<Uint8Array | null> {
    if (this.#mayClose) return null;
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | null>();
    const ms = limits.lmtpTimeoutMs;
    const timer = this.#services.clock.after(ms, () =>
      reject(new DeadlineExceeded(`No input for ${ms} ms`)),
    );
    this.#stopWaiting = () => resolve(null);
    this.#stream.read().then(resolve, reject);
    try {
      return await promise;
    } finally {
      timer.cancel();
      this.#stopWaiting = undefined;
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
    const written = this.#stream.write(bytes);
    if (written === undefined) return;
    try {
      await withDeadline(this.#services.clock, limits.lmtpTimeoutMs, "A reply", written);
    } catch (error) {
      this.#ended = true;
      this.#stream.destroy();
      throw new ConnectionBroken("The client takes no replies", { cause: error });
    }
  }

  /** The last reply; `run` closes the connection after it. */
  #goodbye(code: number, enhanced: string, text: string): void {
    this.#ended = true;
    this.#say(reply(code, enhanced, text));
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

  #command(command: SmtpCommand): Promise<void> | void {
    switch (command.verb) {
      case "LHLO":
        return this.#hello(command.domain);
      case "HELO":
      case "EHLO":
        // RFC 2033 §4.1
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

  #hello(domain: string): void {
    if (domain.length > domainBytesMax) return this.#fail(reply(501, "5.5.4", "Name too long"));
    this.#endTransaction();
    this.#clientName = domain;
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
    this.#clientName = undefined;
    this.#say(reply(220, "2.0.0", "Go ahead"));
    const bytes = fromLatin1(this.#replies);
    this.#replies = "";
    // The upgrade sends it, or fails with it.
    this.#stream.write(bytes)?.catch(() => undefined);
    try {
      this.#stream = await this.#connection.upgradeTls();
    } catch (error) {
      this.#ended = true;
      const { address } = this.#connection.peer;
      this.#services.log.info({ peer: address, err: error }, "TLS handshake failed");
    }
  }

  #mail(command: MailCommand): void {
    if (this.#clientName === undefined) return this.#fail(reply(503, "5.5.1", "Say LHLO first"));
    if (this.#transaction !== undefined)
      return this.#fail(reply(503, "5.5.1", "There is a sender already"));
    if (command.from !== null && formatAddress(command.from).length > limits.smtpPathBytesMax)
      return this.#fail(reply(501, "5.1.7", "Path too long"));
    const { arriving, messageBytesMax } = this.#services;
    if ((command.size ?? 0) > messageBytesMax) return this.#say(tooBig(messageBytesMax));
    this.#errors = 0;
    this.#decoder.smtpUtf8 = command.smtpUtf8;
    this.#transaction = {
      id: this.#services.deliveryLog?.nextId() ?? "",
      command,
      recipients: [],
      message: new ArrivingMessage(arriving, messageBytesMax),
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
    if (address.length > limits.smtpPathBytesMax)
      return this.#fail(reply(501, "5.1.3", "Path too long"));
    try {
      const size = transaction.command.size ?? 0;
      transaction.recipients.push(await this.#services.deliver.resolve(address, size));
      this.#say(reply(250, "2.1.5", "Ok"));
    } catch (error) {
      const refused = refusalReply(error);
      if (refused === undefined)
        this.#services.log.error({ err: error }, "A recipient could not be looked up");
      const answer = refused ?? bugReply;
      this.#say(answer);
      const { id, command } = transaction;
      const fields = { transaction: id, size: command.size ?? 0, recipient: address };
      this.#services.deliveryLog?.recipient(answer, fields);
    }
  }

  async #data(): Promise<void> {
    const transaction = this.#transaction;
    if (transaction === undefined || transaction.chunking)
      return this.#fail(reply(503, "5.5.1", "Say MAIL and RCPT first"));
    // RFC 2033 §4.2: without a good recipient there is nobody to answer for.
    if (transaction.recipients.length === 0)
      return this.#fail(reply(503, "5.5.1", "No valid recipients"));
    // RFC 3030 §3
    if (transaction.command.body === "BINARYMIME")
      return this.#fail(reply(503, "5.6.1", "BINARYMIME travels by BDAT only"));
    this.#decoder.startData();
    this.#receiving = true;
    this.#say(reply(354, null, "End with a dot on a line of its own"));
    await this.#flush();
  }

  /** A BDAT that has no place is answered only after its octets. RFC 3030 §2 */
  #bdat(size: number, last: boolean): void {
    const transaction = this.#transaction;
    const orphan = transaction === undefined || transaction.recipients.length === 0;
    this.#decoder.startChunk(size, orphan || !transaction.chunking);
    this.#chunk = { last, orphan };
    this.#receiving = true;
    if (!orphan) transaction.chunking = true;
  }

  #collect(bytes: Uint8Array): void {
    const kept = !this.#chunk.orphan && this.#transaction?.message.add(bytes) === true;
    if (kept) return;
    this.#swallowed += bytes.length;
    if (this.#swallowed > limits.swallowBytesMax)
      this.#goodbye(421, "4.7.0", "Too much of what was refused");
  }

  async #dataEnd(end: { bareCr: boolean; bareLf: boolean }): Promise<void> {
    const transaction = this.#transaction;
    const { orphan, last } = this.#chunk;
    this.#receiving = false;
    this.#swallowed = 0;
    this.#chunk = wholeMessage;
    if (transaction === undefined || orphan)
      return this.#fail(reply(503, "5.5.1", "Say MAIL and RCPT first"));
    if (!last) return this.#say(transaction.message.refused ?? reply(250, "2.0.0", "Ok"));
    try {
      await this.#deliver(transaction, end.bareLf);
    } finally {
      this.#endTransaction();
    }
  }

  /** RFC 2033 §4.2, §4.3: one reply per accepted recipient, in their order. */
  async #deliver(transaction: Transaction, bareLf: boolean): Promise<void> {
    const { recipients, command, message } = transaction;
    const { clock, deliver, deliveryLog } = this.#services;
    const began = clock.monotonic();
    const content =
      message.refused === undefined ? await this.#content(transaction, bareLf) : undefined;
    if (message.refused !== undefined || content === undefined) {
      for (const recipient of recipients)
        this.#answer(transaction, recipient, message.refused ?? bugReply);
      return;
    }
    const sender = command.from === null ? "" : formatAddress(command.from);
    const arrived = { sender, content, exact: true };
    const outcomes = await deliver
      .deliver(arrived, recipients)
      .catch((error: unknown) => recipients.map((recipient) => ({ recipient, error })));
    for (const { recipient, error } of outcomes)
      this.#answer(
        transaction,
        recipient,
        error === null
          ? reply(250, "2.0.0", `<${recipient.address}> Saved`)
          : this.#failure(error, recipient),
      );
    deliveryLog?.delivered(clock.monotonic() - began);
  }

  #answer(transaction: Transaction, { accountId }: DeliverRecipient, answer: Reply): void {
    this.#say(answer);
    const { id, message, command } = transaction;
    const size = message.refused === undefined ? message.length : (command.size ?? 0);
    this.#services.deliveryLog?.recipient(answer, { transaction: id, size, account: accountId });
  }

  /** The message behind our trace field, with CRLF line ends; undefined where it is refused. */
  async #content(
    { command, message }: Transaction,
    bareLf: boolean,
  ): Promise<Uint8Array | undefined> {
    const { clock, hostname, messageBytesMax } = this.#services;
    const { address, secure } = this.#connection.peer;
    const trace = receivedField({
      clientName: this.#clientName ?? "",
      clientAddress: address,
      hostname,
      secure,
      smtpUtf8: command.smtpUtf8,
      at: clock.now(),
    });
    const content = message.whole(trace);
    // RFC 3030 §3: line ends of a binary message are octets like others.
    if (!bareLf || command.body === "BINARYMIME") return content;
    this.#services.log.debug({ peer: address }, "Line ends were mended");
    const mended = await this.#mended(content);
    if (mended.length <= trace.length + messageBytesMax) return mended;
    message.refuse(tooBig(messageBytesMax));
    return undefined;
  }

  /** With CRLF line ends; lets others work meanwhile. */
  async #mended(content: Uint8Array): Promise<Uint8Array> {
    const step = limits.preparedStepBytes;
    const normaliser = new LineEndNormaliser();
    const pieces = [normaliser.push(content.subarray(0, step))];
    for (let at = step; at < content.length; at += step) {
      await this.#services.clock.yield();
      pieces.push(normaliser.push(content.subarray(at, at + step)));
    }
    return concatBytes(pieces);
  }

  #failure(error: unknown, recipient: DeliverRecipient): Reply {
    const refused = refusalReply(error);
    const fields = { err: error, account: recipient.accountId };
    if (refused === undefined) this.#services.log.error(fields, "Delivery failed");
    else if (refused.code === 451) this.#services.log.warn(fields, "Delivery was refused");
    return refused ?? bugReply;
  }

  #endTransaction(): void {
    if (this.#transaction === undefined) return;
    this.#transaction.message.release();
    this.#transaction = undefined;
    this.#decoder.smtpUtf8 = false;
  }
}

/** As if DATA were a single BDAT. */
const wholeMessage = { last: true, orphan: false } as const;

/** RFC 5321 §4.5.3.1.2 */
const domainBytesMax = 255;
