import { mayShowPassword, mechanisms } from "#auth/index.ts";
import type { Identity, MechanismOffer } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import { asBuffer } from "#base/bytes.ts";
import { withDeadline } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import { decodePop3SaslLine, Pop3Decoder, Pop3ReplyWriter, Pop3SyntaxError } from "#wire/index.ts";
import { pop3ResponseCode, writeLanguage } from "#wire/index.ts";
import type { Pop3AuthCommand, Pop3Command, Pop3Event } from "#wire/index.ts";
import type { Connection } from "../connection.ts";
import type { Pop3SessionStarter } from "./arrival.ts";
import { authPeer, type LoginParts, offerFor, privacyRequired } from "./sasl-login.ts";
import { runSasl, UnknownMechanism } from "./sasl-login.ts";
import type { AccountSessions } from "./user-connections.ts";

export interface Pop3LoginParts extends LoginParts {
  readonly start: Pop3SessionStarter;
  /** What CAPA says beside USER, SASL and STLS. */
  readonly capabilities: readonly string[];
}

/**
 * Talks with a POP3 client until it has logged in, hands it over, and resolves when its session has
 * ended. Rejects with `ConnectionBroken`; the caller closes the connection. RFC 1939 §4
 */
export async function servePop3Login(connection: Connection, parts: Pop3LoginParts): Promise<void> {
  const login = new Pop3Login(connection, parts);
  const done = await login.run();
  if (done === null) return;
  const { identity, sessions } = done;
  connection.loginName = identity.name;
  try {
    const { stream, peer } = connection;
    const { decoder, capabilities, utf8 } = login;
    const { shutdown } = sessions;
    await parts.start({ stream, peer, identity, decoder, capabilities, utf8, shutdown });
  } finally {
    parts.users.leave(sessions);
  }
}

/** A login that succeeded, but for the client having heard of it. */
interface LoggedIn {
  readonly identity: Identity;
  readonly sessions: AccountSessions;
}

class Pop3Login {
  readonly #connection: Connection;
  readonly #parts: Pop3LoginParts;
  readonly #out = new Pop3ReplyWriter();
  readonly decoder = new Pop3Decoder();
  /** The client said UTF8. RFC 6856 §2.1 */
  utf8 = false;
  /** What may be offered to this connection as it is now. */
  #offer: MechanismOffer;
  /** Of USER, until PASS. */
  #user: string | undefined;
  #errorsInARow = 0;
  #failedLogins = 0;
  /** The last word was said, or the client is gone. */
  #ended = false;

  constructor(connection: Connection, parts: Pop3LoginParts) {
    this.#connection = connection;
    this.#parts = parts;
    this.#offer = offerFor(connection, parts.clearTextLogin);
  }

