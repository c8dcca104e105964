import type { Command } from "commander";
import type { OperationName, OperationResult } from "../operations/table.ts";
import type { OperationRequest } from "./call.ts";
import type { CliEnvironment, CliOptions } from "./environment.ts";
import type { Terminal } from "./terminal.ts";

/** What the action of a command works with. */
export interface CommandRun {
  readonly environment: CliEnvironment;
  readonly options: CliOptions;
  readonly terminal: Terminal;
  readonly call: <N extends OperationName>(
    request: OperationRequest<N>,
  ) => Promise<OperationResult<N>>;
}

/**
 * Gives a command its action: `run` gets the command's own options, then its arguments; the number
 * it resolves with is the exit code, nothing means 0.
 */
export type Act = <O extends object, A extends readonly unknown[]>(
  command: Command,
  run: (run: CommandRun, options: O, ...parameters: A) => Promise<number | void>,
) => void;

/** Adds commands to the program. */
export type CommandSet = (program: Command, act: Act) => void;
