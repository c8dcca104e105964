import { limits } from "#base/limits.ts";
import type { AccountInfo } from "../../operations/accounts.ts";
import type { CommandRun, CommandSet } from "../command.ts";
import { UsageError } from "../errors.ts";
import { confirm, newPassword } from "../secret.ts";
import type { Terminal } from "../terminal.ts";
import { bytesText } from "../terminal.ts";
import { count, list } from "../words.ts";

interface AddOptions {
  readonly passwordStdin: boolean;
  /** False where --no-password was given. */
  readonly password: boolean;
  readonly address: readonly string[];
  readonly quotaBytes?: number;
  readonly quotaMessages?: number;
}

export const userCommands: CommandSet = (program, act) => {
  const user = program.command("user").description("add, list and change accounts");
  const stdinOption = "read the password from the first line of the input";

  act(
    user
      .command("add <name>")
      .description("add an account; a name with an @ is its address, too")
      .option("--password-stdin", stdinOption, false)
      .option("--no-password", "nobody can log in until there is a password")
      .option("--address <address>", "a further address (repeatable)", list, [])
      .option("--quota-bytes <bytes>", "at most so many bytes of mail", count)
      .option("--quota-messages <count>", "at most so many messages", count),
    addUser,
  );

  act(user.command("list").description("list all accounts by name"), async ({ call, terminal }) => {
    const all: AccountInfo[] = [];
    for (;;) {
      const after = all.at(-1)?.name;
      const params = after === undefined ? {} : { after };
      const page = await call({ name: "user.list", params });
      all.push(...page);
      if (page.length < limits.accountsPerPageMax) break;
    }
    terminal.result(all, (all) => accountsText(all, terminal));
  });

  act(
    user
      .command("passwd <name>")
      .description("give an account another password; app passwords stay")
      .option("--password-stdin", stdinOption, false),
    async (run, { passwordStdin }: { passwordStdin: boolean }, name: string) => {
      const password = await newPassword(run.environment, { fromStdin: passwordStdin });
      const account = await run.call({ name: "user.passwd", params: { name, password } });
      run.terminal.result(account, ({ name }) => `${name} has a new password.`);
    },
  );

  act(
    user
      .command("disable <name>")
      .description("close an account for logins and mail; nothing is lost")
      .option("--undo", "open it again", false),
    async ({ call, terminal }, { undo }: { undo: boolean }, name: string) => {
      const account = await call({ name: "user.disable", params: { name, disabled: !undo } });
      terminal.result(account, ({ name }) => `${name} is ${undo ? "open again" : "disabled"}.`);
    },
  );

  act(
    user
      .command("remove <name>")
      .description("remove an account")
      .option("-y, --yes", "do not ask", false),
    removeUser,
  );
};

async function addUser(run: CommandRun, options: AddOptions, name: string): Promise<void> {
  const { passwordStdin, address, quotaBytes, quotaMessages } = options;
  const password = options.password
    ? { password: await newPassword(run.environment, { fromStdin: passwordStdin }) }
    : {};
  const quota = {
    ...(quotaBytes === undefined ? {} : { bytes: quotaBytes }),
    ...(quotaMessages === undefined ? {} : { messages: quotaMessages }),
  };
  const params = { name, addresses: [...address], quota, ...password };
  const account = await run.call({ name: "user.add", params });
  run.terminal.result(account, ({ name, accountId }) => `${name} was added (${accountId}).`);
}

async function removeUser(run: CommandRun, options: { yes: boolean }, name: string): Promise<void> {
  const { environment, terminal } = run;
  if (!options.yes) {
    if (!terminal.interactive)
      throw new UsageError("There is no terminal to ask whether you are sure: use --yes");
    if (!(await confirm(environment, `Remove ${name} and all access to its mail?`)))
      throw new UsageError("Nothing was removed");
  }
  const account = await run.call({ name: "user.remove", params: { name } });
  terminal.result(account, ({ name }) => `${name} was removed.`);
}

function accountsText(accounts: readonly AccountInfo[], terminal: Terminal): string {
  if (accounts.length === 0) return "There are no accounts yet.";
  const rows = accounts.map(({ name, accountId, disabled, quota }) => [
    name,
    disabled ? "disabled" : "open",
    quota.bytes === undefined ? "-" : bytesText(quota.bytes),
    quota.messages === undefined ? "-" : quota.messages,
    accountId,
  ]);
  return terminal.table(["NAME", "STATE", "BYTES", "MESSAGES", "ID"], rows);
}
