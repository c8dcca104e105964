import type { Clock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import type { Counter, Histogram, Metrics } from "#base/metrics.ts";
import type { Reply } from "#wire/index.ts";

const results = ["accepted", "deferred", "refused"] as const;

/** Whose reply it was. */
export interface RecipientFields {
  /** See `DeliveryLog.nextId`. */
  readonly transaction: string;
  /** In bytes; before the message is here what the client announced, or 0. */
  readonly size: number;
  readonly account?: string;
  /** The address, where it led to no account. */
  readonly recipient?: string;
}

/**
 * What an operator sees of deliveries: a log line for each recipient, counters, times. Never message
 * content. One object per process.
 */
export class DeliveryLog {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #recipients: Counter;
  readonly #seconds: Histogram;
  #transactions = 0;

  constructor({ clock, log, metrics }: { clock: Clock; log: Log; metrics: Metrics }) {
    this.#clock = clock;
    this.#log = log;
    this.#recipients = metrics.counter(
      "roost_lmtp_recipients_total",
      "Recipients by their final reply: 2xx accepted, 4xx deferred, 5xx refused",
      ["result"],
    );
    for (const result of results) this.#recipients.inc({ result }, 0);
    this.#seconds = metrics.seconds(
      "roost_lmtp_delivery_seconds",
      "From the last octet of a message until it is durable for all its recipients, or given up",
    );
  }

  /** A name for a transaction: when it began, and its number in this process. */
  nextId(): string {
    return `${Math.floor(this.#clock.now()).toString(36)}-${(++this.#transactions).toString(36)}`;
  }

  /** The final reply to a recipient. */
  recipient({ code, enhanced }: Reply, fields: RecipientFields): void {
    const result = results[code < 400 ? 0 : code < 500 ? 1 : 2];
    this.#recipients.inc({ result });
    const text = result === "accepted" ? "Delivered" : "Not delivered";
    this.#log.info({ ...fields, code, enhanced }, text);
  }

  /** A delivery to the accounts took so many milliseconds. */
  delivered(ms: number): void {
    this.#seconds.observe({}, ms / 1000);
  }
}
