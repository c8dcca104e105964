/** A disk of its own that fills up: writes are refused, reads go on, nothing is lost. */
import assert from "node:assert/strict";
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { ImapRefused } from "../client/imap-client.ts";
import { LmtpClient } from "../client/lmtp-client.ts";
import { connect, missing, run, TestServer } from "../interop/server.ts";
import { login, messageOf, readAccount } from "./load.ts";
import { AccountWitness } from "./witness.ts";

const diskBytes = 400 * 1024 * 1024;

/** A small disk in memory, or why there is none. */
async function mountDisk(t: TestContext): Promise<string | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "roost-disk-"));
  const options = ["-t", "tmpfs", "-o", `size=${diskBytes}`, "tmpfs", folder];
  const mounted = (await run("mount", options)).code === 0;
  t.after(async () => {
    if (mounted) await run("umount", ["-l", folder]);
    rmSync(folder, { recursive: true, force: true });
  });
  return mounted ? folder : undefined;
}

/** Takes all room that is left. */
function fill(file: string): void {
  const descriptor = openSync(file, "a");
  for (let piece = Buffer.alloc(1024 * 1024); piece.length > 0;)
    try {
      writeSync(descriptor, piece);
    } catch {
      piece = piece.subarray(0, piece.length >> 1);
    }
  closeSync(descriptor);
}

async function deliver(server: TestServer, text: string): Promise<string> {
  const client = new LmtpClient(await connect(server.ports.lmtp));
  await client.hello();
  const [reply] = await client.deliver(text, ["ada@localhost"]);
  client.close();
  return reply!;
}

/** Waits until a delivery is taken again. */
async function delivered(server: TestServer, text: string): Promise<void> {
  const end = Date.now() + 30_000;
  for (;;) {
    const reply = await deliver(server, text);
    if (reply.startsWith("250")) return;
    assert.match(reply, /^4\d\d /);
    assert.ok(Date.now() < end, `Still refused: ${reply}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

test("a full disk", { skip: missing("mount", "umount") }, async (t) => {
  const disk = await mountDisk(t);
  if (disk === undefined) return t.skip("may not mount a disk here (not root?)");
  const filler = join(disk, "filler");
  const server = new TestServer({ dataDir: join(disk, "data") });
  t.after(() => server.remove());
  mkdirSync(join(disk, "data"));
  await server.addUsers(["ada"]);
  await server.start();
  const witness = new AccountWitness("ada");
  const random = seededRandom(11);
  let sent = 0;
  witness.compare(await readAccount(server, witness));
  const send = async (bytes: number): Promise<string> => {
    const mark = `m${++sent}`;
    const reply = await deliver(server, messageOf(mark, random, bytes));
    if (reply.startsWith("250")) witness.due.add(mark);
    return reply;
  };
  for (let i = 0; i < 20; i++) assert.match(await send(i * 20_000), /^250 /);
  witness.compare(await readAccount(server, witness));

  // What was set aside for the journal goes on taking mail; then it ends with a clear word.
  fill(filler);
  let refusal = "";
  for (const bytes of [200_000, 2000, 100, 0, 0]) {
    do refusal = await send(bytes);
    while (refusal.startsWith("250"));
    // Now and then the server tries whether there is room; what is left of it is used up, too.
    await new Promise((resolve) => setTimeout(resolve, limits.writeProbeMs * 1.5));
  }
  assert.match(refusal, /^4[25][12] 4\.3\.\d Disk full/);

  await t.test("reads go on, changes are refused", async () => {
    const client = await login(server, "ada");
    await client.ok("SELECT INBOX");
    await client.ok("UID FETCH 1:20 (FLAGS ENVELOPE BODY.PEEK[])");
    await assert.rejects(client.ok("STORE 1 +FLAGS (\\Flagged)"), ImapRefused);
    await assert.rejects(client.ok("CREATE Box"), ImapRefused);
    await assert.rejects(client.ok("APPEND INBOX {}", Buffer.from("a: b\r\n\r\n")), ImapRefused);
    await client.ok("UID SEARCH TEXT base64");
    client.close();
    assert.ok(server.running);
  });

  await t.test("all is there, and with room again it goes on", async () => {
    witness.compare(await readAccount(server, witness));
    rmSync(filler);
    await delivered(server, messageOf("m-again", random));
    witness.due.add("m-again");
    witness.compare(await readAccount(server, witness));
  });

  await t.test("killed while the disk is full, started when there is room", async () => {
    fill(filler);
    for (let i = 0; i < 5; i++) await send(100);
    await server.end("SIGKILL");
    rmSync(filler);
    await server.start();
    witness.compare(await readAccount(server, witness));
    await delivered(server, messageOf("m-last", random));
    witness.due.add("m-last");
    await server.end("SIGKILL");
    await server.start();
    witness.compare(await readAccount(server, witness));
    await server.roost("verify");
  });
});
