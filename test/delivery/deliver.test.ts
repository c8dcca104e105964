import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { openSqliteDirectory, type SqliteDirectory } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import type { AccountId } from "#base/brand.ts";
import { latin1, utf8 } from "#base/bytes.ts";
import { DeadlineExceeded } from "#base/deadline.ts";
import { limits } from "#base/limits.ts";
import { prepareMessage } from "#store/index.ts";
import { StoreFixture, settleDown } from "../../src/store/store-fixture.contract.ts";
import { Delivery, type DeliveryHooks, type Recipient } from "#delivery/index.ts";

interface Message {
  readonly uid: number;
  readonly flags: number;
  readonly keywords: readonly string[];
  readonly text: string;
}

/** A delivery over a store on a simulated disk and a directory in memory. */
class Post {
  readonly fixture = new StoreFixture();
  readonly directory: SqliteDirectory;
  readonly accounts = new Map<string, AccountId>();
  delivery!: Delivery;
  /** How many messages were parsed. */
  prepared = 0;

  private constructor() {
    const { clock, random } = this.fixture;
    this.directory = openSqliteDirectory({ path: ":memory:", clock, random });
  }

  static async open(t: TestContext, hooks: DeliveryHooks = {}): Promise<Post> {
    const post = new Post();
    const { fixture, directory } = post;
    for (const name of ["alice", "bob", "small", "off"]) {
      const quota = name === "small" ? { bytes: 1000, messages: 2 } : {};
      const account = await directory.addAccount({ name: `${name}@example.org`, quota });
      post.accounts.set(name, account.accountId);
    }
    await directory.setDisabled(post.id("off"), true);
    await directory.addAlias("sales@example.org", "alice@example.org");
    await directory.addAlias("jürgen@bücher.example", "bob@example.org");
    await directory.setCatchAll("example.net", post.id("bob"));
    await fixture.open();
    post.delivery = new Delivery({
      store: fixture.store,
      directory,
      clock: fixture.clock,
      hooks,
      prepare: (message, options) => {
        post.prepared++;
        return prepareMessage(message, options);
      },
    });
    t.after(async () => {
      await fixture.close(false);
      await directory.close();
    });
    return post;
  }

  id(name: string): AccountId {
    return this.accounts.get(name)!;
  }

  /** Delivers to addresses; the errors, null for what is durable. */
  async send(content: string, ...addresses: string[]): Promise<unknown[]> {
    const recipients: Recipient[] = [];
    for (const address of addresses) recipients.push(await this.delivery.resolve(address, 0));
    const message = { sender: "sender@example.com", content: utf8(content) };
    const outcomes = await this.delivery.deliver(message, recipients);
    assert.deepEqual(
      outcomes.map(({ recipient }) => recipient),
      recipients,
    );
    return outcomes.map(({ error }) => error);
  }

  async createMailbox(name: string, mailbox: string): Promise<void> {
    const account = await this.fixture.account(this.id(name));
    account.createMailbox(mailbox);
    await account.durable();
    this.fixture.store.close(account);
  }

  async messages(name: string, mailbox = "INBOX"): Promise<Message[]> {
    const account = await this.fixture.account(this.id(name));
    const box = account.mailbox(mailbox);
    const { uid, flags, message, keywordSet } = box.rows.arrays;
    const all: Message[] = [];
    for (let row = 0; row < box.count; row++)
      all.push({
        uid: uid[row]!,
        flags: flags[row]!,
        keywords: box.keywordSets[keywordSet[row]!]!.map((id) => box.keywords[id]!),
        text: latin1(await account.body(message[row]!)),
      });
    this.fixture.store.close(account);
    return all;
  }
}

const code = (error: unknown): string =>
  error instanceof Refusal ? error.code : `not a refusal: ${String(error)}`;

async function refusal(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => "no refusal", code);
}

test("a message lies in INBOX behind Return-Path and Delivered-To, with CRLF line ends", async (t) => {
  const post = await Post.open(t);
  assert.deepEqual(await post.send("Subject: one\n\ntext\r\n.\n", "alice@example.org"), [null]);
  assert.deepEqual(await post.messages("alice"), [
    {
      uid: 1,
      flags: 0,
      keywords: [],
      text:
        "Return-Path: <sender@example.com>\r\nDelivered-To: alice@example.org\r\n" +
        "Subject: one\r\n\r\ntext\r\n.\r\n",
    },
  ]);
});

test("an exact message keeps its line ends; the null path is <>", async (t) => {
  const post = await Post.open(t);
  const recipient = await post.delivery.resolve("Alice@EXAMPLE.org", 0);
  const content = utf8("Subject: one\r\n\r\na\nb\rc");
  await post.delivery.deliver({ sender: "", content, exact: true }, [recipient]);
  assert.equal(
    (await post.messages("alice"))[0]?.text,
    "Return-Path: <>\r\nDelivered-To: Alice@EXAMPLE.org\r\nSubject: one\r\n\r\na\nb\rc",
  );
});

