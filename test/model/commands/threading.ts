/** THREAD with plain trees, step by step as the RFC says it. RFC 5256 §3 */
import type { Message } from "../account.ts";
import { sentSeconds } from "./sorting.ts";

export type Threading = "ORDEREDSUBJECT" | "REFERENCES" | "REFS";

interface Node {
  /** Undefined for a dummy. */
  message: Message | undefined;
  parent: Node | undefined;
  children: Node[];
}

/** As the response has it: numbers, then what branches off. */
export type ThreadTokens = (number | ThreadTokens)[];

function newNode(message?: Message): Node {
  return { message, parent: undefined, children: [] };
}

function attach(child: Node, parent: Node): void {
  child.parent?.children.splice(child.parent.children.indexOf(child), 1);
  child.parent = parent;
  parent.children.push(child);
}

function isBelow(node: Node, above: Node): boolean {
  for (let at: Node | undefined = node; at !== undefined; at = at.parent)
    if (at === above) return true;
  return false;
}

function byDate(a: Message, b: Message): number {
  return sentSeconds(a) - sentSeconds(b) || a.uid - b.uid;
}

/** A dummy counts as the first of its children. */
function firstOf(node: Node): Message {
  return node.message ?? node.children.map(firstOf).sort(byDate)[0]!;
}

function render(node: Node, numberOf: (message: Message) => number): ThreadTokens {
  const own = node.message === undefined ? [] : [numberOf(node.message)];
  const below = [...node.children]
    .sort((a, b) => byDate(firstOf(a), firstOf(b)))
    .map((child) => render(child, numberOf));
  if (node.message !== undefined && below.length === 1) return [...own, ...below[0]!];
  return [...own, ...below];
}

export function threadsOf(
  messages: readonly Message[],
  algorithm: Threading,
  numberOf: (message: Message) => number,
): ThreadTokens {
  let roots: Node[];
  if (algorithm === "ORDEREDSUBJECT") roots = bySubject(messages);
  else {
    roots = pruned(linked(messages));
    if (algorithm === "REFERENCES") roots = mergedBySubject(roots);
  }
  const order =
    algorithm === "REFS"
      ? (a: Node, b: Node): number => byDate(lastOf(a), lastOf(b))
      : (a: Node, b: Node): number => byDate(firstOf(a), firstOf(b));
  return roots.sort(order).map((root) => render(root, numberOf));
}

function lastOf(node: Node): Message {
  const all = [...(node.message === undefined ? [] : [node.message]), ...node.children.map(lastOf)];
  return all.sort(byDate).at(-1)!;
}

function bySubject(messages: readonly Message[]): Node[] {
  const roots = new Map<string, Node>();
  for (const message of [...messages].sort(byDate)) {
    const { base } = message.content.subject;
    const root = roots.get(base);
    if (root === undefined) roots.set(base, newNode(message));
    else attach(newNode(message), root);
  }
  return [...roots.values()];
}

/** Step 1. */
function linked(messages: readonly Message[]): Node[] {
  const byId = new Map<string, Node>();
  const all: Node[] = [];
  const nodes = messages.map((message) => {
    const node = newNode(message);
    all.push(node);
    const id = message.content.messageId;
    // What has an id that another one has counts as having none.
    if (id !== undefined && !byId.has(id)) byId.set(id, node);
    return node;
  });
  const nodeOf = (id: string): Node => {
    let node = byId.get(id);
    if (node === undefined) {
      byId.set(id, (node = newNode()));
      all.push(node);
    }
    return node;
  };
  for (const node of nodes) {
    const { references, inReplyTo } = node.message!.content;
    const ids = references.length > 0 ? references : inReplyTo === undefined ? [] : [inReplyTo];
    let last: Node | undefined;
    for (const id of ids) {
      const next = nodeOf(id);
      if (last !== undefined && next.parent === undefined && !isBelow(last, next))
        attach(next, last);
      last = next;
    }
    if (node.parent !== undefined) {
      node.parent.children.splice(node.parent.children.indexOf(node), 1);
      node.parent = undefined;
    }
    if (last !== undefined && !isBelow(last, node)) attach(node, last);
  }
  return all.filter(({ parent }) => parent === undefined);
}

/** Steps 2 and 3. */
function pruned(roots: readonly Node[]): Node[] {
  const promote = (node: Node): Node[] => {
    node.children = node.children.flatMap(promote);
    for (const child of node.children) child.parent = node;
    return node.message === undefined ? node.children : [node];
  };
  return roots.flatMap((root) => {
    const own = promote(root);
    // A dummy stays at the root where it holds several threads together.
    const kept = root.message !== undefined || own.length < 2 ? own : [root];
    for (const node of kept) node.parent = undefined;
    return kept;
  });
}

/** Steps 4 and 5. */
function mergedBySubject(roots: Node[]): Node[] {
  const subjectOf = (node: Node): string => firstOf(node).content.subject.base;
  const isReply = (node: Node): boolean => node.message?.content.subject.isReply === true;
  const isDummy = (node: Node): boolean => node.message === undefined;
  const ordered = [...roots].sort((a, b) => byDate(firstOf(a), firstOf(b)));
  const table = new Map<string, Node>();
  for (const root of ordered) {
    const subject = subjectOf(root);
    if (subject === "") continue;
    const known = table.get(subject);
    if (
      known === undefined ||
      (!isDummy(known) && (isDummy(root) || (isReply(known) && !isReply(root))))
    )
      table.set(subject, root);
  }
  const out = new Set(ordered);
  for (const root of ordered) {
    const subject = subjectOf(root);
    const known = table.get(subject);
    if (subject === "" || known === undefined || known === root) continue;
    out.delete(root);
    if (isDummy(known) && isDummy(root))
      for (const child of [...root.children]) attach(child, known);
    else if (isDummy(known) || (isReply(root) && !isReply(known))) attach(root, known);
    else {
      const dummy = newNode();
      out.delete(known);
      attach(known, dummy);
      attach(root, dummy);
      out.add(dummy);
      table.set(subject, dummy);
    }
  }
  return [...out];
}
