/**
 * Objects: named immutable bytes, and the files of a journal, on whatever stores them.
 *
 * Contract: an object or a new segment appears whole and durably, or not at all; `ifAbsent` lets
 * exactly one writer win; what is not known is said to be unknown. Everything stored begins with
 * an envelope (`docs/formats/envelope.md`). One contract suite runs against all drivers. Only
 * `drivers/` touches a disk or a network.
 */
export {
  type ByteRange,
  type ObjectBytes,
  type ObjectStore,
  type ObjectStoreProperties,
  type PutOptions,
  type PutOutcome,
  PutUnknown,
  objectLength,
  putKnown,
} from "./object-store.ts";
export {
  type CreateSegment,
  DirectoryLocked,
  type Lock,
  type SegmentFile,
  type SegmentFiles,
} from "./segment-files.ts";
export {
  type Envelope,
  EnvelopeError,
  type EnvelopeFault,
  type EnvelopeKind,
  type ExpectedEnvelope,
  encodeEnvelope,
  envelopeBytes,
  mayBeEnvelope,
  readEnvelope,
  storeIdBytes,
  writeEnvelope,
} from "./envelope.ts";
export { giveMemoryBack } from "./drivers/kernel.ts";
export { openFilesystemObjectStore } from "./drivers/filesystem.ts";
export { MemoryObjectStore } from "./drivers/memory.ts";
export { openLocalSegmentFiles } from "./drivers/segment-files-local.ts";
export { type DiskFaults, SimulatedCrash, SimulatedDisk } from "./drivers/segment-files-memory.ts";
export {
  FaultInjected,
  FaultyObjectStore,
  type FaultRates,
  type ObjectCall,
  type ObjectFault,
} from "./wrappers/faulty.ts";
export { type TracedCall } from "./wrappers/traced.ts";