test("nobody's, disabled and full mailboxes are refused before the message comes", async (t) => {
  const post = await Post.open(t);
  const { delivery } = post;
  assert.equal(await refusal(delivery.resolve("nobody@example.org", 0)), "NONEXISTENT");
  assert.equal(await refusal(delivery.resolve("off@example.org", 0)), "AUTHORIZATIONFAILED");
  assert.equal(await refusal(delivery.resolve("small@example.org", 1001)), "TOOBIG");
  assert.equal(await refusal(delivery.resolve("small@example.org", 1000)), "no refusal");
  assert.deepEqual(await post.send("x".repeat(700), "small@example.org"), [null]);
  assert.equal(await refusal(delivery.resolve("small@example.org", 600)), "OVERQUOTA");
  assert.deepEqual((await post.send("x".repeat(600), "small@example.org")).map(code), [
    "OVERQUOTA",
  ]);
  assert.deepEqual((await post.send("x".repeat(1000), "small@example.org")).map(code), ["TOOBIG"]);
  assert.deepEqual(await post.send("x", "small@example.org"), [null]);
  assert.equal(await refusal(delivery.resolve("small@example.org", 0)), "OVERQUOTA");
  assert.equal((await post.messages("small")).length, 2);
});

test("aliases, catch-all and international addresses lead to their accounts", async (t) => {
  const post = await Post.open(t);
  await post.send("m\r\n", "sales@example.org");
  await post.send("m\r\n", "anything@example.net");
  await post.send("m\r\n", "jürgen@bücher.example");
  assert.equal((await post.messages("alice")).length, 1);
  const [, international] = await post.messages("bob");
  assert.match(
    Buffer.from(international!.text, "latin1").toString(),
    /^Delivered-To: jürgen@bücher\.example\r$/m,
  );
});

test("the detail of an address names a mailbox, whatever its case, else INBOX", async (t) => {
  const post = await Post.open(t);
  await post.createMailbox("alice", "Work/Übung");
  await post.send("m\r\n", "alice+work/übung@example.org", "alice+elsewhere@example.org");
  await post.send("m\r\n", "alice+INBOX@example.org", "alice+@example.org");
  assert.equal((await post.messages("alice", "Work/Übung")).length, 1);
  assert.equal((await post.messages("alice")).length, 2);
});

test("addresses of one account share a copy per mailbox, and one content", async (t) => {
  const post = await Post.open(t);
  await post.createMailbox("alice", "Box");
  const to = ["alice", "sales", "alice+box", "alice+box", "alice+none", "bob"];
  const outcomes = await post.send("m\r\n", ...to.map((name) => `${name}@example.org`));
  assert.deepEqual(outcomes, [null, null, null, null, null, null]);
  const [inbox, box] = [await post.messages("alice"), await post.messages("alice", "Box")];
  assert.equal(inbox.length, 1);
  assert.equal(box.length, 1);
  assert.equal(box[0]?.text, inbox[0]?.text);
  assert.equal((await post.messages("bob")).length, 1);
  const account = await post.fixture.account(post.id("alice"));
  assert.equal(account.state.messages.count, 1);
  post.fixture.store.close(account);
});

test("one recipient's trouble is not another's", async (t) => {
  const post = await Post.open(t);
  const outcomes = await post.send(
    "x".repeat(2000),
    "alice@example.org",
    "small@example.org",
    "bob@example.org",
  );
  assert.equal(outcomes[0], null);
  assert.equal(code(outcomes[1]), "TOOBIG");
  assert.equal(outcomes[2], null);
});

test("many recipients of a large message", async (t) => {
  const post = await Post.open(t);
  const recipients: Recipient[] = [];
  for (let i = 0; i < 40; i++) {
    await post.directory.addAccount({ name: `user${i}@example.org` });
    recipients.push(await post.delivery.resolve(`user${i}@example.org`, 0));
  }
  const content = utf8(`Subject: large\r\n\r\n${`${"x".repeat(998)}\r\n`.repeat(2000)}`);
  const outcomes = await post.delivery.deliver({ sender: "", content }, recipients);
  assert.ok(outcomes.every(({ error }) => error === null));
});

