/**
 * Who is it, and may they in?
 *
 * Contract
 * - `Directory` says which accounts exist, which addresses lead to them and which password hashes
 *   they have; `AccountAdmin` writes to the directory that is our own. Drivers in directories/
 *   pass directory.contract.ts.
 * - An account has a permanent id that is never given to another one; names and addresses may move.
 * - `Authenticator` is the only judge of passwords and SCRAM proofs. A refused login says the same
 *   words after the same work whether the name is unknown, the password wrong or the account
 *   disabled; the log knows the difference. Guessing costs a growing delay per account and address.
 * - `Passwords` knows the stored forms. What takes long runs on threads of its own behind a bounded
 *   queue, never on the thread that serves sessions nor in the pool that serves files.
 * - sasl/ holds the mechanisms as state machines without input or output; `mechanisms` says which
 *   may be offered on a connection. A plain text password is refused where others could read it.
 * - Passwords are never logged and never stored but as hashes.
 */
export type {
  Account,
  AccountAddresses,
  AccountAdmin,
  AccountListOptions,
  AddressTarget,
  AppPassword,
  Directory,
  HashReplacement,
  Login,
  NewAccount,
  Quota,
  StoredPassword,
} from "./directory.ts";
export type { Identity, Peer } from "./identity.ts";
export type {
  ChannelBindingType,
  CredentialCheck,
  SaslContext,
  SaslExchange,
  SaslStep,
} from "./sasl/exchange.ts";
export { Authenticator } from "./authenticate.ts";
export type { AuthenticatorOptions } from "./authenticate.ts";
export { changePassword, createAccount } from "./accounts.ts";
export type { AccountDesk } from "./accounts.ts";
export { openSqliteDirectory, SqliteDirectory } from "./directories/sqlite.ts";
export type { SqliteDirectoryOptions } from "./directories/sqlite.ts";
export { inlineSlowHash } from "./passwords/derive.ts";
export type { SlowHash, SlowWork } from "./passwords/derive.ts";
export { Passwords } from "./passwords/passwords.ts";
export type { PasswordScheme } from "./passwords/schemes.ts";
export { PasswordThreads } from "./passwords/threads.ts";
export { networkOf } from "./peer-address.ts";
export { mayShowPassword, mechanisms, saslNonce, startExchange } from "./sasl/mechanisms.ts";
export type { MechanismOffer } from "./sasl/mechanisms.ts";
export { LoginThrottle } from "./throttle.ts";
export type { LoginThrottleOptions } from "./throttle.ts";
