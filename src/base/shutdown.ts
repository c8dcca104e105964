/** What peers are told at the end. */
export interface Farewell {
  readonly text: string;
  /** RFC 5530 §3 */
  readonly code: string;
}

const goingDown: Farewell = { text: "The server is going down", code: "UNAVAILABLE" };

/**
 * The news that the server is going down, or a part of what it does, for those who must say goodbye
 * to their peer first.
 */
export class Shutdown {
  #begun = false;
  #farewell = goingDown;
  readonly #listeners = new Set<() => void>();

  get begun(): boolean {
    return this.#begun;
  }

  get farewell(): Farewell {
    return this.#farewell;
  }

  /** Tells everybody, once. */
  begin(farewell: Farewell = goingDown): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#farewell = farewell;
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }

  /**
   * Calls `run` when the shutdown begins; at once if it has begun. Returns what takes the wish back.
   */
  whenBegun(run: () => void): () => void {
    if (this.#begun) {
      run();
      return () => {};
    }
    this.#listeners.add(run);
    return () => void this.#listeners.delete(run);
  }
}
