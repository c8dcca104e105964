import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { deflateRawSync } from "node:zlib";
import { limits } from "#base/limits.ts";
import { seededRandom } from "#base/random.ts";
import { TestServer } from "../interop/server.ts";
import { Attacker, client, costsAtMost, mutated, secret, stillServes } from "./attacker.ts";

const MiB = 1024 * 1024;
const server = new TestServer();

before(async () => {
  await server.addUsers(["alice", "bob", "carol"]);
  await server.start();
});
after(() => server.remove());

test("random octets before login, in clear text and for a TLS handshake", async () => {
  const dice = seededRandom(1);
  for (const port of [server.ports.imap, server.ports.imaps]) {
    for (let i = 0; i < 30; i++) {
      const attacker = await Attacker.connect(port);
      await attacker.say(dice.bytes(dice.below(4_000)));
      attacker.close();
    }
  }
  await stillServes(server);
});

const session = [
  `CREATE "${secret}"`,
  `LIST (SUBSCRIBED) "" ("*" "%") RETURN (CHILDREN STATUS (MESSAGES UIDNEXT))`,
  `APPEND "${secret}" (\\Seen $x) "17-Jul-2025 02:44:25 -0700" {24+}\r\nSubject: x\r\n\r\n${"y".repeat(10)}`,
  "SELECT INBOX (CONDSTORE)",
  "UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (From To)]<0.99> BINARY.SIZE[1]) (CHANGEDSINCE 1 VANISHED)",
  'SEARCH RETURN (MIN MAX COUNT SAVE) CHARSET UTF-8 OR (NOT TEXT "x") UID $ MODSEQ 1',
  "SORT (REVERSE DATE SUBJECT) UTF-8 1:*",
  "THREAD REFERENCES UTF-8 ALL",
  'STORE 1:* (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Deleted "x")',
  "UID COPY 1,3:* INBOX",
  "ENABLE QRESYNC UTF8=ACCEPT IMAP4rev2",
  "SELECT INBOX (QRESYNC (1 1 1:9 (1:3 1:3)))",
  'ID ("name" "x" "version" NIL)',
  "IDLE\r\nDONE",
  "RENAME INBOX x/y",
  "DELETE x/y",
];

test("mutated commands before and after login", async () => {
  const dice = seededRandom(2);
  for (let i = 0; i < 60; i++) {
    const attacker =
      i % 4 === 0
        ? await Attacker.connect(server.ports.imap)
        : await Attacker.login(server, "alice");
    for (let n = 0; n < 12; n++)
      await attacker.say(mutated(dice, `a${n} ${session[dice.below(session.length)]}\r\n`));
    // It must come to an end of its own whatever the octets left open.
    attacker.socket.end();
    await attacker.end();
  }
  await stillServes(server);
});

test("lines and literals without end", async () => {
  await costsAtMost(server, 128 * MiB, async () => {
    const line = await Attacker.connect(server.ports.imap);
    const part = Buffer.alloc(MiB, "A");
    for (let i = 0; i < 256; i++) await line.say(part);
    await line.until(/^(?:\*|a) BAD \[LIMIT\]/m);
    line.close();
  });
  const refused = await Attacker.connect(server.ports.imap);
  await refused.say("a LOGIN {4294967295}\r\nb LOGIN {99999999999999999999999}\r\nc NOOP\r\n");
  assert.match(await refused.until(/^c OK/m), /^a BAD [^]*^b BAD /m);
  for (const announced of ["{4294967295+}", "~{4294967295+}"]) {
    const attacker = await Attacker.login(server, "alice");
    await attacker.say(`a SEARCH TEXT ${announced}\r\n`);
    assert.match(await attacker.end(), /BAD|BYE/);
  }
  await stillServes(server);
});

test("nesting, arguments, sets and numbers beyond every limit", async () => {
  const attacker = await Attacker.login(server, "alice");
  await attacker.say("s SELECT INBOX\r\n");
  const commands = [
    `SEARCH ${"(".repeat(30_000)}ALL${")".repeat(30_000)}`,
    `SEARCH ${"NOT ".repeat(15_000)}ALL`,
    `SEARCH ${"OR ALL ".repeat(9_000)}ALL`,
    `FETCH 1 (${"UID ".repeat(15_000)}UID)`,
    `FETCH 1 BODY[${"1.".repeat(30_000)}1]`,
    `FETCH ${"1,".repeat(30_000)}1 UID`,
    `LIST "" (${'"*" '.repeat(10_000)}"*")`,
    "FETCH 4294967296 UID",
    "UID STORE 1 (UNCHANGEDSINCE 99999999999999999999) +FLAGS x",
  ];
  for (const [i, command] of commands.entries()) {
    await attacker.say(`t${i} ${command}\r\n`);
    assert.match(await attacker.until(new RegExp(`^t${i} .*`, "m")), /BAD/, command.slice(0, 40));
  }
  await attacker.say(`v CREATE ${"a".repeat(900)}\r\nw LIST "" "${"*a".repeat(100)}b"\r\n`);
  assert.match(await attacker.until(/^w .*/m), /^v OK[^]*^w OK/m);
  attacker.close();
  await stillServes(server);
});

test("twenty thousand commands in one write are all answered", async () => {
  const attacker = await Attacker.login(server, "alice");
  await attacker.say("a NOOP\r\n".repeat(20_000));
  await attacker.say("last NOOP\r\n");
  assert.equal((await attacker.until(/^last OK/m)).match(/^a OK/gm)?.length, 20_000);
  attacker.close();
  const silly = await Attacker.connect(server.ports.imap);
  await silly.say("x\r\n".repeat(20_000));
  assert.equal((await silly.end()).match(/ BAD /g)?.length, limits.syntaxErrorsMax);
});

