/** The news that the server is going down, for those who must say goodbye to their peer first. */
export class Shutdown {
  #begun = false;
  readonly #listeners = new Set<() => void>();

  get begun(): boolean {
    return this.#begun;
  }

  /** Tells everybody, once. */
  begin(): void {
    if (this.#begun) return;
    this.#begun = true;
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
