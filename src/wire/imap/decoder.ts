/** The server's side of the grammar: octets in, commands out. */
import { assert } from "../../base/assert.ts";
import { limits } from "../../base/limits.ts";
import type { Announcement } from "./announcement.ts";
import { announcementAt, announcementBytesMax } from "./announcement.ts";
import type { AppendHead } from "./append.ts";
import { readAppendHead } from "./append.ts";
import type { Command } from "./command.ts";
import { readCommand, readCommandName } from "./command.ts";
import { Cursor } from "./cursor.ts";
import { InputBuffer } from "../input.ts";
import type { SyntaxCode } from "./syntax.ts";
import { ImapSyntaxError, octet } from "./syntax.ts";

export type DecodeEvent =
  /** Nothing to be had before the next `push`. */
  | { readonly kind: "more" }
  | { readonly kind: "command"; readonly command: Command }
  /**
   * A command announces a synchronising literal: send `+`, then go on with `next`; or answer the
   * command and call `refuse`.
   */
  | { readonly kind: "continue"; readonly tag: string; readonly size: number }
  /** APPEND begins; it may be refused here and at each later event before `append-end`. */
  | { readonly kind: "append"; readonly tag: string; readonly mailbox: string }
  /** A message follows; if `head.sync` send `+` first, or answer the command and `refuse`. */
  | { readonly kind: "append-message"; readonly head: AppendHead }
  /** Octets of the message, never none; the memory is the receiver's to keep, not to change. */
  | { readonly kind: "append-data"; readonly bytes: Uint8Array }
  | { readonly kind: "append-message-end" }
  | { readonly kind: "append-end" }
  /**
   * A command that does not fit the grammar: answer BAD with `tag`, which is `*` where none could
   * be read. The command (an APPEND that had begun, too) is over; its remains are skipped.
   */
  | {
      readonly kind: "error";
      readonly tag: string;
      readonly text: string;
      readonly code: SyntaxCode | null;
    }
  /** Beyond recovery: say BYE and close. Every later call gives it again. */
  | { readonly kind: "fatal"; readonly text: string };

export type LineEvent =
  | { readonly kind: "more" }
  /** Without its line end. */
  | { readonly kind: "line"; readonly bytes: Uint8Array }
  | { readonly kind: "fatal"; readonly text: string };

type State = "command" | "append-data" | "append-line" | "swallow" | "skip-line" | "fatal";

const more = { kind: "more" } as const;

/**
 * Cuts the octets of a client into commands. Bounded: a command holds at most
 * `limits.commandBytesMax`, messages are passed on as they arrive.
 *
 * Lines end with CRLF; a bare LF is taken for one, since people type commands by hand.
 */
export class CommandDecoder {
  /** Set when IMAP4rev2 or UTF8=ACCEPT is enabled: quoted strings and mailbox names are UTF-8. */
  utf8 = false;
  /** Largest literal that is not a message; lower it while nobody is logged in. */
  literalBytesMax: number = limits.literalBytesMax;

  readonly #input = new InputBuffer();
  #state: State = "command";
  /** Octets of the current command that are known to belong to it: whole lines and literals. */
  #framed = 0;
  /** Octets after which no line end was found yet. */
  #scanned = 0;
  /** Octets of the current command outside literals. */
  #lineBytes = 0;
  /** Octets that are left of a message or of a literal to be swallowed. */
  #left = 0;
  /** Swallowed for the sake of the current command. */
  #swallowed = 0;
  /** The size of a synchronising literal whose `+` is not sent yet, else -1. */
  #announced = -1;
  #tag = "*";
  /** The tag of the APPEND under way. */
  #appendTag = "*";
  #head: AppendHead | null = null;
  #messages = 0;
  #queued: DecodeEvent | null = null;
  #fatalText = "";

  /** Takes over a chunk; it must not be changed afterwards. */
  push(chunk: Uint8Array): void {
    this.#input.push(chunk);
  }

  /** Octets that wait here. Stop reading while it is above `limits.commandBytesMax`. */
  get buffered(): number {
    return this.#input.length;
  }

  /** Nothing waits here and no command is under way: a new decoder would be in the same state. */
  get atRest(): boolean {
    return this.#state === "command" && this.#framed === 0 && this.#input.length === 0;
  }

  /** Octets of all commands and lines that were given out whole; a replay starts after them. */
  get consumed(): number {
    return this.#input.total - this.#input.length;
  }

