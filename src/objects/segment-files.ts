/** An exclusive hold on a directory, released by the kernel at the latest when the process ends. */
export interface Lock {
  release(): Promise<void>;
}

/** Another process holds the directory. */
export class DirectoryLocked extends Error {
  override readonly name = "DirectoryLocked";
}

/** The directory lies on a file system that cannot keep the promises of `SegmentFiles`. */
export class UnsuitableFileSystem extends Error {
  override readonly name = "UnsuitableFileSystem";
}

/**
 * One file of a journal, of fixed size, written at explicit offsets. Writes may be lost in part by
 * a power failure until `sync` has resolved. After a failed `sync` nothing is known about what was
 * written since the last good one.
 */
export interface SegmentFile {
  readonly name: string;
  /** Bytes in the file, what was preallocated included. */
  readonly size: number;
  /**
   * Writes all pieces, one after the other from `offset`, in one gathered write where possible.
   * Rejects when not all could be written; then any part of the range may have changed. Errors:
   * `Refusal` with UNAVAILABLE when there is no room.
   */
  write(offset: number, pieces: readonly Uint8Array[]): Promise<void>;
  /** The bytes from `offset`, fewer than `length` at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** The same into `target` without waiting; gives the number of bytes read. */
  readSync(offset: number, target: Uint8Array): number;
  /** Makes durable what was written and the size (fdatasync). */
  sync(): Promise<void>;
  /** Cuts off what lies behind `size`. Durable after `sync`. */
  truncate(size: number): Promise<void>;
  close(): Promise<void>;
}

export interface CreateSegment {
  /** Size of the file; the room is reserved. */
  readonly bytes: number;
  /** First bytes of the file; the rest is zeros or bytes of segments that were removed. */
  readonly head: Uint8Array;
  /** A file of that name, which nobody has open, gives way in the same instant. */
  readonly replace?: boolean;
}

/**
 * The files of a journal in its local form: one directory on a disk of this machine. Names have
 * the characters [A-Za-z0-9._-]. Drivers: `localSegmentFiles`, and the mounts of a `SimulatedDisk`.
 */
export interface SegmentFiles {
  /** Names of the files, in order; without what was set aside or never finished. */
  list(): Promise<string[]>;
  /**
   * The file appears whole (size, room, head) and durably, or not at all. Errors: `Refusal` with
   * UNAVAILABLE when there is no room; a plain error when the name exists.
   */
  create(name: string, options: CreateSegment): Promise<SegmentFile>;
  open(name: string): Promise<SegmentFile>;
  /** Deletes; durable when resolved. */
  remove(name: string): Promise<void>;
  /**
   * Keeps a copy of the file under another name, which `list` does not give, and gives that name.
   * Durable when resolved. Never overwrites what was set aside before.
   */
  setAside(name: string): Promise<string>;
  /** Errors: `DirectoryLocked` when another process holds the directory. */
  lock(): Promise<Lock>;
}
