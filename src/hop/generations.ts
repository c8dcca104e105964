import type { Clock } from "#base/clock.ts";
import { latin1 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import type { StreamRequest } from "./link.ts";

interface Known {
  readonly generation: number;
  /** Ends the stream of this generation; undefined when it is over. */
  supersede: (() => void) | undefined;
  /** When it ended. */
  endedAt: number;
}

/**
 * The newest generation of each session that a node has seen, over all its links: of older ones
 * nothing is served, whatever comes late.
 */
export class Generations {
  readonly #clock: Clock;
  readonly #known = new Map<string, Known>();
  /** Those whose stream is over, the oldest first. */
  readonly #over = new Map<string, Known>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * True when a stream may begin: no stream of this generation or a newer one has. The stream of an
   * older one that is still there is told by its `supersede`.
   */
  begin(request: StreamRequest, supersede: () => void): boolean {
    const key = latin1(request.session);
    const before = this.#known.get(key);
    if (before !== undefined && before.generation >= request.generation) return false;
    this.#known.set(key, { generation: request.generation, supersede, endedAt: 0 });
    this.#over.delete(key);
    before?.supersede?.();
    return true;
  }

  /** The stream of this generation is over. */
  end(request: StreamRequest): void {
    const key = latin1(request.session);
    const known = this.#known.get(key);
    if (known === undefined || known.generation !== request.generation) return;
    known.supersede = undefined;
    known.endedAt = this.#clock.monotonic();
    this.#over.delete(key);
    this.#over.set(key, known);
    this.#forget();
  }

  #forget(): void {
    const oldest = this.#clock.monotonic() - limits.hopSessionsRememberedMs;
    for (const [key, { endedAt }] of this.#over) {
      if (endedAt >= oldest && this.#over.size <= limits.hopSessionsRememberedMax) return;
      this.#over.delete(key);
      this.#known.delete(key);
    }
  }
}
