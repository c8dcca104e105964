import { randomFillSync } from "node:crypto";

/** Chance as an argument: the only source of randomness. */
export interface Random {
  /** `count` random bytes. */
  bytes(count: number): Uint8Array;
  /** A uniform integer in 0 .. limit-1; limit at most 2^32. */
  below(limit: number): number;
}

/** Cryptographically strong. */
export const systemRandom: Random = {
  bytes: (count) => randomFillSync(new Uint8Array(count)),
  below(limit) {
    const word = new Uint32Array(1);
    const ceiling = Math.floor(0x1_0000_0000 / limit) * limit;
    do randomFillSync(word);
    while (word[0]! >= ceiling);
    return word[0]! % limit;
  },
};

/** Deterministic, for simulation and tests only: xoshiro128** seeded through splitmix32. */
export function seededRandom(seed: number): Random {
  let mix = seed >>> 0;
  const next = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  const s = new Uint32Array([next(), next(), next(), next()]);
  const rotate = (x: number, k: number): number => (x << k) | (x >>> (32 - k));
  const word = (): number => {
    const result = Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9) >>> 0;
    const t = s[1]! << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s[1]!;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    s[3] = rotate(s[3]!, 11);
    return result;
  };
  return {
    bytes(count) {
      const out = new Uint8Array(count);
      for (let i = 0; i < count; i++) out[i] = word() & 0xff;
      return out;
    },
    below: (limit) => Math.floor((word() / 0x1_0000_0000) * limit),
  };
}

const base32 = "abcdefghijklmnopqrstuvwxyz234567";

/** A random name of `length` characters of [a-z2-7], five bits each. */
export function randomName(random: Random, length: number): string {
  let name = "";
  for (const byte of random.bytes(length)) name += base32[byte & 31]!;
  return name;
}