  /** Takes what is buffered out, for what follows STARTTLS or COMPRESS. */
  takeBuffered(): Uint8Array {
    assert(this.#state === "command", "No command is under way");
    this.#startCommand();
    return this.#input.take(this.#input.length);
  }

  /** The next event. */
  next(): DecodeEvent {
    const queued = this.#queued;
    if (queued !== null) {
      this.#queued = null;
      return queued;
    }
    this.#announced = -1;
    for (;;) {
      const event = this.#step();
      if (event === more) this.#input.release();
      if (event !== null) return event;
    }
  }

  #step(): DecodeEvent | null {
    switch (this.#state) {
      case "command":
        return this.#commandLine();
      case "append-data":
        return this.#appendData();
      case "append-line":
        return this.#appendLine();
      case "swallow":
      case "skip-line":
        return this.#skip();
      case "fatal":
        return { kind: "fatal", text: this.#fatalText };
    }
  }

  /** The next line outside the command grammar: SASL responses, DONE. */
  readLine(): LineEvent {
    this.#announced = -1;
    while (this.#state === "swallow" || this.#state === "skip-line") {
      const event = this.#skip();
      if (event !== null) return more;
    }
    if (this.#state === "fatal") return { kind: "fatal", text: this.#fatalText };
    assert(this.#state === "command" && this.#framed === 0, "No command is under way");
    const input = this.#input;
    input.release();
    const feed = this.#findLine();
    if (feed < 0 && input.length <= limits.commandLineBytesMax) return more;
    const end = feed < 0 ? input.end : this.#textEnd(feed, input.start);
    if (end - input.start > limits.commandLineBytesMax) {
      this.#fatal("Line too long");
      return { kind: "fatal", text: this.#fatalText };
    }
    const bytes = input.bytes.subarray(input.start, end);
    input.start = feed + 1;
    this.#startCommand();
    return { kind: "line", bytes };
  }

  /**
   * Gives up the command whose event came last (`continue`, or one of APPEND). The caller has
   * answered it; what the client still sends of it is skipped without further events.
   */
  refuse(): void {
    if (this.#state === "append-data" || this.#state === "append-line") {
      this.#queued = null;
      const unsent = this.#announced >= 0;
      const left = this.#state === "append-data" ? this.#left : 0;
      this.#announced = -1;
      this.#startCommand();
      if (!unsent && !this.#swallow(left)) this.#fatal("Literal too large");
      return;
    }
    assert(this.#state === "command" && this.#announced >= 0, "A command is under way");
    this.#input.start += this.#framed - this.#announced;
    this.#announced = -1;
    this.#startCommand();
  }

  #startCommand(): void {
    this.#state = "command";
    this.#framed = 0;
    this.#scanned = 0;
    this.#lineBytes = 0;
    this.#swallowed = 0;
    this.#head = null;
    this.#messages = 0;
  }

  /** Index of the LF that ends the current line, or -1. */
  #findLine(): number {
    const input = this.#input;
    const feed = input.lineFeed(input.start + Math.max(this.#scanned, this.#framed));
    if (feed < 0) this.#scanned = input.length;
    return feed;
  }

  /** Where the text of a line from `start` that ends with the LF at `feed` ends. */
  #textEnd(feed: number, start: number): number {
    return feed > start && this.#input.bytes[feed - 1] === octet.cr ? feed - 1 : feed;
  }

  #fatal(text: string): DecodeEvent {
    this.#state = "fatal";
    this.#fatalText = text;
    return { kind: "fatal", text };
  }

  /** The line up to `feed` is used up; what was announced with it is swallowed. */
  #fail(error: unknown, feed: number, announced: Announcement | null): DecodeEvent {
    if (!(error instanceof ImapSyntaxError)) throw error;
    this.#input.start = feed + 1;
    const tag = this.#tag;
    this.#startCommand();
    if (announced !== null && !announced.sync && !this.#swallow(announced.size))
      return this.#fatal("Literal too large");
    return { kind: "error", tag, text: error.message, code: error.code };
  }

  /** Sees to it that the next `size` octets are skipped; false where that is too much. */
  #swallow(size: number): boolean {
    this.#swallowed += size;
    this.#left = size;
    this.#state = "swallow";
    return this.#swallowed <= limits.swallowBytesMax;
  }

  #lineTooLong(): DecodeEvent {
    const input = this.#input;
    this.#tag = tagOf(new Cursor(input.bytes, input.start, input.end, this.utf8));
    input.start += this.#framed;
    const tag = this.#head === null ? this.#tag : this.#appendTag;
    this.#startCommand();
    this.#state = "skip-line";
    return { kind: "error", tag, text: "Command line too long", code: "LIMIT" };
  }

  #commandLine(): DecodeEvent | null {
    const input = this.#input;
    if (input.length < this.#framed) return more;
    const feed = this.#findLine();
    const lineStart = input.start + this.#framed;
    const end = feed < 0 ? input.end : this.#textEnd(feed, lineStart);
    if (this.#lineBytes + end - lineStart > limits.commandLineBytesMax) return this.#lineTooLong();
    if (feed < 0) return more;
    this.#lineBytes += end - lineStart;
    const announced = announcementAt(input.bytes, lineStart, end);
    const cursor = new Cursor(input.bytes, input.start, end, this.utf8);
    this.#tag = "*";
    try {
      if (announced !== null) return this.#literal(cursor, feed, announced);
      const command = readCommand(cursor);
      input.start = feed + 1;
      this.#startCommand();
      return { kind: "command", command };
    } catch (error) {
      this.#tag = cursor.tag;
      return this.#fail(error, feed, announced);
    }
  }

  /** A line of the command under way ends with the announcement of a literal. */
  #literal(cursor: Cursor, feed: number, announced: Announcement): DecodeEvent | null {
    const grammar = readCommandName(cursor);
    const { size, sync } = announced;
    const streams = grammar.parse === null;
    // The literal may be the name of the mailbox: then nothing but a space precedes it.
    const first = cursor.at + 1;
    if (streams && !(this.#framed === 0 && cursor.bytes[first] === octet.brace))
      return this.#beginAppend(cursor, feed);
    const before = feed + 1 - this.#input.start;
    if (size > this.literalBytesMax || before + size > limits.commandBytesMax) {
      if (!sync) return this.#fatal("Literal too large");
      cursor.fail("Literal too large", "TOOBIG");
    }
    this.#framed = before + size;
    if (!sync) return null;
    this.#announced = size;
    return { kind: "continue", tag: cursor.tag, size };
  }

  #beginAppend(cursor: Cursor, feed: number): DecodeEvent {
    cursor.space();
    const mailbox = cursor.mailbox();
    const head = readAppendHead(cursor);
    const tag = cursor.tag;
    this.#startCommand();
    this.#appendTag = tag;
    this.#queued = this.#beginMessage(head, feed);
    return { kind: "append", tag, mailbox };
  }

  #beginMessage(head: AppendHead, feed: number): DecodeEvent {
    this.#input.start = feed + 1;
    this.#head = head;
    this.#messages++;
    this.#left = head.size;
    this.#lineBytes = this.#scanned = 0;
    this.#announced = head.sync ? head.size : -1;
    this.#state = "append-data";
    return { kind: "append-message", head };
  }

  #appendData(): DecodeEvent {
    if (this.#left === 0) {
      this.#state = "append-line";
      return { kind: "append-message-end" };
    }
    const count = Math.min(this.#left, this.#input.length);
    if (count === 0) return more;
    this.#left -= count;
    return { kind: "append-data", bytes: this.#input.take(count) };
  }

  /** What follows a message: the end of the command, or the head of the next message. */
  #appendLine(): DecodeEvent {
    const input = this.#input;
    const feed = this.#findLine();
    const end = feed < 0 ? input.end : this.#textEnd(feed, input.start);
    if (end - input.start > limits.commandLineBytesMax) return this.#lineTooLong();
    if (feed < 0) return more;
    const announced = announcementAt(input.bytes, input.start, end);
    const cursor = new Cursor(input.bytes, input.start, end, this.utf8);
    try {
      if (this.#head?.utf8 === true) cursor.byte(octet.close);
      if (cursor.done) {
        input.start = feed + 1;
        this.#startCommand();
        return { kind: "append-end" };
      }
      if (this.#messages >= limits.appendMessagesMax) cursor.fail("Too many messages", "LIMIT");
      return this.#beginMessage(readAppendHead(cursor), feed);
    } catch (error) {
      this.#tag = this.#appendTag;
      return this.#fail(error, feed, announced);
    }
  }

  /** Drops the remains of a command that was answered. */
  #skip(): DecodeEvent | null {
    const input = this.#input;
    if (this.#state === "swallow") {
      const count = Math.min(this.#left, input.length);
      input.start += count;
      this.#left -= count;
      if (this.#left > 0) return more;
      this.#state = "skip-line";
      this.#scanned = this.#framed = 0;
    }
    const feed = this.#findLine();
    if (feed < 0) {
      // Keeps as much as an announcement may need.
      input.start = Math.max(input.start, input.end - announcementBytesMax);
      this.#scanned = input.length;
      return more;
    }
    const announced = announcementAt(input.bytes, input.start, this.#textEnd(feed, input.start));
    input.start = feed + 1;
    this.#scanned = 0;
    if (announced === null || announced.sync) this.#startCommand();
    else if (!this.#swallow(announced.size)) return this.#fatal("Literal too large");
    return null;
  }
}

/** The tag of a command that is broken, `*` where it has none. */
function tagOf(cursor: Cursor): string {
  try {
    const tag = cursor.readTag();
    return cursor.peek() === octet.space ? tag : "*";
  } catch {
    return "*";
  }
}
