/** Marks what is damaged in a segment of the local form as lost, so that the rest can be read. */
import { concatBytes } from "#base/bytes.ts";
import type { Random } from "#base/random.ts";
import type { SegmentFile, SegmentFiles } from "#objects/index.ts";
import {
  type BatchHeader,
  type SegmentHead,
  batchAlignment,
  batchHeaderBytes,
  encodeLostRange,
  encodeSeal,
  encodeSegmentHead,
  endsWithSeal,
  markLost,
  nonceBytes,
  nonceOf,
  readEntries,
} from "./batch-format.ts";
import {
  type FoundSegment,
  type ScannedFile,
  bytesOf,
  extentOf,
  findEnd,
  findLater,
  headerAt,
  sealAt,
  segmentName,
} from "./segment-scan.ts";

/** Bytes to put in place of damaged ones. */
interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface SegmentRepair {
  readonly files: SegmentFiles;
  readonly scanned: ScannedFile;
  /** The last batch, where the next segment says so. */
  readonly mustEnd: number | null;
  /** The segment must end with a seal that names this one. */
  readonly sealFor: number | null;
}

/**
 * Goes through a segment, compares every checksum, and patches what is damaged: single entries are
 * marked in the table, what cannot be told apart becomes a lost range. Offsets and numbers of all
 * else stay. Before the first patch a copy is set aside. A crash in between does no harm: what was
 * not patched is still found damaged.
 */
export async function repairSegment(repair: SegmentRepair): Promise<void> {
  const { files, scanned } = repair;
  const patches = await findPatches(repair);
  if (patches.length === 0) return;
  await files.setAside(scanned.file.name);
  for (const { offset, bytes } of patches) await scanned.file.write(offset, [bytes]);
  await scanned.file.sync();
}

async function findPatches({ scanned, mustEnd, sealFor }: SegmentRepair): Promise<Patch[]> {
  const patches: Patch[] = [];
  let batch = 1;
  let offset = batchAlignment;
  while (mustEnd === null || batch <= mustEnd) {
    const header = headerAt(scanned, offset, batch);
    if (header?.kind === "journalSeal" && sealAt(scanned, header) !== null) return patches;
    const extent = header === null ? null : extentOf(scanned, header);
    if (header !== null && extent !== null) {
      const entries = await patchEntries(scanned, header);
      if (entries === "torn") {
        if (!(await isDurable(scanned, header, { mustEnd, sealFor }))) return patches;
        patches.push(lost(scanned, { batch, offset }, { lastBatch: batch, end: extent.end }));
      } else if (entries !== null) {
        if (!(await isDurable(scanned, header, { mustEnd, sealFor }))) return patches;
        patches.push(entries);
      }
      offset = extent.end;
      batch = extent.lastBatch + 1;
      continue;
    }
    const later = await findLater(scanned, offset, batch);
    if (later !== null) {
      const range = { lastBatch: later.batch - 1, end: later.offset };
      patches.push(lost(scanned, { batch, offset }, range));
      offset = later.offset;
      batch = later.batch;
      continue;
    }
    if (mustEnd === null && sealFor === null) return patches;
    // How many batches there were is known only where the next segment tells.
    const end = { lastBatch: mustEnd ?? batch, end: offset + batchAlignment };
    patches.push(lost(scanned, { batch, offset }, end));
    offset = end.end;
    batch = end.lastBatch + 1;
    break;
  }
  if (sealFor !== null) {
    const seal = { next: sealFor, foreign: false, by: "repair" };
    const at = { kind: "journalSeal", batch, offset } as const;
    patches.push({ offset, bytes: encodeSeal(at, seal, scanned.origin) });
  }
  return patches;
}

/** Whether a batch was durable: something later says so. The very last one may just be torn. */
async function isDurable(
  scanned: ScannedFile,
  header: BatchHeader,
  { mustEnd, sealFor }: Pick<SegmentRepair, "mustEnd" | "sealFor">,
): Promise<boolean> {
  if (mustEnd !== null || sealFor !== null) return true;
  return (await findLater(scanned, header.offset, header.batch)) !== null;
}

