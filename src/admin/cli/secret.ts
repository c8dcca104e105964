import { createInterface } from "node:readline/promises";
import { Writable } from "node:stream";
import type { CliEnvironment } from "./environment.ts";
import { UsageError } from "./errors.ts";

const passwordBytesMax = 4096;

/**
 * A new password: the first line of the input where `fromStdin`, else asked for twice without
 * showing it. Passwords never stand on the command line, where other users could read them.
 */
export async function newPassword(
  environment: CliEnvironment,
  options: { readonly fromStdin: boolean },
): Promise<string> {
  const { stdin, stderr } = environment;
  if (options.fromStdin) return firstLine(stdin);
  if (!stdin.isTTY || !stderr.isTTY)
    throw new UsageError("There is no terminal to ask for the password: use --password-stdin");
  const first = await askSecretly(environment, "New password: ");
  if (first === "") throw new UsageError("The password is empty");
  if ((await askSecretly(environment, "Once more: ")) !== first)
    throw new UsageError("The passwords are not the same");
  return first;
}

/** True where somebody answers "y" or "yes". */
export async function confirm(environment: CliEnvironment, question: string): Promise<boolean> {
  const { stdin, stderr } = environment;
  const asking = createInterface({ input: stdin, output: stderr });
  try {
    return /^y(es)?$/i.test((await asking.question(`${question} [y/N] `)).trim());
  } finally {
    asking.close();
  }
}

async function askSecretly(environment: CliEnvironment, question: string): Promise<string> {
  const { stdin, stderr } = environment;
  stderr.write(question);
  // A terminal interface edits the line; what it would echo goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const asking = createInterface({ input: stdin, output: nowhere, terminal: true });
  const interrupted = Promise.withResolvers<never>();
  asking.on("SIGINT", () => interrupted.reject(new UsageError("Cancelled")));
  try {
    return await Promise.race([asking.question(""), interrupted.promise]);
  } finally {
    asking.close();
    stderr.write("\n");
  }
}

async function firstLine(stdin: NodeJS.ReadStream): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of stdin as AsyncIterable<Buffer>) {
    parts.push(Buffer.from(part));
    bytes += part.length;
    if (part.includes(0x0a) || bytes > passwordBytesMax) break;
  }
  const line = Buffer.concat(parts).toString("utf8").split(/\r?\n/)[0]!;
  if (line === "") throw new UsageError("The password on the input is empty");
  return line;
}
