import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { Bug, Refusal } from "#base/assert.ts";
import type { AccountId, TenantId } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { randomName } from "#base/random.ts";
import type { Random } from "#base/random.ts";
import { BoundedMap } from "../bounded-map.ts";
import { defaultTenant } from "../directory.ts";
import type {
  Account,
  AccountAddresses,
  AccountAdmin,
  AccountListOptions,
  AddressTarget,
  AppPassword,
  HashReplacement,
  Login,
  NewAccount,
  Quota,
  StoredPassword,
} from "../directory.ts";
import { normalDomain, normalName, splitAddress, splitDetail } from "../names.ts";
import { isUsableHash } from "../passwords/schemes.ts";
import { migrate, pragma } from "./sqlite-schema.ts";
import { prepareStatements } from "./sqlite-statements.ts";
import type { AccountRow, AddressRow, Statements } from "./sqlite-statements.ts";

export interface SqliteDirectoryOptions {
  /** The file, made when it is missing; ":memory:" keeps nothing. */
  readonly path: string;
  readonly clock: Clock;
  readonly random: Random;
}

const busyTimeoutMs = 2_000;
const idCharacters = 16;
const idAttemptsMax = 8;
const tenantForm = /^[a-z0-9-]{1,64}$/;

/** Opens the built-in directory; throws when the file is not one or is newer than this program. */
export function openSqliteDirectory(options: SqliteDirectoryOptions): SqliteDirectory {
  // SQLite would make the file readable for all; its journal takes over the file's mode.
  if (options.path !== ":memory:") closeSync(openSync(options.path, "a", 0o600));
  const db = new DatabaseSync(options.path, { timeout: busyTimeoutMs });
  try {
    db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    migrate(db, options.random);
    return new SqliteDirectory(db, options);
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * The built-in directory: one SQLite file, written by one process. Login names are unique over all
 * tenants here, so the normal name alone is the key of a cached answer.
 */
export class SqliteDirectory implements AccountAdmin {
  readonly kind = "sqlite";
  readonly decoySecret: Uint8Array;
  readonly #db: DatabaseSync;
  readonly #sql: Statements;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logins = new BoundedMap<string, Login>(limits.directoryCacheMax);
  readonly #targets = new BoundedMap<string, AddressTarget>(limits.directoryCacheMax);
  #dataVersion: number;
  #checkedAt: number;

  constructor(db: DatabaseSync, options: { readonly clock: Clock; readonly random: Random }) {
    this.#db = db;
    this.#sql = prepareStatements(db);
    this.#clock = options.clock;
    this.#random = options.random;
    this.#dataVersion = pragma(db, "data_version");
    this.#checkedAt = options.clock.monotonic();
    const secret = this.#sql.setting.get("decoy-secret")?.["value"];
    if (!(secret instanceof Uint8Array)) throw new Bug("The directory has no decoy secret");
    this.decoySecret = secret;
  }

  // Reading

  async findLogin(name: string): Promise<Login | undefined> {
    const normal = normalName(name);
    if (normal === undefined) return undefined;
    this.#dropStale();
    const cached = this.#logins.get(normal);
    if (cached !== undefined) return cached;
    const row = this.#accountByName(normal) ?? this.#ownAddress(normal);
    if (row === undefined) return undefined;
    const login = { ...account(row), passwords: this.#passwords(row.id as AccountId) };
    this.#logins.set(normal, login);
    return login;
  }

  async findAddress(address: string): Promise<AddressTarget | undefined> {
    const normal = normalName(address);
    if (normal === undefined) return undefined;
    this.#dropStale();
    const cached = this.#targets.get(normal);
    if (cached !== undefined) return cached;
    const target = this.#resolve(normal);
    // Catch-all answers are not kept: any number of names that nobody has would fill the cache.
    if (target === undefined) return this.#catchAll(normal);
    this.#targets.set(normal, target);
    return target;
  }

  async listAccounts(options: AccountListOptions = {}): Promise<readonly Account[]> {
    const limit = Math.min(options.limit ?? limits.accountsPerPageMax, limits.accountsPerPageMax);
    const rows = this.#sql.accountPage.all({
      tenant: options.tenant ?? null,
      after: options.after ?? "",
      limit,
    });
    return rows.map((row) => account(row as unknown as AccountRow));
  }

  #resolve(name: string): AddressTarget | undefined {
    const direct = this.#direct(name);
    if (direct !== undefined) return direct;
    const parts = splitDetail(name);
    if (parts === undefined) return undefined;
    const target = this.#direct(parts.base);
    // A detail that an alias brings along wins: it is what the alias was made for.
    return target === undefined ? undefined : { detail: parts.detail, ...target };
  }

  #direct(name: string): AddressTarget | undefined {
    const row = this.#address(name);
    if (row !== undefined) {
      const via = row.alias_of === null ? "address" : "alias";
      return { ...account(row), via, ...(row.detail === null ? {} : { detail: row.detail }) };
    }
    if (name.includes("@")) return undefined;
    const named = this.#accountByName(name);
    return named === undefined ? undefined : { ...account(named), via: "address" };
  }

  #catchAll(name: string): AddressTarget | undefined {
    const { domain } = splitAddress(name);
    if (domain === undefined) return undefined;
    const row = this.#sql.catchAll.get(domain) as AccountRow | undefined;
    return row === undefined ? undefined : { ...account(row), via: "catch-all" };
  }

  #accountByName(name: string): AccountRow | undefined {
    return this.#sql.accountByName.get(name) as AccountRow | undefined;
  }

  #address(address: string): AddressRow | undefined {
    return this.#sql.address.get(address) as AddressRow | undefined;
  }

  #ownAddress(address: string): AddressRow | undefined {
    const row = this.#address(address);
    return row?.alias_of === null ? row : undefined;
  }

  /** The main password first: its label is empty and sorts before all others. */
  #passwords(accountId: AccountId): readonly StoredPassword[] {
    return this.#sql.passwords.all(accountId).map((row) => {
      const hashes = JSON.parse(String(row["hashes"])) as readonly string[];
      return row["label"] === "" ? { hashes } : { label: String(row["label"]), hashes };
    });
  }

  /** Sees, once in a while, whether another process has written. */
  #dropStale(): void {
    const now = this.#clock.monotonic();
    if (now - this.#checkedAt < limits.directoryStaleMsMax) return;
    this.#checkedAt = now;
    const version = Number(this.#sql.dataVersion.get()?.["data_version"]);
    if (version === this.#dataVersion) return;
    this.#dataVersion = version;
    this.#forget();
  }

  #forget(): void {
    this.#logins.clear();
    this.#targets.clear();
  }

  // Writing

  async addTenant(tenant: TenantId): Promise<void> {
    if (!tenantForm.test(tenant))
      throw new Refusal("CANNOT", "A tenant is named by 1 to 64 characters of a-z, 0-9 and -");
    this.#write(() => {
      if (this.#sql.tenant.get(tenant) !== undefined)
        throw new Refusal("ALREADYEXISTS", "There is such a tenant already");
      this.#sql.addTenant.run(tenant);
    });
  }

  async listTenants(): Promise<readonly TenantId[]> {
    return this.#sql.tenants.all().map((row) => String(row["id"]) as TenantId);
  }

  async addAccount(wanted: NewAccount): Promise<Account> {
    const name = need(normalName(wanted.name), "This cannot be the name of an account");
    const hashes = wanted.hashes ?? [];
    const quota = quotaColumns(wanted.quota ?? {});
    checkHashes(hashes);
    return this.#write(() => {
      const tenant = wanted.tenant ?? defaultTenant;
      if (this.#sql.tenant.get(tenant) === undefined)
        throw new Refusal("NONEXISTENT", "There is no such tenant");
      if (this.#accountByName(name) !== undefined || this.#address(name) !== undefined)
        throw new Refusal("ALREADYEXISTS", "This name or address is taken");
      const id = this.#newId();
      const now = this.#clock.now();
      this.#sql.addAccount.run({ id, tenant, name, ...quota, now });
      if (hashes.length > 0) this.#sql.putPassword.run(id, "", JSON.stringify(hashes), now);
      if (name.includes("@")) this.#claim(id, name);
      for (const address of wanted.addresses ?? []) this.#claim(id, address);
      return account(this.#row(id));
    });
  }

  async setPassword(accountId: AccountId, hashes: readonly string[]): Promise<void> {
    checkHashes(hashes);
    this.#change(accountId, () => {
      this.#sql.putPassword.run(accountId, "", JSON.stringify(hashes), this.#clock.now());
    });
  }

  async replaceHashes(replacement: HashReplacement): Promise<boolean> {
    const { accountId, oldHash, hashes } = replacement;
    checkHashes(hashes);
    return this.#change(accountId, () => {
      for (const password of this.#passwords(accountId)) {
        if (!password.hashes.includes(oldHash)) continue;
        this.#sql.changeHashes.run(JSON.stringify(hashes), accountId, password.label ?? "");
        return true;
      }
      return false;
    });
  }

  async setDisabled(accountId: AccountId, disabled: boolean): Promise<void> {
    this.#change(accountId, () => this.#sql.setDisabled.run(disabled ? 1 : 0, accountId));
  }

  async setQuota(accountId: AccountId, quota: Quota): Promise<void> {
    const columns = quotaColumns(quota);
    this.#change(accountId, () => this.#sql.setQuota.run({ id: accountId, ...columns }));
  }

  async removeAccount(accountId: AccountId): Promise<void> {
    this.#change(accountId, () => {
      this.#sql.removeAddressesOf.run(accountId);
      this.#sql.removeCatchAllsOf.run(accountId);
      this.#sql.removePasswordsOf.run(accountId);
      this.#sql.removeAccount.run(this.#clock.now(), accountId);
    });
  }

  async listAddresses(accountId: AccountId): Promise<AccountAddresses> {
    this.#row(accountId);
    const rows = this.#sql.addressesOf.all(accountId);
    return {
      addresses: rows
        .filter((row) => row["alias_of"] === null)
        .map((row) => String(row["address"])),
      aliases: rows
        .filter((row) => row["alias_of"] !== null)
        .map((row) => ({ alias: String(row["address"]), target: String(row["alias_of"]) })),
      catchAll: this.#sql.catchAllsOf.all(accountId).map((row) => String(row["domain"])),
    };
  }

  async addAddress(accountId: AccountId, address: string): Promise<void> {
    this.#change(accountId, () => this.#claim(accountId, address));
  }

  async removeAddress(address: string): Promise<void> {
    const normal = need(normalName(address), "This is not an address");
    this.#write(() => {
      if (this.#address(normal) === undefined)
        throw new Refusal("NONEXISTENT", "There is no such address");
      this.#sql.removeAddress.run(normal);
    });
  }

  async addAlias(alias: string, target: string): Promise<void> {
    const from = need(normalName(alias), "This is not an address");
    const to = need(normalName(target), "The target is not an address");
    this.#write(() => {
      const found = this.#resolve(to);
      if (found === undefined) throw new Refusal("NONEXISTENT", "The target does not exist here");
      this.#takeAddress(from, { id: found.accountId, aliasOf: to, detail: found.detail ?? null });
    });
  }

  async setCatchAll(domain: string, accountId: AccountId | undefined): Promise<void> {
    const normal = need(normalDomain(domain), "This is not a domain");
    this.#write(() => {
      if (accountId === undefined) {
        this.#sql.removeCatchAll.run(normal);
        return;
      }
      this.#row(accountId);
      this.#sql.putCatchAll.run(normal, accountId);
    });
  }

  async addAppPassword(accountId: AccountId, password: Required<StoredPassword>): Promise<void> {
    const { label, hashes } = password;
    checkHashes(hashes);
    if (label === "" || Buffer.byteLength(label) > limits.loginNameBytesMax)
      throw new Refusal("CANNOT", "An app password needs a label of moderate length");
    this.#change(accountId, () => {
      const stored = this.#passwords(accountId);
      if (stored.some((other) => other.label === label))
        throw new Refusal("ALREADYEXISTS", "There is an app password with this label");
      if (stored.length >= limits.appPasswordsPerAccountMax)
        throw new Refusal("LIMIT", "This account has too many app passwords");
      this.#sql.putPassword.run(accountId, label, JSON.stringify(hashes), this.#clock.now());
    });
  }

  async listAppPasswords(accountId: AccountId): Promise<readonly AppPassword[]> {
    this.#row(accountId);
    return this.#sql.appPasswords.all(accountId).map((row) => ({
      label: String(row["label"]),
      createdAt: Number(row["created_at"]),
    }));
  }

  async removeAppPassword(accountId: AccountId, label: string): Promise<void> {
    this.#change(accountId, () => {
      if (label === "" || this.#sql.removePassword.run(accountId, label).changes === 0)
        throw new Refusal("NONEXISTENT", "There is no app password with this label");
    });
  }

  async close(): Promise<void> {
    if (this.#db.isOpen) this.#db.close();
  }

  /** Gives the account an address of its own. */
  #claim(accountId: AccountId, address: string): void {
    const normal = need(normalName(address), "This is not an address");
    if (!normal.includes("@")) throw new Refusal("CANNOT", "An address needs a domain");
    this.#takeAddress(normal, { id: accountId, aliasOf: null, detail: null });
  }

  #takeAddress(
    address: string,
    row: {
      readonly id: AccountId;
      readonly aliasOf: string | null;
      readonly detail: string | null;
    },
  ): void {
    const named = this.#accountByName(address);
    const isOthersName = named !== undefined && (named.id !== row.id || row.aliasOf !== null);
    if (this.#address(address) !== undefined || isOthersName)
      throw new Refusal("ALREADYEXISTS", "This address is taken");
    if (this.#sql.addressesOf.all(row.id).length >= limits.addressesPerAccountMax)
      throw new Refusal("LIMIT", "This account has too many addresses");
    this.#sql.addAddress.run({ address, ...row });
  }

  #newId(): AccountId {
    for (let attempt = 0; attempt < idAttemptsMax; attempt++) {
      const id = randomName(this.#random, idCharacters) as AccountId;
      if (this.#sql.idTaken.get(id) === undefined) return id;
    }
    throw new Bug("No free account id was drawn: the source of chance is broken");
  }

  #row(accountId: AccountId): AccountRow {
    const row = this.#sql.accountById.get(accountId) as AccountRow | undefined;
    if (row === undefined) throw new Refusal("NONEXISTENT", "There is no such account");
    return row;
  }

  #change<T>(accountId: AccountId, change: (row: AccountRow) => T): T {
    return this.#write(() => change(this.#row(accountId)));
  }

  /** One transaction: all or nothing, on disk when this returns. */
  #write<T>(change: () => T): T {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      const result = change();
      this.#db.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      throw error;
    } finally {
      this.#forget();
    }
  }
}

function account(row: AccountRow): Account {
  const quota: Quota = {
    ...(row.quota_bytes === null ? {} : { bytes: row.quota_bytes }),
    ...(row.quota_messages === null ? {} : { messages: row.quota_messages }),
  };
  return {
    accountId: row.id as AccountId,
    tenant: row.tenant as TenantId,
    name: row.name,
    disabled: row.disabled !== 0,
    quota,
  };
}

function quotaColumns(quota: Quota): { bytes: number | null; messages: number | null } {
  for (const value of [quota.bytes, quota.messages])
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0))
      throw new Refusal("CANNOT", "A quota is a whole number, 0 or more");
  return { bytes: quota.bytes ?? null, messages: quota.messages ?? null };
}

function need(value: string | undefined, text: string): string {
  if (value === undefined) throw new Refusal("CANNOT", text);
  return value;
}

function checkHashes(hashes: readonly string[]): void {
  for (const hash of hashes)
    if (!isUsableHash(hash))
      throw new Refusal("CANNOT", "The password hash is malformed or of an unknown scheme");
}
