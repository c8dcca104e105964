import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Shutdown } from "#base/shutdown.ts";
import { type ByteStream, ConnectionBroken } from "#base/stream.ts";
import type { Account } from "#store/index.ts";
import type { Pop3Decoder, Pop3Event } from "#wire/index.ts";
import type { Output } from "./output.ts";

/** The session is over; `text` is the last word, if there is one. */
export class SessionEnd extends Error {
  override readonly name = "SessionEnd";
  readonly code: string | undefined;
  readonly isSilent: boolean;
  constructor(text: string, options: { code?: string; silent?: boolean } = {}) {
    super(text);
    this.code = options.code;
    this.isSilent = options.silent ?? false;
  }
}

interface InputParts {
  readonly stream: ByteStream;
  readonly decoder: Pop3Decoder;
  readonly output: Output;
  readonly account: Account;
  readonly clock: Clock;
  readonly shutdown: Shutdown;
}

/**
 * The next command of the client. Before it waits it sends what was written.
 * Errors: `SessionEnd`, `ConnectionBroken`, `Refusal` where the account was lost.
 */
export async function nextEvent(parts: InputParts): Promise<Exclude<Pop3Event, { kind: "more" }>> {
  const { decoder, output } = parts;
  for (;;) {
    const event = decoder.next();
    if (event.kind !== "more") return event;
    await output.flush();
    decoder.push(await read(parts));
  }
}

/** The client's bytes, unless something else ends the session first. */
async function read(parts: InputParts): Promise<Uint8Array> {
  const { stream, account, clock, shutdown } = parts;
  // It may have happened while the client was slow to take the last answer.
  if (account.lost !== undefined) throw account.lost;
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | null>();
  // RFC 1939 §3: then the connection is closed without a word, and nothing is removed.
  const timer = clock.after(limits.pop3IdleTimeoutMs, () =>
    reject(new SessionEnd("Silent for too long", { silent: true })),
  );
  const forgetLoss = account.watchLoss(reject);
  const forgetShutdown = shutdown.whenBegun(() => reject(endBy(shutdown)));
  stream.read().then(resolve, reject);
  try {
    const bytes = await promise;
    if (bytes === null) throw new ConnectionBroken("The client is gone");
    return bytes;
  } finally {
    timer.cancel();
    forgetLoss();
    forgetShutdown();
  }
}

/** The server goes down, or the account was closed. RFC 3206 §4 */
function endBy({ farewell }: Shutdown): SessionEnd {
  const code = farewell.code === "UNAVAILABLE" ? "SYS/TEMP" : "SYS/PERM";
  return new SessionEnd(farewell.text, { code });
}
