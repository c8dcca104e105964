import type { AccountId } from "#base/brand.ts";
import type { Account, AccountAdmin, Login, NewAccount, StoredPassword } from "./directory.ts";
import type { Passwords, ScramSalt } from "./passwords/passwords.ts";
import { scramVerifier } from "./passwords/schemes.ts";

/** What the functions below write to and hash with. */
export interface AccountDesk {
  readonly directory: AccountAdmin;
  readonly passwords: Passwords;
}

/** Adds an account with a password that is stored in all forms. Refuses as `addAccount` does. */
export async function createAccount(
  desk: AccountDesk,
  account: Omit<NewAccount, "hashes">,
  password: string,
): Promise<Account> {
  const hashes = await desk.passwords.hashes(password);
  return desk.directory.addAccount({ ...account, hashes });
}

/** Gives an account another main password; app passwords stay. */
export async function changePassword(
  desk: AccountDesk,
  login: Login,
  password: string,
): Promise<void> {
  const hashes = await desk.passwords.hashes(password, sharedScramSalt(login.passwords));
  await desk.directory.setPassword(login.accountId, hashes);
}

/** Makes an app password and gives it back: the only time that it can be read. */
export async function createAppPassword(
  desk: AccountDesk,
  login: Login,
  label: string,
): Promise<{ readonly accountId: AccountId; readonly password: string }> {
  const password = desk.passwords.newAppPassword();
  const hashes = await desk.passwords.strongHashes(password, sharedScramSalt(login.passwords));
  await desk.directory.addAppPassword(login.accountId, { label, hashes });
  return { accountId: login.accountId, password };
}

/**
 * Salt and iterations of the SCRAM verifiers that an account has. All its passwords use them: the
 * server names one salt before it knows which of the passwords the client holds.
 */
export function sharedScramSalt(passwords: readonly StoredPassword[]): ScramSalt | undefined {
  for (const { hashes } of passwords)
    for (const hash of hashes) {
      const verifier = scramVerifier(hash, "sha256") ?? scramVerifier(hash, "sha1");
      if (verifier !== undefined) return { salt: verifier.salt, iterations: verifier.iterations };
    }
  return undefined;
}
