import { Refusal, errorText } from "#base/assert.ts";
import type { AccountId, Epoch, Shard } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import { SharedBytes } from "./journal/batch-queue.ts";
import type { Journal, JournalPosition, StoredEntry } from "./journal/journal.ts";

export interface WriteGateOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
  readonly epoch: Epoch;
  /** Takes records that turned out to be durable although their append was rejected. */
  readonly found: (entry: StoredEntry) => void;
}

/** Nobody's account: what is appended for it says nothing. */
const probeAccount = "7777777777777777" as AccountId;

/**
 * Whether changes can be stored. After the journal lost records nothing is accepted until a record
 * that says nothing got through; that is tried every `limits.writeProbeMs`.
 */
export class WriteGate {
  readonly #options: WriteGateOptions;
  #refusal: Refusal | undefined;
  #probing = false;
  #closed = false;
  /** Where the batch would stand whose fate is not known. */
  #doubtful: JournalPosition | undefined;
  #waitingEntries = 0;
  #waitingBytes = 0;
  readonly #waitingShared = new SharedBytes();

  constructor(options: WriteGateOptions) {
    this.#options = options;
  }

  /** Throws `Refusal` UNAVAILABLE while nothing can be stored. */
  require(): void {
    if (this.#refusal !== undefined) throw this.#refusal;
    // Refused here rather than by the journal: a record must not be applied and then refused.
    if (
      this.#waitingEntries >= limits.journalQueueEntriesMax / 2 ||
      this.#waitingBytes >= limits.journalQueueBytesMax / 2
    )
      throw new Refusal("UNAVAILABLE", "Too many changes wait to be stored");
  }

  get isOpen(): boolean {
    return this.#refusal === undefined;
  }

  /** Counts an append until it is settled. `bytes`: of its payload */
  async count<T>(
    { bytes, shared }: { readonly bytes: number; readonly shared?: readonly Uint8Array[] },
    appended: Promise<T>,
  ): Promise<T> {
    this.#waitingEntries++;
    this.#waitingBytes += bytes + this.#waitingShared.add(shared);
    try {
      return await appended;
    } finally {
      this.#waitingEntries--;
      this.#waitingBytes -= bytes + this.#waitingShared.drop(shared);
    }
  }

  /** The journal has lost records. */
  rejected(error: Error): void {
    const { journal } = this.#options;
    if (journal.state === "failed") this.#doubtful ??= journal.next;
    const text = error instanceof Refusal ? error.message : "Changes cannot be stored now";
    this.#refusal = new Refusal("UNAVAILABLE", text, { cause: error });
    this.#probeLater();
  }

  /** Accepts nothing any more. */
  close(): void {
    this.#closed = true;
    this.#refusal ??= new Refusal("UNAVAILABLE", "The store is being closed");
  }

  #probeLater(): void {
    if (this.#probing || this.#closed || this.#options.journal.state === "fenced") return;
    this.#probing = true;
    this.#options.clock.after(limits.writeProbeMs, () => void this.#probe());
  }

  async #probe(): Promise<void> {
    const { journal, log, epoch } = this.#options;
    let open = false;
    try {
      if (journal.state === "failed") await journal.reopen();
      if (this.#doubtful !== undefined) {
        for await (const entry of journal.replay({ from: this.#doubtful }))
          this.#options.found(entry);
        this.#doubtful = undefined;
      }
      const payload = new Uint8Array(4);
      const shard = 0 as Shard;
      await journal.append({ shard, epoch, account: probeAccount, payload, exempt: true });
      open = true;
    } catch (error) {
      log.debug({ error: errorText(error) }, "Changes still cannot be stored");
    }
    this.#probing = false;
    if (!open) return this.#probeLater();
    if (this.#closed) return;
    this.#refusal = undefined;
    log.info({}, "Changes can be stored again");
  }
}
