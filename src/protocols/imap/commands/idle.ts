import type { Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { isDoneLine, type PlainCommand } from "#wire/index.ts";
import type { CommandSpec } from "../command-spec.ts";
import { bad, type Completion, SessionEnd } from "../responses.ts";
import type { Session } from "../session.ts";
import { sync } from "../sync.ts";

/** RFC 9051 §6.3.13 */
export const idle: CommandSpec<PlainCommand> = {
  name: "IDLE",
  state: "authenticated",
  capabilities: ["IDLE"],
  run(session, command) {
    session.output.continuation("idling");
    session.idleTag = command.tag;
    return untilDone(session);
  },
};

/** Waits for DONE; also for an IDLE that began before the session was frozen. */
export async function untilDone(session: Session): Promise<Completion | void> {
  const { account, input, selected } = session;
  const stop =
    selected === undefined
      ? undefined
      : account.watch(selected.view.mailbox.number, () => input.wake());
  const keepAlive = new KeepAlive(session);
  try {
    return await tellUntilDone(session, keepAlive);
  } finally {
    keepAlive.stop();
    stop?.();
  }
}

async function tellUntilDone(session: Session, keepAlive: KeepAlive): Promise<Completion | void> {
  const { input } = session;
  for (;;) {
    if (session.selected !== undefined) await sync(session, true);
    keepAlive.write();
    const line = await input.nextLine();
    if (line === "wake") continue;
    session.idleTag = undefined;
    if (line.kind === "fatal") throw new SessionEnd(line.text);
    if (line.kind === "line") return isDoneLine(line.bytes) ? undefined : bad("Expected DONE");
  }
}

/** A sign of life now and then, so that nobody on the way takes the connection for dead. */
class KeepAlive {
  readonly #session: Session;
  #timer: Timer | undefined;
  #due = false;

  constructor(session: Session) {
    this.#session = session;
    this.#start();
  }

  #start(): void {
    this.#timer = this.#session.clock.after(limits.idleKeepAliveMs, () => {
      this.#due = true;
      this.#session.input.wake();
    });
  }

  /** Writes it if it is due. */
  write(): void {
    if (!this.#due) return;
    this.#due = false;
    this.#session.output.ascii("* OK Still here").crlf();
    this.#start();
  }

  stop(): void {
    this.#timer?.cancel();
  }
}
