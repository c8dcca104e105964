/**
 * Numbers and strings that must not be mixed up. A brand exists only for the compiler.
 */
declare const brand: unique symbol;
export type Branded<T, B extends string> = T & { readonly [brand]: B };

/** Permanent id of an account: 16 characters of [a-z2-7]. Never reused. */
export type AccountId = Branded<string, "AccountId">;
/** Id of a tenant: [a-z0-9-], at most 64 characters. */
export type TenantId = Branded<string, "TenantId">;
/** Unique identifier of a message in a mailbox, 1 .. 2^32-1. RFC 9051 §2.3.1.1 */
export type Uid = Branded<number, "Uid">;
/** Message sequence number as one session sees it, from 1. RFC 9051 §2.3.1.2 */
export type SeqNum = Branded<number, "SeqNum">;
/** Modification sequence; one counter per account, 1 .. 2^53-1. RFC 7162 §3.1 */
export type ModSeq = Branded<number, "ModSeq">;
/** Number of an ownership of a shard. */
export type Epoch = Branded<number, "Epoch">;
/** One of the 1,024 shards. */
export type Shard = Branded<number, "Shard">;
/** Number of a mailbox in its account; never reused. */
export type MailboxNumber = Branded<number, "MailboxNumber">;
/** Number of a message (content, shared by its copies) in its account; never reused. */
export type MessageNumber = Branded<number, "MessageNumber">;
