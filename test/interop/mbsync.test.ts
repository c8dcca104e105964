/** isync's mbsync against a real server, both ways. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Random, seededRandom } from "#base/random.ts";
import { fetchItems, ImapClient } from "../client/imap-client.ts";
import { connect, missing, password, run, TestServer } from "./server.ts";

const count = 500;
const largeEvery = 125;
const largeBytes = 10 * 1024 * 1024;

/** A message with a unique subject; `bytes` about its size. */
function messageOf(number: number, bytes: number, random: Random): string {
  const head =
    `From: alice@example.org\r\nTo: user@localhost\r\nSubject: Message ${number}\r\n` +
    `Date: Mon, 5 Oct 2026 10:00:00 +0200\r\nMessage-ID: <${number}@example.org>\r\n` +
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" +
    "Content-Transfer-Encoding: 8bit\r\n\r\n";
  const lines: string[] = [head];
  for (let length = head.length; length < bytes;) {
    const line = `${Buffer.from(random.bytes(random.below(54))).toString("base64")} Grüße .\r\n`;
    lines.push(line, ".\r\n", "From here\r\n");
    length += line.length + 14;
  }
  return lines.join("");
}

const digest = (bytes: string | Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");

async function login(server: TestServer): Promise<ImapClient> {
  const client = new ImapClient(await connect(server.ports.imap));
  await client.receive();
  await client.ok(`LOGIN user "${password}"`);
  return client;
}

/** mbsync finds again what it copied by a field that it adds. */
const ownField = /^X-TUID: [^\n]*\n/m;

interface Stored {
  readonly uid: number;
  readonly flags: string;
  readonly digest: string;
}

/** The messages of a mailbox of the server by their subject. */
async function stored(client: ImapClient, mailbox: string): Promise<Map<string, Stored>> {
  await client.ok(`EXAMINE "${mailbox}"`);
  const { untagged } = await client.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[])");
  const all = new Map<string, Stored>();
  for (const response of untagged) {
    const items = fetchItems(response);
    const body = items.get("BODY[]");
    if (!(body instanceof Uint8Array)) continue;
    const text = Buffer.from(body).toString("latin1").replace(ownField, "");
    const subject = /^Subject: (.*)\r$/m.exec(text)?.[1] ?? "?";
    const flags = (items.get("FLAGS") as string[]).filter((flag) => flag !== "\\Recent").sort();
    all.set(subject, {
      uid: Number(items.get("UID")),
      flags: flags.join(" "),
      digest: digest(Buffer.from(text, "latin1")),
    });
  }
  return all;
}

interface Kept {
  readonly path: string;
  readonly flags: string;
  readonly digest: string;
}

/** The messages of a Maildir by their subject; mbsync keeps LF line ends there. */
function kept(folder: string): Map<string, Kept> {
  const all = new Map<string, Kept>();
  for (const part of ["cur", "new"])
    for (const name of readdirSync(join(folder, part))) {
      const path = join(folder, part, name);
      const text = readFileSync(path, "latin1").replace(ownField, "");
      const subject = /^Subject: (.*)$/m.exec(text)?.[1] ?? "?";
      const flags = /:2,(.*)$/.exec(name)?.[1] ?? "";
      const crlf = Buffer.from(text.replaceAll("\n", "\r\n"), "latin1");
      all.set(subject, { path, flags, digest: digest(crlf) });
    }
  return all;
}

