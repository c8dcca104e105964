import { mayShowPassword, mechanisms } from "#auth/index.ts";
import type { Identity, MechanismOffer } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import { asBuffer } from "#base/bytes.ts";
import { withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import { CommandDecoder, ImapSyntaxError, ResponseWriter, decodeSaslLine } from "#wire/index.ts";
import type { AuthenticateCommand, Command, DecodeEvent, IdCommand } from "#wire/index.ts";
import type { Connection } from "../connection.ts";
import type { SessionEnding } from "../held-session.ts";
import type { ParkingLot } from "../parking-lot.ts";
import type { ClientId, MailboxSessions } from "./arrival.ts";
import { serveLoggedIn } from "./logged-in.ts";
import { authPeer, type LoginParts, offerFor, privacyRequired } from "./sasl-login.ts";
import { runSasl, UnknownMechanism } from "./sasl-login.ts";
import type { AccountSessions } from "./user-connections.ts";

export interface ImapLoginParts extends LoginParts {
  readonly sessions: MailboxSessions;
  /** Where silent sessions are parked; undefined: their connections stay. */
  readonly lot?: ParkingLot | undefined;
  /** What is announced before login beside STARTTLS, LOGINDISABLED and AUTH=…. */
  readonly capabilities: readonly string[];
}

/** A login that succeeded, but for the client having heard of it. */
interface LoggedIn {
  readonly tag: string;
  readonly identity: Identity;
  readonly sessions: AccountSessions;
}

/**
 * Talks with an IMAP client until it has logged in, hands it over, and resolves when its session
 * has ended. Rejects with `ConnectionBroken`; the caller closes the connection. RFC 9051 §3.1
 */
export async function serveImapLogin(connection: Connection, parts: ImapLoginParts): Promise<void> {
  const login = new ImapLogin(connection, parts);
  const done = await login.run();
  if (done === null) return;
  const { tag, identity, sessions } = done;
  const { stream, peer } = connection;
  const { decoder, clientId } = login;
  decoder.literalBytesMax = limits.literalBytesMax;
  const { shutdown } = sessions;
  const arrival = { stream, peer, decoder, clientId, tag, identity, shutdown };
  const start = (): Promise<SessionEnding> => parts.sessions.start(arrival);
  await serveLoggedIn(connection, { identity, counted: sessions, start }, parts);
}

class ImapLogin {
  readonly #connection: Connection;
  readonly #parts: ImapLoginParts;
  readonly #out = new ResponseWriter();
  readonly decoder = new CommandDecoder();
  clientId: ClientId | undefined;
  /** What may be offered to this connection as it is now. */
  #offer: MechanismOffer;
  #errorsInARow = 0;
  #failedLogins = 0;
  /** BYE was said, or the client is gone. */
  #ended = false;

  constructor(connection: Connection, parts: ImapLoginParts) {
    this.#connection = connection;
    this.#parts = parts;
    this.#offer = offerFor(connection, parts.clearTextLogin);
    this.decoder.literalBytesMax = limits.preLoginLiteralBytesMax;
  }

  /** Null where the client went away, or was sent away, without a login. */
  async run(): Promise<LoggedIn | null> {
    const { clock } = this.#parts;
    const timer = clock.after(limits.preLoginTimeoutMs, () =>
      this.#goodbye("You took too long to log in"),
    );
    const forget = this.#connection.shutdown.whenBegun(() =>
      this.#goodbye("The server is going down", "UNAVAILABLE"),
    );
    try {
      this.#status("*", "OK", { code: this.#capabilityText(), text: "Roost is ready" });
      for (;;) {
        const event = await this.#nextEvent();
        if (event === null) return null;
        const loggedIn = await this.#take(event);
        if (this.#ended) {
          if (loggedIn !== null) this.#parts.users.leave(loggedIn.sessions);
          return null;
        }
        if (loggedIn !== null) return loggedIn;
      }
    } finally {
      timer.cancel();
      forget();
    }
  }

  async #nextEvent(): Promise<DecodeEvent | null> {
    for (;;) {
      if (this.#ended) return null;
      const event = this.decoder.next();
      if (event.kind !== "more") return event;
      if (!(await this.#readMore())) return null;
    }
  }

  async #readMore(): Promise<boolean> {
    this.#flush();
    const chunk = await this.#connection.stream.read();
    if (chunk === null) this.#ended = true;
    else this.decoder.push(chunk);
    return !this.#ended;
  }

  async #take(event: DecodeEvent): Promise<LoggedIn | null> {
    switch (event.kind) {
      case "command":
        return this.#command(event.command);
      case "continue":
        this.#out.continuation("OK");
        break;
      case "append":
        this.decoder.refuse();
        this.#bad(event.tag, "Log in first");
        break;
      case "error":
        this.#bad(event.tag, event.text, event.code);
        break;
      case "fatal":
        this.#goodbye(event.text);
        break;
      case "more":
      case "append-message":
      case "append-data":
      case "append-message-end":
      case "append-end":
        break;
    }
    return null;
  }

  async #command(command: Command): Promise<LoggedIn | null> {
    const { tag } = command;
    switch (command.name) {
      case "LOGIN":
        return this.#attempt(tag, "LOGIN", () => this.#login(command.user, command.password));
      case "AUTHENTICATE":
        return this.#attempt(tag, command.mechanism, () => this.#authenticate(command));
      case "CAPABILITY":
        this.#out.ascii(`* ${this.#capabilityText()}`).crlf();
        break;
      case "NOOP":
        break;
      case "ID":
        this.#id(command);
        break;
      case "LOGOUT":
        this.#out.status("*", "BYE", { text: "Good bye" });
        this.#status(tag, "OK", { text: "Logged out" });
        this.#end();
        return null;
      case "STARTTLS":
        await this.#startTls(tag);
        return null;
      default:
        this.#bad(tag, "Log in first");
        return null;
    }
    this.#errorsInARow = 0;
    this.#out.status(tag, "OK", { text: `${command.name} completed` });
    return null;
  }

  /** RFC 2971 §3.1: the server may say who it is, and does not change its ways for any answer. */
  #id(command: IdCommand): void {
    const fields = (command.fields ?? []).slice(0, limits.clientIdFieldsMax);
    this.clientId = Object.fromEntries(
      fields.flatMap(([field, value]) => (value === null ? [] : [[field.toLowerCase(), value]])),
    );
    this.#out.ascii('* ID ("name" "Roost")').crlf();
  }

  /** RFC 9051 §6.2.1; what was sent ahead of the handshake in plain text is never executed. */
  async #startTls(tag: string): Promise<void> {
    if (!this.#connection.canUpgradeTls) {
      this.#bad(tag, "TLS is not to be had here");
      return;
    }
    if (this.decoder.buffered > 0) {
      this.#status(tag, "BAD", { text: "Nothing may follow STARTTLS before its answer" });
      this.#goodbye("Plain text was sent ahead of the TLS handshake");
      return;
    }
    this.#status(tag, "OK", { text: "Begin TLS" });
    await this.#connection.upgradeTls();
    this.clientId = undefined;
    this.#errorsInARow = 0;
    this.#offer = offerFor(this.#connection, this.#parts.clearTextLogin);
  }

  /** Runs a login; where it fails, answers and counts. */
  async #attempt(
    tag: string,
    mechanism: string,
    work: () => Promise<Identity>,
  ): Promise<LoggedIn | null> {
    const { users, metrics, log } = this.#parts;
    this.#flush();
    const entry = users.arrive();
    try {
      const identity = await work();
      await this.#welcome(identity, mechanism);
      const sessions = users.enter(entry, identity.accountId);
      if (sessions === "limit") throw new Refusal("LIMIT", "You have too many connections");
      if (sessions === "ended") throw new Refusal("UNAVAILABLE", "Please log in again");
      metrics.succeeded(mechanism);
      return { tag, identity, sessions };
    } catch (error) {
      users.giveUp(entry);
      if (error instanceof ConnectionBroken) throw error;
      if (error instanceof ImapSyntaxError) {
        this.#bad(tag, error.message);
        return null;
      }
      if (this.#ended) return null;
      metrics.failed(mechanism);
      if (error instanceof Refusal)
        this.#status(tag, "NO", { code: error.code, text: error.message });
      else if (error instanceof UnknownMechanism)
        this.#status(tag, "NO", { text: "This mechanism is not to be had here" });
      else {
        log.error({ err: error, address: this.#connection.peer.address }, "A login failed");
        this.#status(tag, "NO", { code: "UNAVAILABLE", text: "Login is not possible now" });
      }
      this.#failedLogins++;
      if (this.#failedLogins >= limits.loginAttemptsPerConnectionMax)
        this.#goodbye("Too many failed logins");
      return null;
    }
  }

  async #welcome(identity: Identity, mechanism: string): Promise<void> {
    const { onLogin, clock } = this.#parts;
    if (onLogin === undefined) return;
    const { peer } = this.#connection;
    const { clientId } = this;
    const work = onLogin({ protocol: "imap", identity, peer, mechanism, clientId });
    await withDeadline(clock, limits.hookMs, "The hook onLogin", work);
  }

  async #login(user: string, password: string): Promise<Identity> {
    if (!mayShowPassword(this.#offer)) throw privacyRequired();
    return this.#parts.credentials.verify(user, password, authPeer(this.#connection));
  }

  /** RFC 9051 §6.2.2, RFC 4959 §3 */
  async #authenticate(command: AuthenticateCommand): Promise<Identity> {
    const { mechanism, initial } = command;
    const ask = (challenge: Uint8Array): Promise<Uint8Array> => this.#ask(challenge);
    return runSasl(this.#connection, this.#parts, { mechanism, initial, offer: this.#offer, ask });
  }

  /** Sends a challenge and gives the client's response. */
  async #ask(challenge: Uint8Array): Promise<Uint8Array> {
    this.#out.continuation(asBuffer(challenge).toString("base64"));
    for (;;) {
      const event = this.decoder.readLine();
      if (event.kind === "line") {
        const response = decodeSaslLine(event.bytes);
        // RFC 9051 §6.2.2: a cancelled exchange is answered with BAD.
        if (response === null) throw new ImapSyntaxError("Cancelled");
        return response;
      }
      if (event.kind === "fatal") this.#goodbye(event.text);
      if (this.#ended || !(await this.#readMore())) throw new ImapSyntaxError("The client is gone");
    }
  }

  /** RFC 9051 §6.1.1, §7.2.2 */
  #capabilityText(): string {
    const names = ["CAPABILITY", ...this.#parts.capabilities];
    if (this.#connection.canUpgradeTls) names.push("STARTTLS");
    if (!mayShowPassword(this.#offer)) names.push("LOGINDISABLED");
    for (const mechanism of mechanisms(this.#offer)) names.push(`AUTH=${mechanism}`);
    return names.join(" ");
  }

  #bad(tag: string, text: string, code: string | null = null): void {
    this.#status(tag, "BAD", { text, code });
    this.#errorsInARow++;
    if (this.#errorsInARow >= limits.syntaxErrorsMax) this.#goodbye("Too many errors");
  }

  #status(
    tag: string,
    status: "OK" | "NO" | "BAD",
    response: { code?: string | null; text: string },
  ): void {
    this.#out.status(tag, status, response);
    this.#flush();
  }

  /** Says BYE and closes; a pending read ends. */
  #goodbye(text: string, code?: string): void {
    if (this.#ended) return;
    this.#out.status("*", "BYE", { text, code: code ?? null });
    this.#end();
  }

  #end(): void {
    this.#flush();
    this.#ended = true;
    this.#connection.stream.end();
  }

  /** The stream collects what one turn writes; answers here are too small to wait for. */
  #flush(): void {
    if (this.#ended) return;
    for (const chunk of this.#out.take()) void this.#connection.stream.write(chunk);
  }
}
