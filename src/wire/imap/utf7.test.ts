import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1, utf8 } from "../../base/bytes.ts";
import { seededRandom } from "../../base/random.ts";
import { decodeMailboxName, decodeUtf7, encodeUtf7 } from "./utf7.ts";

test("Names of RFC 3501 and others have their encodings", () => {
  const pairs: ReadonlyArray<readonly [string, string]> = [
    ["~peter/mail/台北/日本語", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"],
    ["R&D", "R&-D"],
    ["&", "&-"],
    ["&&", "&-&-"],
    ["Entwürfe", "Entw&APw-rfe"],
    ["é&", "&AOk-&-"],
    ["😀", "&2D3eAA-"],
    ["\t", "&AAk-"],
    ["", ""],
  ];
  for (const [name, encoded] of pairs) {
    assert.equal(encodeUtf7(name), encoded);
    assert.equal(decodeUtf7(encoded), name);
  }
});

test("What is not canonical is refused", () => {
  const broken = [
    "a&b",
    "&",
    "&AOk",
    "&AOk-&AOk-",
    "&AGE-",
    "&AOl-",
    "&AO-",
    "&AOkA-",
    "&AOk=-",
    "&A/k-",
    "&2D0-",
    "&3gA-",
    "ä",
    "a\tb",
    "&ÿÿÿ-",
  ];
  for (const text of broken) assert.equal(decodeUtf7(text), undefined, text);
});

test("Any well-formed name survives, and decoding never throws", () => {
  const random = seededRandom(7);
  const alphabet = ["a", "&", "-", "é", "台", "😀", "/", "\u007f", " "];
  for (let i = 0; i < 2_000; i++) {
    let name = "";
    for (let n = random.below(12); n > 0; n--) name += alphabet[random.below(alphabet.length)]!;
    const encoded = encodeUtf7(name);
    assert.match(encoded, /^[\x20-\x7e]*$/);
    assert.equal(decodeUtf7(encoded), name);
    const noise = Buffer.from(random.bytes(random.below(20))).toString("latin1");
    const decoded = decodeUtf7(`&${noise}-`);
    if (decoded !== undefined) assert.equal(encodeUtf7(decoded), `&${noise}-`);
  }
});

test("The encoding of a name depends on what is enabled", () => {
  assert.equal(decodeMailboxName(fromLatin1("R&-D"), false), "R&D");
  assert.equal(decodeMailboxName(fromLatin1("R&-D"), true), "R&-D");
  assert.equal(decodeMailboxName(utf8("é&"), false), "é&");
  assert.equal(decodeMailboxName(utf8("é"), true), "é");
  assert.equal(decodeMailboxName(fromLatin1("é"), true), undefined);
});
