/** Several clients on one mailbox at once: what each is told must add up to what is there. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1, utf8 } from "#base/bytes.ts";
import { type Random, seededRandom } from "#base/random.ts";
import { ResponseDecoder, type ResponseEvent, type Token } from "#wire/index.ts";
import { flagsText } from "../../src/protocols/imap/flags.ts";
import { MemoryServer } from "../transcripts/memory-server.ts";
import type { MemoryStream } from "#base/testing.ts";

type Mode = "rev1" | "condstore" | "qresync" | "rev2";

const message = "Subject: x\r\n\r\nbody\r\n";

/** A client that believes what it is told, and checks it. */
class Client {
  readonly #stream: MemoryStream;
  readonly #decoder = new ResponseDecoder();
  readonly #random: Random;
  readonly #mode: Mode;
  readonly #silent: boolean;
  /** Uids by sequence number, 0 where not yet known. */
  list: number[] = [];
  flags = new Map<number, string>();
  #tags = 0;
  /** Expunges must not come now. */
  #counting = false;

  constructor(stream: MemoryStream, random: Random, how: { mode: Mode; silent: boolean }) {
    this.#stream = stream;
    this.#random = random;
    this.#mode = how.mode;
    this.#silent = how.silent;
  }

  async #next(): Promise<ResponseEvent> {
    for (;;) {
      const event = this.#decoder.next();
      if (event.kind !== "more") return event;
      const bytes = await this.#stream.read();
      assert.ok(bytes !== null, "the server closed the connection");
      this.#decoder.push(bytes);
    }
  }

  /** Sends a command and reads up to its answer; gives the status. */
  async command(text: string, counting = false): Promise<string> {
    const tag = `t${++this.#tags}`;
    this.#counting = counting;
    void this.#stream.write(fromLatin1(`${tag} ${text}\r\n`));
    for (;;) {
      const event = await this.#next();
      if (event.kind === "status" && event.tag === tag) return event.status;
      if (event.kind === "continuation") void this.#stream.write(utf8("DONE\r\n"));
      else if (event.kind === "data") this.#take(event);
      else assert.equal(event.kind, "status", JSON.stringify(event));
    }
  }

  #take(event: Extract<ResponseEvent, { kind: "data" }>): void {
    const { list } = this;
    switch (event.name) {
      case "EXISTS":
        assert.ok(event.number! >= list.length, "EXISTS never makes a mailbox smaller");
        while (list.length < event.number!) list.push(0);
        break;
      case "EXPUNGE":
        assert.ok(this.#mode !== "qresync" && !this.#counting);
        assert.ok(event.number! >= 1 && event.number! <= list.length);
        list.splice(event.number! - 1, 1);
        break;
      case "VANISHED":
        assert.ok(this.#mode === "qresync" && !this.#counting);
        this.#vanish(String(event.tokens[0]));
        break;
      case "FETCH":
        this.#fetched(event.number!, event.tokens[0] as readonly Token[]);
        break;
      case "RECENT":
        assert.notEqual(this.#mode, "rev2");
        break;
      default:
    }
  }

  #vanish(set: string): void {
    for (const range of set.split(",")) {
      const [from, to = from] = range.split(":").map(Number);
      for (let uid = from!; uid <= to!; uid++) {
        let at = this.list.indexOf(uid);
        // One that it does not know yet lies behind all that are smaller.
        if (at < 0)
          at = this.list.indexOf(
            0,
            this.list.findLastIndex((known) => known > 0 && known < uid) + 1,
          );
        assert.ok(at >= 0, "only what was announced vanishes");
        this.list.splice(at, 1);
      }
    }
  }

  #fetched(seq: number, items: readonly Token[]): void {
    const { list } = this;
    assert.ok(seq >= 1 && seq <= list.length, `FETCH of ${seq} of ${list.length}`);
    let uid = list[seq - 1]!;
    let flags: string | undefined;
    for (let i = 0; i < items.length; i += 2) {
      if (items[i] === "UID") {
        const told = items[i + 1] as number;
        assert.ok(uid === 0 || uid === told, `${seq} is ${uid}, not ${told}`);
        uid = told;
      }
      if (items[i] === "FLAGS")
        flags = (items[i + 1] as string[])
          .filter((flag) => flag !== "\\Recent")
          .sort()
          .join(" ");
      if (items[i] === "MODSEQ") assert.notEqual(this.#mode, "rev1");
    }
    assert.ok(list.slice(0, seq - 1).every((other) => other < uid || uid === 0));
    list[seq - 1] = uid;
    if (uid !== 0 && flags !== undefined) this.flags.set(uid, flags);
  }

  async start(): Promise<void> {
    await this.#next();
    if (this.#mode === "rev2") await this.command("ENABLE IMAP4rev2");
    if (this.#mode === "qresync") await this.command("ENABLE QRESYNC");
    const parameter = this.#mode === "condstore" ? " (CONDSTORE)" : "";
    assert.equal(await this.command(`SELECT INBOX${parameter}`), "OK");
    await this.command("UID FETCH 1:* (UID FLAGS)");
  }

  async step(): Promise<void> {
    const random = this.#random;
    const seq = (): number => 1 + random.below(Math.max(1, this.list.length));
    const flag = ["\\Seen", "\\Deleted", "\\Flagged", "key", "\\Deleted"][random.below(5)]!;
    const sign = ["+", "-", ""][random.below(3)]!;
    const silent = this.#silent && random.below(3) === 0 ? ".SILENT" : "";
    const set = `${seq()}:${seq()},${seq()}`;
    switch (random.below(12)) {
      case 0:
      case 1:
        await this.command(`APPEND INBOX (${flag}) {${message.length}+}\r\n${message}`);
        break;
      case 2:
      case 3:
        await this.command(`STORE ${set} ${sign}FLAGS${silent} (${flag})`, true);
        break;
      case 4:
        await this.command(`UID STORE ${seq()}:* ${sign}FLAGS${silent} (${flag})`);
        break;
      case 5:
        await this.command("EXPUNGE");
        break;
      case 6:
        await this.command(`UID EXPUNGE ${seq()}:${seq() + 20}`);
        break;
      case 7:
        await this.command(`COPY ${seq()} INBOX`);
        break;
      case 8:
        await this.command(random.below(2) === 0 ? `MOVE ${seq()} INBOX` : `MOVE ${seq()} box`);
        break;
      case 9:
        await this.command(`FETCH ${set} (UID FLAGS)`, true);
        break;
      case 10:
        await this.command("IDLE");
        break;
      default:
        await this.command("NOOP");
    }
  }

  /** What it believes after it has asked for all. */
  async finish(): Promise<[uids: number[], flags: string[]]> {
    await this.command("NOOP");
    // Flags that it was told as they changed, not asked for now.
    await this.command("UID FETCH 1:* (UID)");
    const unknown = this.list.filter((uid) => !this.flags.has(uid));
    if (unknown.length > 0) await this.command(`UID FETCH ${unknown.join()} (UID FLAGS)`);
    return [this.list, this.list.map((uid) => this.flags.get(uid)!)];
  }
}

test("Clients of all kinds agree on the mailbox", async () => {
  for (let seed = 1; seed <= 25; seed++) {
    const random = seededRandom(seed);
    const server = new MemoryServer();
    const account = await server.openAccount();
    account.createMailbox("box");
    const modes: Mode[] = ["rev1", "condstore", "qresync", "rev2", "rev1"];
    const silent = seed % 2 === 0;
    const clients = modes.map(
      (mode, i) => new Client(server.serve(), seededRandom(seed * 10 + i), { mode, silent }),
    );
    await Promise.all(
      clients.map(async (client) => {
        await client.start();
        for (let i = 0; i < 30; i++) {
          await client.step();
          if (random.below(3) === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      }),
    );
    const inbox = account.mailbox("INBOX");
    const { uid } = inbox.rows.arrays;
    const views = [];
    for (const client of clients) views.push(await client.finish());
    const truth = [...uid.subarray(0, inbox.count)];
    const flagsOf = (row: number): string =>
      flagsText(inbox, row, false).slice(1, -1).split(" ").sort().join(" ");
    for (const [i, [uids, flags]] of views.entries()) {
      assert.deepEqual(uids, truth, `seed ${seed}, client ${i}`);
      // After a silent STORE a client has to work the flags out by itself.
      if (!silent)
        assert.deepEqual(
          flags,
          truth.map((_, row) => flagsOf(row)),
          `seed ${seed}`,
        );
    }
  }
});
