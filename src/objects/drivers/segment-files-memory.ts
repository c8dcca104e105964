import { Refusal } from "#base/assert.ts";
import { concatBytes } from "#base/bytes.ts";
import { type Clock, sleep } from "#base/clock.ts";
import type { Random } from "#base/random.ts";
import {
  type CreateSegment,
  DirectoryLocked,
  type Lock,
  type SegmentFile,
  type SegmentFiles,
} from "../segment-files.ts";

/** What a disk keeps or loses as one. */
const sectorBytes = 512;

/** The process that made the call is gone: the disk has crashed since. */
export class SimulatedCrash extends Error {
  override readonly name = "SimulatedCrash";
}

/** Chances of faults, each 0 .. 1; may be changed at any time. */
export interface DiskFaults {
  /** A write stores some first part of its bytes, then fails. */
  write: number;
  /** The same for want of room. */
  writeFull: number;
  /** A sync fails: what it should have made durable is durable in part, and never will be more. */
  sync: number;
  create: number;
  read: number;
}

export interface SimulatedDiskOptions {
  readonly random: Random;
  /** With a clock every call takes up to `delayMsMax` of its time, before and after the deed. */
  readonly clock?: Clock;
  readonly delayMsMax?: number;
  /** Room for all files together; without it, no limit. */
  readonly capacityBytes?: number;
}

/** One file: what the processes see, and what would survive a power failure. */
interface DiskFile {
  cached: Uint8Array;
  durable: Uint8Array;
  /** Numbers of the sectors that may differ. */
  readonly dirty: Set<number>;
}

/** A write that has begun and not ended. */
interface PendingWrite {
  readonly file: DiskFile;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * Segment files without a disk, for tests and simulations. Loses what a disk may lose: after
 * `crash("power")` every sector that was not made durable is new, old or torn, each by its own
 * chance. Deterministic for a deterministic `Random` and `Clock`. The disk outlives crashes; what a
 * process got by `mount` before a crash rejects with `SimulatedCrash` afterwards.
 */
export class SimulatedDisk {
  readonly faults: DiskFaults = { write: 0, writeFull: 0, sync: 0, create: 0, read: 0 };
  capacityBytes: number;
  /** Calls that reached the disk; for tests. */
  readonly counts = { writes: 0, syncs: 0, creates: 0 };
  readonly #options: SimulatedDiskOptions;
  readonly #files = new Map<string, DiskFile>();
  readonly #aside = new Map<string, Uint8Array>();
  readonly #pending = new Set<PendingWrite>();
  /** Content of the file removed last: new files begin with old bytes, as reused ones do. */
  #removed: Uint8Array = new Uint8Array(0);
  #locked = false;
  #generation = 0;

  constructor(options: SimulatedDiskOptions) {
    this.#options = options;
    this.capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER;
  }

  /** The disk as one process sees it, until the next crash. */
  mount(): SegmentFiles {
    return new SimulatedFiles(this);
  }

