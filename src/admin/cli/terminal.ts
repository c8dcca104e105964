import { styleText } from "node:util";
import type { CliEnvironment, CliOptions } from "./environment.ts";
import { ProgressBar } from "./progress-bar.ts";

type Style = "bold" | "dim" | "red" | "green" | "yellow";

/** How commands talk: results to stdout, everything else to stderr. */
export class Terminal {
  readonly #environment: CliEnvironment;
  readonly #options: CliOptions;

  constructor(environment: CliEnvironment, options: CliOptions) {
    this.#environment = environment;
    this.#options = options;
  }

  get json(): boolean {
    return this.#options.json;
  }

  /** True where somebody sits who can be asked. */
  get interactive(): boolean {
    return this.#environment.stdin.isTTY && this.#environment.stderr.isTTY;
  }

  /** The result of a command: as JSON for scripts, else as `text` shows it. */
  result<T>(value: T, text: (value: T) => string): void {
    const shown = this.json ? JSON.stringify(value) : text(value);
    if (shown !== "") this.#environment.stdout.write(`${shown}\n`);
  }

  /** News beside the result; not for scripts. */
  note(text: string): void {
    if (!this.json) this.#environment.stderr.write(`${text}\n`);
  }

  /** `code` is the exit code that follows. */
  failure(text: string, code: number): void {
    if (this.json) this.#environment.stderr.write(`${JSON.stringify({ error: text, code })}\n`);
    else this.#environment.stderr.write(`${this.styled("red", "error:")} ${text}\n`);
  }

  /** https://no-color.org, and nothing but a terminal shows colours. */
  styled(style: Style, text: string): string {
    const { stdout, variables } = this.#environment;
    const wanted = this.#options.colour && stdout.isTTY && !variables["NO_COLOR"];
    return wanted ? styleText(style, text, { validateStream: false }) : text;
  }

  /** A bar on stderr while something takes long; silent where nobody looks. */
  progressBar(title: string): ProgressBar {
    const { stderr } = this.#environment;
    return new ProgressBar(title, this.json || !stderr.isTTY ? undefined : stderr);
  }

  /** Columns under headings. Numbers stand right. */
  table(headings: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
    if (rows.length === 0) return "";
    const widths = headings.map((heading, i) =>
      Math.max(heading.length, ...rows.map((row) => String(row[i]).length)),
    );
    const line = (cells: readonly (string | number)[]): string =>
      cells
        .map((cell, i) =>
          typeof cell === "number" ? String(cell).padStart(widths[i]!) : cell.padEnd(widths[i]!),
        )
        .join("  ")
        .trimEnd();
    return [this.styled("bold", line(headings)), ...rows.map(line)].join("\n");
  }
}

/** "1.5 MB" and the like. */
export function bytesText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${units[unit]!}`;
}
