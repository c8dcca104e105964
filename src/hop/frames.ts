/**
 * The frames of a hop as values and as bytes; docs/formats/hop.md tells them in prose.
 *
 * @format hop
 */
import { type ByteWriter, ByteReader, FormatError } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { type EndKind, endKinds, type Flushed, type StreamRequest } from "./link.ts";

/** The newest version that this code speaks, and the oldest one. */
export const hopFormatVersion = 1;
export const hopFormatVersionMin = 1;

export const frameHeaderBytes = 9;

const hopMagic = 0x504f4852; // "RHOP", read little-endian

/** Numbers on the wire; a number is given once. */
const kinds = {
  hello: 1,
  ping: 2,
  pong: 3,
  goodbye: 4,
  open: 5,
  input: 6,
  flush: 7,
  credit: 8,
  end: 9,
  reset: 10,
  call: 11,
  callBody: 12,
  answer: 13,
  answerBody: 14,
  refusal: 15,
  cancel: 16,
  note: 17,
} as const;

export interface HelloFrame {
  readonly kind: "hello";
  /** Newest and oldest version that the sender speaks. */
  readonly version: number;
  readonly versionMin: number;
  readonly id: string;
  readonly incarnation: string;
  readonly roles: readonly string[];
  /** What may be sent on a stream to this node before it gives credit. */
  readonly window: number;
}

export interface OpenFrame {
  readonly kind: "open";
  readonly stream: number;
  readonly request: StreamRequest;
}

