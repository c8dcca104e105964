import { Bug } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import { hasEnded, linux, systemCalls } from "./system-calls.ts";
import type { Poll, SystemCalls } from "./system-calls.ts";

/** What is known when descriptors became ready; the arrays are used again for the next batch. */
export interface ReadyBatch {
  readonly count: number;
  /** As they were given to `watch`. */
  readonly rows: Uint32Array;
  readonly generations: Uint32Array;
  /**
   * 1 where the peer ended its side or the connection broke; bytes may be left to read even then.
   */
  readonly ended: Uint8Array;
}

/** The port of the parked table to whoever watches its descriptors. */
export interface Readiness {
  /** False where the system has no room for one more. The descriptor is reported once. */
  watch(descriptor: number, row: number, generation: number): boolean;
  /** After it was reported, or whenever it shall be reported anew. */
  rearm(descriptor: number, row: number, generation: number): void;
  /** Before the descriptor is closed or given away. */
  forget(descriptor: number): void;
  /** True where the peer has ended and nothing is left to read. */
  hasEnded(descriptor: number): boolean;
}

/** 12 bytes on x64, where the structure is packed; 16 with a hole elsewhere. */
const wordsPerEvent = process.arch === "x64" ? 3 : 4;
const dataWord = wordsPerEvent - 2;
const ends = linux.EPOLLERR | linux.EPOLLHUP | linux.EPOLLRDHUP;
const interest = (linux.EPOLLIN | linux.EPOLLRDHUP | linux.EPOLLONESHOT) >>> 0;

/**
 * An epoll set that is itself watched by the event loop of this thread: when one of its descriptors
 * is ready, the loop wakes, and one call brings all that are. No thread waits in it and nothing is
 * polled; what is too much for one batch is seen in the next turn of the loop.
 */
export class EpollSet implements Readiness {
  readonly #calls: SystemCalls;
  readonly #set: number;
  readonly #poll: Poll;
  readonly #ready: (batch: ReadyBatch) => void;
  readonly #event = words(wordsPerEvent);
  readonly #events = words(wordsPerEvent * limits.readyBatchMax);
  readonly #rows = new Uint32Array(limits.readyBatchMax);
  readonly #generations = new Uint32Array(limits.readyBatchMax);
  readonly #ended = new Uint8Array(limits.readyBatchMax);
  #scheduled = false;
  #closed = false;

  /** `ready` is called with each batch, as a callback of the event loop. */
  constructor(ready: (batch: ReadyBatch) => void) {
    this.#calls = systemCalls();
    this.#ready = ready;
    this.#set = this.#calls.epollCreate(linux.EPOLL_CLOEXEC);
    if (this.#set < 0) throw new Error(`No epoll set: error ${this.#calls.errno()}`);
    this.#poll = this.#calls.poll(this.#set, "readable", () => this.#schedule());
    // Parked sessions alone keep no process alive; its listeners do.
    this.#poll.unref();
  }

  watch(descriptor: number, row: number, generation: number): boolean {
    return this.#control(linux.EPOLL_CTL_ADD, descriptor, row, generation);
  }

  rearm(descriptor: number, row: number, generation: number): void {
    if (!this.#control(linux.EPOLL_CTL_MOD, descriptor, row, generation))
      throw new Bug(`Descriptor ${descriptor} is not watched: error ${this.#calls.errno()}`);
  }

  /** Needed even before a close: the connection may live on under another descriptor. */
  forget(descriptor: number): void {
    this.#calls.epollControl(this.#set, linux.EPOLL_CTL_DEL, descriptor, this.#event);
  }

  hasEnded(descriptor: number): boolean {
    return hasEnded(descriptor);
  }

  /** Reports nothing more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.close();
    this.#calls.close(this.#set);
  }

  #control(operation: number, descriptor: number, row: number, generation: number): boolean {
    this.#event[0] = interest;
    this.#event[dataWord] = row;
    this.#event[dataWord + 1] = generation;
    return this.#calls.epollControl(this.#set, operation, descriptor, this.#event) === 0;
  }

  /**
   * We are called from outside of Node's callbacks, where nobody would run what promises and ticks
   * wait for. The loop's next phase is a place where that works, and comes at once.
   */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // eslint-disable-next-line no-restricted-globals -- not a wait: a change of place in this turn
    setImmediate(() => {
      this.#scheduled = false;
      this.#collect();
    });
  }

  #collect(): void {
    if (this.#closed) return;
    const events = this.#events;
    const count = this.#calls.epollWait(this.#set, events, limits.readyBatchMax, 0);
    // An interrupted call is made again: the set stays readable.
    if (count <= 0) return;
    for (let i = 0; i < count; i++) {
      const at = i * wordsPerEvent;
      const seen = events[at]!;
      this.#rows[i] = events[at + dataWord]!;
      this.#generations[i] = events[at + dataWord + 1]!;
      this.#ended[i] = (seen & ends) === 0 ? 0 : 1;
    }
    this.#ready({ count, rows: this.#rows, generations: this.#generations, ended: this.#ended });
  }
}

/** Words in memory of their own, where the system may write. */
function words(count: number): Uint32Array {
  return new Uint32Array(new ArrayBuffer(count * 4));
}
