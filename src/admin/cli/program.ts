import { Command, CommanderError } from "commander";
import { errorText, Refusal } from "#base/assert.ts";
import type { OperationName, OperationResult } from "../operations/table.ts";
import type { OperationRequest } from "./call.ts";
import type { Act, CommandRun } from "./command.ts";
import { mailCommands } from "./commands/mail.ts";
import { serverCommands } from "./commands/server.ts";
import { userCommands } from "./commands/user.ts";
import type { CliEnvironment, CliOptions } from "./environment.ts";
import { exitCodeOf, exitCodes, exitCodesText } from "./exit-codes.ts";
import { InputError, UsageError } from "./errors.ts";
import { Terminal } from "./terminal.ts";

/** Runs the command that `words` (without the names of programs) ask for; the exit code. */
export async function runCommandLine(
  words: readonly string[],
  environment: CliEnvironment,
): Promise<number> {
  let code: number = exitCodes.ok;
  const program = rootCommand(environment);
  const act: Act = (command, run) => {
    const action = run as (run: CommandRun, ...given: unknown[]) => Promise<number | void>;
    command.action(async (...given: unknown[]) => {
      // Commander appends the options and the command to the arguments.
      const own = given.at(-2);
      const parameters = given.slice(0, -2);
      const run = commandRun(environment, optionsOf(program));
      code = (await action(run, own, ...parameters)) ?? exitCodes.ok;
    });
  };
  for (const add of [serverCommands, userCommands, mailCommands]) add(program, act);
  try {
    await program.parseAsync(words, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError)
      return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    const { text, code } = await explain(error, environment);
    new Terminal(environment, optionsOf(program)).failure(text, code);
    return code;
  }
}

function rootCommand(environment: CliEnvironment): Command {
  const colour = (environment.stdout.isTTY && !environment.variables["NO_COLOR"]) || false;
  const program = new Command("roost");
  program
    .description("A mail store server: IMAP, LMTP, and nothing lost.")
    .version(environment.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "explain the command")
    .helpCommand("help [command]", "explain a command")
    .option("-c, --config <file>", "the configuration file (default: ./roost.config.ts, if any)")
    .option("--data <folder>", "the data folder, whatever the configuration says")
    .option("--json", "results and errors as JSON, for scripts", false)
    .option("--no-color", "no colours; NO_COLOR in the environment does the same")
    .showHelpAfterError("(--help explains)")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void environment.stdout.write(text),
      writeErr: (text) => void environment.stderr.write(text),
      getOutHasColors: () => colour,
      getErrHasColors: () => colour,
      getOutHelpWidth: () => environment.stdout.columns || 80,
      getErrHelpWidth: () => environment.stderr.columns || 80,
    })
    .exitOverride()
    .addHelpText(
      "after",
      `\nCommands work on the running server, through the socket in its data folder; where none runs,
they open the data folder themselves.\n\n${exitCodesText}`,
    );
  return program;
}

function optionsOf(program: Command): CliOptions {
  const { config, data, json, color } = program.opts<{
    config?: string;
    data?: string;
    json: boolean;
    color: boolean;
  }>();
  return { config, data, json, colour: color };
}

function commandRun(environment: CliEnvironment, options: CliOptions): CommandRun {
  return {
    environment,
    options,
    terminal: new Terminal(environment, options),
    async call<N extends OperationName>(request: OperationRequest<N>): Promise<OperationResult<N>> {
      // Loaded here, so that --help and `serve` do not wait for it.
      const { callOperation } = await import("./call.ts");
      return callOperation(environment, options, request);
    },
  };
}

/** Errors in words, with the exit code that tells a script the kind. */
async function explain(
  error: unknown,
  environment: CliEnvironment,
): Promise<{ text: string; code: number }> {
  if (error instanceof Refusal) return { text: error.message, code: exitCodeOf(error.code) };
  if (error instanceof UsageError) return { text: error.message, code: exitCodes.usage };
  if (error instanceof InputError) return { text: error.message, code: exitCodes.noInput };
  const { ParameterError } = await import("../operations/run.ts");
  if (error instanceof ParameterError) return { text: error.message, code: exitCodes.usage };
  const known = environment.describeError(error);
  if (known !== undefined) return known;
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (code === "EACCES" || code === "EPERM")
    return { text: errorText(error), code: exitCodes.notPermitted };
  if (syscall !== undefined) return { text: errorText(error), code: exitCodes.inputOutput };
  const stack = error instanceof Error ? error.stack : undefined;
  return { text: `This is a bug: ${stack ?? errorText(error)}`, code: exitCodes.bug };
}
