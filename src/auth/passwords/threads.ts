import { Worker } from "node:worker_threads";
import { assert, Refusal } from "#base/assert.ts";
import type { Clock, Timer } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { SlowHash, SlowWork } from "./derive.ts";
import type { DeriveAnswer, DeriveRequest } from "./worker.ts";

interface Job {
  readonly request: DeriveRequest;
  readonly resolve: (derived: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  job: Job | undefined;
  idleTimer: Timer | undefined;
}

export interface PasswordThreadsOptions {
  readonly clock: Clock;
  /** Default `limits.passwordThreads`. */
  readonly threads?: number;
  /** Default `limits.passwordQueueMax`. */
  readonly queueMax?: number;
}

/**
 * Slow hashing on threads of its own: sessions are not held up, and neither are file operations,
 * which share libuv's pool. Threads start when there is work and end when there was none for
 * `limits.passwordThreadIdleMs`; an idle thread does not keep the process alive.
 */
export class PasswordThreads implements SlowHash {
  readonly #clock: Clock;
  readonly #threadsMax: number;
  readonly #queueMax: number;
  readonly #threads = new Set<Thread>();
  readonly #idle: Thread[] = [];
  #queue: Job[] = [];
  #closed = false;

  constructor(options: PasswordThreadsOptions) {
    this.#clock = options.clock;
    this.#threadsMax = options.threads ?? limits.passwordThreads;
    this.#queueMax = options.queueMax ?? limits.passwordQueueMax;
    assert(this.#threadsMax >= 1, "There is at least one password thread");
  }

  /** Threads that run now, busy or idle. */
  get running(): number {
    return this.#threads.size;
  }

  derive(work: SlowWork, password: Uint8Array): Promise<Uint8Array> {
    if (this.#closed || this.#queue.length >= this.#queueMax)
      return Promise.reject(new Refusal("UNAVAILABLE", "Too many logins at the moment"));
    return new Promise((resolve, reject) => {
      // A copy of its own: what is posted may be a view into a large pooled buffer.
      const request = { work, password: Uint8Array.from(password) };
      this.#queue.push({ request, resolve, reject });
      this.#pump();
    });
  }

  /** Ends all threads; what waits is refused. */
  async close(): Promise<void> {
    this.#closed = true;
    const waiting = this.#queue;
    this.#queue = [];
    for (const job of waiting) job.reject(new Refusal("UNAVAILABLE", "The server is stopping"));
    const threads = [...this.#threads];
    for (const thread of threads) thread.idleTimer?.cancel();
    await Promise.all(threads.map((thread) => thread.worker.terminate()));
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const thread = this.#idle.pop() ?? this.#start();
      if (thread === undefined) return;
      const job = this.#queue.shift()!;
      thread.idleTimer?.cancel();
      thread.idleTimer = undefined;
      thread.job = job;
      thread.worker.ref();
      thread.worker.postMessage(job.request);
    }
  }

  #start(): Thread | undefined {
    if (this.#threads.size >= this.#threadsMax) return undefined;
    const worker = new Worker(new URL("./worker.ts", import.meta.url));
    const thread: Thread = { worker, job: undefined, idleTimer: undefined };
    this.#threads.add(thread);
    worker.on("message", (answer: DeriveAnswer) => this.#answered(thread, answer));
    worker.on("error", (error) => this.#ended(thread, error));
    worker.on("exit", () => this.#ended(thread, undefined));
    return thread;
  }

  #answered(thread: Thread, answer: DeriveAnswer): void {
    const job = thread.job;
    thread.job = undefined;
    thread.worker.unref();
    this.#idle.push(thread);
    thread.idleTimer = this.#clock.after(limits.passwordThreadIdleMs, () => this.#retire(thread));
    if (job !== undefined)
      if ("derived" in answer) job.resolve(answer.derived);
      else job.reject(new Error(`The password could not be hashed: ${answer.error}`));
    this.#pump();
  }

  #retire(thread: Thread): void {
    const at = this.#idle.indexOf(thread);
    if (at < 0) return;
    this.#idle.splice(at, 1);
    void thread.worker.terminate();
  }

  /** A thread that ends takes its job with it, and no other. */
  #ended(thread: Thread, cause: unknown): void {
    if (!this.#threads.delete(thread)) return;
    const at = this.#idle.indexOf(thread);
    if (at >= 0) this.#idle.splice(at, 1);
    thread.idleTimer?.cancel();
    const job = thread.job;
    thread.job = undefined;
    job?.reject(
      this.#closed
        ? new Refusal("UNAVAILABLE", "The server is stopping")
        : new Error("A password thread ended", { cause }),
    );
    if (!this.#closed) this.#pump();
  }
}
