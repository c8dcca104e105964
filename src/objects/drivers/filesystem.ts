import * as fs from "node:fs";
import * as path from "node:path";
import { hex } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import type { Random } from "#base/random.ts";
import {
  type ByteRange,
  type ObjectBytes,
  type ObjectStore,
  type ObjectStoreProperties,
  type PutOptions,
  type PutOutcome,
  checkKey,
  checkPrefix,
} from "../object-store.ts";
import {
  closeDescriptor,
  errorCode,
  openDescriptor,
  readAt,
  readAtSync,
  refuseNoRoom,
  syncDescriptor,
  syncDirectory,
  writeAll,
} from "./descriptor.ts";

const { O_CREAT, O_EXCL, O_RDONLY, O_WRONLY } = fs.constants;
/** No key has a name that begins with a dot, so this folder is nobody's. */
const temporaryFolder = ".unfinished";

export interface FilesystemObjectStoreOptions {
  /** Directory under which the keys are paths; made when it is missing. */
  readonly root: string;
  /** For the names of unfinished files. */
  readonly random: Random;
  /** Other processes use the directory too: unfinished files at start may be theirs. */
  readonly shared?: boolean;
}

/**
 * Objects as files: written under a temporary name, made durable (fdatasync), then named by
 * link(2), which fails where the name exists, or by rename(2), and the directory made durable.
 * link(2) is atomic on network file systems too; whether it happened is read from the link count.
 */
export async function openFilesystemObjectStore(
  options: FilesystemObjectStoreOptions,
): Promise<ObjectStore> {
  const unfinished = path.join(options.root, temporaryFolder);
  await fs.promises.mkdir(unfinished, { recursive: true, mode: 0o700 });
  await syncDirectory(options.root);
  await syncDirectory(path.dirname(path.resolve(options.root)));
  if (options.shared !== true)
    for (const name of await fs.promises.readdir(unfinished))
      await fs.promises.unlink(path.join(unfinished, name));
  return new FilesystemObjectStore(options);
}

class FilesystemObjectStore implements ObjectStore {
  readonly properties: ObjectStoreProperties;
  readonly #root: string;
  readonly #random: Random;
  readonly #descriptors = new Descriptors();
  /** Directories that are known to exist, durably. */
  readonly #directories = new Set<string>();

  constructor(options: FilesystemObjectStoreOptions) {
    this.#root = options.root;
    this.#random = options.random;
    this.properties = {
      driver: "filesystem",
      durable: true,
      shared: options.shared === true,
      conditionalPut: true,
      listAfterPut: true,
    };
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array | null> {
    checkKey(key);
    let descriptor: number;
    try {
      descriptor = await openDescriptor(this.#path(key), O_RDONLY);
    } catch (error) {
      if (isAbsent(error)) return null;
      throw error;
    }
    try {
      if (range !== undefined) return await readAt(descriptor, range.offset, range.length);
      return await readAt(descriptor, 0, fs.fstatSync(descriptor).size);
    } finally {
      await closeDescriptor(descriptor);
    }
  }

  async put(key: string, bytes: ObjectBytes, options: PutOptions = {}): Promise<PutOutcome> {
    checkKey(key);
    const target = this.#path(key);
    const temporary = path.join(this.#root, temporaryFolder, hex(this.#random.bytes(12)));
    try {
      await writeNew(temporary, bytes);
      await this.#makeDirectory(path.dirname(target));
      if (options.ifAbsent === true) {
        if (!(await linkIfAbsent(temporary, target))) return "lost";
      } else await fs.promises.rename(temporary, target);
    } catch (error) {
      throw refuseNoRoom(error);
    } finally {
      await removeFile(temporary);
    }
    // A descriptor from before a rename would go on showing the former file.
    if (options.ifAbsent !== true) this.#descriptors.forget(target);
    try {
      await syncDirectory(path.dirname(target));
      return "done";
    } catch {
      return "unknown";
    }
  }

  async list(prefix: string): Promise<string[]> {
    checkPrefix(prefix);
    const keys: string[] = [];
    const folders = [prefix.slice(0, prefix.lastIndexOf("/") + 1)];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for (const entry of await entriesOf(path.join(this.#root, folder))) {
        if (entry.name.startsWith(".")) continue;
        const key = folder + entry.name;
        if (!entry.isDirectory()) {
          if (key.startsWith(prefix)) keys.push(key);
        } else if (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`))
          folders.push(`${key}/`);
      }
    }
    return keys.sort();
  }

  /** Not made durable: what a power failure brings back is deleted again or ignored. */
  async delete(key: string): Promise<void> {
    checkKey(key);
    const target = this.#path(key);
    this.#descriptors.forget(target);
    await removeFile(target);
  }

  readSync(key: string, offset: number, target: Uint8Array): number {
    checkKey(key);
    const descriptor = this.#descriptors.open(this.#path(key));
    return descriptor === -1 ? -1 : readAtSync(descriptor, offset, target);
  }

  #path(key: string): string {
    return `${this.#root}/${key}`;
  }

  /** Every new level is made durable in the level above before anything is named in it. */
  async #makeDirectory(directory: string): Promise<void> {
    if (this.#directories.has(directory)) return;
    const above = path.dirname(directory);
    if (directory !== this.#root && directory !== above) {
      await this.#makeDirectory(above);
      try {
        await fs.promises.mkdir(directory, { mode: 0o700 });
      } catch (error) {
        if (errorCode(error) !== "EEXIST") throw error;
      }
      await syncDirectory(above);
    }
    if (this.#directories.size >= limits.objectDirectoriesMax) this.#directories.clear();
    this.#directories.add(directory);
  }
}

/** Open files for synchronous reads, the least recently used closed first. */
class Descriptors {
  readonly #byPath = new Map<string, number>();

  /** -1 where there is no such file. */
  open(file: string): number {
    const known = this.#byPath.get(file);
    if (known !== undefined) {
      this.#byPath.delete(file);
      this.#byPath.set(file, known);
      return known;
    }
    let descriptor: number;
    try {
      descriptor = fs.openSync(file, O_RDONLY);
    } catch (error) {
      if (isAbsent(error)) return -1;
      throw error;
    }
    if (this.#byPath.size >= limits.objectDescriptorsMax) {
      const [oldest] = this.#byPath.keys();
      this.forget(oldest!);
    }
    this.#byPath.set(file, descriptor);
    return descriptor;
  }

  forget(file: string): void {
    const descriptor = this.#byPath.get(file);
    if (descriptor === undefined) return;
    this.#byPath.delete(file);
    fs.closeSync(descriptor);
  }
}

function isAbsent(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

async function writeNew(file: string, bytes: ObjectBytes): Promise<void> {
  const descriptor = await openDescriptor(file, O_WRONLY | O_CREAT | O_EXCL);
  try {
    await writeAll(descriptor, bytes instanceof Uint8Array ? [bytes] : bytes, 0);
    await syncDescriptor(descriptor);
  } finally {
    await closeDescriptor(descriptor);
  }
}

/** False where the name exists. The link count tells what happened when the answer got lost. */
async function linkIfAbsent(from: string, to: string): Promise<boolean> {
  try {
    await fs.promises.link(from, to);
    return true;
  } catch (error) {
    if ((await fs.promises.stat(from)).nlink === 2) return true;
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

async function removeFile(file: string): Promise<void> {
  try {
    await fs.promises.unlink(file);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
}

async function entriesOf(directory: string): Promise<fs.Dirent[]> {
  try {
    return await fs.promises.readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}