  /** RFC 2449 §6, RFC 2595 §4, RFC 5034 §3 */
  get capabilities(): readonly string[] {
    const names = [...this.#parts.capabilities];
    // RFC 2595 §2.3: without privacy, passwords are not asked for.
    if (mayShowPassword(this.#offer)) names.push("USER");
    if (this.#connection.canUpgradeTls) names.push("STLS");
    const sasl = mechanisms(this.#offer);
    if (sasl.length > 0) names.push(`SASL ${sasl.join(" ")}`);
    return names;
  }

  /** Null where the client went away, or was sent away, without a login. */
  async run(): Promise<LoggedIn | null> {
    const { clock, users } = this.#parts;
    const timer = clock.after(limits.preLoginTimeoutMs, () =>
      this.#goodbye("You took too long to log in"),
    );
    const forget = this.#connection.shutdown.whenBegun(() =>
      this.#goodbye("The server is going down", "SYS/TEMP"),
    );
    try {
      this.#out.ok("Roost is ready");
      for (;;) {
        const event = await this.#nextEvent();
        if (event === null) return null;
        const done = await this.#take(event);
        if (this.#ended) {
          if (done !== null) users.leave(done.sessions);
          return null;
        }
        if (done !== null) return done;
      }
    } finally {
      timer.cancel();
      forget();
    }
  }

  async #nextEvent(): Promise<Pop3Event | null> {
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

  async #take(event: Pop3Event): Promise<LoggedIn | null> {
    switch (event.kind) {
      case "command":
        return this.#command(event.command);
      case "error":
        this.#bad(event.text);
        break;
      case "fatal":
        this.#goodbye(event.text);
        break;
      case "more":
        break;
    }
    return null;
  }

  async #command(command: Pop3Command): Promise<LoggedIn | null> {
    switch (command.name) {
      case "PASS":
        return this.#pass(command.password);
      case "AUTH":
        return this.#attempt(command.mechanism, () => this.#authenticate(command));
      case "USER":
        this.#takeUser(command.user);
        return null;
      case "STLS":
        await this.#startTls();
        return null;
      case "CAPA":
        this.#out.ok("Capabilities");
        for (const name of this.capabilities) this.#out.line(name);
        this.#out.end();
        break;
      case "UTF8":
        this.utf8 = true;
        this.#out.ok("UTF-8");
        break;
      case "LANG":
        if (!writeLanguage(this.#out, command.range)) this.#countError();
        return null;
      case "QUIT":
        this.#out.ok("Good bye");
        this.#end();
        return null;
      default:
        this.#bad("Log in first");
        return null;
    }
    this.#errorsInARow = 0;
    return null;
  }

  /** RFC 1939 §7: whether there is such a user is not said. */
  #takeUser(user: string): void {
    if (!mayShowPassword(this.#offer)) return this.#bad(privacyRequired().message);
    this.#user = user;
    this.#out.ok("And the password?");
  }

  #pass(password: string): Promise<LoggedIn | null> | null {
    const user = this.#user;
    this.#user = undefined;
    if (user === undefined) {
      this.#bad("Say USER first");
      return null;
    }
    const { credentials } = this.#parts;
    const peer = authPeer(this.#connection);
    return this.#attempt("PASS", () => credentials.verify(user, password, peer));
  }

  /** RFC 2595 §4; what was sent ahead of the handshake in plain text is never executed. */
  async #startTls(): Promise<void> {
    // RFC 6856 §2.1
    if (this.utf8) return this.#bad("STLS comes before UTF8");
    if (!this.#connection.canUpgradeTls) return this.#bad("TLS is not to be had here");
    if (this.decoder.buffered > 0)
      return this.#goodbye("Nothing may follow STLS before its answer");
    this.#out.ok("Begin TLS");
    this.#flush();
    await this.#connection.upgradeTls();
    this.#user = undefined;
    this.#errorsInARow = 0;
    this.#offer = offerFor(this.#connection, this.#parts.clearTextLogin);
  }

  /** Runs a login; where it fails, answers and counts. The session says the good news. */
  async #attempt(mechanism: string, work: () => Promise<Identity>): Promise<LoggedIn | null> {
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
      this.#flush();
      return { identity, sessions };
    } catch (error) {
      users.giveUp(entry);
      if (error instanceof ConnectionBroken) throw error;
      if (this.#ended) return null;
      if (error instanceof Pop3SyntaxError) {
        this.#bad(error.message);
        return null;
      }
      metrics.failed(mechanism);
      if (error instanceof Refusal) this.#out.err(error.message, pop3ResponseCode(error));
      else if (error instanceof UnknownMechanism)
        this.#out.err("This mechanism is not to be had here");
      else {
        log.error({ err: error, address: this.#connection.peer.address }, "A login failed");
        this.#out.err("Login is not possible now", "SYS/TEMP");
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
    const work = onLogin({ protocol: "pop3", identity, peer, mechanism, clientId: undefined });
    await withDeadline(clock, limits.hookMs, "The hook onLogin", work);
  }

  /** RFC 5034 §4 */
  #authenticate({ mechanism, initial }: Pop3AuthCommand): Promise<Identity> {
    const ask = (challenge: Uint8Array): Promise<Uint8Array> => this.#ask(challenge);
    return runSasl(this.#connection, this.#parts, { mechanism, initial, offer: this.#offer, ask });
  }

  /** Sends a challenge and gives the client's response. */
  async #ask(challenge: Uint8Array): Promise<Uint8Array> {
    this.#out.challenge(asBuffer(challenge).toString("base64"));
    for (;;) {
      const event = this.decoder.readLine();
      switch (event.kind) {
        case "line": {
          const response = decodePop3SaslLine(event.bytes);
          if (response === null) throw new Pop3SyntaxError("Cancelled");
          return response;
        }
        case "error":
          throw new Pop3SyntaxError(event.text);
        case "fatal":
          this.#goodbye(event.text);
          break;
        case "more":
          break;
      }
      if (this.#ended || !(await this.#readMore())) throw new Pop3SyntaxError("The client is gone");
    }
  }

  #bad(text: string): void {
    this.#out.err(text);
    this.#countError();
  }

  #countError(): void {
    this.#errorsInARow++;
    if (this.#errorsInARow >= limits.pop3ErrorsMax) this.#goodbye("Too many errors");
  }

  /** Says a last word and closes; a pending read ends. */
  #goodbye(text: string, code?: string): void {
    if (this.#ended) return;
    this.#out.err(text, code);
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
