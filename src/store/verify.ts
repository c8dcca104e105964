/**
 * Checking what is stored: every byte of every object of every account against its checksums, and
 * the accounts in memory against what a restart would read.
 */
import { Refusal, errorText } from "#base/assert.ts";
import type { AccountId } from "#base/brand.ts";
import { FormatError } from "#base/bytes.ts";
import { JournalCorruption } from "./journal/journal.ts";
import { type Damage, type Damages } from "./settled/damage.ts";
import { accountsPrefix, parseObjectKey } from "./settled/names.ts";
import type { SettleContext } from "./settled/write-packs.ts";
import { VerifyingAccount } from "./settled/verify-account.ts";
import type { Settler } from "./settle.ts";
import type { Store } from "./store.ts";

export interface VerifyOptions {
  /** Only this account. */
  readonly account?: AccountId;
  /** Sets aside what is damaged and writes it anew from the best source. */
  readonly repair?: boolean;
  /** Called after each object, and each account as one more. */
  readonly progress?: (done: number, total: number) => void;
}

export interface VerifyReport {
  readonly accounts: number;
  readonly objects: number;
  readonly bytes: number;
  readonly messages: number;
  readonly damages: readonly Damage[];
  /** Something was damaged and is written anew; what that could not save is in `damages`. */
  readonly repaired: boolean;
}

export interface VerifyParts {
  readonly store: Store;
  readonly settler: Settler;
  readonly context: SettleContext;
  readonly damages: Damages;
}

/** Checks accounts, one after the other, beside all other work. */
export async function verifyAccounts(
  parts: VerifyParts,
  options: VerifyOptions,
): Promise<VerifyReport> {
  const { store, context, damages } = parts;
  const { repair = false, progress = () => {} } = options;
  const byAccount = await objectsByAccount(parts, options.account);
  let total = byAccount.size;
  for (const names of byAccount.values()) total += names.length;
  const found: Damage[] = [];
  const known = new Set(damages.list);
  const counts = { objects: 0, bytes: 0, messages: 0 };
  let repaired = false;
  let done = 0;
  const step = (): void => progress(++done, Math.max(done, total));
  if (options.account === undefined) await checkJournal(context, found);
  for (const id of byAccount.keys()) {
    try {
      const result = await store.settling(id, async (target) => {
        const verifying = new VerifyingAccount(context, target);
        await verifying.check(step);
        return verifying;
      });
      counts.objects += result.objects;
      counts.bytes += result.bytes;
      counts.messages += result.messages;
      if (repair && (await repairAccount(parts, id, result))) repaired = true;
      found.push(...result.damages);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const text = `cannot be checked: ${errorText(error)}`;
      found.push({ account: id, object: "account", text, outcome: "found" });
    }
    step();
  }
  // What was noticed while the accounts were loaded.
  for (const damage of damages.list) if (!known.has(damage)) found.push(damage);
  if (repair) repaired ||= found.some(({ outcome }) => outcome === "recovered");
  for (const damage of found) damages.report(damage);
  return { accounts: byAccount.size, ...counts, damages: withoutRepeats(found), repaired };
}

/** Writes anew what was found damaged, and looks for objects whose time is over. */
async function repairAccount(
  parts: VerifyParts,
  id: AccountId,
  result: VerifyingAccount,
): Promise<boolean> {
  const { store, settler } = parts;
  const damaged = result.damages.length > 0;
  if (damaged) await store.settling(id, (target) => result.salvage(target));
  await settler.settle(id, { snapshot: damaged, sweep: true });
  return damaged;
}

function withoutRepeats(damages: readonly Damage[]): Damage[] {
  const seen = new Map<string, Damage>();
  for (const damage of damages)
    seen.set(`${damage.account}/${damage.object}/${damage.text}`, damage);
  return [...seen.values()];
}

async function objectsByAccount(
  parts: VerifyParts,
  only: AccountId | undefined,
): Promise<Map<AccountId, string[]>> {
  const byAccount = new Map<AccountId, string[]>();
  for (const key of await parts.context.objects.list(accountsPrefix)) {
    const parsed = parseObjectKey(key);
    if (parsed === undefined || (only !== undefined && parsed.id !== only)) continue;
    const names = byAccount.get(parsed.id) ?? [];
    names.push(parsed.name);
    byAccount.set(parsed.id, names);
  }
  for (const [id, tail] of parts.store.tails)
    if (!tail.isEmpty && (only === undefined || id === only) && !byAccount.has(id))
      byAccount.set(id, []);
  return byAccount;
}

async function checkJournal(context: SettleContext, found: Damage[]): Promise<void> {
  try {
    for await (const _ of context.journal.replay());
  } catch (error) {
    if (!(error instanceof JournalCorruption) && !(error instanceof FormatError)) throw error;
    found.push({ account: undefined, object: "journal", text: error.message, outcome: "found" });
  }
}