test("hooks choose the account, the mailbox and the flags", async (t) => {
  const post = await Post.open(t, {
    onRecipient: (address) => (address.startsWith("old-") ? address.slice(4) : undefined),
    onDeliver: async ({ sender, recipient, content }) => {
      assert.equal(sender, "sender@example.com");
      assert.equal(recipient.name, "alice@example.org");
      if (latin1(content).includes("spam"))
        return { mailbox: "Junk", flags: ["$Junk", "\\Seen", "$Junk"] };
      if (latin1(content).includes("lost")) return { mailbox: "No such box" };
      if (latin1(content).includes("flag")) return { mailbox: "INBOX", flags: ["\\Strange"] };
      if (latin1(content).includes("refuse")) throw new Refusal("NOPERM", "Not here");
      return undefined;
    },
  });
  assert.deepEqual(await post.send("spam", "old-alice@example.org"), [null]);
  assert.deepEqual(await post.send("lost", "alice@example.org"), [null]);
  assert.deepEqual(await post.send("usual", "alice@example.org"), [null]);
  assert.deepEqual((await post.send("flag", "alice@example.org")).map(code), ["CANNOT"]);
  assert.deepEqual((await post.send("refuse", "alice@example.org")).map(code), ["NOPERM"]);
  const [junk] = await post.messages("alice", "Junk");
  assert.equal(junk?.flags, 1);
  assert.deepEqual(junk?.keywords, ["$Junk"]);
  assert.equal((await post.messages("alice")).length, 2);
});

test("a hook that never answers costs its time, not the session", async (t) => {
  const post = await Post.open(t, { onDeliver: () => new Promise(() => {}) });
  const sending = post.send("m", "alice@example.org");
  await settleDown();
  await post.fixture.clock.pass(limits.hookMs);
  assert.ok((await sending)[0] instanceof DeadlineExceeded);
});

test("a full disk: nobody hears that mail is durable; with room again it goes on", async (t) => {
  const post = await Post.open(t);
  await post.send("m\r\n", "alice@example.org", "bob@example.org");
  post.fixture.disk.faults.writeFull = 1;
  const outcomes = await post.send("m\r\n", "alice@example.org", "bob@example.org");
  assert.deepEqual(outcomes.map(code), ["UNAVAILABLE", "UNAVAILABLE"]);
  assert.equal((await post.messages("alice")).length, 1);
  post.fixture.disk.faults.writeFull = 0;
  await post.fixture.clock.pass(limits.writeProbeMs * 2);
  assert.deepEqual(await post.send("m\r\n", "alice@example.org"), [null]);
  assert.equal((await post.messages("alice")).length, 2);
});

test("what was acknowledged is there after a crash, once", async (t) => {
  const post = await Post.open(t);
  for (let i = 0; i < 20; i++)
    assert.deepEqual(await post.send(`Subject: ${i}\r\n\r\n`, "alice@example.org"), [null]);
  await post.fixture.crashAndOpen();
  const texts = (await post.messages("alice")).map(({ text }) => /Subject: (\d+)/.exec(text)?.[1]);
  assert.deepEqual(
    texts,
    Array.from({ length: 20 }, (_, i) => String(i)),
  );
});

test("a message for fifty accounts is parsed once and written once", async (t) => {
  const post = await Post.open(t);
  const names = Array.from({ length: 50 }, (_, i) => `reader${i}`);
  for (const name of names) {
    const { accountId } = await post.directory.addAccount({ name: `${name}@example.org` });
    post.accounts.set(name, accountId);
    await post.messages(name);
  }
  const { journal } = post.fixture.opened;
  const before = journal.tail;
  const content = `Subject: one\r\n\r\n${"Text of a message.\r\n".repeat(300)}`;
  const to = names.map((name) => `${name}@example.org`);
  const outcomes = await post.send(content, ...to, "reader7+detail@example.org");
  assert.deepEqual(
    outcomes,
    Array.from({ length: 51 }, () => null),
  );
  assert.equal(post.prepared, 1);
  assert.equal(journal.tail.batches - before.batches, 1);
  const bytes = journal.tail.bytes - before.bytes;
  assert.ok(bytes < content.length + 20_000, `${bytes} bytes for a message of ${content.length}`);
  const all = async (): Promise<void> => {
    for (const name of names) {
      const [message, ...rest] = await post.messages(name);
      const head = `Return-Path: <sender@example.com>\r\nDelivered-To: ${name}@example.org\r\n`;
      assert.equal(message?.text, head + content);
      assert.deepEqual(rest, []);
    }
  };
  await all();
  await post.fixture.crashAndOpen();
  await all();
  await post.fixture.opened.settleAll();
  await all();
});

test("what does not begin with a field is parsed behind the fields of each account", async (t) => {
  const post = await Post.open(t);
  const to = ["alice@example.org", "bob@example.org"];
  for (const content of [
    " folded\r\nSubject: one\r\n\r\n",
    "\r\ntext: 1",
    "From a\r\nb: 1\r\n",
    "",
  ])
    assert.deepEqual(await post.send(content, ...to), [null, null]);
  assert.equal(post.prepared, 8);
  const texts = (await post.messages("bob")).map(({ text }) =>
    text.slice(text.indexOf("org\r\n") + 5),
  );
  assert.deepEqual(texts, [
    " folded\r\nSubject: one\r\n\r\n",
    "\r\ntext: 1",
    "From a\r\nb: 1\r\n",
    "",
  ]);
});
