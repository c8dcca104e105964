/** curl's imap:// and imaps:// against a real server. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { missing, password, type Ran, run, TestServer } from "./server.ts";

test("curl", { skip: missing("curl") }, async (t) => {
  const server = await TestServer.start(t, { users: ["alice"] });
  const { imap, imaps } = server.ports;
  const curl = async (url: string, ...more: string[]): Promise<Ran> => {
    const user = ["--user", `alice:${password}`, "--cacert", server.certificateFile];
    return run("curl", ["--silent", "--show-error", ...user, ...more, url]);
  };
  const plain = `imap://localhost:${imap}`;
  const secure = `imaps://localhost:${imaps}`;
  const message = `Subject: from curl\r\n\r\n${"some text\r\n".repeat(20_000)}`;
  const file = join(server.folder, "message.eml");
  writeFileSync(file, message);

  await t.test("append and fetch, plain and under TLS", async () => {
    for (const base of [secure, plain]) {
      const sent = await curl(`${base}/INBOX`, "--upload-file", file);
      assert.equal(sent.code, 0, sent.errors);
    }
    for (const [index, base] of [plain, secure].entries()) {
      const got = await curl(`${base}/INBOX;UID=${index + 1}`);
      assert.equal(got.code, 0, got.errors);
      assert.equal(got.output, message);
    }
    const header = await curl(`${secure}/INBOX;UID=1;SECTION=HEADER.FIELDS%20(SUBJECT)`);
    assert.equal(header.output.trim(), "Subject: from curl");
    const sequence = await curl(`${secure}/INBOX;MAILINDEX=2;SECTION=TEXT`);
    assert.equal(sequence.output.length, 220_000);
  });

  await t.test("search, list, and commands of one's own", async () => {
    assert.match((await curl(`${secure}/INBOX?SUBJECT%20curl`)).output, /^\* SEARCH 1 2\r$/m);
    assert.match((await curl(`${secure}/INBOX?SUBJECT%20nothing`)).output, /^\* SEARCH\r$/m);
    assert.match((await curl(`${secure}/`)).output, /^\* LIST \(.*\) "\/" "?Sent"?\r$/m);
    const stored = await curl(`${secure}/INBOX`, "--request", "STORE 1 +FLAGS (\\Seen)");
    assert.match(stored.output, /^\* 1 FETCH \(.*FLAGS \(.*\\Seen.*\).*\)\r$/m);
  });

  await t.test("STARTTLS, SASL mechanisms, wrong passwords", async () => {
    for (const mechanism of ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1"]) {
      const options = ["--ssl-reqd", "--login-options", `AUTH=${mechanism}`];
      const ran = await curl(`${plain}/INBOX?ALL`, ...options);
      // Some curls know no SCRAM.
      if (mechanism.startsWith("SCRAM") && ran.code === 67) continue;
      assert.match(ran.output, /^\* SEARCH 1 2/m, `${mechanism}: ${ran.errors}`);
    }
    const wrong = await run("curl", [
      "--silent",
      "--insecure",
      "--user",
      "alice:wrong",
      `${secure}/`,
    ]);
    assert.equal(wrong.code, 67);
  });
});
