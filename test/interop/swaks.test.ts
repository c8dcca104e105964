/** swaks as an LMTP client of a real server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { latin1 } from "#base/bytes.ts";
import { fetchItems, ImapClient } from "../client/imap-client.ts";
import { connect, missing, password, type Ran, run, TestServer } from "./server.ts";

async function inbox(server: TestServer, name: string, mailbox = "INBOX"): Promise<string[]> {
  const client = new ImapClient(await connect(server.ports.imap));
  await client.receive();
  await client.ok(`LOGIN ${name} "${password}"`);
  await client.ok(`EXAMINE ${mailbox}`);
  const { untagged } = await client.ok("FETCH 1:* BODY.PEEK[]");
  await client.ok("LOGOUT").catch(() => undefined);
  const texts: string[] = [];
  for (const response of untagged) {
    const body = fetchItems(response).get("BODY[]");
    if (body instanceof Uint8Array) texts.push(latin1(body));
  }
  return texts;
}

test("swaks", { skip: missing("swaks") }, async (t) => {
  const server = await TestServer.start(t, { users: ["alice", "bob"] });
  const swaks = (...more: string[]): Promise<Ran> =>
    run("swaks", [
      ...["--protocol", "LMTP", "--server", "127.0.0.1", "--port", String(server.ports.lmtp)],
      ...["--from", "sender@example.net", "--helo", "client.example.net", ...more],
    ]);

  await t.test("one message for two recipients and a stranger", async () => {
    const ran = await swaks(
      ...["--to", "alice@localhost,bob+Archive@localhost,nobody@localhost"],
      ...["--header", "Subject: from swaks", "--body", "one\n.two\n..\nthree"],
    );
    assert.match(ran.output, /^<~\* 550 5\.1\.1 |^<\*\* 550 5\.1\.1 /m, ran.output);
    const [first, ...others] = await inbox(server, "alice");
    assert.deepEqual(others, []);
    assert.match(
      first!,
      /^Return-Path: <sender@example\.net>\r\nDelivered-To: alice@localhost\r\nReceived: from client/,
    );
    assert.match(first!, /\r\n\r\none\r\n\.two\r\n\.\.\r\nthree\r\n/);
    const [second] = await inbox(server, "bob", "Archive");
    assert.match(second!, /^Delivered-To: bob\+Archive@localhost\r$/m);
  });

  await t.test("pipelined", async () => {
    const ran = await swaks("--to", "bob@localhost", "--pipeline");
    assert.equal(ran.code, 0, ran.output);
    assert.equal((await inbox(server, "bob")).length, 1);
  });

  await t.test("STARTTLS", async (t) => {
    const ran = await swaks("--to", "alice@localhost", "--tls");
    if (/TLS not available/.test(ran.output + ran.errors))
      return t.skip("swaks has no TLS: Net::SSLeay is missing");
    assert.equal(ran.code, 0, ran.output);
    assert.match(ran.output, /TLS started with cipher TLSv1\.3/);
    const [, message] = await inbox(server, "alice");
    assert.match(message!, /with LMTPS;/);
  });

  await t.test("a large message", async () => {
    const text = `${"0123456789".repeat(7)}\n`.repeat(100_000);
    const ran = await run(
      "swaks",
      [
        ...["--protocol", "LMTP", "--server", "127.0.0.1", "--port", String(server.ports.lmtp)],
        ...["--to", "bob@localhost", "--data", "-", "--hide-all"],
      ],
      `Subject: large\n\n${text}`,
    );
    assert.equal(ran.code, 0, ran.errors);
    const [, large] = await inbox(server, "bob");
    assert.ok(large!.includes(text.replaceAll("\n", "\r\n")));
  });
});
