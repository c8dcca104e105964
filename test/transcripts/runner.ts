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
 * - `@requires X` skips the transcript where the server does not announce the capability.
 * - `@setting name value` for servers that the test itself starts; elsewhere the transcript is
 *                 skipped.
 * - `@close 2`    the client closes a connection.
 * - `#`           a comment.
 *
 * In `S:`, `$name` takes a value of letters, digits, and `-_` the first time and stands for it
 * later, also in `C:`; `$$` is a dollar sign; `…` is anything. Of a status response that has no
 * `…` only what is written is compared, so `S: a OK` says nothing of code and text.
 */
import { asBuffer, concatBytes } from "#base/bytes.ts";

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

type Step =
  | { readonly kind: "send"; readonly at: At; readonly pieces: readonly Piece[] }
  | { readonly kind: "expect"; readonly at: At; readonly choices: readonly string[] }
  | { readonly kind: "skip"; readonly at: At }
  | { readonly kind: "close"; readonly at: At };

interface At {
  readonly line: number;
  readonly connection: string;
}

/** Text to send, then (if `waits`) a continuation request to wait for. */
interface Piece {
  readonly text: string;
  readonly waits: boolean;
}

/** Milliseconds after which a server that says nothing has failed. */
const answerMsMax = 10_000;

interface Draft {
  readonly side: "C" | "S";
  readonly at: At;
  text: string;
  literal: string[] | undefined;
}

/** Reads a transcript. Errors: `Error` with the line. */
export function parseTranscript(name: string, source: string): Transcript {
  const requires: string[] = [];
  const settings = new Map<string, string>();
  const steps: Step[] = [];
  let draft: Draft | undefined;
  let block: string[] | undefined;
  let blockAt: At | undefined;
  const finish = (): void => {
    if (draft === undefined) return;
    closeLiteral(draft);
    if (draft.side === "C")
      steps.push({ kind: "send", at: draft.at, pieces: piecesOf(`${draft.text}\r\n`) });
    else if (block !== undefined) block.push(draft.text);
    else steps.push({ kind: "expect", at: draft.at, choices: [draft.text] });
    draft = undefined;
  };
  for (const [index, text] of source.split(/\r?\n/).entries()) {
    const at = (connection: string): At => ({ line: index + 1, connection });
    if (text.startsWith("|")) {
      if (draft?.literal === undefined) throw new Error(`${name}:${index + 1}: no literal begun`);
      draft.literal.push(text.slice(1).replace(/^ /, ""));
      continue;
    }
    const more = /^([CS])\d*\+ ?(.*)$/.exec(text);
    if (more !== null && draft !== undefined) {
      closeLiteral(draft);
      draft.text += more[2]!;
      openLiteral(draft);
      continue;
    }
    finish();
    const line = /^([CS])(\d*): ?(.*)$/.exec(text);
    const mark = /^S(\d*)(\{|\.\.\.)$/.exec(text);
    if (line !== null) {
      draft = { side: line[1] as "C" | "S", at: at(line[2]!), text: line[3]!, literal: undefined };
      openLiteral(draft);
    } else if (mark?.[2] === "{") {
      block = [];
      blockAt = at(mark[1]!);
    } else if (mark !== null) steps.push({ kind: "skip", at: at(mark[1]!) });
    else if (text === "}" && block !== undefined) {
      steps.push({ kind: "expect", at: blockAt!, choices: block });
      block = undefined;
    } else if (text.startsWith("@")) directive(text);
    else if (text !== "" && !text.startsWith("#"))
      throw new Error(`${name}:${index + 1}: cannot read ${JSON.stringify(text)}`);
    function directive(text: string): void {
      const [word, first = "", ...rest] = text.slice(1).split(" ");
      if (word === "requires") requires.push(first);
      else if (word === "setting") settings.set(first, rest.join(" "));
      else if (word === "close") steps.push({ kind: "close", at: at(first) });
      else throw new Error(`${name}:${index + 1}: unknown directive ${word}`);
    }
  }
  finish();
  return { name, requires, settings, steps };
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

const variable = /\$(\$|[a-z][a-z0-9]*)/g;

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
        const found = left.findIndex((wanted) => matches(wanted, response, values));
        if (found >= 0) {
          left.splice(found, 1);
          connection.skipping = false;
        } else if (!connection.skipping || response?.startsWith("* ") !== true)
          throw new Error(`expected ${left.join("\n  or ")}\n   got ${show(response)}`);
      }
    }
  }
}

