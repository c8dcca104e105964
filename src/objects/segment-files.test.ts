import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { after, test } from "node:test";
import { utf8 } from "#base/bytes.ts";
import { seededRandom } from "#base/random.ts";
import { openLocalSegmentFiles, unsuitableFileSystem } from "./drivers/segment-files-local.ts";
import { SimulatedCrash, SimulatedDisk } from "./drivers/segment-files-memory.ts";
import { segmentFilesContract } from "./segment-files.contract.ts";
import { DirectoryLocked } from "./segment-files.ts";

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "roost-segments-"));
after(() => fs.rmSync(directory, { recursive: true }));
let count = 0;
const newDirectory = (): string => path.join(directory, `${count++}`);

segmentFilesContract("local", () => openLocalSegmentFiles({ directory: newDirectory() }));
segmentFilesContract("simulated", async () =>
  new SimulatedDisk({ random: seededRandom(1) }).mount(),
);

test("local: another process is kept out, with its number, until it dies", async () => {
  const held = newDirectory();
  const module = path.join(import.meta.dirname, "drivers/segment-files-local.ts");
  const program = `
    const { openLocalSegmentFiles } = await import(${JSON.stringify(module)});
    await (await openLocalSegmentFiles({ directory: ${JSON.stringify(held)} })).lock();
    console.log("locked");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const files = await openLocalSegmentFiles({ directory: held });
    await assert.rejects(files.lock(), (error) => {
      assert.ok(error instanceof DirectoryLocked);
      assert.match(error.message, new RegExp(`in use by another process: ${child.pid} on `));
      return true;
    });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
    await (await files.lock()).release();
  } finally {
    child.kill("SIGKILL");
  }
});

test("local: unfinished files are swept when the lock is taken", async () => {
  const place = newDirectory();
  const files = await openLocalSegmentFiles({ directory: place });
  fs.writeFileSync(path.join(place, ".unfinished-x"), "half");
  assert.deepEqual(await files.list(), []);
  const lock = await files.lock();
  assert.equal(fs.existsSync(path.join(place, ".unfinished-x")), false);
  await lock.release();
});

test("local: network file systems are known by their type", () => {
  assert.equal(unsuitableFileSystem(0x6969), "NFS");
  assert.equal(unsuitableFileSystem(0xff534d42 | 0), "CIFS");
  assert.equal(unsuitableFileSystem(0x65735546), "FUSE");
  assert.equal(unsuitableFileSystem(0xef53), undefined);
});

test("simulated: what was synced survives a power failure, the rest by chance", async () => {
  let kept = 0;
  for (let seed = 0; seed < 200; seed++) {
    const disk = new SimulatedDisk({ random: seededRandom(seed) });
    const file = await disk.mount().create("f", { bytes: 4096, head: utf8("head") });
    await file.write(512, [utf8("synced")]);
    await file.sync();
    await file.write(1024, [utf8("maybe")]);
    disk.crash("power");
    await assert.rejects(file.read(0, 1), SimulatedCrash);
    const again = await disk.mount().open("f");
    assert.deepEqual(await again.read(512, 6), utf8("synced"));
    if (Buffer.from(await again.read(1024, 5)).equals(utf8("maybe"))) kept++;
  }
  assert.ok(kept > 40 && kept < 160, `${kept} of 200 kept`);
});

test("simulated: a killed process loses nothing that it had written", async () => {
  const disk = new SimulatedDisk({ random: seededRandom(5) });
  const file = await disk.mount().create("f", { bytes: 1024, head: utf8("head") });
  await file.write(512, [utf8("written")]);
  await disk.mount().lock();
  disk.crash("process");
  await disk.mount().lock();
  assert.deepEqual(await (await disk.mount().open("f")).read(512, 7), utf8("written"));
});

test("simulated: faults and a full disk", async () => {
  const disk = new SimulatedDisk({ random: seededRandom(6), capacityBytes: 2048 });
  const file = await disk.mount().create("f", { bytes: 1024, head: utf8("head") });
  await assert.rejects(disk.mount().create("g", { bytes: 2048, head: utf8("") }), {
    name: "Refusal",
  });
  await assert.rejects(file.write(1000, [new Uint8Array(2000)]), { name: "Refusal" });
  disk.faults.sync = 1;
  await file.write(512, [utf8("x")]);
  await assert.rejects(file.sync(), /injected/);
  disk.faults.sync = 0;
  // The kernel takes the page for clean now: this sync makes nothing durable.
  await file.sync();
});
