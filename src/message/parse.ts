import { asBuffer, noBytes } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { delimiterOf, readContent } from "./content.ts";
import type { Content } from "./content.ts";
import { HeaderIndex } from "./header.ts";
import type { MessagePart, ParsedMessage, PartKind, TextSample } from "./part.ts";

const LF = 0x0a;
const CR = 0x0d;
const DASH = 0x2d;

const noContent: Content = {
  type: "text",
  subtype: "plain",
  params: [],
  id: undefined,
  description: undefined,
  encoding: "7bit",
  md5: undefined,
  disposition: undefined,
  language: [],
  location: undefined,
};

/** A part while it is being found. */
class Node implements MessagePart {
  kind: PartKind = "leaf";
  type = "text";
  subtype = "plain";
  params: Content["params"] = noContent.params;
  id: string | undefined = undefined;
  description: string | undefined = undefined;
  encoding = "7bit";
  md5: string | undefined = undefined;
  disposition: Content["disposition"] = undefined;
  language: Content["language"] = noContent.language;
  location: string | undefined = undefined;
  headerStart: number;
  bodyStart: number;
  bodyEnd: number;
  lines = 0;
  children: Node[] = [];
  header: HeaderIndex | undefined = undefined;

  constructor(start: number) {
    this.headerStart = start;
    this.bodyStart = start;
    this.bodyEnd = start;
  }

  describe(content: Content): void {
    this.type = content.type;
    this.subtype = content.subtype;
    this.params = content.params;
    this.id = content.id;
    this.description = content.description;
    this.encoding = content.encoding;
    this.md5 = content.md5;
    this.disposition = content.disposition;
    this.language = content.language;
    this.location = content.location;
  }
}

/** An open part: the path from the whole message to where the scan is. */
interface Level {
  readonly node: Node;
  /** `--boundary` of an open multipart; undefined for others, and after the closing delimiter. */
  delimiter: Buffer | undefined;
  /** A delimiter of this multipart was seen. */
  delimited: boolean;
  /** Line ends of the message before the body. */
  linesBefore: number;
}

/** Takes the first bytes of one text part as they pass by. */
class Sampler {
  readonly part: Node;
  #bytes: Buffer = asBuffer(noBytes);
  #filled = 0;

  constructor(part: Node) {
    this.part = part;
  }