  /** Names of the files. */
  names(): string[] {
    return [...this.#files.keys()].sort();
  }

  /**
   * Ends the process that uses the disk; with `power` also loses what was not durable. Calls that
   * are under way may have had any part of their effect.
   */
  crash(kind: "power" | "process"): void {
    this.#generation++;
    this.#locked = false;
    for (const write of this.#pending) this.#writePart(write);
    this.#pending.clear();
    if (kind === "process") return;
    for (const file of this.#files.values()) {
      this.#settleSectors(file, file.dirty);
      file.cached = file.durable.slice();
    }
  }

  /** Names of the files that were set aside. */
  asideNames(): string[] {
    return [...this.#aside.keys()].sort();
  }

  /** Content of a file as a process sees it. */
  bytesOf(name: string): Uint8Array {
    return this.#file(name).cached;
  }

  /** Overwrites stored bytes behind everybody's back, as decay does. */
  damage(name: string, offset: number, bytes: Uint8Array): void {
    this.bytesOf(name).set(bytes, offset);
    this.#file(name).durable.set(bytes, offset);
  }

  // What follows is for SimulatedFiles and SimulatedFile, the sides of a process.

  /** Number of crashes so far; a file of an earlier one is dead. */
  get generation(): number {
    return this.#generation;
  }

  list(): Promise<string[]> {
    return this.#perform(() => this.names());
  }

  create(name: string, options: CreateSegment): Promise<SegmentFile> {
    return this.#perform(() => {
      this.counts.creates++;
      if (this.#happens(this.faults.create)) throw new Error(`create ${name}: injected fault`);
      if (this.#files.has(name) && options.replace !== true)
        throw new Error(`create ${name}: exists`);
      if (this.#used() + options.bytes > this.capacityBytes)
        throw new Refusal("UNAVAILABLE", "Disk full: simulated");
      const cached = new Uint8Array(options.bytes);
      cached.set(this.#removed.subarray(0, options.bytes));
      cached.set(options.head);
      const file = { cached, durable: cached.slice(), dirty: new Set<number>() };
      this.#files.set(name, file);
      return new SimulatedFile(this, name, file);
    });
  }

  open(name: string): Promise<SegmentFile> {
    return this.#perform(() => new SimulatedFile(this, name, this.#file(name)));
  }

  remove(name: string): Promise<void> {
    return this.#perform(() => {
      this.#removed = this.#file(name).cached;
      this.#files.delete(name);
    });
  }

  setAside(name: string): Promise<string> {
    return this.#perform(() => {
      const aside = `${name}.${this.#aside.size + 1}`;
      this.#aside.set(aside, this.#file(name).cached.slice());
      return aside;
    });
  }

  lock(): Promise<Lock> {
    return this.#perform(() => {
      if (this.#locked) throw new DirectoryLocked("The simulated disk is in use");
      this.#locked = true;
      const generation = this.#generation;
      return {
        release: async () => {
          if (generation === this.#generation) this.#locked = false;
        },
      };
    });
  }

  async write(file: DiskFile, offset: number, bytes: Uint8Array): Promise<void> {
    const pending = { file, offset, bytes };
    this.#pending.add(pending);
    await this.#perform(() => {
      this.#pending.delete(pending);
      this.counts.writes++;
      const grows = offset + bytes.length - file.cached.length;
      const full = grows > 0 && this.#used() + grows > this.capacityBytes;
      if (full || this.#happens(this.faults.writeFull)) {
        this.#writeFront(pending);
        throw new Refusal("UNAVAILABLE", "Disk full: simulated");
      }
      if (this.#happens(this.faults.write)) {
        this.#writeFront(pending);
        throw new Error("write: injected fault");
      }
      store(file, offset, bytes);
    });
  }

  read(file: DiskFile, offset: number, length: number): Promise<Uint8Array> {
    return this.#perform(() => {
      if (this.#happens(this.faults.read)) throw new Error("read: injected fault");
      return file.cached.slice(offset, offset + length);
    });
  }

  /** Makes durable what had been written when the call began. */
  sync(file: DiskFile): Promise<void> {
    const sectors = [...file.dirty];
    return this.#perform(() => {
      this.counts.syncs++;
      if (this.#happens(this.faults.sync)) {
        this.#settleSectors(file, sectors);
        throw new Error("fdatasync: injected fault");
      }
      resize(file);
      for (const sector of sectors) {
        copySector(file, sector);
        file.dirty.delete(sector);
      }
    });
  }

  truncate(file: DiskFile, size: number): Promise<void> {
    return this.#perform(() => {
      const cached = new Uint8Array(size);
      cached.set(file.cached.subarray(0, size));
      file.cached = cached;
      for (let at = size; at < file.durable.length; at += sectorBytes)
        file.dirty.add(Math.floor(at / sectorBytes));
      file.dirty.add(-1);
    });
  }

  #file(name: string): DiskFile {
    const file = this.#files.get(name);
    if (file === undefined) throw new Error(`${name}: no such file`);
    return file;
  }

  #used(): number {
    let used = 0;
    for (const file of this.#files.values()) used += file.cached.length;
    return used;
  }

  #happens(rate: number): boolean {
    return rate > 0 && this.#options.random.below(1_000_000) < rate * 1_000_000;
  }

  /** Does something after some time, at one instant, and tells after some more. */
  async #perform<T>(deed: () => T): Promise<T> {
    const generation = this.#generation;
    await this.#pause();
    this.#check(generation);
    const result = deed();
    await this.#pause();
    this.#check(generation);
    return result;
  }

  #pause(): Promise<void> {
    const { clock, delayMsMax = 0, random } = this.#options;
    return clock === undefined ? Promise.resolve() : sleep(clock, random.below(delayMsMax + 1));
  }

  #check(generation: number): void {
    if (generation !== this.#generation) throw new SimulatedCrash("The process has crashed");
  }

  /** A short write: some first bytes. */
  #writeFront({ file, offset, bytes }: PendingWrite): void {
    const room = Math.max(0, file.cached.length - offset);
    const count = this.#options.random.below(Math.min(bytes.length, room) + 1);
    store(file, offset, bytes.subarray(0, count));
  }

  /** A write that a crash interrupted: any of its sectors. */
  #writePart({ file, offset, bytes }: PendingWrite): void {
    for (let at = 0; at < bytes.length; at += sectorBytes)
      if (this.#options.random.below(2) === 0)
        store(file, offset + at, bytes.subarray(at, at + sectorBytes));
  }

  /** Each sector reaches the disk, or does not, or in part; and is clean afterwards. */
  #settleSectors(file: DiskFile, sectors: Iterable<number>): void {
    const { random } = this.#options;
    for (const sector of [...sectors]) {
      const fate = random.below(5);
      if (sector === -1) {
        if (fate < 2) resize(file);
      } else if (fate < 2) copySector(file, sector);
      else if (fate === 2) copySector(file, sector, random.below(sectorBytes));
      file.dirty.delete(sector);
    }
  }
}

