/** THREAD against naive trees of objects that follow RFC 5256 §3 step by step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Random, seededRandom } from "#base/random.ts";
import { TestMailbox, type TestMessage } from "./testing.ts";

const seed = 20261124;

interface Known {
  readonly uid: number;
  readonly id: string | undefined;
  readonly references: readonly string[];
  readonly subject: string;
  readonly isReply: boolean;
  readonly date: number;
}

/** A node of a tree; a dummy has no message. */
class Node {
  readonly message: Known | undefined;
  parent: Node | undefined;
  children: Node[] = [];
  constructor(message?: Known) {
    this.message = message;
  }
  get date(): number {
    return this.message?.date ?? Math.min(...this.children.map((child) => child.date));
  }
  get uid(): number {
    return this.message?.uid ?? this.children.toSorted(byDate)[0]!.uid;
  }
  get latest(): readonly [number, number] {
    const own: [number, number] = [this.message?.date ?? -Infinity, this.message?.uid ?? 0];
    return [own, ...this.children.map((child) => child.latest)].toSorted(
      (a, b) => b[0] - a[0] || b[1] - a[1],
    )[0]!;
  }
  adopt(child: Node): void {
    if (child.parent !== undefined) child.leave();
    child.parent = this;
    this.children.push(child);
  }
  leave(): void {
    const { parent } = this;
    if (parent !== undefined) parent.children = parent.children.filter((each) => each !== this);
    this.parent = undefined;
  }
  isAbove(node: Node): boolean {
    for (let at: Node | undefined = node; at !== undefined; at = at.parent)
      if (at === this) return true;
    return false;
  }
}

const byDate = (a: Node, b: Node): number => a.date - b.date || a.uid - b.uid;

/** Steps 1 to 3. */
function linked(messages: readonly Known[]): Node[] {
  const table = new Map<string, Node>();
  const nodes: Node[] = [];
  for (const message of messages) {
    const node = new Node(message);
    nodes.push(node);
    if (message.id !== undefined && !table.has(message.id)) table.set(message.id, node);
  }
  const all = [...nodes];
  for (const node of nodes) {
    let last: Node | undefined;
    for (const id of node.message!.references) {
      let reference = table.get(id);
      if (reference === undefined) {
        table.set(id, (reference = new Node()));
        all.push(reference);
      }
      if (last !== undefined && reference.parent === undefined && !reference.isAbove(last))
        last.adopt(reference);
      last = reference;
    }
    node.leave();
    if (last !== undefined && !node.isAbove(last)) last.adopt(node);
  }
  const root = new Node();
  for (const node of all) if (node.parent === undefined) root.adopt(node);
  prune(root, root);
  for (const node of root.children) node.parent = undefined;
  return root.children;
}

function prune(node: Node, root: Node): void {
  for (const child of [...node.children]) {
    prune(child, root);
    if (child.message !== undefined) continue;
    if (child.children.length === 0) child.leave();
    else if (node !== root || child.children.length === 1) {
      child.leave();
      for (const grandchild of [...child.children]) node.adopt(grandchild);
    }
  }
}

function subjectOf(node: Node): string {
  return node.message?.subject ?? node.children.toSorted(byDate)[0]!.message!.subject;
}

/** Steps 4 and 5. */
function merged(roots: readonly Node[]): Node[] {
  const order = roots.toSorted(byDate);
  const table = new Map<string, Node>();
  for (const node of order) {
    const subject = subjectOf(node);
    if (subject === "") continue;
    const other = table.get(subject);
    if (
      other === undefined ||
      (other.message !== undefined &&
        (node.message === undefined || (other.message.isReply && !node.message.isReply)))
    )
      table.set(subject, node);
  }
  const result = new Set(order);
  for (const node of order) {
    const subject = subjectOf(node);
    const other = table.get(subject);
    if (subject === "" || other === undefined || other === node || !result.has(node)) continue;
    if (node.message === undefined && other.message === undefined) {
      for (const child of [...node.children]) other.adopt(child);
      result.delete(node);
    } else if (other.message === undefined || (node.message!.isReply && !other.message.isReply)) {
      other.adopt(node);
      result.delete(node);
    } else {
      const dummy = new Node();
      dummy.adopt(other);
      dummy.adopt(node);
      result.delete(other);
      result.delete(node);
      result.add(dummy);
      table.set(subject, dummy);
    }
  }
  return [...result];
}

