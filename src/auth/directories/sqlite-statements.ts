import type { DatabaseSync, StatementSync } from "node:sqlite";

/** A row of `accounts` that was not removed. */
export interface AccountRow {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  readonly disabled: number;
  readonly quota_bytes: number | null;
  readonly quota_messages: number | null;
}

/** An address with its account. */
export interface AddressRow extends AccountRow {
  readonly alias_of: string | null;
  readonly detail: string | null;
}

const columns = "a.id, a.tenant, a.name, a.disabled, a.quota_bytes, a.quota_messages";

const texts = {
  setting: "SELECT value FROM settings WHERE name = ?",
  dataVersion: "PRAGMA data_version",

  accountById: `SELECT ${columns} FROM accounts a WHERE a.id = ? AND a.removed_at IS NULL`,
  accountByName: `SELECT ${columns} FROM accounts a WHERE a.name = ? AND a.removed_at IS NULL`,
  accountPage: `SELECT ${columns} FROM accounts a
    WHERE a.removed_at IS NULL AND a.name > :after AND (:tenant IS NULL OR a.tenant = :tenant)
    ORDER BY a.name LIMIT :limit`,
  idTaken: "SELECT 1 FROM accounts WHERE id = ?",
  addAccount: `INSERT INTO accounts (id, tenant, name, quota_bytes, quota_messages, created_at)
    VALUES (:id, :tenant, :name, :bytes, :messages, :now)`,
  setDisabled: "UPDATE accounts SET disabled = ? WHERE id = ?",
  setQuota: `UPDATE accounts SET quota_bytes = :bytes, quota_messages = :messages WHERE id = :id`,
  removeAccount: "UPDATE accounts SET removed_at = ? WHERE id = ?",

  tenant: "SELECT 1 FROM tenants WHERE id = ?",
  tenants: "SELECT id FROM tenants ORDER BY id",
  addTenant: "INSERT INTO tenants (id) VALUES (?)",

  passwords: "SELECT label, hashes FROM passwords WHERE account = ? ORDER BY label",
  appPasswords: `SELECT label, created_at FROM passwords
    WHERE account = ? AND label <> '' ORDER BY label`,
  putPassword: `INSERT OR REPLACE INTO passwords (account, label, hashes, created_at)
    VALUES (?, ?, ?, ?)`,
  changeHashes: "UPDATE passwords SET hashes = ? WHERE account = ? AND label = ?",
  removePassword: "DELETE FROM passwords WHERE account = ? AND label = ?",
  removePasswordsOf: "DELETE FROM passwords WHERE account = ?",

  address: `SELECT ${columns}, d.alias_of, d.detail
    FROM addresses d JOIN accounts a ON a.id = d.account WHERE d.address = ?`,
  addressesOf: "SELECT address, alias_of FROM addresses WHERE account = ? ORDER BY address",
  addAddress: `INSERT INTO addresses (address, account, alias_of, detail)
    VALUES (:address, :id, :aliasOf, :detail)`,
  removeAddress: "DELETE FROM addresses WHERE address = ?",
  removeAddressesOf: "DELETE FROM addresses WHERE account = ?",

  catchAll: `SELECT ${columns} FROM catch_alls c JOIN accounts a ON a.id = c.account
    WHERE c.domain = ? AND a.removed_at IS NULL`,
  catchAllsOf: "SELECT domain FROM catch_alls WHERE account = ? ORDER BY domain",
  putCatchAll: "INSERT OR REPLACE INTO catch_alls (domain, account) VALUES (?, ?)",
  removeCatchAll: "DELETE FROM catch_alls WHERE domain = ?",
  removeCatchAllsOf: "DELETE FROM catch_alls WHERE account = ?",
} as const;

export type Statements = { readonly [Name in keyof typeof texts]: StatementSync };

/** Everything the directory ever asks, prepared once. */
export function prepareStatements(db: DatabaseSync): Statements {
  const entries = Object.entries(texts).map(([name, text]) => [name, db.prepare(text)] as const);
  return Object.fromEntries(entries) as Statements;
}
