/** curl's pop3:// and pop3s://, and mpop, against a real server. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LmtpClient } from "../client/lmtp-client.ts";
import { connect, missing, password, type Ran, run, TestServer } from "./server.ts";

async function deliver(server: TestServer, ...bodies: readonly string[]): Promise<void> {
  const lmtp = new LmtpClient(await connect(server.ports.lmtp));
  await lmtp.hello();
  for (const body of bodies) {
    const [reply] = await lmtp.deliver(`Subject: x\r\n\r\n${body}`, ["alice@localhost"]);
    assert.match(reply!, /^250/);
  }
  lmtp.close();
}

const bodies = ["one\r\n", ".dots\r\n..\r\n.\r\nend\r\n", "some text\r\n".repeat(50_000)];

test("curl", { skip: missing("curl") }, async (t) => {
  const server = await TestServer.start(t, { users: ["alice"] });
  await deliver(server, ...bodies);
  const { pop3, pop3s } = server.ports;
  const curl = async (url: string, ...more: string[]): Promise<Ran> => {
    const user = ["--user", `alice:${password}`, "--cacert", server.certificateFile];
    return run("curl", ["--silent", "--show-error", ...user, ...more, url]);
  };
  const plain = `pop3://localhost:${pop3}`;
  const secure = `pop3s://localhost:${pop3s}`;

  await t.test("list and retrieve, plain and under TLS", async () => {
    for (const base of [plain, secure]) {
      assert.match((await curl(`${base}/`)).output, /^1 \d+\r\n2 \d+\r\n3 \d+\r\n$/);
      for (const [index, body] of bodies.entries()) {
        const got = await curl(`${base}/${index + 1}`);
        assert.equal(got.code, 0, got.errors);
        assert.ok(got.output.endsWith(`\r\n\r\n${body}`), `message ${index + 1} by ${base}`);
      }
    }
    assert.match((await curl(secure, "--request", "UIDL")).output, /^1 \S+\r\n2 \S+\r\n3 /);
    assert.notEqual((await curl(`${secure}/4`)).code, 0);
  });

  await t.test("STLS, SASL mechanisms, wrong passwords", async () => {
    for (const mechanism of ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1"]) {
      const options = ["--ssl-reqd", "--login-options", `AUTH=${mechanism}`];
      const ran = await curl(`${plain}/`, ...options);
      // Some curls know no SCRAM.
      if (mechanism.startsWith("SCRAM") && ran.code === 67) continue;
      assert.match(ran.output, /^1 /, `${mechanism}: ${ran.errors}`);
    }
    const wrong = ["--silent", "--insecure", "--user", "alice:wrong", `${secure}/`];
    assert.equal((await run("curl", wrong)).code, 67);
  });

  await t.test("delete", async () => {
    const ran = await curl(`${secure}/1`, "--request", "DELE", "--head");
    assert.equal(ran.code, 0, ran.errors);
    assert.match((await curl(`${secure}/`)).output, /^1 \d+\r\n2 \d+\r\n$/);
  });
});

test("mpop", { skip: missing("mpop") }, async (t) => {
  const server = await TestServer.start(t, { users: ["alice"] });
  await deliver(server, ...bodies);
  const maildir = join(server.folder, "mail");
  for (const part of ["tmp", "new", "cur"]) mkdirSync(join(maildir, part), { recursive: true });
  const file = join(server.folder, "mpoprc");
  const mpop = (...settings: string[]): Promise<Ran> => {
    const lines = [
      "account default",
      ...["host localhost", "user alice", `password "${password}"`],
      ...["tls on", `tls_trust_file ${server.certificateFile}`, `delivery maildir ${maildir}`],
      `uidls_file ${join(server.folder, "uidls")}`,
      ...["received_header off", ...settings],
    ];
    writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o600 });
    return run("mpop", ["--file", file, "--quiet"]);
  };
  const { pop3, pop3s } = server.ports;
  const contents = (): string[] =>
    readdirSync(join(maildir, "new")).map((name) => {
      const text = readFileSync(join(maildir, "new", name), "latin1");
      return text.slice(text.indexOf("\n\n") + 2);
    });
  const wanted = bodies.map((body) => body.replaceAll("\r\n", "\n")).sort();

  const first = await mpop(`port ${pop3s}`, "tls_starttls off", "keep on", "auth scram-sha-256");
  assert.equal(first.code, 0, first.errors);
  assert.deepEqual(contents().sort(), wanted);
  // What it has seen, it knows again by its unique id; by STLS, pipelined, and deleted this time.
  await deliver(server, "four\r\n");
  const options = ["tls_starttls on", "keep off", "pipelining on", "auth user"];
  const second = await mpop(`port ${pop3}`, ...options);
  assert.equal(second.code, 0, second.errors);
  assert.deepEqual(contents().sort(), [...wanted, "four\n"].sort());
  const third = await mpop(`port ${pop3}`, ...options);
  assert.equal(third.code, 0, third.errors);
  const left = await server.roost("message", "list", "alice", "--json");
  assert.doesNotMatch(left, /"uid"/);
});
