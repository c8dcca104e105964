const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder("utf-8");
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export const noBytes: Uint8Array = new Uint8Array(0);

/** UTF-8 bytes of `text`. */
export function utf8(text: string): Uint8Array {
  return textEncoder.encode(text);
}

/** Text of UTF-8 bytes; broken sequences become U+FFFD. */
export function fromUtf8(bytes: Uint8Array): string {
  return textDecoder.decode(bytes);
}

/** Text of UTF-8 bytes, or undefined where they are not UTF-8. */
export function tryUtf8(bytes: Uint8Array): string | undefined {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** One character per byte (ISO 8859-1), for grammars that are ASCII. */
export function latin1(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return asBuffer(bytes).toString("latin1", start, end);
}

/** The bytes of a text whose characters are all below U+0100. */
export function fromLatin1(text: string): Uint8Array {
  return Buffer.from(text, "latin1");
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** One array with the bytes of all `parts`. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && asBuffer(a).equals(b);
}

/** Lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  return asBuffer(bytes).toString("hex");
}

/**
 * Growing little-endian writer for our own formats. `varint` is LEB128, unsigned, up to 2^53-1.
 */
export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  get length(): number {
    return this.#length;
  }

  #reserve(count: number): void {
    const need = this.#length + count;
    if (need <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(need, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }

  u8(value: number): this {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
    return this;
  }

  u16(value: number): this {
    this.#reserve(2);
    this.#length = this.#bytes.writeUInt16LE(value, this.#length);
    return this;
  }

  u32(value: number): this {
    this.#reserve(4);
    this.#length = this.#bytes.writeUInt32LE(value >>> 0, this.#length);
    return this;
  }

  /** 64-bit float: instants in milliseconds and other numbers that may be negative or fractional. */
  f64(value: number): this {
    this.#reserve(8);
    this.#length = this.#bytes.writeDoubleLE(value, this.#length);
    return this;
  }

  varint(value: number): this {
    this.#reserve(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** Length as varint, then the bytes. */
  blob(bytes: Uint8Array): this {
    return this.varint(bytes.length).raw(bytes);
  }

  /** Length in bytes as varint, then UTF-8. */
  text(text: string): this {
    const size = Buffer.byteLength(text);
    this.varint(size);
    this.#reserve(size);
    this.#bytes.write(text, this.#length, "utf8");
    this.#length += size;
    return this;
  }

  /** Writes one character per byte, without a length; for grammars that are ASCII. */
  ascii(text: string): this {
    this.#reserve(text.length);
    this.#length += this.#bytes.write(text, this.#length, "latin1");
    return this;
  }

  /** Overwrites four bytes that were written before. */
  patchU32(at: number, value: number): this {
    this.#bytes.writeUInt32LE(value >>> 0, at);
    return this;
  }

  /** The bytes so far, as a view that the next write may invalidate. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** The bytes so far, handed over; the writer starts anew with an empty buffer. */
  take(): Uint8Array {
    const out = this.#bytes.subarray(0, this.#length);
    this.#bytes = Buffer.allocUnsafe(64);
    this.#length = 0;
    return out;
  }

  /** Forgets what was written and keeps the memory. */
  clear(): void {
    this.#length = 0;
  }
}

/** A stored format that cannot be read: truncated, or a value out of range. */
export class FormatError extends Error {
  override readonly name = "FormatError";
}

/** Reader for what `ByteWriter` writes. Every read past the end throws `FormatError`. */
export class ByteReader {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = asBuffer(bytes);
    this.at = start;
    this.end = end;
  }

  get left(): number {
    return this.end - this.at;
  }

  #need(count: number): number {
    const start = this.at;
    if (!(count >= 0 && start + count <= this.end))
      throw new FormatError(`Ends after ${this.end} bytes, ${count} more expected at ${start}`);
    this.at = start + count;
    return start;
  }

  u8(): number {
    return this.bytes[this.#need(1)]!;
  }
  u16(): number {
    return this.bytes.readUInt16LE(this.#need(2));
  }
  u32(): number {
    return this.bytes.readUInt32LE(this.#need(4));
  }
  f64(): number {
    return this.bytes.readDoubleLE(this.#need(8));
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new FormatError("Number too large");
  }

  /** A view of the next `count` bytes, not a copy. */
  raw(count: number): Uint8Array {
    const start = this.#need(count);
    return this.bytes.subarray(start, start + count);
  }
  blob(): Uint8Array {
    return this.raw(this.varint());
  }
  text(): string {
    const count = this.varint();
    const start = this.#need(count);
    return this.bytes.toString("utf8", start, start + count);
  }
}
