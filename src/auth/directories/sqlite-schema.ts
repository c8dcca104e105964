import type { DatabaseSync } from "node:sqlite";
import type { Random } from "#base/random.ts";
import { defaultTenant } from "../directory.ts";

/** "Rdir" in the file's header; tells our files from other SQLite files. */
const applicationId = 0x52646972;

/**
 * @format directory
 *
 * Each entry takes a file from version `index` to `index + 1`; entries are never changed once
 * released. Names, addresses and domains are stored in the normal form of names.ts.
 */
const migrations: readonly string[] = [
  `
  CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tenants (
    id TEXT PRIMARY KEY
  ) STRICT, WITHOUT ROWID;

  -- A row is never deleted: an id belongs to one account for ever.
  CREATE TABLE accounts (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    quota_bytes INTEGER,
    quota_messages INTEGER,
    -- Milliseconds since 1970.
    created_at INTEGER NOT NULL,
    removed_at INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX accounts_by_name ON accounts (name) WHERE removed_at IS NULL;

  -- The main password has the empty label. The hashes are a JSON array of {SCHEME} texts.
  CREATE TABLE passwords (
    account TEXT NOT NULL REFERENCES accounts (id),
    label TEXT NOT NULL,
    hashes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (account, label)
  ) STRICT, WITHOUT ROWID;

  -- What leads to an account: its own addresses, and aliases, which were made for a target that
  -- led to it then. Mail to an alias has the target's detail, where that has one.
  CREATE TABLE addresses (
    address TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id),
    alias_of TEXT,
    detail TEXT CHECK (detail IS NULL OR alias_of IS NOT NULL)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX addresses_by_account ON addresses (account);

  CREATE TABLE catch_alls (
    domain TEXT PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX catch_alls_by_account ON catch_alls (account);
  `,
];

/** The version that this program writes. */
export const schemaVersion = migrations.length;

/** Brings an open file, perhaps an empty one, to the current version. Throws on files not ours. */
export function migrate(db: DatabaseSync, random: Random): void {
  const version = pragma(db, "user_version");
  const id = pragma(db, "application_id");
  if (version !== 0 && id !== applicationId)
    throw new Error("This SQLite file is not a directory of accounts");
  if (version > schemaVersion)
    throw new Error(
      `The directory has schema version ${version}; this program knows ${schemaVersion} at most`,
    );
  if (version === schemaVersion) return;
  db.exec("BEGIN IMMEDIATE");
  try {
    for (const migration of migrations.slice(version)) db.exec(migration);
    if (version === 0) {
      db.prepare("INSERT INTO tenants (id) VALUES (?)").run(defaultTenant);
      db.prepare("INSERT INTO settings (name, value) VALUES ('decoy-secret', ?)").run(
        random.bytes(32),
      );
    }
    db.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion}`);
    db.exec("COMMIT");
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

/** The value of a pragma that is a number. */
export function pragma(db: DatabaseSync, name: string): number {
  const row = db.prepare(`PRAGMA ${name}`).get();
  return Number(row?.[name] ?? 0);
}