/** Null: nothing to do. `torn`: not even the table is sound. */
async function patchEntries(
  scanned: ScannedFile,
  header: BatchHeader,
): Promise<Patch | "torn" | null> {
  if (header.kind !== "journalBatch") return null;
  const bytes = await bytesOf(scanned, header);
  const entries = readEntries(bytes, header);
  if (entries === null) return "torn";
  const damaged = entries.filter((entry) => !entry.sound).map((entry) => entry.place.index);
  if (damaged.length === 0) return null;
  return { offset: header.offset, bytes: markLost(bytes, header, damaged, scanned.origin) };
}

function lost(
  { origin }: ScannedFile,
  at: { batch: number; offset: number },
  { lastBatch, end }: { lastBatch: number; end: number },
): Patch {
  const bytes = encodeLostRange(at, { lastBatch, bytes: end - at.offset }, origin);
  return { offset: at.offset, bytes };
}

export interface HeadRepair {
  readonly files: SegmentFiles;
  readonly file: SegmentFile;
  readonly number: number;
  readonly storeId: Uint8Array;
  readonly random: Random;
  readonly previous: FoundSegment | undefined;
}

/** A new head, with the nonce that the segment's batches have. */
export async function repairHead(repair: HeadRepair): Promise<SegmentHead> {
  const { files, file, number, storeId, random, previous } = repair;
  await files.setAside(file.name);
  const previousEnd = previous === undefined ? 0 : await endToName(files, previous);
  const nonce = (await findNonce(file, number)) ?? random.bytes(nonceBytes);
  const head = { segment: number, previous: previous?.number ?? number - 1, previousEnd, nonce };
  await file.write(0, [encodeSegmentHead(head, storeId)]);
  await file.sync();
  return head;
}

/** What a new head says of the end of the segment before, as far as that can still be told. */
async function endToName(files: SegmentFiles, { scanned }: FoundSegment): Promise<number> {
  await repairSegment({ files, scanned, mustEnd: null, sealFor: null });
  const end = await findEnd(scanned, null);
  return end.seal === null ? end.lastBatch : endsWithSeal;
}

async function findNonce(file: SegmentFile, segment: number): Promise<Uint8Array | null> {
  for (let at = batchAlignment; at < file.size; at += batchAlignment) {
    const bytes = new Uint8Array(batchHeaderBytes);
    file.readSync(at, bytes);
    const nonce = nonceOf(bytes, segment, at);
    if (nonce !== null) return nonce;
  }
  return null;
}

/** A file in place of a segment whose file is gone: all that it held is lost. */
export async function replaceMissing(
  { files, storeId, random }: Pick<HeadRepair, "files" | "storeId" | "random">,
  missing: { number: number; after: FoundSegment; previousEnd: number },
): Promise<FoundSegment> {
  const { number, after, previousEnd } = missing;
  const nonce = random.bytes(nonceBytes);
  const origin = { storeId, nonce, segment: number };
  const head: SegmentHead = {
    segment: number,
    previous: after.number,
    previousEnd: await endToName(files, after),
    nonce,
  };
  const sealed = previousEnd === endsWithSeal;
  const lastBatch = sealed ? 1 : previousEnd;
  const parts = [encodeSegmentHead(head, storeId)];
  const range = { lastBatch, bytes: batchAlignment };
  parts.push(encodeLostRange({ batch: 1, offset: batchAlignment }, range, origin));
  if (sealed) {
    const at = { kind: "journalSeal", batch: 2, offset: 2 * batchAlignment } as const;
    parts.push(encodeSeal(at, { next: number + 1, foreign: false, by: "repair" }, origin));
  }
  const whole = concatBytes(parts);
  const file = await files.create(segmentName(number), { bytes: whole.length, head: whole });
  return { number, head, scanned: { file, origin } };
}
