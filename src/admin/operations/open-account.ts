import { Refusal } from "#base/assert.ts";
import type { Account, MailboxState } from "#store/index.ts";
import { canonicalMailboxName } from "#store/index.ts";
import { requireAccount } from "./accounts.ts";
import type { AdminContext } from "./operation.ts";

/** Opens the mail of the account with this name for `use`. */
export async function withAccount<T>(
  context: AdminContext,
  name: string,
  use: (account: Account) => T | Promise<T>,
): Promise<T> {
  const { accountId } = await requireAccount(context, name);
  const { store } = await context.mail();
  const account = await store.open(accountId, { accountId });
  try {
    return await use(account);
  } finally {
    store.close(account);
  }
}

/** The mailbox of that name; refuses with NONEXISTENT. */
export function requireMailbox(account: Account, name: string): MailboxState {
  const mailbox = account.state.mailboxesByName.get(canonicalMailboxName(name));
  if (mailbox === undefined) throw new Refusal("NONEXISTENT", `There is no mailbox "${name}"`);
  return mailbox;
}
