import type { AccountDesk } from "#auth/index.ts";
import type { AccountId } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import type { Delivery } from "#delivery/index.ts";
import type { Store } from "#store/index.ts";
import type { GenericSchema, InferOutput } from "valibot";

/** Mail as operations reach it. */
export interface MailDesk {
  readonly store: Store;
  readonly delivery: Delivery;
  /** Checks everything that is stored; absent where the store cannot do that here. */
  verify?(options: VerifyOptions): Promise<VerifyReport>;
}

export interface VerifyOptions {
  readonly repair: boolean;
  progress(done: number, total: number): void;
}

/** What a check of the store found. */
export interface VerifyReport {
  readonly objects: number;
  readonly bytes: number;
  /** One sentence for each thing that is wrong, and what was done about it. */
  readonly problems: readonly string[];
  readonly repaired: boolean;
}

/** What an operation works with: in the server, or in a command that found no server. */
export interface AdminContext {
  readonly clock: Clock;
  readonly accounts: AccountDesk;
  /**
   * Opens the store where this process has not opened it; with `repair` even if its journal is
   * damaged.
   */
  mail(options?: { readonly repair: boolean }): Promise<MailDesk>;
  /** Ends the sessions that an account has in this process; its clients are told `text`. */
  endSessions(accountId: AccountId, text: string): void;
  /** Figures of the running server; undefined where there is none. */
  serverStats(): Promise<ServerStats | undefined>;
  /** Who is connected to this process: at most `limits.sessionsListedMax`, the parked ones last. */
  sessions(): readonly SessionSummary[];
}

/** A client that is connected. */
export interface SessionSummary {
  /** The listener that it came to. */
  readonly listener: string;
  readonly address: string;
  readonly port: number;
  /** The login name; null before login, and where there is none. */
  readonly name: string | null;
  /** `open`: has a socket of its own; `parked`: frozen; `idle`: frozen, inside IDLE. */
  readonly state: "open" | "parked" | "idle";
  readonly secure: boolean;
}

export interface ServerStats {
  /** Milliseconds. */
  readonly uptimeMs: number;
  /** With a socket of their own. */
  readonly connections: number;
  /** Sessions that are parked. */
  readonly parked: number;
  /** Resident set, in bytes. */
  readonly memoryBytes: number;
  readonly listeners: readonly string[];
}

/** One call of an operation: what flows beside its parameters and result. */
export interface OperationCall {
  /** Bytes that the caller sends along, such as a message. */
  readonly input: AsyncIterable<Uint8Array>;
  /** Sends bytes to the caller; wait for it. */
  output(bytes: Uint8Array): Promise<void>;
  /** Tells the caller how far the work is. */
  progress(done: number, total: number): void;
}

/** One thing that an administrator can have done. The result is plain data. */
export interface Operation<S extends GenericSchema = GenericSchema, R = unknown> {
  readonly params: S;
  run(context: AdminContext, params: InferOutput<S>, call: OperationCall): Promise<R>;
}

/** Gives `operation` back; it is there for the types. */
export function defineOperation<S extends GenericSchema, R>(
  operation: Operation<S, R>,
): Operation<S, R> {
  return operation;
}