export interface InputFrame {
  readonly kind: "input";
  readonly stream: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface FlushFrame {
  readonly kind: "flush";
  readonly stream: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly hash: number | undefined;
  readonly done: Flushed | undefined;
}

export interface CreditFrame {
  readonly kind: "credit";
  readonly stream: number;
  /** What may have been sent since the stream was opened. */
  readonly allowance: number;
}

export interface EndFrame {
  readonly kind: "end" | "reset";
  readonly stream: number;
  readonly how: EndKind;
  readonly text: string;
}

export interface CallFrame {
  readonly kind: "call";
  readonly stream: number;
  readonly name: string;
  readonly deadlineMs: number;
  /** Of the whole payload; the rest of it follows in body frames. */
  readonly total: number;
  readonly bytes: Uint8Array;
}

export interface AnswerFrame {
  readonly kind: "answer";
  readonly stream: number;
  readonly total: number;
  readonly bytes: Uint8Array;
}

export interface BodyFrame {
  readonly kind: "callBody" | "answerBody";
  readonly stream: number;
  readonly bytes: Uint8Array;
}

export interface RefusalFrame {
  readonly kind: "refusal";
  readonly stream: number;
  /** A `RefusalCode`, unless the sender is newer. */
  readonly code: string;
  readonly text: string;
}

export type StreamFrame = InputFrame | FlushFrame | CreditFrame | EndFrame;

export type Frame =
  | HelloFrame
  | { readonly kind: "ping" | "pong"; readonly count: number }
  | { readonly kind: "goodbye"; readonly reason: string }
  | OpenFrame
  | StreamFrame
  | CallFrame
  | AnswerFrame
  | BodyFrame
  | RefusalFrame
  | { readonly kind: "cancel"; readonly stream: number }
  | { readonly kind: "note"; readonly name: string; readonly bytes: Uint8Array };

/** What a frame takes from the window of its stream. */
export function windowCost(frame: InputFrame | FlushFrame): number {
  const state = frame.kind === "flush" ? (frame.done?.state?.length ?? 0) : 0;
  return 32 + frame.bytes.length + state;
}

/** Appends header and fields of `frame`; returns its last field, which is to be sent behind them. */
export function encodeFrame(writer: ByteWriter, frame: Frame): Uint8Array | undefined {
  const start = writer.length;
  writer.u32(0).u8(kinds[frame.kind]);
  writer.u32("stream" in frame ? frame.stream : 0);
  const body = encodeFields(writer, frame);
  writer.patchU32(start, writer.length - start - frameHeaderBytes + (body?.length ?? 0));
  return body;
}

function encodeFields(writer: ByteWriter, frame: Frame): Uint8Array | undefined {
  switch (frame.kind) {
    case "flush":
      return encodeFlush(writer, frame);
    case "input":
      writer.varint(frame.offset);
      return frame.bytes;
    case "credit":
      writer.varint(frame.allowance);
      return undefined;
    case "ping":
    case "pong":
      writer.u32(frame.count);
      return undefined;
    case "open":
      return encodeOpen(writer, frame.request);
    case "end":
    case "reset":
      writer.u8(endKinds.indexOf(frame.how)).text(cut(frame.text));
      return undefined;
    case "call":
      writer.text(frame.name).varint(frame.deadlineMs).varint(frame.total);
      return frame.bytes;
    case "answer":
      writer.varint(frame.total);
      return frame.bytes;
    case "callBody":
    case "answerBody":
      return frame.bytes;
    case "refusal":
      writer.text(frame.code).text(cut(frame.text));
      return undefined;
    case "cancel":
      return undefined;
    case "note":
      writer.text(frame.name);
      return frame.bytes;
    case "goodbye":
      writer.text(cut(frame.reason));
      return undefined;
    case "hello":
      encodeHello(writer, frame);
      return undefined;
  }
}

function encodeHello(writer: ByteWriter, frame: HelloFrame): void {
  writer.u32(hopMagic).u16(frame.version).u16(frame.versionMin);
  writer.text(frame.id).text(frame.incarnation).u8(frame.roles.length);
  for (const role of frame.roles) writer.text(role);
  writer.varint(frame.window);
}

function encodeOpen(writer: ByteWriter, request: StreamRequest): Uint8Array {
  writer.text(request.protocol).raw(request.session).u32(request.generation);
  writer.u16(request.shard).varint(request.epoch);
  writer.varint(request.inputOffset).varint(request.outputOffset);
  return request.head;
}

const doneFlag = 1;
const stateFlag = 2;
const hashFlag = 4;

function encodeFlush(writer: ByteWriter, { offset, bytes, hash, done }: FlushFrame): Uint8Array {
  const state = done?.state;
  writer.u8(
    (done === undefined ? 0 : doneFlag) |
      (state === undefined ? 0 : stateFlag) |
      (hash === undefined ? 0 : hashFlag),
  );
  writer.varint(offset);
  if (hash !== undefined) writer.u32(hash);
  if (done !== undefined) writer.varint(done.consumed);
  if (state !== undefined) writer.blob(state);
  return bytes;
}

/** A text that fits its limit, cut where it does not. */
function cut(text: string): string {
  return text.length > limits.hopTextBytesMax / 4
    ? text.slice(0, limits.hopTextBytesMax / 4)
    : text;
}

const kindNames = new Map<number, Frame["kind"]>(
  Object.entries(kinds).map(([name, number]) => [number, name as Frame["kind"]]),
);

/**
 * The frame of a kind and stream number whose payload is `payload`. Bytes that a receiver keeps for
 * long (states, heads) are copies; the others are views. @throws FormatError
 */
export function decodeFrame(kindNumber: number, stream: number, payload: Uint8Array): Frame {
  const kind = kindNames.get(kindNumber);
  if (kind === undefined) throw new FormatError(`Unknown kind of frame ${kindNumber}`);
  const reader = new ByteReader(payload);
  const frame = decodeFields(kind, stream, reader);
  if (reader.left > 0) throw new FormatError(`A frame ${kind} is too long`);
  if (!("stream" in frame) && stream !== 0)
    throw new FormatError(`A frame ${kind} belongs to no stream`);
  return frame;
}

function decodeFields(kind: Frame["kind"], stream: number, reader: ByteReader): Frame {
  switch (kind) {
    case "flush":
      return decodeFlush(stream, reader);
    case "input":
      return { kind, stream, offset: reader.varint(), bytes: part(reader) };
    case "credit":
      return { kind, stream, allowance: reader.varint() };
    case "ping":
    case "pong":
      return { kind, count: reader.u32() };
    case "open":
      return { kind, stream, request: decodeOpen(reader) };
    case "end":
    case "reset":
      return { kind, stream, how: endKind(reader), text: shortText(reader) };
    case "call":
      return {
        kind,
        stream,
        name: name(reader),
        deadlineMs: reader.varint(),
        total: callBytes(reader),
        bytes: part(reader),
      };
    case "answer":
      return { kind, stream, total: callBytes(reader), bytes: part(reader) };
    case "callBody":
    case "answerBody":
      return { kind, stream, bytes: part(reader) };
    case "refusal":
      return { kind, stream, code: name(reader), text: shortText(reader) };
    case "cancel":
      return { kind, stream };
    case "note":
      return { kind, name: name(reader), bytes: part(reader) };
    case "goodbye":
      return { kind, reason: shortText(reader) };
    case "hello":
      return decodeHello(reader);
  }
}

function decodeHello(reader: ByteReader): HelloFrame {
  if (reader.u32() !== hopMagic)
    throw new FormatError("The peer does not speak the hop's language");
  const version = reader.u16();
  const versionMin = reader.u16();
  const id = name(reader);
  const incarnation = name(reader);
  const roles = Array.from({ length: Math.min(reader.u8(), 16) }, () => name(reader));
  const window = reader.varint();
  // What a newer version has to say beyond this is for those who know it.
  if (version > hopFormatVersion) reader.raw(reader.left);
  return { kind: "hello", version, versionMin, id, incarnation, roles, window };
}

function decodeOpen(reader: ByteReader): StreamRequest {
  const request = {
    protocol: name(reader),
    session: Uint8Array.from(reader.raw(16)),
    generation: reader.u32(),
    shard: reader.u16(),
    epoch: reader.varint(),
    inputOffset: reader.varint(),
    outputOffset: reader.varint(),
  };
  if (reader.left > limits.hopHeadBytesMax) throw new FormatError("A head is too long");
  return { ...request, head: Uint8Array.from(reader.raw(reader.left)) };
}

function decodeFlush(stream: number, reader: ByteReader): FlushFrame {
  const flags = reader.u8();
  if (flags > 7 || (flags & (doneFlag | stateFlag)) === stateFlag)
    throw new FormatError(`Impossible flags ${flags} of a flush`);
  const offset = reader.varint();
  const hash = (flags & hashFlag) === 0 ? undefined : reader.u32();
  let done: Flushed | undefined;
  if ((flags & doneFlag) !== 0) {
    const consumed = reader.varint();
    const state = (flags & stateFlag) === 0 ? undefined : reader.blob();
    if (state !== undefined && state.length > limits.hopStateBytesMax)
      throw new FormatError("A state is too long");
    // A copy: a view would hold on to all that came in with it.
    done = { consumed, state: state === undefined ? undefined : Uint8Array.from(state) };
  } else if (hash === undefined) throw new FormatError("A part of a flush without its hash");
  return { kind: "flush", stream, offset, bytes: part(reader), hash, done };
}

function part(reader: ByteReader): Uint8Array {
  if (reader.left > limits.hopPartBytesMax) throw new FormatError("A part is too long");
  return reader.raw(reader.left);
}

function callBytes(reader: ByteReader): number {
  const total = reader.varint();
  if (total > limits.hopCallBytesMax) throw new FormatError("The payload of a call is too long");
  return total;
}

function endKind(reader: ByteReader): EndKind {
  const how = endKinds[reader.u8()];
  if (how === undefined) throw new FormatError("Unknown kind of end");
  return how;
}

function name(reader: ByteReader): string {
  return textUpTo(reader, limits.hopNameBytesMax);
}

function shortText(reader: ByteReader): string {
  return textUpTo(reader, limits.hopTextBytesMax);
}

function textUpTo(reader: ByteReader, bytesMax: number): string {
  const start = reader.at;
  const count = reader.varint();
  if (count > bytesMax) throw new FormatError(`A text of ${count} bytes`);
  reader.at = start;
  return reader.text();
}
