/** CRC-32C (Castagnoli), reflected. RFC 4960 Appendix B */

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f6_3b78 : value >>> 1;
  return value >>> 0;
});

/** The checksum of `parts` one behind another. */
export function crc32c(...parts: readonly Uint8Array[]): number {
  let crc = 0xffff_ffff;
  for (const part of parts)
    for (const octet of part) crc = (crc >>> 8) ^ table[(crc ^ octet) & 0xff]!;
  return ~crc >>> 0;
}
