import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { fromUtf8, utf8 } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { seededRandom, systemRandom } from "#base/random.ts";
import { openFilesystemObjectStore } from "./drivers/filesystem.ts";
import { MemoryObjectStore } from "./drivers/memory.ts";
import { objectStoreContract } from "./object-store.contract.ts";
import { type ObjectStore, PutUnknown, putKnown } from "./object-store.ts";
import { FaultInjected, FaultyObjectStore, type ObjectFault } from "./wrappers/faulty.ts";
import { type TracedCall, TracedObjectStore } from "./wrappers/traced.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "roost-objects-"));
after(() => fs.rmSync(directory, { recursive: true }));
let stores = 0;
const newRoot = (): string => path.join(directory, `${stores++}`);
const openFiles = (root = newRoot()): Promise<ObjectStore> =>
  openFilesystemObjectStore({ root, random: systemRandom });

objectStoreContract("memory", async () => new MemoryObjectStore());
objectStoreContract("filesystem", () => openFiles());
objectStoreContract(
  "traced",
  async () => new TracedObjectStore(new MemoryObjectStore(), systemClock, () => {}),
);
objectStoreContract(
  "faulty without faults",
  async () => new FaultyObjectStore(new MemoryObjectStore(), { random: seededRandom(1) }),
);

test("filesystem: objects outlive the process, unfinished files do not", async () => {
  const root = newRoot();
  await (await openFiles(root)).put("a/b", utf8("kept"));
  fs.writeFileSync(path.join(root, ".unfinished", "left"), "half");
  const again = await openFiles(root);
  assert.equal(fromUtf8((await again.get("a/b"))!), "kept");
  assert.deepEqual(await again.list(""), ["a/b"]);
  assert.deepEqual(fs.readdirSync(path.join(root, ".unfinished")), []);
});

test("filesystem: a put leaves no temporary file, whatever its outcome", async () => {
  const root = newRoot();
  const store = await openFiles(root);
  await store.put("x", utf8("1"), { ifAbsent: true });
  await store.put("x", utf8("2"), { ifAbsent: true });
  await assert.rejects(store.put("x/below", utf8("3")));
  assert.deepEqual(fs.readdirSync(path.join(root, ".unfinished")), []);
});

test("filesystem: a full disk refuses and shows nothing half-written", async (t) => {
  if (!fs.existsSync("/dev/full")) return t.skip("no /dev/full here");
  const { refuseNoRoom } = await import("./drivers/descriptor.ts");
  const descriptor = fs.openSync("/dev/full", "w");
  try {
    fs.writeSync(descriptor, "x");
    assert.fail("/dev/full took a byte");
  } catch (error) {
    const refusal = refuseNoRoom(error);
    assert.equal(refusal.name, "Refusal");
    assert.match(refusal.message, /^Disk full: ENOSPC/);
    assert.equal(refusal.cause, error);
  } finally {
    fs.closeSync(descriptor);
  }
});

test("the text of a full disk, which clients are told, names no file", async () => {
  const { refuseNoRoom } = await import("./drivers/descriptor.ts");
  const text = "ENOSPC: no space left on device, open '/srv/mail/objects/x'";
  const cause = Object.assign(new Error(text), { code: "ENOSPC" });
  const refusal = refuseNoRoom(cause);
  assert.equal(refusal.message, "Disk full: ENOSPC");
  assert.equal(refusal.cause, cause);
});

function scripted(faults: (ObjectFault | null)[]): FaultyObjectStore {
  return new FaultyObjectStore(new MemoryObjectStore(), {
    random: seededRandom(3),
    script: () => faults.shift() ?? null,
  });
}

test("putKnown finds out what became of a put", async () => {
  const bytes = utf8("mine");
  assert.equal(await putKnown(scripted([]), "k", bytes), "done");
  assert.equal(await putKnown(scripted(["unknown"]), "k", bytes), "done");
  assert.equal(await putKnown(scripted(["unknown-done"]), "k", bytes), "done");
  assert.equal(await putKnown(scripted(["error-done"]), "k", bytes), "done");
  assert.equal(await putKnown(scripted(["fail"]), "k", bytes), "done");
  // Done, but the look afterwards fails: the second attempt loses against the first.
  assert.equal(await putKnown(scripted(["unknown-done", "fail"]), "k", bytes), "done");
  const always = Array.from({ length: 20 }, () => "fail" as const);
  await assert.rejects(putKnown(scripted(always), "k", bytes), PutUnknown);
  await assert.rejects(putKnown(scripted(["full"]), "k", bytes), { name: "Refusal" });
});

test("putKnown knows a rival's object from its own", async () => {
  const store = scripted([null, "unknown"]);
  await store.put("k", utf8("rival"));
  assert.equal(await putKnown(store, "k", utf8("mine!")), "lost");
  assert.equal(fromUtf8((await store.get("k"))!), "rival");
});

test("faulty: tears reads, at the rates asked for, the same for the same seed", async () => {
  const run = async (): Promise<string[]> => {
    const store = new FaultyObjectStore(new MemoryObjectStore(), {
      random: seededRandom(11),
      rates: { fail: 0.2, tear: 0.3 },
    });
    store.enabled = false;
    await store.put("k", utf8("0123456789"));
    store.enabled = true;
    const seen: string[] = [];
    for (let i = 0; i < 200; i++)
      try {
        seen.push(fromUtf8((await store.get("k"))!));
      } catch (error) {
        assert.ok(error instanceof FaultInjected);
        seen.push("failed");
      }
    return seen;
  };
  const seen = await run();
  assert.deepEqual(await run(), seen);
  const failed = seen.filter((text) => text === "failed").length;
  const whole = seen.filter((text) => text === "0123456789").length;
  assert.ok(failed > 20 && failed < 60 && whole > 80 && whole < 150, `${failed} ${whole}`);
});

test("traced: tells of every call", async () => {
  const calls: TracedCall[] = [];
  const faulty = scripted([null, null, null, "fail"]);
  const store = new TracedObjectStore(faulty, systemClock, (call) => calls.push(call));
  await store.put("k", [utf8("ab"), utf8("c")]);
  await store.get("k");
  await store.get("none");
  await assert.rejects(store.list("k"));
  assert.deepEqual(
    calls.map(({ call, key, bytes, outcome }) => [call, key, bytes, outcome]),
    [
      ["put", "k", 3, "done"],
      ["get", "k", 3, "done"],
      ["get", "none", 0, "absent"],
      ["list", "k", 0, "error"],
    ],
  );
  assert.ok(calls.every(({ durationMs }) => durationMs >= 0));
});
