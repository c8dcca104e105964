/** Clients that work until their connection ends, and tell a witness what was promised to them. */
import { createHash } from "node:crypto";
import type { Random } from "#base/random.ts";
import {
  type Answer,
  fetchItems,
  ImapClient,
  ImapClosed,
  tokenText,
  type Untagged,
} from "../client/imap-client.ts";
import { LmtpClient, LmtpClosed } from "../client/lmtp-client.ts";
import { connect, password, type TestServer } from "../interop/server.ts";
import type { AccountWitness, Doubt, Found, Seen } from "./witness.ts";

export const mailboxes = ["INBOX", "Archive"] as const;
const flagNames = ["\\Answered", "\\Draft", "\\Flagged", "\\Seen", "$Label1", "Work"].sort();

export interface Load {
  readonly server: TestServer;
  readonly random: Random;
  /** Makes marks that were never used. */
  readonly nextMark: () => string;
}

/** A message that proves itself: its body's digest is in its header. */
export function messageOf(mark: string, random: Random, bytes = someBytes(random)): string {
  let body = "";
  while (body.length < bytes)
    body += `${Buffer.from(random.bytes(random.below(56))).toString("base64")}\r\n`;
  const digest = createHash("sha256").update(body).digest("hex");
  return (
    `From: load@example.org\r\nTo: user@localhost\r\nSubject: ${mark}\r\n` +
    `Message-ID: <${mark}@example.org>\r\nX-Mark: ${mark}\r\nX-Digest: ${digest}\r\n\r\n${body}`
  );
}

/** Mostly small; sometimes too large for the journal. */
function someBytes(random: Random): number {
  const sizes = [200, 2000, 10_000, 40_000, 400_000];
  return random.below(sizes[random.below(random.below(20) === 0 ? 5 : 4)]!);
}

/** True where a message is what `messageOf` made. */
function isSound(text: string): boolean {
  const digest = /^X-Digest: (\S+)\r$/m.exec(text)?.[1];
  const body = text.slice(text.indexOf("\r\n\r\n") + 4);
  return createHash("sha256").update(body, "latin1").digest("hex") === digest;
}

/** Delivers to accounts until the connection ends. */
export async function deliverMail(load: Load, witnesses: readonly AccountWitness[]): Promise<void> {
  const { server, random } = load;
  const client = new LmtpClient(await connect(server.ports.lmtp));
  try {
    await client.hello();
    for (;;) {
      const mark = load.nextMark();
      const to = witnesses.filter(() => random.below(2) === 0);
      if (to.length === 0) continue;
      for (const { maybe } of to) maybe.add(mark);
      const replies = await client.deliver(
        messageOf(mark, random),
        to.map(({ name }) => `${name}@localhost`),
      );
      for (const [index, witness] of to.entries()) {
        // A client may have seen it before the reply came.
        if (replies[index]!.startsWith("250") && witness.maybe.delete(mark)) witness.due.add(mark);
      }
    }
  } catch (error) {
    if (!isEnd(error)) throw error;
  } finally {
    client.close();
  }
}

export function isEnd(error: unknown): boolean {
  if (error instanceof LmtpClosed || error instanceof ImapClosed) return true;
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return (
    code === "ECONNREFUSED" ||
    code === "ECONNRESET" ||
    code === "EPIPE" ||
    (error as Error | undefined)?.name === "ConnectionBroken"
  );
}

export async function login(server: TestServer, name: string): Promise<ImapClient> {
  const client = new ImapClient(await connect(server.ports.imap));
  await client.receive();
  await client.ok(`LOGIN ${name} "${password}"`);
  return client;
}

/** Changes one account until the connection ends. */
export async function changeMail(load: Load, witness: AccountWitness): Promise<void> {
  let client: ImapClient | undefined;
  try {
    client = await login(load.server, witness.name);
    for (;;) {
      const box = mailboxes[load.random.below(mailboxes.length)]!;
      await look(client, witness, box);
      for (let i = load.random.below(12); i >= 0; i--) await change(load, client, witness, box);
    }
  } catch (error) {
    if (!isEnd(error)) throw error;
  } finally {
    client?.close();
  }
}

/** Selects a mailbox and learns what is new there. */
async function look(client: ImapClient, witness: AccountWitness, box: string): Promise<void> {
  const known = witness.boxes.get(box)!;
  const selected = await client.ok(`SELECT ${box} (CONDSTORE)`);
  known.highestModseq = Math.max(known.highestModseq, codeNumber(selected, "HIGHESTMODSEQ"));
  known.uidNext = Math.max(known.uidNext, codeNumber(selected, "UIDNEXT"));
  const answer = await client.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (X-MARK)])");
  const found = new Map<number, Seen>();
  for (const response of answer.untagged) takeSeen(response, found);
  for (const [uid, { mark, flags }] of known.messages)
    if (found.get(uid)?.mark !== mark || found.get(uid)?.flags !== flags)
      witness.fail(
        `${box} ${uid} (${mark}) is ${JSON.stringify(found.get(uid))} instead of "${flags}"`,
      );
  for (const [uid, seen] of found) witness.saw(box, uid, seen);
}

