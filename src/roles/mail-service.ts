import type { MailDesk } from "#admin/index.ts";
import type { Directory } from "#auth/index.ts";
import type { Clock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import type { Metrics } from "#base/metrics.ts";
import type { Random } from "#base/random.ts";
import type { Shutdown } from "#base/shutdown.ts";
import type { Settings } from "#config/index.ts";
import type { Connection, MailboxSessions, Pop3SessionStarter } from "#proxy/index.ts";
import type { MailboxChange } from "#store/index.ts";

/** What the mail part of a process is built from. */
export interface MailServiceParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly directory: Directory;
  /** Begins when the process is to end. */
  readonly shutdown: Shutdown;
  /** Goes on without the damaged part of a journal, which is kept and reported. */
  readonly repairJournal?: boolean;
  /** Something failed that the process must not outlive, such as an fdatasync. */
  readonly fatal: (error: unknown) => void;
}

/** The store with the protocols on top, as listeners and operations use them. */
export interface MailService {
  /** What is announced before login; the proxy adds STARTTLS, LOGINDISABLED and AUTH=…. */
  readonly imapGreetingCapabilities: readonly string[];
  readonly imap: MailboxSessions;
  /** Calls `listener` after each durable change of a mailbox. */
  whenChanged(listener: (change: MailboxChange) => void): () => void;
  /** What CAPA says; the proxy adds USER, SASL and STLS. */
  readonly pop3Capabilities: readonly string[];
  readonly startPop3: Pop3SessionStarter;
  serveLmtp(connection: Connection): Promise<void>;
  readonly desk: MailDesk;
  /** Undefined while all is well; else a sentence for /healthz. */
  health(): string | undefined;
  /** Settles what is left to settle and closes the store; after it nothing may be called. */
  close(): Promise<void>;
}

/** Opens the store in the data directory. Refuses with INUSE where another process has it. */
export type OpenMailService = (parts: MailServiceParts) => Promise<MailService>;
