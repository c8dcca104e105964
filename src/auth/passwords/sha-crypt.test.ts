import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "#base/bytes.ts";
import { shaCryptHash } from "./sha-crypt.ts";
import type { ShaCryptAlgorithm } from "./sha-crypt.ts";

// The examples of the specification, except those with more than 100,000 rounds.
const vectors: readonly [ShaCryptAlgorithm, string, number, string, string][] = [
  [
    "sha512",
    "saltstring",
    5000,
    "Hello world!",
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
  ],
  [
    "sha512",
    "saltstringsaltstring",
    10000,
    "Hello world!",
    "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
  ],
  [
    "sha256",
    "saltstring",
    5000,
    "Hello world!",
    "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
  ],
  [
    "sha256",
    "saltstringsaltstring",
    10000,
    "Hello world!",
    "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA",
  ],
  [
    "sha256",
    "anotherlongsaltstring",
    1400,
    "a very much longer text to encrypt.  This one even stretches over morethan one line.",
    "$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1",
  ],
  // Made with crypt(3) of glibc 2.36: an empty password.
  [
    "sha512",
    "s",
    1000,
    "",
    "$6$rounds=1000$s$u6h1nDplZjxDo4zJTtL/gDw7SGioQGm.0uRtQXjSgB6lTpGGOfGi4A6UMV.7Q7d2K2ppsidkHUrit0FKUiAv71",
  ],
];

for (const [algorithm, salt, rounds, password, expected] of vectors) {
  test(`sha-crypt gives ${expected.slice(0, 24)}...`, () => {
    const parameters = { algorithm, salt: utf8(salt), rounds, password: utf8(password) };
    assert.equal(shaCryptHash(parameters), expected);
  });
}