function bySubject(messages: readonly Known[]): Node[] {
  const roots = new Map<string, Node>();
  for (const message of messages.toSorted((a, b) => a.date - b.date || a.uid - b.uid)) {
    const root = roots.get(message.subject);
    if (root === undefined) roots.set(message.subject, new Node(message));
    else root.adopt(new Node(message));
  }
  return [...roots.values()];
}

function format(node: Node): string {
  const children = node.children.toSorted(byDate);
  const own = node.message === undefined ? [] : [String(node.message.uid)];
  if (children.length === 1) return [...own, format(children[0]!)].join(" ");
  if (children.length > 1) own.push(children.map((child) => `(${format(child)})`).join(""));
  return own.join(" ");
}

function naive(messages: readonly Known[], algorithm: string): string {
  let roots: Node[];
  if (algorithm === "ORDEREDSUBJECT") roots = bySubject(messages).toSorted(byDate);
  else if (algorithm === "REFERENCES") roots = merged(linked(messages)).toSorted(byDate);
  else
    roots = linked(messages).toSorted(({ latest: a }, { latest: b }) => a[0] - b[0] || a[1] - b[1]);
  const lists = roots.map((root) => `(${format(root)})`).join("");
  return lists === "" ? "* THREAD" : `* THREAD ${lists}`;
}

function make(random: Random, uid: number): { known: Known; message: TestMessage } {
  const ids = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"];
  const pick = (): string => `${ids[random.below(ids.length)]!}@x`;
  const id = random.below(6) === 0 ? undefined : pick();
  const references = Array.from({ length: random.below(4) }, pick);
  const base = ["topic", "other", "third", ""][random.below(4)]!;
  const isReply = random.below(2) === 0;
  const date = 1_000_000 + random.below(12) * 86_400;
  const lines = [`Subject: ${isReply ? "Re: " : ""}${base}`];
  lines.push(`Date: ${new Date(date * 1000).toUTCString()}`);
  if (id !== undefined) lines.push(`Message-ID: <${id}>`);
  const field = references.length === 1 && random.below(2) === 0 ? "In-Reply-To" : "References";
  if (references.length > 0)
    lines.push(`${field}: ${references.map((each) => `<${each}>`).join(" ")}`);
  const known = { uid, id, references, subject: base, isReply, date };
  return { known, message: { text: `${lines.join("\r\n")}\r\n\r\nx` } };
}

test("THREAD builds the trees of a naive implementation", async () => {
  const random = seededRandom(seed);
  for (let mailboxes = 0; mailboxes < 40; mailboxes++) {
    const mailbox = await TestMailbox.open();
    if (mailboxes % 10 === 9) mailbox.readLater();
    const client = await mailbox.select();
    const known: Known[] = [];
    for (let round = 0; round < 4; round++) {
      const fresh = Array.from({ length: 1 + random.below(12) }, (_, i) =>
        make(random, known.length + i + 1),
      );
      known.push(...fresh.map((each) => each.known));
      await mailbox.add(fresh.map(({ message }) => message));
      await client.command("NOOP");
      const from = 1 + random.below(2) * random.below(known.length);
      for (const algorithm of ["ORDEREDSUBJECT", "REFERENCES", "REFS"]) {
        const command = `UID THREAD ${algorithm} UTF-8 UID ${from}:${known.length}`;
        const expected = naive(known.slice(from - 1), algorithm);
        const [answer] = (await client.command(command)).split("\r\n");
        const messages = known.slice(from - 1).map((each) => JSON.stringify(each));
        const context = `seed ${seed}, mailbox ${mailboxes}, ${command}\n${messages.join("\n")}`;
        assert.equal(answer, expected, context);
      }
    }
  }
});

test("a thread as deep as the mailbox is answered", async () => {
  const mailbox = await TestMailbox.open();
  const count = 3_000;
  const messages = Array.from({ length: count }, (_, i) => ({
    text: `Message-ID: <${i}@x>\r\nIn-Reply-To: <${i - 1}@x>\r\nSubject: ${i}\r\n\r\n`,
  }));
  await mailbox.add(messages.toReversed());
  const client = await mailbox.select();
  const [answer] = (await client.command("THREAD REFS UTF-8 ALL")).split("\r\n");
  assert.equal(answer, `* THREAD (${messages.map((_, i) => count - i).join(" ")})`);
});