function codeNumber(answer: Answer, code: string): number {
  for (const response of answer.untagged)
    if (response.kind === "status" && response.code === code)
      return Number(tokenText(response.codeTokens[0]));
  throw new Error(`No ${code}`);
}

function takeSeen(response: Untagged, found: Map<number, Seen>): void {
  const items = fetchItems(response);
  const header = [...items].find(([name]) => name.startsWith("BODY["))?.[1];
  if (header === undefined) return;
  const flags = items.get("FLAGS");
  found.set(Number(tokenText(items.get("UID"))), {
    mark: /X-Mark: (\S+)/i.exec(tokenText(header))?.[1] ?? "?",
    flags: (Array.isArray(flags) ? flags.map((flag) => tokenText(flag)) : [])
      .filter((flag) => flag !== "\\Recent")
      .sort()
      .join(" "),
  });
}

/** One random change; what it promises is noted when its answer comes. */
async function change(
  load: Load,
  client: ImapClient,
  witness: AccountWitness,
  box: string,
): Promise<void> {
  const { random } = load;
  const uids = [...witness.boxes.get(box)!.messages.keys()];
  const uid = uids[random.below(uids.length)];
  const flags = flagNames.filter(() => random.below(3) === 0).join(" ");
  const other = box === "INBOX" ? "Archive" : "INBOX";
  const run = async (doubt: Doubt, command: string, ...literals: Buffer[]): Promise<void> => {
    witness.doubt = doubt;
    const answer = await client.ok(command, ...literals);
    witness.acknowledged(newUid(answer));
  };
  if (uid === undefined || random.below(6) === 0) {
    const mark = load.nextMark();
    const text = Buffer.from(messageOf(mark, random));
    const doubt = { kind: "append", box, seen: { mark, flags } } as const;
    return run(doubt, `APPEND ${box} (${flags}) {}`, text);
  }
  const choice = random.below(20);
  if (choice < 12)
    return run({ kind: "store", box, uid, flags }, `UID STORE ${uid} FLAGS (${flags})`);
  if (choice < 15)
    return run({ kind: "copy", uid, from: box, to: other }, `UID COPY ${uid} ${other}`);
  if (choice < 18)
    return run({ kind: "move", uid, from: box, to: other }, `UID MOVE ${uid} ${other}`);
  const { flags: old } = witness.boxes.get(box)!.messages.get(uid)!;
  const deleted = [...old.split(" ").filter((flag) => flag !== ""), "\\Deleted"].sort().join(" ");
  await run({ kind: "store", box, uid, flags: deleted }, `UID STORE ${uid} +FLAGS (\\Deleted)`);
  return run({ kind: "expunge", box, uid }, `UID EXPUNGE ${uid}`);
}

/** The uid that APPENDUID or COPYUID tells. RFC 9051 §7.1 */
function newUid(answer: Answer): number | undefined {
  const codes = [answer, ...answer.untagged.filter((response) => response.kind === "status")];
  for (const { code, codeTokens } of codes) {
    if (code === "APPENDUID") return Number(tokenText(codeTokens[1]));
    if (code === "COPYUID") return Number(tokenText(codeTokens[2]));
  }
  return undefined;
}

/** Reads all of an account; every message must be sound. */
export async function readAccount(
  server: TestServer,
  witness: AccountWitness,
): Promise<Map<string, Found>> {
  const client = await login(server, witness.name);
  const all = new Map<string, Found>();
  for (const box of mailboxes) {
    const selected = await client.ok(`EXAMINE ${box} (CONDSTORE)`);
    const messages = new Map<number, Seen>();
    const answer = await client.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (X-MARK)])");
    for (const response of answer.untagged) takeSeen(response, messages);
    const bodies = await client.ok("UID FETCH 1:* (UID BODY.PEEK[])");
    for (const response of bodies.untagged) {
      const items = fetchItems(response);
      const body = items.get("BODY[]");
      if (body !== undefined && !isSound(tokenText(body)))
        witness.fail(`${box} ${tokenText(items.get("UID"))} is damaged`);
    }
    all.set(box, {
      uidValidity: codeNumber(selected, "UIDVALIDITY"),
      uidNext: codeNumber(selected, "UIDNEXT"),
      highestModseq: codeNumber(selected, "HIGHESTMODSEQ"),
      messages,
    });
  }
  client.close();
  return all;
}
