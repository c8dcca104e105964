import type { AccountId, TenantId } from "#base/brand.ts";

/** What an account may hold; an absent limit is no limit. */
export interface Quota {
  /** Sum of message sizes, in bytes as sent (CRLF line ends). */
  readonly bytes?: number;
  readonly messages?: number;
}

/** An account as the directory knows it. */
export interface Account {
  readonly accountId: AccountId;
  readonly tenant: TenantId;
  /** The login name in its normal form; unique in the directory. */
  readonly name: string;
  /** A disabled account cannot log in. Whether it still receives mail is up to delivery. */
  readonly disabled: boolean;
  readonly quota: Quota;
}

/**
 * One secret of an account, in several forms that are all made from the same password: at most one
 * per scheme. Each is a text such as `{ARGON2ID}$argon2id$...` (see passwords/schemes.ts).
 */
export interface StoredPassword {
  /** Absent on the main password; unique per account on app passwords. */
  readonly label?: string;
  readonly hashes: readonly string[];
}

/** An account with what is needed to check a login. */
export interface Login extends Account {
  /** The main password (if there is one) first, then the app passwords. */
  readonly passwords: readonly StoredPassword[];
}

/** Where mail to an address goes. */
export interface AddressTarget extends Account {
  /** What follows "+" in the local part. RFC 5233 §1 */
  readonly detail?: string;
  readonly via: "address" | "alias" | "catch-all";
}

/**
 * Who exists. Names and addresses are given as the client wrote them; drivers compare them in the
 * normal form of `normalName` and answer undefined to what has none. Answers are fresh to a second
 * at worst when another process writes, and at once when this one does.
 */
export interface Directory {
  readonly kind: string;
  /**
   * A secret of at least 16 bytes that is the same after a restart and on every node; decoys for
   * unknown names are derived from it. Absent where the directory has no place to keep one.
   */
  readonly decoySecret?: Uint8Array;
  /** The account with this login name, or with this as one of its own addresses (not aliases). */
  findLogin(name: string): Promise<Login | undefined>;
  /**
   * Where mail to `address` goes; the first match wins: the address or alias itself, then without
   * its `+detail`, then the catch-all of its domain. An address without "@" is a login name.
   */
  findAddress(address: string): Promise<AddressTarget | undefined>;
  /** All accounts that were not removed, by name; `after` is the last name of the page before. */
  listAccounts(options?: AccountListOptions): Promise<readonly Account[]>;
  /** Replaces `oldHash`'s password by its new forms if it is still stored; for rehash on login. */
  replaceHashes?(replacement: HashReplacement): Promise<boolean>;
  close(): Promise<void>;
}

export interface AccountListOptions {
  readonly tenant?: TenantId;
  readonly after?: string;
  /** At most this many; default and ceiling is `limits.accountsPerPageMax`. */
  readonly limit?: number;
}

export interface HashReplacement {
  readonly accountId: AccountId;
  readonly oldHash: string;
  readonly hashes: readonly string[];
}

export interface NewAccount {
  readonly name: string;
  /** Default `defaultTenant`. It must exist. */
  readonly tenant?: TenantId;
  /** Hashes of the main password; none: only app passwords can log in. */
  readonly hashes?: readonly string[];
  readonly quota?: Quota;
  /** Own addresses beside the name, which is an address itself when it holds an "@". */
  readonly addresses?: readonly string[];
}

/** All that mail can be sent to for one account. */
export interface AccountAddresses {
  readonly addresses: readonly string[];
  readonly aliases: readonly { readonly alias: string; readonly target: string }[];
  /** Domains whose unknown addresses end here. */
  readonly catchAll: readonly string[];
}

/**
 * Writes to a directory of our own. Every method is one transaction, durable when it resolves.
 * Refusals: NONEXISTENT (no such account, tenant, label ...), ALREADYEXISTS, LIMIT, CANNOT (the
 * value has no normal form).
 */
export interface AccountAdmin extends Directory {
  addTenant(tenant: TenantId): Promise<void>;
  listTenants(): Promise<readonly TenantId[]>;
  /** Makes a permanent id that no account, removed ones included, ever had. */
  addAccount(account: NewAccount): Promise<Account>;
  /** Replaces the main password; app passwords stay. */
  setPassword(accountId: AccountId, hashes: readonly string[]): Promise<void>;
  setDisabled(accountId: AccountId, disabled: boolean): Promise<void>;
  /** Frees name and addresses; the id stays taken for ever. */
  removeAccount(accountId: AccountId): Promise<void>;
  setQuota(accountId: AccountId, quota: Quota): Promise<void>;
  listAddresses(accountId: AccountId): Promise<AccountAddresses>;
  addAddress(accountId: AccountId, address: string): Promise<void>;
  /** Removes an own address or an alias. */
  removeAddress(address: string): Promise<void>;
  /**
   * `target` is an address or login name here, perhaps with a detail or an alias itself. The alias
   * belongs to the account that the target leads to now, and stays when the target moves.
   */
  addAlias(alias: string, target: string): Promise<void>;
  /** Where mail to unknown addresses of `domain` goes; undefined: nowhere. */
  setCatchAll(domain: string, accountId: AccountId | undefined): Promise<void>;
  addAppPassword(accountId: AccountId, password: Required<StoredPassword>): Promise<void>;
  listAppPasswords(accountId: AccountId): Promise<readonly AppPassword[]>;
  removeAppPassword(accountId: AccountId, label: string): Promise<void>;
}

export interface AppPassword {
  readonly label: string;
  /** Milliseconds since 1970-01-01T00:00Z. */
  readonly createdAt: number;
}

/** The tenant that is always there. */
export const defaultTenant = "default" as TenantId;
