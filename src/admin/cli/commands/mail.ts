import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { finished } from "node:stream/promises";
import { limits } from "#base/limits.ts";
import type { DeliveryReport } from "../../operations/deliver.ts";
import type { MessageInfo } from "../../operations/message-list.ts";
import type { CommandRun, CommandSet } from "../command.ts";
import { exitCodes } from "../exit-codes.ts";
import { InputError } from "../errors.ts";
import type { Terminal } from "../terminal.ts";
import { bytesText } from "../terminal.ts";
import { count, list } from "../words.ts";

export const mailCommands: CommandSet = (program, act) => {
  const mailbox = program.command("mailbox").description("look at mailboxes");
  act(
    mailbox.command("list <user>").description("list the mailboxes of an account"),
    async ({ call, terminal }, _options: object, user: string) => {
      const mailboxes = await call({ name: "mailbox.list", params: { user } });
      terminal.result(mailboxes, (mailboxes) =>
        terminal.table(
          ["MAILBOX", "MESSAGES", "UNSEEN", "SIZE", "USE"],
          mailboxes.map(({ name, messages, unseen, bytes, specialUse }) => [
            ...[name, messages, unseen, bytesText(bytes), specialUse.join(" ")],
          ]),
        ),
      );
    },
  );

  const message = program.command("message").description("look at messages");
  act(
    message
      .command("list <user> [mailbox]")
      .description("list the messages of a mailbox (default: INBOX)")
      .option("--after <uid>", "begin behind this uid", count, 0)
      .option("--limit <count>", "at most so many", count, limits.adminPageMax),
    listMessages,
  );
  act(
    message
      .command("export <user> <mailbox> <uid>")
      .description("write a message as it is stored")
      .option("-o, --output <file>", "to a file instead of the output"),
    exportMessage,
  );

  act(
    program
      .command("deliver <file>")
      .description("deliver a message as if it had just arrived; - reads the input")
      .requiredOption("--to <address>", "a recipient (repeatable)", list)
      .option("--from <address>", "the envelope sender; none is what bounces have", ""),
    deliver,
  );
};

async function listMessages(
  run: CommandRun,
  { after, limit }: { after: number; limit: number },
  ...[user, mailbox = "INBOX"]: [string, string | undefined]
): Promise<void> {
  const { terminal } = run;
  const params = { user, mailbox, after, limit };
  const messages = await run.call({ name: "message.list", params });
  terminal.result(messages, (messages) => messagesText(messages, terminal));
}

function messagesText(messages: readonly MessageInfo[], terminal: Terminal): string {
  return terminal.table(
    ["UID", "DATE", "SIZE", "FLAGS"],
    messages.map(({ uid, date, size, flags }) => [
      uid,
      new Date(date).toISOString().slice(0, 16).replace("T", " "),
      bytesText(size).padStart(8),
      flags.join(" "),
    ]),
  );
}

async function exportMessage(
  run: CommandRun,
  { output }: { output?: string },
  ...[user, mailbox, word]: [string, string, string]
): Promise<void> {
  const uid = count(word);
  const { terminal, environment } = run;
  const params = { user, mailbox, uid };
  // The file appears with the first bytes, so a refusal leaves none behind.
  let file: ReturnType<typeof createWriteStream> | undefined;
  const sink = (): NodeJS.WritableStream =>
    output === undefined
      ? environment.stdout
      : (file ??= createWriteStream(output, { flags: "wx", mode: 0o600 }));
  const result = await run.call({
    name: "message.export",
    params,
    output: (bytes) =>
      new Promise((resolve, reject) => {
        sink().write(bytes, (error) => (error ? reject(error) : resolve()));
      }),
  });
  if (file === undefined) return;
  file.end();
  await finished(file);
  terminal.result(result, ({ bytes }) => `${output}: ${bytes} bytes.`);
}

async function deliver(
  run: CommandRun,
  { to, from }: { to: readonly string[]; from: string },
  file: string,
): Promise<number> {
  const { environment, terminal } = run;
  const bar = terminal.progressBar("Sending");
  const input = file === "-" ? environment.stdin : await openMessage(file);
  const total = file === "-" ? 0 : (await stat(file)).size;
  const report = await run
    .call({
      name: "deliver",
      params: { to: [...to], from },
      input: counted(input as AsyncIterable<Uint8Array>, (done) => bar.show(done, total)),
    })
    .finally(() => bar.end());
  terminal.result(report, (report) => deliveryText(report, terminal));
  return report.recipients.every(({ error }) => error === null) ? exitCodes.ok : exitCodes.found;
}

async function openMessage(file: string): Promise<AsyncIterable<Uint8Array>> {
  const stream = createReadStream(file);
  await new Promise((resolve, reject) => {
    stream.once("open", resolve);
    stream.once("error", (error) =>
      reject(new InputError(`${file} cannot be read: ${error.message}`, { cause: error })),
    );
  });
  return stream as AsyncIterable<Uint8Array>;
}

async function* counted(
  input: AsyncIterable<Uint8Array>,
  tell: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const part of input) {
    bytes += part.length;
    tell(bytes);
    yield part;
  }
}

function deliveryText(report: DeliveryReport, terminal: Terminal): string {
  return report.recipients
    .map(({ address, error }) =>
      error === null
        ? `${terminal.styled("green", "delivered")}  ${address}`
        : `${terminal.styled("red", "refused")}    ${address}: ${error}`,
    )
    .join("\n");
}
