import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { Bug, Refusal } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import {
  type CreateSegment,
  DirectoryLocked,
  type Lock,
  type SegmentFile,
  type SegmentFiles,
  UnsuitableFileSystem,
} from "../segment-files.ts";
import {
  closeDescriptor,
  openDescriptor,
  readAt,
  readAtSync,
  refuseNoRoom,
  syncDescriptor,
  syncDirectory,
  writeAll,
} from "./descriptor.ts";
import { kernel } from "./kernel.ts";

const { O_CREAT, O_RDWR } = fs.constants;
const lockName = ".lock";
const asidePrefix = ".aside-";
const unfinishedPrefix = ".unfinished-";
const sparePrefix = ".spare-";

/**
 * Types of file systems (statfs) that other machines write too, or that do not keep what fdatasync
 * promises on this one. On those the journal runs in its object form.
 */
const networkFileSystems = new Map<number, string>([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0x00c36400, "CephFS"],
  [0x5346414f, "AFS"],
  [0x6b414653, "AFS"],
  [0x73757245, "Coda"],
  [0x01021997, "9P"],
  [0x0bd00bd0, "Lustre"],
  [0x47504653, "GPFS"],
  [0x01161970, "GFS2"],
  [0x7461636f, "OCFS2"],
  [0x65735546, "FUSE"],
]);

/** The name of a file system that the local form refuses, or undefined. */
export function unsuitableFileSystem(type: number): string | undefined {
  return networkFileSystems.get(type >>> 0);
}

export interface LocalSegmentFilesOptions {
  /** Made when it is missing. */
  readonly directory: string;
}

/**
 * Segment files in a directory on a disk of this machine. Files of removed segments are kept as
 * spares and used again: writing over blocks that are already written is about twice as fast to
 * make durable as writing into reserved ones. Errors: `UnsuitableFileSystem`.
 */
export async function openLocalSegmentFiles(
  options: LocalSegmentFilesOptions,
): Promise<SegmentFiles> {
  const directory = path.resolve(options.directory);
  await fs.promises.mkdir(directory, { recursive: true, mode: 0o700 });
  await syncDirectory(path.dirname(directory));
  const { type } = await fs.promises.statfs(directory);
  const unsuitable = unsuitableFileSystem(type);
  if (unsuitable !== undefined)
    throw new UnsuitableFileSystem(
      `${directory} is on ${unsuitable}: a local journal needs a disk of this machine. ` +
        "Put it elsewhere, or use the object form of the journal.",
    );
  return new LocalSegmentFiles(directory);
}

class LocalSegmentFiles implements SegmentFiles {
  readonly #directory: string;
  /** Paths of files that `create` may use again. */
  readonly #spares: string[] = [];

  constructor(directory: string) {
    this.#directory = directory;
  }

