import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { TestServer } from "../interop/server.ts";
import { Attacker, client, costsAtMost, stillServes } from "./attacker.ts";

const MiB = 1024 * 1024;
const server = new TestServer();

before(async () => {
  await server.addUsers(["alice", "bob"]);
  await server.start();
});
after(() => server.remove());

/** Large enough to be parsed in slices. */
const bytes = limits.preparedAtOnceBytesMax + 200_000;
const many = (unit: string, length = bytes): string =>
  unit.repeat(Math.ceil(length / unit.length)).slice(0, length);
const multipart = 'Content-Type: multipart/mixed; boundary="b"\r\n\r\n';
const header = (name: string, value: string): string => `${name}: ${value}\r\n`;
/** As long as a field that is looked into may be. */
const field = (unit: string): string => many(unit, 60_000);

function nested(): string {
  let text = "";
  for (let i = 0; text.length < bytes; i++)
    text += `Content-Type: multipart/mixed; boundary="b${i}"\r\n\r\n--b${i}\r\n`;
  return text;
}

const messages: Readonly<Record<string, string>> = {
  "parts without number": multipart + many("--b\r\n\r\n"),
  "parts within parts": nested(),
  "messages within messages": many("Content-Type: message/rfc822\r\n\r\n"),
  "one boundary for all": many(`${multipart}--b\r\n`),
  "almost delimiters": multipart + many("--\r\n"),
  "line feeds": many("\n"),
  "carriage returns": many("\r"),
  "a header without end": many("A: b\r\n"),
  "a field without end": `Subject: x\r\n${many(" a\r\n")}`,
  addresses: header("To", many("a@b,")),
  "addresses that never close":
    header("To", field("(")) + header("Cc", field("a:")) + header("Bcc", field('"')) + "\r\nx",
  "encoded words":
    header("Subject", field("=?utf-8?q?a?= ")) + header("From", field("=?utf-8?b?")) + "\r\nx",
  subjects: header("Subject", field("re: [fwd: ")) + header("References", field("<a@")) + "\r\nx",
  parameters: `Content-Type: text/plain; ${field("a*0*=x;")}\r\n\r\nx`,
  dates: header("Date", field("(1 ")) + "\r\nx",
  html: `Content-Type: text/html\r\n\r\n${many("<!--&#<script>")}`,
  "broken base64": `Content-Transfer-Encoding: base64\r\n\r\n${many("=QUJ\xff")}`,
  "broken quoted-printable": `Content-Transfer-Encoding: quoted-printable\r\n\r\n${many("=\r\n=8")}`,
  "a charset that shifts": `Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n${many("\x1b$B")}`,
  noise: Buffer.from(seededRandom(5).bytes(bytes)).toString("latin1"),
};

const questions = [
  "FETCH 1:* (ENVELOPE BODYSTRUCTURE BODY PREVIEW RFC822.SIZE)",
  "FETCH * (BODY.PEEK[HEADER] BODY.PEEK[HEADER.FIELDS.NOT (A)] BODY.PEEK[1.1.1.MIME])",
  "FETCH * (BODY.PEEK[1] BODY.PEEK[2000] BODY.PEEK[TEXT]<100000.90000>)",
  'SEARCH OR TEXT "zzyzx" OR SUBJECT "zzyzx" OR FROM "zzyzx" HEADER X "zzyzx"',
  "SORT (SUBJECT FROM TO DATE) UTF-8 ALL",
  "THREAD REFERENCES UTF-8 ALL",
  "THREAD ORDEREDSUBJECT UTF-8 ALL",
];

test("messages that are made to be hard on their readers", async () => {
  await costsAtMost(server, 256 * MiB, async () => {
    const lmtp = await Attacker.connect(server.ports.lmtp);
    await lmtp.say("LHLO x\r\n");
    await lmtp.until(/^250 [^\n]*\n/m);
    const alice = await client(server, "alice");
    for (const [name, text] of Object.entries(messages)) {
      await lmtp.say("MAIL FROM:<a@example.org>\r\nRCPT TO:<alice@localhost>\r\n");
      await lmtp.say(`BDAT ${text.length} LAST\r\n${text}`);
      await lmtp.until(/^250 [^\n]*Saved[^\n]*\n/m);
      await alice.ok("SELECT INBOX");
      for (const question of questions) {
        const { status } = await alice.command(question);
        assert.equal(status, "OK", `${name}: ${question}`);
      }
      for (const question of ["FETCH * BINARY.SIZE[1]", "FETCH * BINARY.PEEK[1]<0.1000>"])
        assert.notEqual((await alice.command(question)).status, "BAD", `${name}: ${question}`);
    }
    lmtp.close();
    alice.close();
  });
  await stillServes(server);
});
