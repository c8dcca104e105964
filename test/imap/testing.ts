/** A mailbox in memory and clients of it, for the tests of FETCH, SEARCH, SORT and THREAD. */
import assert from "node:assert/strict";
import type { MailboxNumber } from "#base/brand.ts";
import { latin1, utf8 } from "#base/bytes.ts";
import type { Account, BodyReader } from "#store/index.ts";
import { prepareMessage } from "#store/index.ts";
import { MemoryServer } from "../transcripts/memory-server.ts";
import type { MemoryStream } from "../transcripts/memory-stream.ts";

/** A message to add. */
export interface TestMessage {
  readonly text: string | Uint8Array;
  readonly bits?: number;
  readonly keywords?: readonly string[];
  /** Milliseconds since 1970. */
  readonly internalDate?: number;
}

export class TestClient {
  readonly stream: MemoryStream;
  #tag = 0;

  constructor(stream: MemoryStream) {
    this.stream = stream;
  }

  /** Everything up to the tagged response, one character per byte. */
  async command(text: string): Promise<string> {
    const tag = `t${++this.#tag}`;
    void this.stream.write(utf8(`${tag} ${text}\r\n`));
    const end = new RegExp(`(^|\r\n)${tag} [^\r\n]*\r\n$`);
    const chunks: string[] = [];
    for (;;) {
      const bytes = await this.stream.read();
      if (bytes === null) return `${chunks.join("")}<closed>`;
      chunks.push(latin1(bytes));
      if (!end.test(chunks.join("").slice(-2_000))) continue;
      return chunks.join("").replaceAll(`${tag} `, "tag ");
    }
  }

  /** The numbers of the `* NAME 1 2 3` that a command is answered with. */
  async numbers(name: string, text: string): Promise<number[]> {
    const answer = await this.command(text);
    const line = answer.split("\r\n").find((each) => each.startsWith(`* ${name}`));
    assert.ok(line !== undefined && /\r\ntag OK[^\r]*\r\n$/.test(answer), `${text}: ${answer}`);
    return line.split(" ").slice(2).map(Number);
  }
}

export class TestMailbox {
  readonly server: MemoryServer;
  readonly account: Account;
  readonly number = 1 as MailboxNumber;

  private constructor(server: MemoryServer, account: Account) {
    this.server = server;
    this.account = account;
  }

  static async open(server = new MemoryServer()): Promise<TestMailbox> {
    return new TestMailbox(server, await server.openAccount());
  }

  async add(messages: readonly TestMessage[]): Promise<void> {
    for (const { text, bits = 0, keywords = [], internalDate = 0 } of messages) {
      const prepared = prepareMessage(typeof text === "string" ? utf8(text) : text);
      const message = { prepared, flags: { bits, keywords }, internalDate };
      await this.account.addMessages(this.number, [message]);
    }
    await this.account.durable();
  }

  /** Expunges uids at once, whatever sessions think of it. */
  async expunge(uids: readonly number[]): Promise<void> {
    for (const uid of uids) {
      const ranges = Uint32Array.of(uid, uid);
      const flags = { bits: 8, keywords: [] };
      this.account.changeFlags(this.number, ranges, { mode: "add", flags });
      this.account.expunge(this.number, ranges);
    }
    await this.account.durable();
  }

  /** A client with the mailbox selected. */
  async select(command = "SELECT INBOX"): Promise<TestClient> {
    const stream = this.server.serve();
    await stream.read();
    const client = new TestClient(stream);
    assert.match(await client.command(command), /tag OK/);
    return client;
  }

  /** Makes contents come later rather than at once, as from a remote store. */
  readLater(): void {
    const contents: Contents = this.server.store.contents;
    const { body, fields } = contents;
    contents.fields = async (state, row) => {
      const found = fields(state, row);
      await new Promise((resolve) => setImmediate(resolve));
      return found;
    };
    contents.body = async (state, row) => {
      const found = body(state, row);
      await new Promise((resolve) => setImmediate(resolve));
      return found;
    };
  }

  /** Changes how contents are read, such as to damage them. */
  get contents(): Contents {
    return this.server.store.contents;
  }
}

type Reader = (state: Account["state"], row: number) => Uint8Array | Promise<Uint8Array>;
interface Contents {
  fields: Reader;
  body: Reader;
  openBody?: (state: Account["state"], row: number) => Promise<BodyReader> | undefined;
}
