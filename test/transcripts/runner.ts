/**
 * Runs transcripts: conversations with a mail server as data. A transcript is lines of
 *
 * - `C: text`     the client sends a line. `{}` and `{+}` at its end announce a literal, whose size
 *                 is filled in; its lines follow with `|`. `C+ text` goes on with the command.
 * - `S: text`     the next response of the server. `S+ text` goes on after a literal, as with C.
 * - `S{` ... `}`  responses in any order, one `S:` each.
 * - `S...`        any number of untagged responses up to the one that matches the next `S:`.
 * - `S: <closed>` the server closes the connection.
 * - `C2:`, `S2:`  the same on another connection of the same account; opened at first use.
 * - `@requires X Y` skips the transcript where the server does not announce the capabilities.
 * - `@if X` ... `@end` is for servers that announce the capability.
 * - `@setting name value` for servers that the test itself starts; elsewhere the transcript is
 *                 skipped.
 * - `@close 2`    the client closes a connection.
 * - `S~ text`     what another server may send instead of the response above; with no text, nothing.
 * - `@differs dovecot-2.3 why` before an `S~` that no RFC allows, or that is a server's own choice:
 *                 only that server may send it, and the file is reported as different.
 * - `#`           a comment.
 *
 * `{"text"}` is a literal within its line, with the escapes of JSON.
 *
 * `runTranscript` compares order and text as they stand: so it is for Roost. portable.ts compares
 * what the RFCs promise.
 *
 * In `S:`, `$name` takes a value of letters, digits, and `-_` the first time and stands for it
 * later, also in `C:`; `$$` is a dollar sign; `…` is anything. Of a status response that has no
 * `…` only what is written is compared, so `S: a OK` says nothing of code and text.
 */
import { matchAndBind, patternOf, wantedText } from "./pattern.ts";
import { Responses } from "./responses.ts";

/** A connection that has logged in. */
export interface TranscriptConnection {
  send(bytes: Uint8Array): void | Promise<void>;
  /** Null at the end. */
  read(): Promise<Uint8Array | null>;
  close(): void;
}

export interface TranscriptServer {
  connect(): Promise<TranscriptConnection>;
  /** In capitals. */
  readonly capabilities: ReadonlySet<string>;
}

export interface Transcript {
  readonly name: string;
  readonly requires: readonly string[];
  readonly settings: ReadonlyMap<string, string>;
  readonly steps: readonly Step[];
}

export type Step = { readonly at: At } & (
  | { readonly kind: "send"; readonly pieces: readonly Piece[] }
  | { readonly kind: "expect"; readonly choices: readonly Wanted[] }
  | { readonly kind: "skip" }
  | { readonly kind: "close" }
);

/** A response, and what other servers may send instead of it. */
export interface Wanted {
  readonly line: number;
  readonly text: string;
  readonly others: Other[];
}

/** `text` is "" for nothing at all. */
export interface Other {
  readonly text: string;
  readonly difference: Difference | undefined;
}

/** Where a server deviates, or chose what the RFC leaves free. */
export interface Difference {
  readonly server: string;
  readonly why: string;
}

interface At {
  readonly line: number;
  readonly connection: string;
  /** The capability that the step is for, if it is for one. */
  readonly capability: string | undefined;
}

/** Text to send, then (if `waits`) a continuation request to wait for. */
export interface Piece {
  readonly text: string;
  readonly waits: boolean;
}

interface Draft {
  readonly side: "C" | "S";
  readonly at: At;
  text: string;
  literal: string[] | undefined;
}

