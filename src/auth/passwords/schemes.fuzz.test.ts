import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom } from "#base/random.ts";
import { saslprep } from "../saslprep.ts";
import { normalName, splitDetail } from "../names.ts";
import { PasswordFormatError, parseHash } from "./schemes.ts";

const seed = 77;
const samples = [
  "{ARGON2ID}$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
  "{BLF-CRYPT}$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
  "{SHA256-CRYPT}$5$rounds=5000$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
  "{SSHA256.b64}MiBKWPJ1JQtCfn9IyOCVrjIVaDjvjq7QEJ2338bLy6lOYUNs",
  "{PBKDF2}$1$salt$4096$4b007901b765489abead49d926f721d065a429c1",
  "{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
];
const odd = "{}$,=+/@. 09azAZ\0\u00ad\u0130\u00df\ufb01\u212b\u3002\uff20\uff0e\u{1f600}\ud800";

test(`stored hashes with errors parse or are refused (seed ${seed})`, () => {
  const random = seededRandom(seed);
  let parsed = 0;
  for (let round = 0; round < 30_000; round++) {
    let text = samples[random.below(samples.length)]!;
    for (let edits = 1 + random.below(3); edits > 0; edits--) {
      const at = random.below(text.length);
      const put = odd[random.below(odd.length)]!;
      text = text.slice(0, at) + put + text.slice(at + random.below(3));
    }
    try {
      parseHash(text);
      parsed++;
    } catch (error) {
      if (!(error instanceof PasswordFormatError)) throw error;
    }
  }
  assert.ok(parsed > 100, "some errors go unnoticed, as in the digits of a salt");
});

test(`normal names are their own normal form (seed ${seed})`, () => {
  const random = seededRandom(seed);
  const pool = `${odd}abc@@..--`;
  let named = 0;
  for (let round = 0; round < 30_000; round++) {
    let text = "";
    for (let length = 1 + random.below(10); length > 0; length--)
      text +=
        random.below(8) === 0
          ? String.fromCodePoint(random.below(0x3100))
          : pool[random.below(pool.length)]!;
    const prepared = saslprep(text);
    if (prepared !== undefined) assert.equal(saslprep(prepared), prepared, JSON.stringify(text));
    const normal = normalName(text);
    if (normal === undefined) continue;
    named++;
    assert.equal(normalName(normal), normal, JSON.stringify(text));
    const parts = splitDetail(normal);
    if (parts !== undefined)
      assert.equal(normalName(parts.base), parts.base, JSON.stringify(normal));
  }
  assert.ok(named > 1_000);
});
