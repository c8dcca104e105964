import { crc32 as zlibCrc32 } from "node:zlib";

/** CRC-32 (IEEE) of `bytes`, continued from `previous`. Unsigned 32 bits. */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return zlibCrc32(bytes, previous);
}
