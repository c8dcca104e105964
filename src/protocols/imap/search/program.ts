/** A search program, arranged so that what is cheap decides first. */
import type { Envelope, SearchScope, TextSearch } from "#message/index.ts";
import type { Subject } from "./subject.ts";

/** Kleene's logic: `unknown` until more of the message is read. AND is the minimum, OR the maximum. */
export type Truth = 0 | 1 | 2;
export const no: Truth = 0;
export const unknown: Truth = 1;
export const yes: Truth = 2;

/** How much of a message is read: its columns, its cached fields, all of it. */
export type Depth = 0 | 1 | 2;

/** Searches the texts of the body. */
export interface TextNode {
  readonly kind: "text";
  readonly scope: SearchScope;
  readonly search: TextSearch;
}

export type SearchNode =
  | { readonly kind: "columns"; readonly test: (subject: Subject) => boolean }
  /** `early` may decide by the columns alone. */
  | {
      readonly kind: "fields";
      readonly test: (subject: Subject) => boolean;
      readonly early?: (subject: Subject) => Truth;
    }
  /** Decoding an envelope is most of the work: `early` says by its text where that is not needed. */
  | {
      readonly kind: "envelope";
      readonly early: (plain: string | undefined) => boolean;
      readonly test: (envelope: Envelope) => boolean;
    }
  | { readonly kind: "header"; readonly test: (header: Uint8Array) => boolean }
  | TextNode
  | { readonly kind: "and" | "or"; readonly of: readonly SearchNode[] }
  | { readonly kind: "not"; readonly of: SearchNode };

/** What a node needs to be decided at the latest. */
export function depthOf(node: SearchNode): Depth {
  switch (node.kind) {
    case "columns":
      return 0;
    case "fields":
    case "envelope":
      return 1;
    case "header":
    case "text":
      return 2;
    case "not":
      return depthOf(node.of);
    case "and":
    case "or":
      return node.of.reduce<Depth>((most, child) => Math.max(most, depthOf(child)) as Depth, 0);
  }
}

/** Several nodes as one, the cheapest first. */
export function combine(kind: "and" | "or", nodes: readonly SearchNode[]): SearchNode {
  if (nodes.length === 1) return nodes[0]!;
  return { kind, of: [...nodes].sort((a, b) => depthOf(a) - depthOf(b)) };
}

/** All text nodes below a node. */
export function textNodes(node: SearchNode): TextNode[] {
  switch (node.kind) {
    case "text":
      return [node];
    case "not":
      return textNodes(node.of);
    case "and":
    case "or":
      return node.of.flatMap(textNodes);
    default:
      return [];
  }
}

/**
 * What is known of `subject` when it was read to `depth`. Never `unknown` at depth 2.
 *
 * @throws FormatError where its cached fields are damaged
 */
export function evaluate(node: SearchNode, subject: Subject, depth: Depth): Truth {
  switch (node.kind) {
    case "columns":
      return node.test(subject) ? yes : no;
    case "fields":
      if (depth >= 1) return node.test(subject) ? yes : no;
      return node.early === undefined ? unknown : node.early(subject);
    case "envelope":
      if (depth < 1) return unknown;
      return node.early(subject.plainEnvelope) && node.test(subject.envelope) ? yes : no;
    case "header":
      if (depth < 2) return unknown;
      return node.test(subject.header) ? yes : no;
    case "text":
      if (depth < 2) return unknown;
      return inText(node, subject) ? yes : no;
    case "not":
      return (yes - evaluate(node.of, subject, depth)) as Truth;
    case "and": {
      let truth = yes;
      for (const child of node.of) {
        const part = evaluate(child, subject, depth);
        if (part < truth) truth = part;
        if (truth === no) break;
      }
      return truth;
    }
    case "or": {
      let truth = no;
      for (const child of node.of) {
        const part = evaluate(child, subject, depth);
        if (part > truth) truth = part;
        if (truth === yes) break;
      }
      return truth;
    }
  }
}

function inText(node: TextNode, subject: Subject): boolean {
  if (subject.found !== undefined) return subject.found.has(node);
  return node.search.inMessage(subject.body!, subject.parts, node.scope);
}
