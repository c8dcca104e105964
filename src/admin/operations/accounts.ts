import type { Account, Login } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import * as v from "valibot";
import type { AdminContext } from "./operation.ts";

/** A login name as a parameter. */
export const accountName = v.pipe(v.string(), v.nonEmpty("expected a name"));

/** A password as a parameter; never logged. */
export const password = v.pipe(v.string(), v.minLength(1, "expected a password"));

export const quota = v.strictObject({
  bytes: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  messages: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0))),
});

/** An account as operations show it. */
export interface AccountInfo {
  readonly name: string;
  readonly accountId: string;
  readonly tenant: string;
  readonly disabled: boolean;
  readonly quota: { readonly bytes?: number; readonly messages?: number };
}

export function accountInfo(account: Account): AccountInfo {
  const { name, accountId, tenant, disabled, quota } = account;
  return { name, accountId, tenant, disabled, quota };
}

/** The account with this name or address; refuses with NONEXISTENT. */
export async function requireAccount(context: AdminContext, name: string): Promise<Login> {
  const login = await context.accounts.directory.findLogin(name);
  if (login === undefined) throw new Refusal("NONEXISTENT", `There is no account "${name}"`);
  return login;
}