  async list(): Promise<string[]> {
    const names = await fs.promises.readdir(this.#directory);
    return names.filter((name) => !name.startsWith(".")).sort();
  }

  async create(name: string, options: CreateSegment): Promise<SegmentFile> {
    const target = this.#path(name);
    const unfinished = path.join(this.#directory, unfinishedPrefix + name);
    const spare = this.#spares.pop();
    if (spare !== undefined) await fs.promises.rename(spare, unfinished);
    let descriptor = -1;
    try {
      descriptor = await openDescriptor(unfinished, O_RDWR | O_CREAT);
      reserve(descriptor, options.bytes);
      await writeAll(descriptor, [options.head], 0);
      await syncDescriptor(descriptor);
      if (options.replace === true) await fs.promises.rename(unfinished, target);
      else {
        await fs.promises.link(unfinished, target);
        await fs.promises.unlink(unfinished);
      }
      await syncDirectory(this.#directory);
      return new LocalSegmentFile(name, descriptor, fs.fstatSync(descriptor).size);
    } catch (error) {
      if (descriptor !== -1) await closeDescriptor(descriptor);
      await fs.promises.rm(unfinished, { force: true });
      throw refuseNoRoom(error);
    }
  }

  async open(name: string): Promise<SegmentFile> {
    const descriptor = await openDescriptor(this.#path(name), O_RDWR);
    return new LocalSegmentFile(name, descriptor, fs.fstatSync(descriptor).size);
  }

  async remove(name: string): Promise<void> {
    const file = this.#path(name);
    if (this.#spares.length < limits.spareSegmentsMax) {
      const spare = path.join(this.#directory, sparePrefix + name);
      await fs.promises.rename(file, spare);
      await syncDirectory(this.#directory);
      this.#spares.push(spare);
      return;
    }
    await fs.promises.unlink(file);
    await syncDirectory(this.#directory);
  }

  async setAside(name: string): Promise<string> {
    for (let number = 1; number <= limits.setAsideMax; number++) {
      const aside = `${asidePrefix}${name}.${number}`;
      const target = path.join(this.#directory, aside);
      if (fs.existsSync(target)) continue;
      await this.#copy(this.#path(name), target);
      return aside;
    }
    throw new Refusal("LIMIT", `${name} has been set aside ${limits.setAsideMax} times already`);
  }

  async lock(): Promise<Lock> {
    const file = path.join(this.#directory, lockName);
    const descriptor = await openDescriptor(file, O_RDWR | O_CREAT);
    if (!kernel().lock(descriptor)) {
      const holder = Buffer.from(await readAt(descriptor, 0, 200))
        .toString("latin1")
        .trim();
      await closeDescriptor(descriptor);
      throw new DirectoryLocked(
        `${this.#directory} is in use by another process` +
          (/^\d+ on /.test(holder) ? `: ${holder}` : ""),
      );
    }
    fs.ftruncateSync(descriptor, 0);
    await writeAll(descriptor, [Buffer.from(`${process.pid} on ${os.hostname()}\n`)], 0);
    await this.#sweep();
    return {
      release: async () => {
        for (const spare of this.#spares.splice(0)) await fs.promises.rm(spare, { force: true });
        fs.ftruncateSync(descriptor, 0);
        await closeDescriptor(descriptor);
      },
    };
  }

  async #copy(from: string, to: string): Promise<void> {
    const unfinished = path.join(this.#directory, unfinishedPrefix + path.basename(to));
    await fs.promises.copyFile(from, unfinished, fs.constants.COPYFILE_FICLONE);
    const descriptor = await openDescriptor(unfinished, O_RDWR);
    try {
      await syncDescriptor(descriptor);
    } finally {
      await closeDescriptor(descriptor);
    }
    await fs.promises.rename(unfinished, to);
    await syncDirectory(this.#directory);
  }

  /** What an interrupted process left unfinished goes; its spares are ours now. */
  async #sweep(): Promise<void> {
    for (const name of await fs.promises.readdir(this.#directory)) {
      const file = path.join(this.#directory, name);
      if (name.startsWith(unfinishedPrefix)) await fs.promises.unlink(file);
      else if (name.startsWith(sparePrefix)) {
        if (this.#spares.length < limits.spareSegmentsMax) this.#spares.push(file);
        else await fs.promises.unlink(file);
      }
    }
  }

  #path(name: string): string {
    if (!/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(name))
      throw new Bug(`Not a name of a segment file: ${JSON.stringify(name)}`);
    return path.join(this.#directory, name);
  }
}

/** Room for `bytes`; where the file system cannot reserve, at least the size. */
function reserve(descriptor: number, bytes: number): void {
  const code = kernel().reserve(descriptor, bytes);
  const { EINVAL, ENOSPC, EOPNOTSUPP, ENOSYS } = os.constants.errno;
  if (code === ENOSPC || code === os.constants.errno.EDQUOT)
    throw new Refusal("UNAVAILABLE", `Disk full: no room for a segment of ${bytes} bytes`);
  if (code !== 0 && code !== EINVAL && code !== EOPNOTSUPP && code !== ENOSYS)
    throw new Error(`Cannot reserve ${bytes} bytes: error ${code} of the system`);
  if (fs.fstatSync(descriptor).size < bytes) fs.ftruncateSync(descriptor, bytes);
}

class LocalSegmentFile implements SegmentFile {
  readonly name: string;
  readonly #descriptor: number;
  #size: number;
  #closed = false;

  constructor(name: string, descriptor: number, size: number) {
    this.name = name;
    this.#descriptor = descriptor;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  async write(offset: number, pieces: readonly Uint8Array[]): Promise<void> {
    await writeAll(this.#open(), pieces, offset);
    let end = offset;
    for (const piece of pieces) end += piece.length;
    if (end > this.#size) this.#size = end;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, this.#size - offset));
    return readAt(this.#open(), offset, wanted);
  }

  readSync(offset: number, target: Uint8Array): number {
    return readAtSync(this.#open(), offset, target);
  }

  sync(): Promise<void> {
    return syncDescriptor(this.#open());
  }

  async truncate(size: number): Promise<void> {
    fs.ftruncateSync(this.#open(), size);
    this.#size = size;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await closeDescriptor(this.#descriptor);
  }

  #open(): number {
    if (this.#closed) throw new Bug(`Segment file ${this.name} is closed`);
    return this.#descriptor;
  }
}
