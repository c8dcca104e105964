import { errorText, Refusal } from "#base/assert.ts";
import type { Log } from "#base/log.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import type { Account } from "#store/index.ts";
import type { Command, CommandName, DecodeEvent } from "#wire/index.ts";
import type { CommandPolicy } from "./command-spec.ts";
import { capabilities, commands } from "./command-table.ts";
import { runAppend } from "./commands/append.ts";
import { Input } from "./input.ts";
import { Output } from "./output.ts";
import {
  bad,
  type Completion,
  completionOf,
  endOf,
  no,
  ok,
  SessionEnd,
  writeBye,
  writeStatus,
} from "./responses.ts";
import { type ImapArrival, type ImapServices, Session } from "./session.ts";
import { sync } from "./sync.ts";

/**
 * Runs the session of a client that has logged in until it ends; never rejects. Answers the command
 * that logged in first.
 */
export async function serveImap(arrival: ImapArrival, services: ImapServices): Promise<void> {
  const { identity, peer, stream } = arrival;
  const log = services.log.child({ account: identity.accountId, peer: peer.address });
  let account: Account;
  try {
    account = await services.store.open(identity.accountId, identity);
  } catch (error) {
    const output = new Output(stream, services.clock, () => undefined);
    writeStatus(output, arrival.tag, completionOf(error, log));
    writeBye(output, "The account cannot be opened", "UNAVAILABLE");
    await end(stream, output);
    return;
  }
  const output = new Output(stream, services.clock, () => account.durable());
  const { clock, shutdown } = services;
  const input = new Input({ stream, decoder: arrival.decoder, output, account, clock, shutdown });
  const session = new Session(arrival, services, { account, output, input, log, capabilities });
  try {
    writeStatus(output, arrival.tag, ok("Logged in", `CAPABILITY ${capabilities.join(" ")}`));
    await run(session);
    await output.flush();
    stream.end();
  } catch (error) {
    await endByError(session, error);
  } finally {
    input.close();
    session.deselect();
    services.store.close(account);
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
    const waiting = input.nextEvent();
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
      return answer(session, event.command);
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

/** Runs a command and answers it. */
async function answer(session: Session, command: Command): Promise<boolean> {
  const { output } = session;
  const spec = commands.get(command.name);
  let completion: Completion | void;
  try {
    completion = spec === undefined ? notHere(command.name) : refuse(session, spec);
    if (completion === undefined) completion = await spec!.run(session, command);
  } catch (error) {
    completion = completionOf(error, session.log);
    if (!output.atLineStart()) throw error;
  }
  const uid = "uid" in command && command.uid;
  const allowExpunge = spec?.usesSeqs !== true || uid;
  return finish(session, command.tag, {
    completion: completion ?? ok(`${command.name} completed`),
    allowExpunge: spec?.sync === false ? undefined : allowExpunge,
  });
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
