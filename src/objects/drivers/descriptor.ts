/** Whole reads and writes on file descriptors, and what the drivers on files share. */
import * as fs from "node:fs";
import { Refusal } from "#base/assert.ts";

/** The code of a system call's error, such as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}

/**
 * A `Refusal` for what means that there is no room; anything else as it is. Clients are told its
 * text, so the file is named by its cause only.
 */
export function refuseNoRoom(error: unknown): Error {
  const code = errorCode(error);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG")
    return new Refusal("UNAVAILABLE", `Disk full: ${code}`, { cause: error });
  return error instanceof Error ? error : new Error(String(error));
}

export function openDescriptor(path: string, flags: number, mode = 0o600): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.open(path, flags, mode, (error, descriptor) =>
      error === null ? resolve(descriptor) : reject(refuseNoRoom(error)),
    ),
  );
}

export function closeDescriptor(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) =>
    fs.close(descriptor, (error) => (error ? reject(error) : resolve())),
  );
}

/** Makes the data and the size durable. */
export function syncDescriptor(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) =>
    fs.fdatasync(descriptor, (error) => (error ? reject(refuseNoRoom(error)) : resolve())),
  );
}

/** Makes the names in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const descriptor = await openDescriptor(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    await new Promise<void>((resolve, reject) =>
      fs.fsync(descriptor, (error) => (error ? reject(error) : resolve())),
    );
  } finally {
    await closeDescriptor(descriptor);
  }
}

function writeSome(fd: number, pieces: readonly Uint8Array[], at: number): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.writev(fd, pieces, at, (error, written) =>
      error ? reject(refuseNoRoom(error)) : resolve(written),
    ),
  );
}

/** Writes all pieces from offset `at`: one gathered write, and more where the kernel took less. */
export async function writeAll(
  fd: number,
  pieces: readonly Uint8Array[],
  at: number,
): Promise<void> {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  let rest = pieces;
  let done = 0;
  while (done < length) {
    const written = await writeSome(fd, rest, at + done);
    if (written === 0) throw new Error("The kernel wrote nothing");
    done += written;
    if (done < length) rest = dropFront(rest, written);
  }
}

/** The pieces without their first `count` bytes. */
export function dropFront(pieces: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let left = count;
  for (let i = 0; i < pieces.length; i++) {
    const piece = pieces[i]!;
    if (left < piece.length) return [piece.subarray(left), ...pieces.slice(i + 1)];
    left -= piece.length;
  }
  return [];
}

function readSome(fd: number, target: Uint8Array, at: number): Promise<number> {
  return new Promise((resolve, reject) =>
    fs.read(fd, target, 0, target.length, at, (error, count) =>
      error ? reject(error) : resolve(count),
    ),
  );
}

/** The bytes from offset `at`, fewer than `length` at the end of the file. */
export async function readAt(fd: number, at: number, length: number): Promise<Uint8Array> {
  const target = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const count = await readSome(fd, target.subarray(done), at + done);
    if (count === 0) return target.subarray(0, done);
    done += count;
  }
  return target;
}

/** The same into `target` without waiting; gives the number of bytes read. */
export function readAtSync(fd: number, at: number, target: Uint8Array): number {
  let done = 0;
  while (done < target.length) {
    const count = fs.readSync(fd, target, done, target.length - done, at + done);
    if (count === 0) break;
    done += count;
  }
  return done;
}
