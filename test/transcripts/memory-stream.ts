export { MemoryStream, memoryStreams } from "#base/testing.ts";