test("clients that ask for everything and read nothing", async () => {
  const carol = await client(server, "carol");
  const large = Buffer.alloc(16 * MiB, `Subject: ${secret}\r\n`);
  const small = Buffer.alloc(40_000, "Subject: x\r\n\r\n");
  await carol.ok("APPEND INBOX {}", large);
  await carol.ok(
    `APPEND INBOX ${"{} ".repeat(100).trim()}`,
    ...Array.from({ length: 100 }, () => small),
  );
  await costsAtMost(server, 192 * MiB, async () => {
    const attackers: Attacker[] = [];
    for (let i = 0; i < 30; i++) {
      const attacker = await Attacker.login(server, "carol");
      attacker.socket.pause();
      await attacker.say("a SELECT INBOX\r\n");
      attackers.push(attacker);
      const what = ["BODY[]", "BINARY[]", "BODY[TEXT]<5.16000000>"][i % 3]!;
      await attacker.say(`b FETCH 1:* (${what} UID)\r\n`.repeat(5));
    }
    await stillServes(server);
    for (const attacker of attackers) attacker.close();
  });
  await carol.ok("SELECT INBOX");
  const { untagged } = await carol.ok("FETCH 1 BODY.PEEK[]");
  assert(JSON.stringify(untagged).length > 16 * MiB);
  carol.close();
});

test("messages that are announced and never sent keep nobody else from theirs", async () => {
  const attackers: Attacker[] = [];
  for (let i = 0; i < 8; i++) {
    const attacker = await Attacker.login(server, "alice");
    await attacker.say(`a APPEND INBOX {${limits.messageBytesMax}}\r\n`);
    if (i < 2) await attacker.until(/^\+ /m);
    attackers.push(attacker);
  }
  const bob = await client(server, "bob");
  await bob.ok("APPEND INBOX {}", Buffer.from("Subject: x\r\n\r\n"));
  bob.close();
  for (const attacker of attackers) attacker.close();
  await stillServes(server);
});

test("a few bytes that unpack to gigabytes, and bytes that unpack to nothing", async () => {
  await costsAtMost(server, 64 * MiB, async () => {
    const bomb = await Attacker.login(server, "alice");
    await bomb.say("a COMPRESS DEFLATE\r\n");
    await bomb.until(/^a OK[^\n]*\n/m);
    await bomb.say(deflateRawSync(Buffer.alloc(128 * MiB, "A"), { level: 9 }));
    await stillServes(server);
    bomb.close();
  });
  const garbage = await Attacker.login(server, "alice");
  await garbage.say("a COMPRESS DEFLATE\r\n");
  await garbage.until(/^a OK[^\n]*\n/m);
  await garbage.say(Buffer.alloc(1_000, 0xff));
  await garbage.end();
});

test("commands that are slipped in before TLS are not run", async () => {
  const early = await Attacker.connect(server.ports.imap);
  await early.say(`a STARTTLS\r\nb LOGIN alice "wrong"\r\n`);
  assert.doesNotMatch(await early.end(), /^b /m);
  const late = await Attacker.connect(server.ports.imap);
  await late.say("a STARTTLS\r\n");
  await late.until(/^a OK[^\n]*\n/m);
  await late.say("b NOOP\r\n");
  assert.doesNotMatch(await late.end(), /^b /m);
  await stillServes(server);
});

test("guesses, crowds of connections, and sessions that vanish", async () => {
  const guesses: Attacker[] = [];
  for (let i = 0; i < 2 * limits.loginBurstMax; i++) {
    const attacker = await Attacker.connect(server.ports.imap);
    await attacker.say(`a LOGIN alice guess${i}\r\n`);
    guesses.push(attacker);
  }
  for (let i = 0; i < 300; i++) (await Attacker.connect(server.ports.imap)).close();
  for (const line of ["AUTHENTICATE PLAIN ====", "AUTHENTICATE SCRAM-SHA-256 biwsbj0="]) {
    const attacker = await Attacker.connect(server.ports.imap);
    await attacker.say(`a ${line}\r\n*\r\n`);
    await attacker.until(/^a (?:BAD|NO)/m);
    attacker.close();
  }
  for (let i = 0; i < 30; i++) {
    const attacker = await Attacker.login(server, "carol");
    await attacker.say("a SELECT INBOX\r\nb IDLE\r\n");
    attacker.close();
  }
  await stillServes(server);
  assert(guesses.every(({ received }) => !/^a OK/m.test(received)));
  for (const guess of guesses) guess.close();
});

test("names that would be paths stay names, and nobody else's", async () => {
  const alice = await client(server, "alice");
  const names = ["../../evil", "..", "/etc/passwd", "&AC4ALgAv-evil", "~bob", "#user/bob", "a\\0b"];
  for (const name of names) {
    for (const command of ["CREATE", "SUBSCRIBE", "SELECT", "DELETE"])
      await alice.command(`${command} "${name}"`);
  }
  await alice.command('CREATE "../../evil"');
  alice.close();
  const files = readdirSync(server.folder, { recursive: true }).map(String);
  assert.deepEqual(
    files.filter((file) => /evil|passwd/.test(file)),
    [],
  );
  const bob = await client(server, "bob");
  const { untagged } = await bob.ok('LIST "" *');
  assert(!/evil|alice/.test(JSON.stringify(untagged)));
  bob.close();
});