  /** Takes from `window`, which begins at `base` of the message, what lies before `end`. */
  take(window: Buffer, base: number, end: number): void {
    const from = this.part.bodyStart + this.#filled;
    const count = Math.min(end - from, limits.previewSourceBytesMax - this.#filled);
    if (count <= 0) return;
    const piece = window.subarray(from - base, from - base + count);
    this.#bytes = this.#filled === 0 ? Buffer.from(piece) : Buffer.concat([this.#bytes, piece]);
    this.#filled += count;
  }

  sample(): TextSample {
    const size = this.part.bodyEnd - this.part.bodyStart;
    return { part: this.part, bytes: this.#bytes.subarray(0, size) };
  }
}

/**
 * Finds the parts of a message in one pass, whatever the message looks like and however it is cut
 * into chunks. Holds the header block that is being read (at most `limits.headerBytesMax`) and at
 * most one chunk beside it; bodies pass through.
 *
 * Lines end with LF, with or without CR before it; a CR alone is content. A delimiter line belongs
 * to the open multipart with the longest boundary that it begins with (RFC 2046 §5.1.1), and ends
 * every part inside that multipart. A header ends with an empty line, or where a delimiter or the
 * end comes first. Lines of a header that are no fields are passed over.
 */
export class MessageParser {
  #window: Buffer = asBuffer(noBytes);
  /** Memory of the window unless it is the caller's chunk. */
  #own: Buffer = asBuffer(noBytes);
  #borrowed = false;
  /** Offset of the window in the message. */
  #base = 0;
  /** Where the scan is, in the window. */
  #at = 0;
  /** No line end lies between `#at` and here. */
  #searched = 0;
  #inHeader = true;
  #atLineStart = true;
  #lines = 0;
  #openDelimiters = 0;
  #partCount = 0;
  readonly #levels: Level[] = [];
  readonly #root: Node;
  #header: HeaderIndex = new HeaderIndex(noBytes);
  #keepsViews = false;
  #sampler: Sampler | undefined;
  #plain: TextSample | undefined;
  #html: TextSample | undefined;

  constructor() {
    this.#root = this.#open(0);
  }

  /** The next bytes of the message. They may be changed afterwards. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    if (this.#window.length === 0) {
      this.#window = asBuffer(chunk);
      this.#borrowed = true;
    } else this.#append(chunk);
    this.#scan(false);
    this.#dropScanned();
  }

  /** Ends the message. The parser must not be used afterwards. */
  end(): ParsedMessage {
    return this.#end();
  }

  /** The whole message at once. The result has views of it. */
  static parse(message: Uint8Array): ParsedMessage {
    const parser = new MessageParser();
    parser.#window = asBuffer(message);
    parser.#keepsViews = true;
    return parser.#end();
  }

  #end(): ParsedMessage {
    this.#scan(true);
    const size = this.#base + this.#window.length;
    this.#endHeaders(size);
    this.#closeLevels(0, size, size);
    return {
      size,
      root: this.#root,
      partCount: this.#partCount,
      plain: this.#plain,
      html: this.#html,
    };
  }

  #append(chunk: Uint8Array): void {
    const length = this.#window.length;
    const need = length + chunk.length;
    if (need > this.#own.length) {
      const grown = Buffer.allocUnsafe(Math.max(need, this.#own.length * 2, 4096));
      this.#window.copy(grown);
      this.#own = grown;
    }
    this.#own.set(chunk, length);
    this.#window = this.#own.subarray(0, need);
  }

  /** Keeps of the window only what is still needed, in our own memory. */
  #dropScanned(): void {
    const window = this.#window;
    this.#sampler?.take(window, this.#base, this.#base + this.#at);
    const node = this.#levels.at(-1)!.node;
    // A delimiter needs to know the line end before it.
    const needed = this.#inHeader ? node.headerStart - this.#base : this.#at;
    const keep = Math.max(needed - 2, 0);
    const left = window.length - keep;
    if (left > this.#own.length) this.#own = Buffer.allocUnsafe(Math.max(left, 4096));
    if (keep > 0 || this.#borrowed) window.copy(this.#own, 0, keep);
    this.#borrowed = false;
    this.#window = this.#own.subarray(0, left);
    this.#base += keep;
    this.#at -= keep;
    this.#searched = Math.max(this.#searched - keep, this.#at);
  }

  #scan(final: boolean): void {
    while (this.#inHeader ? this.#scanHeader(final) : this.#scanBody(final));
  }

  /** Reads header lines. True: the header ended; false: more bytes are needed. */
  #scanHeader(final: boolean): boolean {
    const window = this.#window;
    const origin = this.#levels.at(-1)!.node.headerStart - this.#base;
    const limit = origin + limits.headerBytesMax;
    for (;;) {
      const at = this.#at;
      let lf = window.indexOf(LF, this.#searched);
      let end = lf + 1;
      if (lf < 0) {
        this.#searched = window.length;
        if (window.length <= limit) {
          if (!final || at === window.length) return false;
          lf = window.length;
        }
        end = window.length;
      }
      if (end > limit) {
        this.#endHeader(this.#base + at);
        return true;
      }
      if (window[at] === DASH && window[at + 1] === DASH && this.#openDelimiters > 0) {
        const level = this.#matchDelimiter(at, lf);
        if (level >= 0) {
          this.#endHeaders(this.#base + at);
          this.#passDelimiter(level, at, end);
          return true;
        }
      }
      const lineEnd = lf > at && window[lf - 1] === CR ? lf - 1 : lf;
      this.#at = end;
      this.#searched = end;
      if (lf < end) this.#lines++;
      if (lineEnd === at) {
        this.#endHeader(this.#base + end);
        return true;
      }
      this.#header.addLine(window, at, lineEnd, origin);
      if (end === window.length && lf === end) return false;
    }
  }

  /** Passes over body lines. True: a delimiter was found; false: more bytes are needed. */
  #scanBody(final: boolean): boolean {
    const window = this.#window;
    const length = window.length;
    let at = this.#at;
    let atLineStart = this.#atLineStart;
    const watch = this.#openDelimiters > 0;
    for (;;) {
      if (watch && atLineStart) {
        if (at + 2 > length && !final && (at === length || window[at] === DASH)) break;
        if (window[at] === DASH && window[at + 1] === DASH) {
          this.#at = at;
          let lf = window.indexOf(LF, at);
          const tooLong = (lf < 0 ? length : lf) - at > limits.delimiterLineBytesMax;
          if (lf < 0 && !final && !tooLong) break;
          let end = lf + 1;
          if (lf < 0) lf = end = length;
          const level = tooLong ? -1 : this.#matchDelimiter(at, lf);
          if (level >= 0 && this.#passDelimiter(level, at, end)) return true;
        }
      }
      const lf = nextLineEnd(window, at);
      if (lf < 0) {
        if (at < length) atLineStart = false;
        at = length;
        break;
      }
      this.#lines++;
      at = lf + 1;
      atLineStart = true;
    }
    this.#at = at;
    this.#searched = at;
    this.#atLineStart = atLineStart;
    return false;
  }

  /** The level whose delimiter begins the line `window[at, end)`: the longest; or -1. */
  #matchDelimiter(at: number, end: number): number {
    let best = -1;
    let bestLength = 0;
    if (end - at > limits.delimiterLineBytesMax) return -1;
    for (let i = this.#levels.length - 1; i >= 0; i--) {
      const delimiter = this.#levels[i]!.delimiter;
      if (delimiter === undefined || delimiter.length <= bestLength) continue;
      const last = delimiter.length - 1;
      if (last >= end - at || this.#window[at + last] !== delimiter[last]) continue;
      if (this.#window.compare(delimiter, 0, delimiter.length, at, at + delimiter.length) !== 0)
        continue;
      best = i;
      bestLength = delimiter.length;
    }
    return best;
  }

  /**
   * Acts on the delimiter line `window[at, end)` of a level: ends the part before it, and begins
   * the next one or ends the multipart. False: no more parts are allowed, the line is content.
   */
  #passDelimiter(index: number, at: number, end: number): boolean {
    const level = this.#levels[index]!;
    const after = at + level.delimiter!.length;
    const window = this.#window;
    const closing = window[after] === DASH && window[after + 1] === DASH && after + 2 <= end;
    if (!closing && this.#partCount >= limits.mimePartsMax) {
      for (const open of this.#levels) open.delimiter = undefined;
      this.#openDelimiters = 0;
      return true;
    }
    let before = at;
    if (before > 0 && window[before - 1] === LF) {
      before--;
      if (before > 0 && window[before - 1] === CR) before--;
    }
    this.#closeLevels(index + 1, this.#base + before, this.#base + at);
    level.delimited = true;
    this.#at = end;
    this.#searched = end;
    if (end > at && window[end - 1] === LF) this.#lines++;
    this.#atLineStart = true;
    if (closing) {
      level.delimiter = undefined;
      this.#openDelimiters--;
      this.#inHeader = false;
    } else level.node.children.push(this.#open(this.#base + end));
    return true;
  }

  /** Begins a part whose header begins at `start` of the message. */
  #open(start: number): Node {
    const node = new Node(start);
    this.#levels.push({ node, delimiter: undefined, delimited: false, linesBefore: 0 });
    this.#partCount++;
    this.#header = new HeaderIndex(noBytes);
    this.#inHeader = true;
    return node;
  }

  /** Ends the header that is being read, and the empty one of a message that it announces. */
  #endHeaders(bodyStart: number): void {
    while (this.#inHeader) this.#endHeader(bodyStart);
  }

  /** The header of the innermost part ends; its body begins at `bodyStart` of the message. */
  #endHeader(bodyStart: number): void {
    const levels = this.#levels;
    const level = levels.at(-1)!;
    const { node } = level;
    const parent = levels.at(-2)?.node;
    const view = this.#window.subarray(node.headerStart - this.#base, bodyStart - this.#base);
    const header = this.#header;
    const isMessage = parent === undefined || parent.kind === "message";
    header.bytes = this.#keepsViews || !isMessage ? view : Buffer.from(view);
    if (isMessage) node.header = header;
    const inDigest = parent?.type === "multipart" && parent.subtype === "digest";
    const content = readContent(header, inDigest);
    node.describe(content);
    node.bodyStart = bodyStart;
    level.linesBefore = this.#lines;
    this.#inHeader = false;
    this.#atLineStart = true;
    const deepest = levels.length >= limits.mimeDepthMax;
    if (node.type === "multipart") {
      if (deepest) return makeOpaque(node);
      node.kind = "multipart";
      level.delimiter = delimiterOf(content);
      if (level.delimiter !== undefined) this.#openDelimiters++;
    } else if (
      node.type === "message" &&
      (node.subtype === "rfc822" || node.subtype === "global")
    ) {
      if (deepest || this.#partCount >= limits.mimePartsMax) return makeOpaque(node);
      node.kind = "message";
      node.children.push(this.#open(bodyStart));
    } else if (node.type === "text") this.#maySample(node);
  }

  #maySample(node: Node): void {
    if (node.disposition?.type === "attachment") return;
    const wanted =
      (node.subtype === "plain" && this.#plain === undefined) ||
      (node.subtype === "html" && this.#html === undefined);
    if (wanted && this.#levels.every((level) => level.node.kind !== "message"))
      this.#sampler = new Sampler(node);
  }

  /**
   * Ends the levels from `from` inwards. Their bodies end at `end` of the message; `delimiter` is
   * where the delimiter line begins, the line end between the two belongs to it.
   */
  #closeLevels(from: number, end: number, delimiter: number): void {
    const levels = this.#levels;
    let ceiling = delimiter;
    for (let i = from; i < levels.length; i++) {
      const { node, linesBefore, delimiter: open, delimited } = levels[i]!;
      if (open !== undefined) this.#openDelimiters--;
      node.headerStart = Math.min(node.headerStart, ceiling);
      node.bodyStart = Math.min(node.bodyStart, ceiling);
      node.bodyEnd = Math.max(end, node.bodyStart);
      const counted = node.bodyEnd < delimiter ? this.#lines - 1 : this.#lines;
      node.lines = node.bodyEnd === node.bodyStart ? 0 : Math.max(counted - linesBefore, 0);
      if (node.kind === "multipart" && node.children.length === 0) {
        node.children.push(madeUpChild(node, delimited));
        this.#partCount++;
      }
      ceiling = node.bodyEnd;
      if (this.#sampler?.part === node) this.#finishSample(node);
    }
    levels.length = from;
  }

  #finishSample(node: Node): void {
    const sampler = this.#sampler!;
    sampler.take(this.#window, this.#base, node.bodyEnd);
    if (node.subtype === "html") this.#html = sampler.sample();
    else this.#plain = sampler.sample();
    this.#sampler = undefined;
  }
}

/** Offset of the next LF, or -1. The first bytes are looked at here: calls cost more than they. */
function nextLineEnd(window: Buffer, at: number): number {
  const near = Math.min(at + 8, window.length);
  for (let i = at; i < near; i++) if (window[i] === LF) return i;
  return window.indexOf(LF, near);
}

/**
 * The part of a multipart that has none, because BODYSTRUCTURE needs one. Where no delimiter was
 * found at all it has the whole body, so that the text can be read and found.
 */
function madeUpChild(multipart: Node, delimited: boolean): Node {
  const child = new Node(delimited ? multipart.bodyEnd : multipart.bodyStart);
  child.bodyEnd = multipart.bodyEnd;
  if (!delimited) child.lines = multipart.lines;
  return child;
}

/** A part at a limit keeps its place in the tree and is not looked into. */
function makeOpaque(node: Node): void {
  node.type = "application";
  node.subtype = "octet-stream";
  node.params = noContent.params;
}

/**
 * The parts of a whole message. See `MessageParser`.
 *
 * @param message its bytes; the result has views of them
 */
export function parseMessage(message: Uint8Array): ParsedMessage {
  return MessageParser.parse(message);
}