const reason = missing("mbsync");
test(
  "mbsync: 500 messages with large ones, both ways, byte for byte",
  { skip: reason },
  async (t) => {
    const server = await TestServer.start(t, { users: ["user"] });
    const random = seededRandom(20_261_005);
    const maildir = join(server.folder, "mail");
    mkdirSync(maildir);
    const config = join(server.folder, "mbsyncrc");
    writeFileSync(
      config,
      `IMAPAccount roost
Host localhost
Port ${server.ports.imaps}
User user
Pass "${password}"
SSLType IMAPS
CertificateFile ${server.certificateFile}
PipelineDepth 20

IMAPStore far
Account roost

MaildirStore near
Path ${maildir}/
Inbox ${maildir}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
Remove Both
SyncState *
`,
    );
    const sync = async (): Promise<string> => {
      const ran = await run("mbsync", ["-c", config, "-a"]);
      assert.equal(ran.code, 0, `${ran.errors}\n${ran.output}`);
      return ran.output;
    };

    // Half of the messages lie on the server, half in the Maildir.
    const sent = new Map<string, string>();
    const client = await login(server);
    mkdirSync(join(maildir, "INBOX"));
    for (const part of ["cur", "new", "tmp"]) mkdirSync(join(maildir, "INBOX", part));
    for (let i = 0; i < count; i++) {
      const bytes =
        i % largeEvery === 7 || i % largeEvery === 8 ? largeBytes : 200 + random.below(20_000);
      const text = messageOf(i, bytes, random);
      sent.set(`Message ${i}`, digest(text));
      if (i % 2 === 0) await client.ok("APPEND INBOX (\\Flagged) {}", Buffer.from(text));
      else
        writeFileSync(
          join(maildir, "INBOX", "cur", `${1_700_000_000 + i}.${i}.host:2,S`),
          text.replaceAll("\r\n", "\n"),
        );
    }
    await client.ok("CREATE Work/Projekt");
    await client.ok("CREATE &AMQ-rger");
    await sync();
    let far = await stored(client, "INBOX");
    let near = kept(join(maildir, "INBOX"));
    assert.equal(far.size, count);
    assert.equal(near.size, count);
    for (const [subject, expected] of sent) {
      assert.equal(far.get(subject)?.digest, expected, `${subject} on the server`);
      assert.equal(near.get(subject)?.digest, expected, `${subject} in the Maildir`);
    }
    assert.equal(far.get("Message 0")?.flags, "\\Flagged");
    assert.equal(near.get("Message 0")?.flags, "F");
    assert.equal(far.get("Message 1")?.flags, "\\Seen");

    // Flags and deletions go both ways.
    for (let i = 0; i < 20; i++) {
      await client.ok("SELECT INBOX");
      const { uid } = far.get(`Message ${i}`)!;
      if (i < 10) await client.ok(`UID STORE ${uid} +FLAGS.SILENT (\\Answered)`);
      else await client.ok(`UID STORE ${uid} +FLAGS.SILENT (\\Deleted)`);
    }
    await client.ok("EXPUNGE");
    await client.ok("CLOSE");
    for (let i = 20; i < 40; i++) {
      const { path } = near.get(`Message ${i}`)!;
      if (i < 30) renameSync(path, path.replace(/:2,.*$/, ":2,FRS"));
      else rmSync(path);
    }
    await sync();
    far = await stored(client, "INBOX");
    near = kept(join(maildir, "INBOX"));
    assert.equal(far.size, count - 20);
    assert.equal(near.size, count - 20);
    for (let i = 0; i < 10; i++) assert.match(near.get(`Message ${i}`)!.flags, /R/);
    for (let i = 20; i < 30; i++)
      assert.equal(far.get(`Message ${i}`)?.flags, "\\Answered \\Flagged \\Seen");

    // A run with nothing to do changes nothing.
    const before = await client.ok("STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)");
    await sync();
    const after = await client.ok("STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)");
    assert.deepEqual(after.untagged, before.untagged);
    assert.deepEqual([...kept(join(maildir, "INBOX"))], [...near]);
    assert.deepEqual(await stored(client, "INBOX"), far);
    const names = readdirSync(maildir, { recursive: true }).map(String);
    assert.ok(names.includes("Work/Projekt/cur"), "Mailboxes are made on the other side");
    client.close();
    assert.equal(await server.end("SIGTERM"), 0);
    assert.match(await server.roost("verify"), /./);
  },
);
