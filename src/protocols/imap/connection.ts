import { errorText, Refusal } from "#base/assert.ts";
import { FormatError } from "#base/bytes.ts";
import type { Log } from "#base/log.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import type { Account } from "#store/index.ts";
import { CommandDecoder } from "#wire/index.ts";
import type { Command, CommandName, DecodeEvent } from "#wire/index.ts";
import type { CommandPolicy } from "./command-spec.ts";
import { capabilities, commands } from "./command-table.ts";
import { runAppend } from "./commands/append.ts";
import { untilDone } from "./commands/idle.ts";
import { freeze, thaw } from "./freeze.ts";
import { decodeFrozenSession, type FrozenSession } from "./frozen-session.ts";
import { Input } from "./input.ts";
import { Output } from "./output.ts";
import {
  bad,
  type Completion,
  completionOf,
  endOf,
  FreezeDue,
  no,
  ok,
  SessionEnd,
  writeBye,
  writeStatus,
} from "./responses.ts";
import {
  type ImapArrival,
  type ImapEnding,
  type ImapReturn,
  type ImapServices,
  Session,
  type SessionArrival,
} from "./session.ts";
import { sync } from "./sync.ts";

/**
 * Runs the session of a client that has logged in until it ends or is frozen; never rejects.
 * Answers the command that logged in first.
 */
export async function serveImap(arrival: ImapArrival, services: ImapServices): Promise<ImapEnding> {
  const opened = await openSession(arrival, services, { silentMs: 0 });
  if (!(opened instanceof Session)) {
    const output = new Output(arrival.stream, services.clock, () => undefined);
    writeStatus(output, arrival.tag, completionOf(opened.error, services.log));
    writeBye(output, "The account cannot be opened", "UNAVAILABLE");
    await end(arrival.stream, output);
    return ended;
  }
  const greeting = ok("Logged in", `CAPABILITY ${capabilities.join(" ")}`);
  return serve(opened, async () => writeStatus(opened.output, arrival.tag, greeting));
}

/**
 * Goes on with a session that was frozen; never rejects. Where that cannot be the client gets BYE
 * with the reason.
 */
export async function resumeImap(
  returned: ImapReturn,
  services: ImapServices,
): Promise<ImapEnding> {
  const { stream, silentMs, identity } = returned;
  let frozen: FrozenSession;
  const refuse = async (text: string, code?: string): Promise<ImapEnding> => {
    const output = new Output(stream, services.clock, () => undefined);
    writeBye(output, text, code);
    await end(stream, output);
    return ended;
  };
  try {
    frozen = decodeFrozenSession(returned.frozen);
    if (frozen.accountId !== identity.accountId) throw new FormatError("Another account's session");
  } catch (error) {
    services.log.error({ error: errorText(error) }, "A frozen session cannot be read");
    return refuse("Internal error, see the server's log", "SERVERBUG");
  }
  const arrival = { ...returned, decoder: new CommandDecoder() };
  if (returned.input !== undefined) arrival.decoder.push(returned.input);
  const session = await openSession(arrival, services, { silentMs });
  if (!(session instanceof Session)) return refuse("The account cannot be opened", "UNAVAILABLE");
  return serve(session, async () => {
    const reason = thaw(frozen, session);
    if (reason !== undefined) throw new SessionEnd(thawRefusals[reason], "UNAVAILABLE");
    const { idleTag } = session;
    if (idleTag === undefined) return;
    const run = (): ReturnType<typeof untilDone> => untilDone(session);
    await answer(session, { name: "IDLE", tag: idleTag, allowExpunge: true, run });
  });
}

const ended: ImapEnding = { kind: "ended" };

const thawRefusals = {
  stale: "Too much has happened meanwhile, please select again",
  gone: "The selected mailbox is not there any more",
} as const;

async function openSession(
  arrival: SessionArrival,
  services: ImapServices,
  { silentMs }: { readonly silentMs: number },
): Promise<Session | { readonly error: unknown }> {
  const { identity, peer, stream, decoder } = arrival;
  const { clock, shutdown, freezeAfterMs } = services;
  const log = services.log.child({ account: identity.accountId, peer: peer.address });
  let account: Account;
  try {
    account = await services.store.open(identity.accountId, identity);
  } catch (error) {
    return { error };
  }
  const output = new Output(stream, clock, () => account.durable());
  const parts = { stream, decoder, output, account, clock, shutdown, freezeAfterMs, silentMs };
  const input = new Input(parts);
  return new Session(arrival, services, { account, output, input, log, capabilities });
}

/** Runs a session from its beginning, or from where it was frozen. */
async function serve(session: Session, begin: () => Promise<unknown>): Promise<ImapEnding> {
  const { output, input, stream } = session;
  try {
    await begin();
    await run(session);
    await output.flush();
    stream.end();
    return ended;
  } catch (error) {
    if (error instanceof FreezeDue) return await frozenOf(session);
    await endByError(session, error);
    return ended;
  } finally {
    input.close();
    session.deselect();
    session.services.store.close(session.account);
  }
}

async function frozenOf(session: Session): Promise<ImapEnding> {
  try {
    return { kind: "frozen", ...freeze(session) };
  } catch (error) {
    // Too much happened to the mailbox while nobody looked.
    await endByError(session, error);
    return ended;
  }
}

