const width = 30;

/** One line that shows how far a long work is. */
export class ProgressBar {
  readonly #title: string;
  readonly #stream: NodeJS.WriteStream | undefined;
  #shown = "";

  /** Without a stream it shows nothing. */
  constructor(title: string, stream: NodeJS.WriteStream | undefined) {
    this.#title = title;
    this.#stream = stream;
  }

  /** `total` 0: nobody knows. */
  show(done: number, total: number): void {
    if (this.#stream === undefined) return;
    const text = total > 0 ? this.#bar(Math.min(done / total, 1)) : `${done}`;
    const line = `${this.#title}  ${text}`.slice(0, Math.max(this.#stream.columns - 1, 20));
    // Many calls change nothing that can be seen.
    if (line === this.#shown) return;
    this.#shown = line;
    this.#stream.write(`\r\u001b[K${line}`);
  }

  /** Takes the bar away. */
  end(): void {
    if (this.#shown === "") return;
    this.#stream?.write("\r\u001b[K");
    this.#shown = "";
  }

  #bar(share: number): string {
    const full = Math.round(share * width);
    const percent = String(Math.floor(share * 100)).padStart(3);
    return `${"█".repeat(full)}${"░".repeat(width - full)} ${percent} %`;
  }
}
