/** Runs random commands from a seed and compares every answer with the model. */
import { concatBytes, utf8 } from "#base/bytes.ts";
import type { Log } from "#base/log.ts";
import type { Token } from "#wire/index.ts";
import { type Answer, ImapClient, ImapClosed, type Untagged } from "../client/imap-client.ts";
import { MemoryServer } from "../transcripts/memory-server.ts";
import { ModelAccount } from "./account.ts";
import { isGhost } from "./addressing.ts";
import { generatorFor, harmless, hauntedFor, readingFor, writingFor } from "./choice.ts";
import { remember } from "./commands/selecting.ts";
import { append } from "./commands/appending.ts";
import { noop } from "./commands/plain.ts";
import { Dice, ManualClock } from "./dice.ts";
import { demand, demandEqual, Disagreement } from "./failure.ts";
import { outcomeOf, type Planned, type World } from "./planned.ts";
import { SessionModel } from "./session.ts";
import { twinFailures } from "./view-twin.ts";
import { Witness } from "./witness.ts";

export interface RunSummary {
  readonly commands: number;
  /** Commands by their name and outcome. */
  readonly outcomes: ReadonlyMap<string, number>;
}

export interface RunOptions {
  /** Called with every line of the conversation. */
  readonly trace?: (line: string) => void;
  /** Every session is frozen and thawed between every two commands, and inside IDLE. */
  readonly freezing?: boolean;
}

/** Errors: `Disagreement` with the seed and the last commands. */
export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunSummary> {
  const run = new Run(seed, options);
  try {
    await run.start();
    await run.steps();
    return { commands: run.commands, outcomes: run.outcomes };
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    const lines = run.lines
      .slice(-40)
      .map((line) => (line.length > 400 ? `${line.slice(0, 400)}…` : line));
    throw new Disagreement(
      `Seed ${seed}, command ${run.commands}: ${text}\n${lines.join("\n")}\nAgain: node test/model/main.ts --seed ${seed}`,
    );
  } finally {
    run.stop();
  }
}

/** Rounds of the event loop in which an idle session must have been told. */
const idleRoundsMax = 60;

class Run {
  readonly lines: string[] = [];
  readonly outcomes = new Map<string, number>();
  commands = 0;
  readonly #seed: number;
  readonly #trace: RunOptions["trace"];
  readonly #dice: Dice;
  readonly #world: World;
  readonly #server: MemoryServer;
  readonly #errors: string[] = [];
  #witness!: Witness;
  readonly #clients: ImapClient[] = [];
  readonly #sessions: SessionModel[] = [];
  #sessionCount = 0;

  constructor(seed: number, { trace, freezing = false }: RunOptions) {
    this.#seed = seed;
    this.#trace = trace;
    const dice = new Dice(seed);
    this.#dice = dice;
    const clock = new ManualClock(Date.UTC(2026, 1, 27, 21));
    const messages = dice.oneIn(5) ? dice.between(8, 30) : undefined;
    const quota = messages === undefined ? {} : { messages };
    const freezeAfterMs = freezing ? 0 : undefined;
    this.#server = new MemoryServer({ clock, log: this.#log(), quota, freezeAfterMs });
    const account = new ModelAccount(messages);
    this.#world = { dice, clock, account, contents: [], memories: [] };
  }