async function end(stream: ImapArrival["stream"], output: Output): Promise<void> {
  try {
    await output.send();
    stream.end();
  } catch {
    stream.destroy();
  }
}

/** Says goodbye as far as that is possible. RFC 9051 §7.1.5 */
async function endByError(session: Session, error: unknown): Promise<void> {
  const { output, stream, log } = session;
  const wanted = endOf(error);
  const broken = error instanceof ConnectionBroken;
  if (broken || !output.atLineStart()) {
    if (!broken) log.error({ error: errorText(error) }, "A response could not be finished");
    stream.destroy();
    return;
  }
  try {
    // What was said before must be durable, or not be said.
    if (wanted !== undefined) await output.flush();
  } catch (lost) {
    log.debug({ error: errorText(lost) }, "The last responses of a session were not sent");
  }
  output.drop();
  const refusal = session.account.lost ?? error;
  if (refusal instanceof Refusal) writeBye(output, refusal.message, refusal.code);
  else if (wanted !== undefined) writeBye(output, wanted.message, wanted.code);
  else {
    logBug(log, error);
    writeBye(output, "Internal error, see the server's log", "SERVERBUG");
  }
  await end(stream, output);
}

function logBug(log: Log, error: unknown): void {
  const stack = error instanceof Error ? error.stack : undefined;
  log.error({ error: errorText(error), stack }, "A session failed");
}

async function run(session: Session): Promise<void> {
  const { input, output } = session;
  let errors = 0;
  while (!session.ended) {
    const waiting = input.nextEvent(true);
    const event = waiting instanceof Promise ? await waiting : waiting;
    if (waiting !== event) session.startSlice();
    const answer = respond(session, event);
    const syntaxError = answer instanceof Promise ? await answer : answer;
    errors = syntaxError ? errors + 1 : 0;
    if (errors >= limits.syntaxErrorsMax) throw new SessionEnd("Too many errors");
    const pause = output.full ? output.flush() : session.pause();
    if (pause !== undefined) await pause;
  }
}

/** Handles one event; true where the client broke the grammar. */
function respond(session: Session, event: DecodeEvent): boolean | Promise<boolean> {
  const { output } = session;
  switch (event.kind) {
    case "command":
      return runCommand(session, event.command);
    case "continue":
      output.continuation("OK");
      return false;
    case "error":
      writeStatus(output, event.tag, bad(event.text, event.code));
      return true;
    case "append":
      return runAppend(session, event.mailbox).then((completion) =>
        finish(session, event.tag, { completion, allowExpunge: true }),
      );
    case "fatal":
      throw new SessionEnd(event.text);
    default:
      throw new SessionEnd(`Unexpected ${event.kind}`);
  }
}

function runCommand(session: Session, command: Command): Promise<boolean> {
  const { name, tag } = command;
  const spec = commands.get(name);
  const uid = "uid" in command && command.uid;
  const allowExpunge = spec?.usesSeqs !== true || uid;
  return answer(session, {
    name,
    tag,
    allowExpunge: spec?.sync === false ? undefined : allowExpunge,
    run: () =>
      spec === undefined ? notHere(name) : (refuse(session, spec) ?? spec.run(session, command)),
  });
}

interface Work {
  readonly name: CommandName;
  readonly tag: string;
  readonly allowExpunge: Ending["allowExpunge"];
  run(): Completion | void | Promise<Completion | void>;
}

/** Runs a command, or the rest of one, and answers it; true where the client broke the grammar. */
async function answer(session: Session, work: Work): Promise<boolean> {
  let completion: Completion | void;
  try {
    completion = await work.run();
  } catch (error) {
    completion = completionOf(error, session.log);
    if (!session.output.atLineStart()) throw error;
  }
  const { name, tag, allowExpunge } = work;
  completion ??= ok(`${name} completed`);
  return finish(session, tag, { completion, allowExpunge });
}

interface Ending {
  readonly completion: Completion;
  /** Undefined: nothing is told. */
  readonly allowExpunge: boolean | undefined;
}

/** The sync point at the end of a command, and its answer. */
async function finish(session: Session, tag: string, ending: Ending): Promise<boolean> {
  const { output } = session;
  const { allowExpunge, completion } = ending;
  if (session.selected !== undefined && allowExpunge !== undefined) {
    const telling = sync(session, allowExpunge);
    if (telling !== undefined) await telling;
  }
  writeStatus(output, tag, completion);
  if (session.afterAnswer !== undefined) {
    await output.flush();
    session.afterAnswer();
    session.afterAnswer = undefined;
  }
  return completion.status === "BAD";
}

function notHere(name: CommandName): Completion {
  return bad(`${name} is not possible after login`);
}

/** What the policy of a command says against it now. */
function refuse(session: Session, policy: CommandPolicy): Completion | undefined {
  const { selected } = session;
  if (policy.state !== "selected") return undefined;
  if (selected === undefined) return bad("Select a mailbox first");
  session.requireMailbox();
  return policy.changesMailbox === true && selected.readOnly
    ? no("The mailbox is only examined", "READ-ONLY")
    : undefined;
}
