import type { AdminContext } from "../operations/operation.ts";

/** Settings as the command line needs them; the rest is the main program's affair. */
export interface CliSettings {
  /** Absolute. */
  readonly dataDir: string;
  /** The configuration file; undefined where the defaults serve. */
  readonly file: string | undefined;
  /** Where a running server takes operations. */
  readonly adminSocket: string;
}

/** Options that every command takes. */
export interface CliOptions {
  readonly config?: string | undefined;
  readonly data?: string | undefined;
  readonly json: boolean;
  readonly colour: boolean;
}

/** What the command line runs in; handed in by the main program, and by tests. */
export interface CliEnvironment<S extends CliSettings = CliSettings> {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** How this program was called. */
  readonly program: string;
  readonly version: string;
  /** Finds and checks the configuration; see `describeError` for what it throws. */
  loadSettings(options: { config?: string | undefined; data?: string | undefined }): Promise<S>;
  /** Runs the server until it ends; the exit code. */
  serve(
    settings: S,
    options: { readonly demo: boolean; readonly colour: boolean },
  ): Promise<number>;
  /** For operations where no server runs. */
  openInProcess(settings: S): Promise<{ readonly context: AdminContext; close(): Promise<void> }>;
  /** Words and exit code for errors that only the main program knows. */
  describeError(error: unknown): { readonly text: string; readonly code: number } | undefined;
}
