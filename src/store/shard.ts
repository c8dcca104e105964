import type { AccountId, Shard } from "#base/brand.ts";
import { fromLatin1 } from "#base/bytes.ts";
import { crc32 } from "#base/crc.ts";
import { limits } from "#base/limits.ts";

/** The shard of an account: the CRC-32 of its id modulo 1,024. Never changes, at any scale. */
export function shardOf(account: AccountId): Shard {
  return (crc32(fromLatin1(account)) % limits.shards) as Shard;
}