function show(response: string | null): string {
  return response === null ? "<closed>" : Buffer.from(response, "latin1").toString("utf8");
}

const statusLine = /^\S+ (OK|NO|BAD|BYE|PREAUTH)\b/;

function matches(wanted: string, response: string | null, values: Map<string, string>): boolean {
  if (response === null || wanted === "<closed>") return response === null && wanted === "<closed>";
  const names: string[] = [];
  const bytes = withSortedFlags(Buffer.from(wanted.replaceAll("$$", "\0")).toString("latin1"));
  const ellipsis = Buffer.from("…").toString("latin1");
  let pattern = "";
  for (const part of bytes.split(/(\0|\$[a-z][a-z0-9]*|\u00e2\u0080\u00a6)/)) {
    if (part === ellipsis) pattern += "[^]*?";
    else if (part === "\0") pattern += "\\$";
    else if (part.startsWith("$") && !values.has(part.slice(1)) && !names.includes(part.slice(1))) {
      names.push(part.slice(1));
      pattern += `(?<${part.slice(1)}>[A-Za-z0-9_-]+)`;
    } else if (part.startsWith("$") && names.includes(part.slice(1)))
      pattern += `\\k<${part.slice(1)}>`;
    else pattern += quoted(part.startsWith("$") ? values.get(part.slice(1))! : part);
  }
  const open = statusLine.test(wanted) || wanted.startsWith("+");
  const match = new RegExp(`^${pattern}${open ? "(?![A-Za-z0-9-])" : "$"}`).exec(
    withSortedFlags(response),
  );
  if (match === null) return false;
  for (const name of names) values.set(name, match.groups![name]!);
  return true;
}

/** The order of flags means nothing. */
function withSortedFlags(text: string): string {
  return text.replace(
    /(FLAGS) \(([^()\u0080-\uffff]*)\)/g,
    (_, name: string, flags: string) => `${name} (${flags.split(" ").sort(byLetters).join(" ")})`,
  );
}

/** A dollar sign is NUL in what is expected. */
function byLetters(a: string, b: string): number {
  const left = a.replace("\0", "$");
  const right = b.replace("\0", "$");
  return left < right ? -1 : left > right ? 1 : 0;
}

function quoted(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

/** Cuts what a server sends into responses, literals included, without their last CRLF. */
class Responses {
  readonly #connection: TranscriptConnection;
  #buffer: Buffer = Buffer.alloc(0);
  skipping = false;

  constructor(connection: TranscriptConnection) {
    this.#connection = connection;
  }

  async send(text: string): Promise<void> {
    await this.#connection.send(Buffer.from(text));
  }

  close(): void {
    this.#connection.close();
  }

  /** One character per byte; null at the end. */
  async next(): Promise<string | null> {
    let end = 0;
    for (;;) {
      const feed = this.#buffer.indexOf("\r\n", end);
      if (feed < 0) {
        if (!(await this.#more())) return null;
        continue;
      }
      const line = this.#buffer.toString("latin1", end, feed);
      const literal = /\{(\d+)\}$/.exec(line);
      end = feed + 2;
      if (literal === null) break;
      end += Number(literal[1]);
      while (this.#buffer.length < end) if (!(await this.#more())) return null;
    }
    const response = this.#buffer.toString("latin1", 0, end - 2);
    this.#buffer = this.#buffer.subarray(end);
    return response;
  }

  async #more(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("the server says nothing")), answerMsMax);
    });
    try {
      const bytes = await Promise.race([this.#connection.read(), late]);
      if (bytes === null) return false;
      this.#buffer = asBuffer(concatBytes([this.#buffer, bytes]));
      return true;
    } finally {
      clearTimeout(timer);
    }
  }
}
