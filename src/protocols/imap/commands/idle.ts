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
  async run(session) {
    const { account, input, output, selected } = session;
    output.continuation("idling");
    const stop =
      selected === undefined
        ? undefined
        : account.watch(selected.view.mailbox.number, () => input.wake());
    const keepAlive = new KeepAlive(session);
    try {
      return await untilDone(session, keepAlive);
    } finally {
      keepAlive.stop();
      stop?.();
    }
  },
};

async function untilDone(session: Session, keepAlive: KeepAlive): Promise<Completion | void> {
  const { input } = session;
  for (;;) {
    if (session.selected !== undefined) await sync(session, true);
    keepAlive.write();
    const line = await input.nextLine();
    if (line === "wake") continue;
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
