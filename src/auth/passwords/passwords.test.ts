import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import { seededRandom } from "#base/random.ts";
import { derive, inlineSlowHash } from "./derive.ts";
import type { SlowHash, SlowWork } from "./derive.ts";
import { Passwords } from "./passwords.ts";
import { PasswordFormatError, isUsableHash, parseHash, passwordSchemes } from "./schemes.ts";

const passwords = new Passwords({ random: seededRandom(3), slow: inlineSlowHash });

const known: readonly (readonly [string, string])[] = [
  // The reference implementation of argon2, src/test.c.
  [
    "password",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
  ],
  // The test vectors of crypt_blowfish.
  ["U*U", "{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"],
  ["U*U*U", "$2y$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"],
  // The specification of sha-crypt.
  [
    "Hello world!",
    "{SHA512-CRYPT}$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
  ],
  ["Hello world!", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"],
  ["Hello world!", "{CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"],
  // RFC 6070 §2
  ["password", "{PBKDF2}$1$salt$4096$4b007901b765489abead49d926f721d065a429c1"],
  // Digests of "secret" and the salt "NaCl" made with another program.
  ["secret", "{SSHA}dj2lH1ocucmj5OQsjP6mQrVx6FhOYUNs"],
  ["secret", "{SSHA256}MiBKWPJ1JQtCfn9IyOCVrjIVaDjvjq7QEJ2338bLy6lOYUNs"],
  [
    "secret",
    "{SSHA512}iRjXxi6rhPYpuxX1j9XfoMia+YOZ6MBLltGn46bREX+b3os6Fh/Dl8WNN5YGrc4n7fSBhWch1IoYiLBEukHNAE5hQ2w=",
  ],
  ["secret", "{ssha.hex}763da51f5a1cb9c9a3e4e42c8cfea642b571e8584e61436c"],
  ["secret", "{PLAIN}secret"],
];

test("known answers of every scheme", async () => {
  for (const [password, stored] of known) {
    assert.equal(await passwords.verify(password, stored), true, stored);
    assert.equal(await passwords.verify(`${password}x`, stored), false, stored);
    assert.equal(await passwords.verify("", stored), false, stored);
    assert.equal(await passwords.verify(`${password}\0x`, stored), false, stored);
  }
});

test("what is hashed is verified, with a new salt each time", async () => {
  // Two rounds would do; bcrypt at its cost of 12 takes longest.
  for (const scheme of passwordSchemes) {
    const stored = await passwords.hash("gr\u00fc\u00dfe", scheme);
    assert.ok(stored.startsWith(`{${scheme}}`), stored);
    assert.equal(parseHash(stored).scheme, scheme);
    assert.equal(await passwords.verify("gr\u00fc\u00dfe", stored), true, stored);
    // The decomposed form of the same password.
    assert.equal(await passwords.verify("gru\u0308\u00dfe", stored), true, stored);
    assert.equal(await passwords.verify("grusse", stored), false, stored);
    if (scheme !== "PLAIN" && scheme !== "BLF-CRYPT")
      assert.notEqual(await passwords.hash("gr\u00fc\u00dfe", scheme), stored);
  }
});

test("all forms of one password", async () => {
  const hashes = await passwords.hashes("secret");
  assert.deepEqual(
    hashes.map((hash) => parseHash(hash).scheme),
    ["ARGON2ID", "SCRAM-SHA-256", "SCRAM-SHA-1"],
  );
  for (const hash of hashes) assert.equal(await passwords.verify("secret", hash), true, hash);
  const app = passwords.newAppPassword();
  assert.match(app, /^[a-z2-7]{4}(?:-[a-z2-7]{4}){4}$/);
  const strong = await passwords.strongHashes(app);
  for (const hash of strong) assert.equal(await passwords.verify(app, hash), true, hash);
  assert.equal(await passwords.verify("", passwords.decoy()), false);
});

test("passwords that nobody could type are not stored", async () => {
  for (const bad of ["", "a\0b", "line\n", "\u00ad", "x".repeat(1025), "\ue000"])
    await assert.rejects(passwords.hash(bad), (error) => {
      return error instanceof Refusal && error.code === "CANNOT";
    });
  assert.equal(await passwords.verify("x".repeat(1025), `{PLAIN}${"x".repeat(1025)}`), false);
});

test("hashes that are malformed, unknown or too dear are told apart from wrong passwords", async () => {
  const bad = [
    "",
    "secret",
    "{}secret",
    "{NTLM}00112233445566778899aabbccddeeff",
    "{ARGON2ID}",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$",
    "{ARGON2ID}$argon2id$v=16$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    "{ARGON2ID}$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    "{ARGON2ID}$argon2id$v=19$m=4,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    "{BLF-CRYPT}$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "{BLF-CRYPT}$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    "{SHA512-CRYPT}$6$salt$short",
    "{SHA256-CRYPT}$5$rounds=999999999$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
    "{SSHA}",
    "{SSHA}dj2l",
    "{SSHA}!!!!",
    "{SSHA.hex}763",
    "{PBKDF2}$1$salt$0$4b007901b765489abead49d926f721d065a429c1",
    "{PBKDF2}$1$salt$999999999$4b007901b765489abead49d926f721d065a429c1",
    "{PBKDF2}$2$salt$4096$4b007901b765489abead49d926f721d065a429c1",
    "{SCRAM-SHA-256}4096,c2FsdA==,c2hvcnQ=,c2hvcnQ=",
    "{SCRAM-SHA-1}0,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
  ];
  for (const stored of bad) {
    assert.equal(isUsableHash(stored), false, stored);
    await assert.rejects(passwords.verify("secret", stored), PasswordFormatError, stored);
  }
});

test("cheap schemes do not go to the slow threads", async () => {
  const seen: SlowWork["kind"][] = [];
  const slow: SlowHash = {
    derive: async (work, password) => {
      seen.push(work.kind);
      return derive(work, password);
    },
    close: async () => {},
  };
  const counting = new Passwords({ random: seededRandom(4), slow });
  for (const scheme of ["PLAIN", "SSHA", "SSHA256", "SSHA512"] as const)
    assert.equal(await counting.verify("secret", await counting.hash("secret", scheme)), true);
  assert.deepEqual(seen, []);
  await counting.verify("wrong", counting.decoy());
  assert.deepEqual(seen, ["argon2"]);
});
