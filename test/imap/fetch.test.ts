import assert from "node:assert/strict";
import { test } from "node:test";
import { Refusal } from "#base/assert.ts";
import { latin1 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { type Random, seededRandom } from "#base/random.ts";
import { TestMailbox } from "./testing.ts";

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const plain = (number: number, size = 10): { text: string } => ({
  text: `Subject: ${number}\r\n\r\n${"x".repeat(size)}`,
});

/** A multipart and what each of its sections is, made together. */
function multipart(random: Random, depth: number, sections: Map<string, string>, at = ""): string {
  const boundary = `b${depth}${at}`;
  let text = `Content-Type: multipart/mixed; boundary="${boundary}"\r\n\r\n`;
  const count = 1 + random.below(3);
  for (let number = 1; number <= count; number++) {
    const path = at === "" ? String(number) : `${at}.${number}`;
    text += `--${boundary}\r\n`;
    if (depth > 0 && random.below(3) === 0) {
      const part = multipart(random, depth - 1, sections, path);
      const header = part.slice(0, part.indexOf("\r\n\r\n") + 4);
      sections.set(`${path}.MIME`, header);
      sections.set(path, part.slice(header.length));
      text += `${part}\r\n`;
    } else {
      const header = `Content-Type: text/plain\r\nX-Path: ${path}\r\n\r\n`;
      const body = "line of text\r\n".repeat(random.below(4)) + path;
      sections.set(`${path}.MIME`, header);
      sections.set(path, body);
      text += `${header}${body}\r\n`;
    }
  }
  return `${text}--${boundary}--`;
}

test("every section of random multiparts is what was put there", async () => {
  const seed = 20261125;
  const random = seededRandom(seed);
  const mailbox = await TestMailbox.open();
  const all: Map<string, string>[] = [];
  for (let uid = 1; uid <= 30; uid++) {
    const sections = new Map<string, string>();
    const header = `From: user${uid}@example.org\r\nSubject: number ${uid}\r\nMIME-Version: 1.0\r\n`;
    const text = header + multipart(random, 3, sections);
    const end = text.indexOf("\r\n\r\n") + 4;
    sections.set("", text).set("HEADER", text.slice(0, end)).set("TEXT", text.slice(end));
    sections.set("HEADER.FIELDS (SUBJECT X-NONE)", `Subject: number ${uid}\r\n\r\n`);
    all.push(sections);
    await mailbox.add([{ text }]);
  }
  const client = await mailbox.select("EXAMINE INBOX");
  for (const [index, sections] of all.entries()) {
    const names = [...sections.keys()];
    const answer = await client.command(
      `FETCH ${index + 1} (${names.map((name) => `BODY.PEEK[${name}]`).join(" ")})`,
    );
    const expected = names
      .map((name) => `BODY[${name}] {${sections.get(name)!.length}}\r\n${sections.get(name)!}`)
      .join(" ");
    const wanted = `* ${index + 1} FETCH (${expected})\r\ntag OK FETCH completed\r\n`;
    assert.equal(answer, wanted, `seed ${seed}`);
    for (let round = 0; round < 10; round++) {
      const name = names[random.below(names.length)]!;
      const whole = sections.get(name)!;
      const from = random.below(whole.length + 10);
      const count = 1 + random.below(whole.length + 10);
      const part = whole.slice(from, from + count);
      const got = await client.command(`FETCH ${index + 1} BODY.PEEK[${name}]<${from}.${count}>`);
      const line = `* ${index + 1} FETCH (BODY[${name}]<${from}> {${part.length}}\r\n${part})\r\n`;
      assert.ok(got.startsWith(line), `seed ${seed}: ${got}`);
    }
  }
});

test("\\Seen is one record for a slice of messages, and is told once", async () => {
  const mailbox = await TestMailbox.open();
  await mailbox.add(Array.from({ length: 20 }, (_, i) => plain(i)));
  const client = await mailbox.select();
  const before = mailbox.account.state.modseq;
  const answer = await client.command("FETCH 1:20 BODY[TEXT]");
  assert.equal(answer.match(/FLAGS \(\\Seen \\Recent\)/g)?.length, 20);
  assert.equal(mailbox.account.state.modseq, before + 1);
  assert.equal(await client.command("NOOP"), "tag OK NOOP completed\r\n");
  assert.doesNotMatch(await client.command("FETCH 1:20 BODY[TEXT]"), /FLAGS/);
  assert.equal(mailbox.account.state.modseq, before + 1);
});

test("a message that cannot be read is left out, and the command says so", async () => {
  const mailbox = await TestMailbox.open();
  await mailbox.add([plain(1), plain(2), plain(3)]);
  const { body } = mailbox.contents;
  mailbox.contents.body = (state, row) => {
    if (row === 1) throw new Refusal("CORRUPTION", "The message is damaged");
    return body(state, row);
  };
  const client = await mailbox.select();
  const answer = await client.command("FETCH 1:3 (UID BODY[TEXT])");
  assert.match(answer, /\* 1 FETCH \(UID 1 FLAGS \(\\Seen \\Recent\) BODY\[TEXT\] \{10\}/);
  assert.doesNotMatch(answer, /\* 2 FETCH [^*]*BODY/);
  assert.match(answer, /\* 3 FETCH [^*]*BODY\[TEXT\] \{10\}/);
  assert.match(answer, /tag NO \[CORRUPTION\] The message is damaged\r\n$/);
  assert.match(await client.command("FETCH 2 FLAGS"), /\* 2 FETCH \(FLAGS \(\\Recent\)\)/);
  assert.equal(
    await client.command("FETCH 2 BODY.PEEK[]"),
    "tag NO [CORRUPTION] The message is damaged\r\n",
  );
  assert.match(await client.command("SEARCH BODY x"), /\* SEARCH 1 3\r\ntag OK \[CORRUPTION\]/);
  assert.match(await client.command("SEARCH NOT BODY y"), /\* SEARCH 1 3\r\n/);
});

test("damaged cached fields are made anew of the message", async () => {
  for (const later of [false, true]) {
    const mailbox = await TestMailbox.open();
    await mailbox.add([plain(1), plain(2)]);
    mailbox.contents.fields = (_, row) => {
      if (row === 0) throw new Refusal("CORRUPTION", "The fields are damaged");
      return new Uint8Array(7);
    };
    if (later) mailbox.readLater();
    const client = await mailbox.select("EXAMINE INBOX");
    const answer = await client.command("FETCH 1:2 ENVELOPE");
    assert.match(answer, /\* 1 FETCH \(ENVELOPE \(NIL "1" .*\r\n\* 2 FETCH \(ENVELOPE \(NIL "2" /);
    assert.match(answer, /tag OK/);
    assert.match(await client.command("SEARCH SUBJECT 2"), /\* SEARCH 2\r\ntag OK SEARCH/);
    assert.match(await client.command("SORT (REVERSE SUBJECT) UTF-8 ALL"), /\* SORT 2 1\r\n/);
  }
});

test("a store that is away ends the command, not the session", async () => {
  const mailbox = await TestMailbox.open();
  await mailbox.add([plain(1), plain(2)]);
  const client = await mailbox.select();
  const { body } = mailbox.contents;
  mailbox.contents.body = () => Promise.reject(new Refusal("UNAVAILABLE", "Not now"));
  assert.match(await client.command("FETCH 1:2 BODY.PEEK[]"), /^tag NO \[UNAVAILABLE\] Not now/);
  assert.match(await client.command("SEARCH BODY x"), /^tag NO \[UNAVAILABLE\] Not now/);
  mailbox.contents.body = body;
  assert.match(await client.command("FETCH 1:2 BODY.PEEK[]"), /tag OK/);
});

test("messages that others expunge under way are skipped", async () => {
  const mailbox = await TestMailbox.open();
  await mailbox.add(Array.from({ length: 40 }, (_, i) => plain(i + 1)));
  const { body } = mailbox.contents;
  let reads = 0;
  let gone: Promise<void> | undefined;
  mailbox.contents.body = async (state, row) => {
    const found = await body(state, row);
    if (++reads === 10) gone = mailbox.expunge([5, 10, 11, 30]);
    await gone;
    return found;
  };
  const client = await mailbox.select();
  const answer = await client.command("FETCH 1:* (UID BODY.PEEK[HEADER])");
  const uids = [
    ...answer.matchAll(/\* (\d+) FETCH \(UID (\d+) BODY\[HEADER\] \{\d+\}\r\nSubject: (\d+)\r/g),
  ];
  for (const [, seq, uid, subject] of uids) {
    assert.equal(seq, uid);
    assert.equal(subject, uid);
  }
  assert.deepEqual(
    uids.map((match) => Number(match[2])),
    Array.from({ length: 40 }, (_, i) => i + 1).filter((uid) => ![10, 11, 30].includes(uid)),
  );
  assert.match(answer, /tag NO \[EXPUNGEISSUED\]/);
  assert.match(
    await client.command("NOOP"),
    /^\* 30 EXPUNGE\r\n\* 11 EXPUNGE\r\n\* 10 EXPUNGE\r\n\* 5/,
  );
});

test("a keyword that comes into use under way is told before it is used", async () => {
  const mailbox = await TestMailbox.open();
  await mailbox.add(Array.from({ length: 4 }, (_, i) => plain(i + 1)));
  const { body } = mailbox.contents;
  let reads = 0;
  mailbox.contents.body = async (state, row) => {
    const found = await body(state, row);
    if (++reads === 2) {
      const flags = { bits: 0, keywords: ["fresh"] };
      const all = Uint32Array.of(1, 4);
      mailbox.account.changeFlags(mailbox.number, all, { mode: "add", flags });
      await mailbox.account.durable();
    }
    return found;
  };
  const client = await mailbox.select();
  const answer = await client.command("FETCH 1:* (FLAGS BODY.PEEK[TEXT])");
  const told = answer.indexOf("* FLAGS (");
  assert.ok(told > 0 && told < answer.indexOf("fresh) BODY"), answer);
});

test("a client that does not read costs one buffer and one body", async () => {
  const mailbox = await TestMailbox.open();
  const size = 50_000;
  await mailbox.add(Array.from({ length: 60 }, (_, i) => plain(i, size)));
  const { body } = mailbox.contents;
  let reads = 0;
  mailbox.contents.body = (state, row) => {
    reads++;
    return body(state, row);
  };
  const client = await mailbox.select();
  client.stream.stalled = true;
  const answer = client.command("FETCH 1:* BODY.PEEK[]");
  for (let i = 0; i < 200; i++) await soon();
  assert.ok(reads * size <= limits.outputBufferBytes + 2 * size, `${reads} bodies were read`);
  client.stream.resume();
  const text = await answer;
  assert.equal(text.match(/FETCH \(BODY\[\] \{50014\}|FETCH \(BODY\[\] \{50015\}/g)?.length, 60);
});

test("a large part is decoded piece by piece", async () => {
  const mailbox = await TestMailbox.open();
  const bytes = Buffer.from(seededRandom(3).bytes(150_000));
  const encoded = bytes.toString("base64").replace(/.{76}/g, "$&\r\n");
  assert.ok(encoded.length > limits.decodedBytesMax);
  const head = "Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n";
  await mailbox.add([{ text: head + encoded }]);
  const client = await mailbox.select("EXAMINE INBOX");
  assert.match(await client.command("FETCH 1 BINARY.SIZE[1]"), /BINARY\.SIZE\[1\] 150000\)/);
  const whole = await client.command("FETCH 1 BINARY[1]");
  assert.ok(whole.startsWith(`* 1 FETCH (BINARY[1] ~{150000}\r\n${latin1(bytes)})\r\n`));
  for (const [from, count] of [
    [0, 10],
    [49_000, 60_000],
    [149_990, 100],
    [150_000, 5],
  ] as const) {
    const part = latin1(bytes.subarray(from, from + count));
    const answer = await client.command(`FETCH 1 BINARY[1]<${from}.${count}>`);
    assert.ok(answer.startsWith(`* 1 FETCH (BINARY[1]<${from}> ~{${part.length}}\r\n${part})\r\n`));
  }
});

test("NUL is sent by BINARY only", async () => {
  const mailbox = await TestMailbox.open();
  await mailbox.add([{ text: "Subject: nul\r\n\r\na\0b" }]);
  const client = await mailbox.select("EXAMINE INBOX");
  assert.match(await client.command("FETCH 1 BODY[TEXT]"), /BODY\[TEXT\] \{3\}\r\na\x80b\)/);
  assert.match(await client.command("FETCH 1 BINARY[1]"), /BINARY\[1\] ~\{3\}\r\na\0b\)/);
});

test("a response too long for the output is flushed between its items", async () => {
  const mailbox = await TestMailbox.open();
  await mailbox.add([plain(1, 60_000)]);
  const client = await mailbox.select("EXAMINE INBOX");
  const items = Array.from({ length: 50 }, (_, i) => `BODY.PEEK[]<${i}.59000>`);
  client.stream.stalled = true;
  const pending = client.command(`FETCH 1 (${items.join(" ")})`);
  for (let i = 0; i < 50; i++) await soon();
  const sent = client.stream.writes.reduce((sum, bytes) => sum + bytes.length, 0);
  assert.ok(sent < 4 * limits.outputBufferBytes, `${sent} bytes were sent`);
  client.stream.resume();
  assert.equal((await pending).match(/\{59000\}/g)?.length, 50);
});

test("HEADER.FIELDS of what is kept of a header, and of what was too long for that", async () => {
  const mailbox = await TestMailbox.open();
  const kept = "From: a@example.org\r\nX-Other: 1\r\nSubject: one\r\n two\r\n\r\ntext";
  const long = `References: ${"<x@example.org>\r\n ".repeat(400)}\r\nSubject: long\r\n\r\ntext`;
  for (const text of [kept, long, kept]) await mailbox.add([{ text }]);
  const client = await mailbox.select("SELECT INBOX");
  const line = (seq: number, subject: string): string =>
    `* ${seq} FETCH (UID ${seq} BODY[HEADER.FIELDS (SUBJECT DATE)] {${subject.length}}\r\n${subject})\r\n`;
  const one = "Subject: one\r\n two\r\n\r\n";
  const expected = line(1, one) + line(2, "Subject: long\r\n\r\n") + line(3, one);
  assert.equal(
    await client.command("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT DATE)])"),
    `${expected}tag OK FETCH completed\r\n`,
  );
});
