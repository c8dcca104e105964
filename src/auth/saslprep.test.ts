import assert from "node:assert/strict";
import { test } from "node:test";
import { saslprep } from "./saslprep.ts";

test("the examples of RFC 4013 section 3, and the prohibited", () => {
  assert.equal(saslprep("I\u00adX"), "IX");
  assert.equal(saslprep("user"), "user");
  assert.equal(saslprep("USER"), "USER");
  assert.equal(saslprep("\u00aa"), "a");
  assert.equal(saslprep("\u2168"), "IX");
  assert.equal(saslprep("\u0007"), undefined);
  assert.equal(saslprep("a\u3000b"), "a b");
  for (const bad of ["\u007f", "\u0085", "\ue000", "\ufffe", "\ud800", "\u202e", "\u{e0041}"])
    assert.equal(saslprep(bad), undefined);
  assert.equal(saslprep("\u{1f600}"), "\u{1f600}");
});