/** Sector -1 stands for the size of the file. */
function store(file: DiskFile, offset: number, bytes: Uint8Array): void {
  const end = offset + bytes.length;
  if (end > file.cached.length) {
    const grown = new Uint8Array(end);
    grown.set(file.cached);
    file.cached = grown;
    file.dirty.add(-1);
  }
  file.cached.set(bytes, offset);
  for (let at = Math.floor(offset / sectorBytes); at * sectorBytes < end; at++) file.dirty.add(at);
}

function resize(file: DiskFile): void {
  if (file.durable.length === file.cached.length) return;
  const durable = new Uint8Array(file.cached.length);
  durable.set(file.durable.subarray(0, durable.length));
  file.durable = durable;
}

function copySector(file: DiskFile, sector: number, count = sectorBytes): void {
  if (sector < 0) return;
  const start = sector * sectorBytes;
  const end = Math.min(start + count, file.durable.length, file.cached.length);
  if (end > start) file.durable.set(file.cached.subarray(start, end), start);
}

class SimulatedFiles implements SegmentFiles {
  readonly #disk: SimulatedDisk;
  readonly #generation: number;

  constructor(disk: SimulatedDisk) {
    this.#disk = disk;
    this.#generation = disk.generation;
  }

  async list(): Promise<string[]> {
    return this.#alive().list();
  }
  async create(name: string, options: CreateSegment): Promise<SegmentFile> {
    return this.#alive().create(name, options);
  }
  async open(name: string): Promise<SegmentFile> {
    return this.#alive().open(name);
  }
  async remove(name: string): Promise<void> {
    return this.#alive().remove(name);
  }
  async setAside(name: string): Promise<string> {
    return this.#alive().setAside(name);
  }
  async lock(): Promise<Lock> {
    return this.#alive().lock();
  }

  #alive(): SimulatedDisk {
    if (this.#generation !== this.#disk.generation)
      throw new SimulatedCrash("The process has crashed");
    return this.#disk;
  }
}

class SimulatedFile implements SegmentFile {
  readonly name: string;
  readonly #disk: SimulatedDisk;
  readonly #file: DiskFile;
  readonly #generation: number;

  constructor(disk: SimulatedDisk, name: string, file: DiskFile) {
    this.#disk = disk;
    this.name = name;
    this.#file = file;
    this.#generation = disk.generation;
  }

  get size(): number {
    return this.#file.cached.length;
  }

  async write(offset: number, pieces: readonly Uint8Array[]): Promise<void> {
    this.#check();
    await this.#disk.write(this.#file, offset, concatBytes(pieces));
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    this.#check();
    return this.#disk.read(this.#file, offset, length);
  }

  readSync(offset: number, target: Uint8Array): number {
    this.#check();
    const part = this.#file.cached.subarray(offset, offset + target.length);
    target.set(part);
    return part.length;
  }

  async sync(): Promise<void> {
    this.#check();
    await this.#disk.sync(this.#file);
  }

  async truncate(size: number): Promise<void> {
    this.#check();
    await this.#disk.truncate(this.#file, size);
  }

  async close(): Promise<void> {}

  #check(): void {
    if (this.#generation !== this.#disk.generation)
      throw new SimulatedCrash("The process has crashed");
  }
}