/** Reads a transcript. Errors: `Error` with the line. */
export function parseTranscript(name: string, source: string): Transcript {
  const reader = new Reader();
  for (const [index, text] of source.split(/\r?\n/).entries())
    try {
      reader.line(index + 1, text);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${name}:${index + 1}: ${reason}`, { cause: error });
    }
  reader.finish();
  const { requires, settings, steps } = reader;
  return { name, requires, settings, steps };
}

class Reader {
  readonly requires: string[] = [];
  readonly settings = new Map<string, string>();
  readonly steps: Step[] = [];
  #draft: Draft | undefined;
  #block: { readonly at: At; readonly choices: Wanted[] } | undefined;
  #latest: Wanted | undefined;
  #difference: Difference | undefined;
  #capability: string | undefined;

  line(line: number, text: string): void {
    const draft = this.#draft;
    if (text.startsWith("|")) {
      if (draft?.literal === undefined) throw new Error("no literal begun");
      draft.literal.push(text.slice(1).replace(/^ /, ""));
      return;
    }
    const more = /^[CS]\d*\+ ?(.*)$/.exec(text);
    if (more !== null && draft !== undefined) {
      closeLiteral(draft);
      draft.text += withLiterals(more[1]!);
      openLiteral(draft);
      return;
    }
    this.finish();
    const at = (connection: string): At => ({ line, connection, capability: this.#capability });
    const said = /^([CS])(\d*): ?(.*)$/.exec(text);
    const mark = /^S(\d*)(\{|\.\.\.)$/.exec(text);
    if (said !== null) {
      const [, side, connection, rest] = said;
      this.#draft = {
        ...{ side: side as "C" | "S", at: at(connection!) },
        ...{ text: withLiterals(rest!), literal: undefined },
      };
      openLiteral(this.#draft);
    } else if (text.startsWith("S~")) this.#other(text.slice(2).trimStart());
    else if (mark?.[2] === "{") this.#block = { at: at(mark[1]!), choices: [] };
    else if (mark !== null) this.steps.push({ kind: "skip", at: at(mark[1]!) });
    else if (text === "}" && this.#block !== undefined) {
      this.steps.push({ kind: "expect", ...this.#block });
      this.#block = undefined;
    } else if (text.startsWith("@")) this.#directive(text, at);
    else if (text !== "" && !text.startsWith("#"))
      throw new Error(`cannot read ${JSON.stringify(text)}`);
  }

  /** Ends what goes on over several lines. */
  finish(): void {
    const draft = this.#draft;
    if (draft === undefined) return;
    this.#draft = undefined;
    closeLiteral(draft);
    if (draft.side === "C") {
      this.steps.push({ kind: "send", at: draft.at, pieces: piecesOf(`${draft.text}\r\n`) });
      return;
    }
    this.#latest = { line: draft.at.line, text: draft.text, others: [] };
    if (this.#block !== undefined) this.#block.choices.push(this.#latest);
    else this.steps.push({ kind: "expect", at: draft.at, choices: [this.#latest] });
  }

  #other(text: string): void {
    if (this.#latest === undefined) throw new Error("nothing to replace");
    this.#latest.others.push({ text: withLiterals(text), difference: this.#difference });
    this.#difference = undefined;
  }

  #directive(text: string, at: (connection: string) => At): void {
    const [word, first = "", ...rest] = text.slice(1).split(" ");
    if (word === "requires") this.requires.push(first, ...rest);
    else if (word === "if") this.#capability = first;
    else if (word === "end") this.#capability = undefined;
    else if (word === "differs") this.#difference = { server: first, why: rest.join(" ") };
    else if (word === "setting") this.settings.set(first, rest.join(" "));
    else if (word === "close") this.steps.push({ kind: "close", at: at(first) });
    else throw new Error(`unknown directive ${word}`);
  }
}

/** Literals that stand in their line. */
function withLiterals(text: string): string {
  return text.replace(/\{("(?:[^"\\]|\\.)*")\}/g, (_, quoted: string) => {
    const content = JSON.parse(quoted) as string;
    const bytes = Buffer.byteLength(content.replaceAll("$$", "$"));
    return `{${bytes}}\r\n${content}`;
  });
}

function openLiteral(draft: Draft): void {
  if (/\{\+?\}$/.test(draft.text)) draft.literal = [];
}

function closeLiteral(draft: Draft): void {
  if (draft.literal === undefined) return;
  const content = draft.literal.map((line) => `${line}\r\n`).join("");
  const size = Buffer.byteLength(content);
  draft.text = draft.text.replace(
    /\{(\+?)\}$/,
    `{${size}$1}\r\n${content.replaceAll("$", "$$$$$$$$")}`,
  );
  draft.literal = undefined;
}

function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(/\{\d+\}\r\n/g)) {
    const end = match.index + match[0].length;
    if (end === text.length) break;
    pieces.push({ text: text.slice(from, end), waits: true });
    from = end;
  }
  pieces.push({ text: text.slice(from), waits: false });
  return pieces;
}

/** A variable, or a dollar sign. */
export const variable = /\$(\$|[a-z][a-z0-9]*)/g;

/** Runs a transcript. Errors: `Error` that names the line and what came instead. */
export async function runTranscript(
  transcript: Transcript,
  server: Pick<TranscriptServer, "connect">,
): Promise<void> {
  const values = new Map<string, string>();
  const connections = new Map<string, Responses>();
  try {
    for (const step of transcript.steps) {
      const { connection: key } = step.at;
      let connection = connections.get(key);
      if (connection === undefined)
        connections.set(key, (connection = new Responses(await server.connect())));
      try {
        await runStep(step, connection, values);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        throw new Error(`${transcript.name}:${step.at.line}: ${text}`, { cause: error });
      }
    }
  } finally {
    for (const connection of connections.values()) connection.close();
  }
}

async function runStep(
  step: Step,
  connection: Responses,
  values: Map<string, string>,
): Promise<void> {
  switch (step.kind) {
    case "send":
      for (const piece of step.pieces) {
        const text = piece.text.replace(variable, (whole, name: string) =>
          name === "$" ? "$" : (values.get(name) ?? whole),
        );
        await connection.send(text);
        if (!piece.waits) continue;
        const response = await connection.next();
        if (response?.startsWith("+") !== true)
          throw new Error(`expected a continuation, got ${show(response)}`);
      }
      return;
    case "skip":
      connection.skipping = true;
      return;
    case "close":
      connection.close();
      return;
    case "expect": {
      const left = [...step.choices];
      while (left.length > 0) {
        const response = await connection.next();
        const found = left.findIndex(({ text }) => matches(text, response, values));
        if (found >= 0) {
          left.splice(found, 1);
          connection.skipping = false;
        } else if (!connection.skipping || response?.startsWith("* ") !== true)
          throw new Error(
            `expected ${left.map(({ text }) => text).join("\n  or ")}\n   got ${show(response)}`,
          );
      }
    }
  }
}

/** A response for people. */
export function show(response: string | null): string {
  return response === null ? "<closed>" : Buffer.from(response, "latin1").toString("utf8");
}

const statusLine = /^\S+ (OK|NO|BAD|BYE|PREAUTH)\b/;

function matches(wanted: string, response: string | null, values: Map<string, string>): boolean {
  if (response === null || wanted === "<closed>") return response === null && wanted === "<closed>";
  const pattern = patternOf(withSortedFlags(wantedText(wanted)), values);
  const open = statusLine.test(wanted) || wanted.startsWith("+");
  return matchAndBind(
    new RegExp(`^${pattern}${open ? "(?![A-Za-z0-9-])" : "$"}`),
    withSortedFlags(response),
    values,
  );
}

/** The order of flags means nothing. */
function withSortedFlags(text: string): string {
  return text.replace(
    /(FLAGS) \(([^()\u0080-\uffff]*)\)/g,
    (_, name: string, flags: string) => `${name} (${flags.split(" ").sort(byLetters).join(" ")})`,
  );
}

/** A dollar sign is \x1a in what is expected. */
function byLetters(a: string, b: string): number {
  const left = a.replace("\x1a", "$");
  const right = b.replace("\x1a", "$");
  return left < right ? -1 : left > right ? 1 : 0;
}
