/** imapflow, a client of npm's, against a real server. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { password, TestServer } from "./server.ts";

const imapflow = await import("imapflow").catch(() => undefined);

test("imapflow", { skip: imapflow === undefined && "imapflow is missing" }, async (t) => {
  const { ImapFlow } = imapflow!;
  const server = await TestServer.start(t, { users: ["alice@example.org"] });
  const client = new ImapFlow({
    host: "localhost",
    port: server.ports.imaps,
    secure: true,
    auth: { user: "alice@example.org", pass: password },
    tls: { ca: readFileSync(server.certificateFile) },
    logger: false,
  });
  await client.connect();
  t.after(() => client.close());
  assert.equal(client.serverInfo?.name, "Roost");

  await t.test("mailboxes", async () => {
    await client.mailboxCreate("Grüße/Été");
    const listed = await client.list({ statusQuery: { messages: true, uidNext: true } });
    const uses = listed.map(({ path, specialUse }) => `${path} ${specialUse ?? ""}`.trim());
    for (const expected of ["INBOX \\Inbox", "Sent \\Sent", "Trash \\Trash", "Grüße/Été"])
      assert.ok(uses.includes(expected), `${expected} among ${uses.join(", ")}`);
    await client.mailboxRename("Grüße/Été", "Later");
    await client.mailboxUnsubscribe("Later");
    await client.mailboxDelete("Later");
  });

  const content = (number: number): string =>
    `From: Bob <bob@example.org>\r\nTo: alice@example.org\r\nSubject: Number ${number}\r\n` +
    `Date: Mon, 5 Oct 2026 10:00:0${number} +0200\r\nMessage-ID: <${number}@example.org>\r\n` +
    (number === 0 ? "" : `In-Reply-To: <${number - 1}@example.org>\r\n`) +
    'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n\r\n' +
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\n" +
    "Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n" +
    '--b\r\nContent-Type: application/pdf; name="a.pdf"\r\n' +
    "Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n--b--\r\n";

  await t.test("append, fetch, download", async () => {
    for (let i = 0; i < 5; i++) {
      const appended = await client.append("INBOX", content(i), ["\\Flagged"], new Date(1e12));
      assert.ok(appended && appended.uid === i + 1);
    }
    const lock = await client.getMailboxLock("INBOX");
    try {
      const message = await client.fetchOne("3", {
        ...{ uid: true, flags: true, envelope: true, bodyStructure: true, internalDate: true },
        ...{ size: true, source: true, headers: ["subject"], threadId: true },
      });
      assert.ok(message);
      assert.equal(message.source?.toString("utf8"), content(2));
      assert.equal(message.size, content(2).length);
      assert.equal(message.envelope?.subject, "Number 2");
      assert.equal(message.envelope?.from?.[0]?.address, "bob@example.org");
      assert.equal(message.envelope?.inReplyTo, "<1@example.org>");
      assert.deepEqual(new Date(message.internalDate!), new Date(1e12));
      assert.equal(message.bodyStructure?.childNodes?.[1]?.disposition, "attachment");
      assert.equal(message.headers?.toString().trim(), "Subject: Number 2");
      assert.ok(message.threadId);
      const { content: part, meta } = await client.download("3", "1");
      assert.ok(part && meta);
      let text = "";
      for await (const chunk of part) text += String(chunk);
      assert.equal(text, "Grüße");
      assert.equal(meta.contentType, "text/plain");
    } finally {
      lock.release();
    }
  });

  await t.test("search, flags, copy, move, expunge", async () => {
    const lock = await client.getMailboxLock("INBOX");
    try {
      assert.deepEqual(await client.search({ subject: "number 3" }, { uid: true }), [4]);
      assert.deepEqual(await client.search({ body: "grüße", from: "bob" }), [1, 2, 3, 4, 5]);
      assert.deepEqual(await client.search({ or: [{ seen: true }, { keyword: "x" }] }), []);
      await client.messageFlagsAdd("1:2", ["\\Seen", "Work"]);
      assert.deepEqual(await client.search({ keyword: "Work", seen: true }), [1, 2]);
      const copied = await client.messageCopy("1:2", "Archive");
      assert.ok(copied);
      assert.deepEqual(
        [...(copied.uidMap ?? [])],
        [
          [1, 1],
          [2, 2],
        ],
      );
      const moved = await client.messageMove("5", "Trash");
      assert.ok(moved);
      assert.deepEqual([...(moved.uidMap ?? [])], [[5, 1]]);
      await client.messageDelete("4");
      const left: number[] = [];
      for await (const { uid } of client.fetch("1:*", { uid: true })) left.push(uid);
      assert.deepEqual(left, [1, 2, 3]);
    } finally {
      lock.release();
    }
    const status = await client.status("Archive", { messages: true, unseen: true });
    assert.ok(status);
    assert.equal(status.messages, 2);
    assert.equal(status.unseen, 0);
  });

  await t.test("IDLE hears of new mail", async () => {
    const lock = await client.getMailboxLock("INBOX");
    try {
      const heard = new Promise<number>((resolve) => {
        client.once("exists", ({ count }: { count: number }) => resolve(count));
      });
      const idling = client.idle();
      await new Promise((resolve) => setTimeout(resolve, 100));
      const file = `${server.folder}/new.eml`;
      await import("node:fs/promises").then((fs) => fs.writeFile(file, content(9)));
      await server.roost("deliver", file, "--to", "alice@example.org");
      assert.equal(await heard, 4);
      await client.noop();
      await idling;
    } finally {
      lock.release();
    }
  });

  const quota = await client.getQuota("INBOX");
  assert.ok(quota !== undefined);
  await client.logout();
});