  /** What the server calls an error is one. */
  #log(): Log {
    const log: Log = {
      debug() {},
      info() {},
      warn() {},
      error: (fields, message) => void this.#errors.push(`${message} ${JSON.stringify(fields)}`),
      child: () => log,
    };
    return log;
  }

  #say(line: string): void {
    this.lines.push(line);
    this.#trace?.(line);
  }

  async start(): Promise<void> {
    const { account } = this.#world;
    this.#witness = new Witness(await this.#connect(), account);
    account.create("INBOX");
    account.subscriptions.add("INBOX");
    await this.#witness.look();
    const count = this.#dice.pick([1, 2, 2, 3, 3, 3]);
    for (let i = 0; i < count; i++) this.#sessions.push(await this.#newSession());
    for (let i = 0; i < 3; i++)
      await this.#perform(this.#sessions[0]!, append(this.#world, this.#sessions[0]!)!);
  }

  stop(): void {
    for (const client of this.#clients) client.close();
  }

  async #connect(): Promise<ImapClient> {
    const client = new ImapClient(this.#server.serve());
    this.#clients.push(client);
    await client.until("login");
    return client;
  }

  async #newSession(): Promise<SessionModel> {
    return new SessionModel(`s${++this.#sessionCount}`, await this.#connect());
  }

  async steps(): Promise<void> {
    const count = this.#dice.between(40, 120);
    for (let i = 0; i < count; i++) await this.#step();
    // In the end everybody hears everything.
    for (const session of [...this.#sessions]) {
      if (session.idling !== undefined) await this.#endIdle(session);
      else await this.#perform(session, noop(this.#world, session)!);
    }
  }

  async #step(): Promise<void> {
    const dice = this.#dice;
    this.#world.clock.pass(dice.pick([0, 0, 1_000, 5_000, dice.oneIn(8) ? 43_200_000 : 0]));
    if (dice.oneIn(60)) return this.#forgetHistory();
    const ghostly = this.#sessions.filter(({ view }) => view?.list.some(isGhost) === true);
    const among = ghostly.length > 0 && dice.oneIn(3) ? ghostly : this.#sessions;
    const session = dice.pick(among);
    if (session.idling !== undefined) {
      if (dice.oneIn(2)) await this.#endIdle(session);
      return;
    }
    if (session.isStranded) return this.#perform(session, harmless(this.#world, session));
    if (dice.oneIn(60)) return this.#replace(session);
    if (dice.oneIn(20)) return this.#idle(session);
    const other = dice.pick(this.#sessions);
    if (
      dice.oneIn(10) &&
      other !== session &&
      other.idling === undefined &&
      !other.isStranded &&
      other.view !== undefined &&
      session.view?.mailbox === other.view.mailbox
    )
      return this.#atOnce(session, other);
    const haunted = session.view?.list.some(isGhost) === true && dice.oneIn(2);
    const generator = haunted ? hauntedFor(dice) : generatorFor(dice, session);
    const planned = generator(this.#world, session);
    if (planned !== undefined) await this.#perform(session, planned);
  }

  /** Another client in its place; it leaves with or without a word. */
  async #replace(session: SessionModel): Promise<void> {
    const loudly = this.#dice.oneIn(2);
    this.#say(`${session.name}   ${loudly ? "LOGOUT" : "(the connection ends)"}`);
    if (loudly) {
      const { status, untagged } = await session.client.command("LOGOUT");
      demandEqual(status, "OK", "LOGOUT");
      demand(
        untagged.some((event) => event.kind === "status" && event.status === "BYE"),
        "LOGOUT without BYE",
      );
    }
    session.client.close();
    this.#sessions[this.#sessions.indexOf(session)] = await this.#newSession();
  }

  /**
   * The server's memory of expunges ends now; a client that comes back later is told by what is
   * there. Sessions hear of everything before.
   */
  async #forgetHistory(): Promise<void> {
    for (const session of [...this.#sessions])
      if (session.idling === undefined) await this.#perform(session, noop(this.#world, session)!);
    this.#say("     (the history of expunges is forgotten)");
    const { state } = await this.#server.openAccount();
    for (const mailbox of state.mailboxes.values()) {
      mailbox.historyFloor = mailbox.highestModseq;
      mailbox.history.count = 0;
    }
    for (const mailbox of this.#world.account.mailboxes)
      mailbox.historyFloor = mailbox.highestModseq;
  }

  async #perform(session: SessionModel, planned: Planned): Promise<void> {
    const { client, name } = session;
    const stranded = session.isStranded;
    this.commands++;
    this.#say(`${name} > ${planned.text}`);
    // Now and then the next command is on its way before the answer to this one.
    const pipelined = !stranded && this.#dice.oneIn(10);
    let answer: Answer;
    let next: Promise<Answer> | undefined;
    try {
      if (pipelined) {
        await client.send(concatBytes([wireForm("p1", planned), wireForm("p2", { text: "NOOP" })]));
        answer = await client.until("p1");
        next = client.until("p2");
        next.catch(() => undefined);
      } else answer = await client.command(planned.text, ...(planned.literals ?? []));
    } catch (error) {
      if (!(error instanceof ImapClosed) || !stranded) throw error;
      this.#say(`${name} < (goodbye)`);
      this.#sessions[this.#sessions.indexOf(session)] = await this.#newSession();
      return;
    }
    const outcome = this.#heard(session, planned, answer);
    const expected = answer.status === "BAD" ? "BAD" : outcome;
    demand(
      planned.expected.includes(expected),
      () => `The answer is ${outcome} (${answer.text}), expected ${planned.expected.join(" or ")}`,
    );
    demand(
      !stranded || planned.sync === "none" || answer.status === "BAD",
      "A session goes on although its mailbox was deleted",
    );
    await this.#compare(session, planned, answer);
    if (next !== undefined) {
      const following = noop(this.#world, session)!;
      const end = await next;
      this.#heard(session, following, end);
      demandEqual(end.status, "OK", "Answer to a pipelined NOOP");
      await this.#compare(session, following, end);
    }
    if (planned.text === "NOOP" && this.#dice.oneIn(2)) remember(this.#world, session);
  }

  #heard({ name }: SessionModel, planned: Planned, answer: Answer): string {
    const outcome = outcomeOf(answer);
    for (const event of answer.untagged) this.#say(`${name} <   ${shown(event)}`);
    this.#say(`${name} < ${outcome} ${answer.codeTokens.map(plainText).join(" ")} ${answer.text}`);
    this.#count(planned.text, outcome);
    return outcome;
  }

  /**
   * One session reads while another one changes what it reads. What it is told meanwhile may be
   * old or new; afterwards it must know everything.
   */
  async #atOnce(reader: SessionModel, writer: SessionModel): Promise<void> {
    const { account } = this.#world;
    const quiet = (): Promise<void> => this.#perform(reader, noop(this.#world, reader)!);
    await quiet();
    const reading = readingFor(this.#dice)(this.#world, reader);
    const writing = writingFor(this.#dice)(this.#world, writer);
    const { view } = reader;
    if (reading === undefined || writing === undefined || view === undefined) return;
    const since = account.modseq;
    const states = view.list.map(({ flags, modseq }) => ({ flags, modseq }));
    const listed = [...view.list];
    this.commands += 2;
    this.#say(`${reader.name} > ${reading.text}`);
    this.#say(`${writer.name} > ${writing.text}`);
    const send = ({ client }: SessionModel, { text, literals = [] }: Planned): Promise<Answer> =>
      client.command(text, ...literals);
    const first = this.#dice.oneIn(2) ? send(reader, reading) : undefined;
    const [answer, read] = await Promise.all([
      send(writer, writing),
      first ?? send(reader, reading),
    ]);
    const outcome = this.#heard(writer, writing, answer);
    demand(
      writing.expected.includes(answer.status === "BAD" ? "BAD" : outcome),
      () => `The answer is ${outcome}, expected ${writing.expected.join(" or ")}`,
    );
    await this.#compare(writer, writing, answer);
    this.#heard(reader, reading, read);
    demandEqual(read.status === "BAD", reading.expected.includes("BAD"), "BAD");
    listed.forEach((message, index) => (message.before = states[index]));
    if (read.status !== "BAD") reading.switches?.();
    reader.take(read.untagged, account, { sync: reading.sync, since });
    for (const message of listed) message.before = undefined;
    view.uidNextSeen = Math.max(view.uidNextSeen, 1 + (view.list.at(-1)?.uid ?? 0));
    await quiet();
  }

  async #compare(session: SessionModel, planned: Planned, answer: Answer): Promise<void> {
    const { account } = this.#world;
    const refused = answer.status === "BAD";
    if (!refused) planned.apply?.(answer);
    await this.#witness.look();
    const told = session.take(answer.untagged, account, { sync: planned.sync });
    for (const { name } of told.data)
      demand(planned.responses?.includes(name) === true, `Unexpected ${name}`);
    for (const { code } of told.codes)
      demand(
        code === "PERMANENTFLAGS" || planned.codes?.includes(code) === true,
        `Unexpected code ${code}`,
      );
    // RFC 9051 §7.5.2 (UID), RFC 7162 §3.2.4
    if (session.enabled.rev2 || session.enabled.qresync)
      for (const fetched of told.fetches)
        demand(
          fetched.items.has("UID") || planned.claims?.(fetched) === true,
          () => `A FETCH response of uid ${fetched.message.uid} without UID`,
        );
    if (!refused) planned.check?.(answer, told);
    session.checkComplete(planned.sync);
    for (const other of [...this.#sessions])
      if (other.idling !== undefined) await this.#drain(other);
    demandEqual(this.#errors, [], "Errors in the server's log");
    demandEqual(twinFailures, [], `Thawed views (seed ${this.#seed})`);
  }

  #count(text: string, outcome: string): void {
    const words = text.split(" ");
    const name = words[0] === "UID" ? `UID ${words[1]}` : words[0]!;
    const modifiers = text.match(
      /\b(QRESYNC|CHANGEDSINCE|VANISHED|UNCHANGEDSINCE|SAVE|PARTIAL)\b/g,
    );
    const key = [name, ...(modifiers ?? []), outcome].join(" ");
    this.outcomes.set(key, (this.outcomes.get(key) ?? 0) + 1);
  }

  async #idle(session: SessionModel): Promise<void> {
    const { client, name } = session;
    const tag = `idle${this.commands++}`;
    this.#say(`${name} > IDLE`);
    await client.send(Buffer.from(`${tag} IDLE\r\n`));
    const first = await client.receive();
    demandEqual(first.kind, "continuation", "Answer to IDLE");
    const events: Untagged[] = [];
    client.onUntagged = (event) => void events.push(event);
    const end = client.until(tag);
    end.catch(() => undefined);
    session.idling = { tag, events, end };
    await this.#drain(session);
  }

  /** Waits until an idle session was told everything. */
  async #drain(session: SessionModel): Promise<void> {
    const { events } = session.idling!;
    for (let round = 0; ; round++) {
      await this.#world.clock.yield();
      if (events.some((event) => event.kind === "status" && event.status === "BYE")) {
        demand(session.isStranded, "An idle session was ended");
        this.#say(`${session.name} < (goodbye)`);
        this.#sessions[this.#sessions.indexOf(session)] = await this.#newSession();
        return;
      }
      // A few rounds in any case: what should not be told might come.
      if (round < 6 || (session.isStranded && round < idleRoundsMax)) continue;
      for (const event of events) this.#say(`${session.name} <   ${shown(event)}`);
      const told = session.take(events.splice(0), this.#world.account, { sync: "all" });
      demandEqual(told.data, [], "Responses while idle");
      try {
        demand(!session.isStranded, "A session stays idle although its mailbox was deleted");
        session.checkComplete("all");
        return;
      } catch (error) {
        if (round >= idleRoundsMax) throw error;
      }
    }
  }

  async #endIdle(session: SessionModel): Promise<void> {
    const { end, events } = session.idling!;
    this.#say(`${session.name} > DONE`);
    await session.client.send(Buffer.from("DONE\r\n"));
    const answer = await end;
    session.idling = undefined;
    session.client.onUntagged = undefined;
    this.#count("IDLE", outcomeOf(answer));
    demandEqual(outcomeOf(answer), "OK", "End of IDLE");
    session.take(events.splice(0), this.#world.account, { sync: "all" });
    session.checkComplete("all");
  }
}

/** A command as it is sent, its literals without waiting. */
function wireForm(
  tag: string,
  { text, literals = [] }: Pick<Planned, "text" | "literals">,
): Uint8Array {
  const parts = text.split("{}").map((part) => utf8(part));
  const pieces = [utf8(`${tag} `), parts[0]!];
  literals.forEach((literal, index) =>
    pieces.push(utf8(`{${literal.length}+}\r\n`), literal, parts[index + 1]!),
  );
  return concatBytes([...pieces, utf8("\r\n")]);
}

/** A response as it came, more or less. */
function shown(event: Untagged): string {
  if (event.kind === "status")
    return `${event.status} [${event.code} ${event.codeTokens.map(plainText).join(" ")}]`;
  return `${event.number ?? ""} ${event.name} ${event.tokens.map(plainText).join(" ")}`;
}

function plainText(token: Token): string {
  if (token instanceof Uint8Array) return JSON.stringify(Buffer.from(token).toString());
  if (Array.isArray(token)) return `(${(token as readonly Token[]).map(plainText).join(" ")})`;
  return token === null ? "NIL" : String(token);
}
