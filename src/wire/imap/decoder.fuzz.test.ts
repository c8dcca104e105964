import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes, fromLatin1 } from "../../base/bytes.ts";
import { limits } from "../../base/limits.ts";
import type { Random } from "../../base/random.ts";
import { seededRandom } from "../../base/random.ts";
import { CommandDecoder } from "./decoder.ts";
import { decodeAll, plain, samples } from "./testing.ts";

const lines = Object.values(samples)
  .flat()
  .map((line) => fromLatin1(`t1 ${line}\r\n`));
const spice = ['"', "(", ")", "{3+}\r\n", "{9}\r\n", "\r", "\n", "\r\n", "\\", "*", "$", " ", "\0"];

/** Some commands with a few octets changed, taken out, doubled or put in. */
function mutated(random: Random): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let n = 1 + random.below(3); n > 0; n--) {
    let line = Buffer.from(lines[random.below(lines.length)]!);
    for (let changes = random.below(4); changes > 0; changes--) {
      const at = random.below(line.length + 1);
      const put = fromLatin1(spice[random.below(spice.length)]!);
      const what = random.below(4);
      if (what === 0 && at < line.length) line[at] = random.below(256);
      else if (what === 1) line = Buffer.concat([line.subarray(0, at), put, line.subarray(at)]);
      else if (what === 2)
        line = Buffer.concat([line.subarray(0, at), line.subarray(at + 1 + random.below(4))]);
      else line = Buffer.concat([line.subarray(0, at), line.subarray(random.below(at + 1))]);
    }
    parts.push(line);
  }
  return concatBytes(parts);
}

test("Changed commands never throw, and decode the same however they are cut", () => {
  const random = seededRandom(20_240);
  for (let round = 0; round < 4_000; round++) {
    const input = mutated(random);
    const utf8 = random.below(2) === 0;
    const whole = plain(decodeAll(input, { utf8 }));
    const cut = plain(decodeAll(input, { utf8, pieces: () => 1 + random.below(5) }));
    assert.deepEqual(cut, whole, JSON.stringify(Buffer.from(input).toString("latin1")));
  }
});

test("Noise never throws and is not kept", () => {
  const random = seededRandom(99);
  for (let round = 0; round < 300; round++) {
    const decoder = new CommandDecoder();
    let steps = 0;
    for (let n = 0; n < 40; n++) {
      decoder.push(random.bytes(1 + random.below(2_000)));
      for (let event = decoder.next(); event.kind !== "more"; event = decoder.next()) {
        if (event.kind === "fatal") break;
        steps++;
      }
      assert.ok(decoder.buffered <= limits.commandLineBytesMax + 2_000);
    }
    assert.ok(steps <= 40 * 2_000, "Every event uses up octets");
  }
});

test("Refusing at any event leaves the decoder in order", () => {
  const random = seededRandom(5);
  for (let round = 0; round < 3_000; round++) {
    const decoder = new CommandDecoder();
    const input = mutated(random);
    let fatal = false;
    for (let at = 0; at < input.length && !fatal;) {
      const count = 1 + random.below(20);
      decoder.push(Uint8Array.from(input.subarray(at, at + count)));
      at += count;
      for (let event = decoder.next(); event.kind !== "more"; event = decoder.next()) {
        fatal = event.kind === "fatal";
        if (fatal) break;
        const refusable = event.kind.startsWith("append") || event.kind === "continue";
        if (refusable && event.kind !== "append-end" && random.below(3) === 0) decoder.refuse();
      }
    }
    if (fatal) continue;
    // Whatever is under way ends sooner or later, and commands are understood again.
    let understood = false;
    for (let n = 0; n < 40 && !understood; n++) {
      decoder.push(fromLatin1("z NOOP\r\n"));
      for (let event = decoder.next(); event.kind !== "more"; event = decoder.next()) {
        if (event.kind === "append-message" || event.kind === "continue") decoder.refuse();
        understood =
          event.kind === "fatal" || (event.kind === "command" && event.command.tag === "z");
        if (understood) break;
      }
    }
    assert.ok(understood, JSON.stringify(Buffer.from(input).toString("latin1")));
  }
});
