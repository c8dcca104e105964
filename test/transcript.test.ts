import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { MemoryServer } from "./transcripts/memory-server.ts";
import { parseTranscript, runTranscript } from "./transcripts/runner.ts";

const folder = new URL("./transcripts/imap/", import.meta.url);

for (const file of readdirSync(folder)
  .filter((name) => name.endsWith(".txt"))
  .sort())
  for (const freezing of [false, true])
    test(`imap/${file}${freezing ? ", frozen and thawed at every rest" : ""}`, async (t) => {
      const transcript = parseTranscript(file, readFileSync(new URL(file, folder), "utf8"));
      const bytes = transcript.settings.get("quota-bytes");
      const messages = transcript.settings.get("quota-messages");
      const server = new MemoryServer({
        freezeAfterMs: freezing ? 0 : undefined,
        quota: {
          ...(bytes === undefined ? {} : { bytes: Number(bytes) }),
          ...(messages === undefined ? {} : { messages: Number(messages) }),
        },
      });
      const missing = transcript.requires.find(
        (name) => !server.capabilities.has(name.toUpperCase()),
      );
      if (missing !== undefined) {
        t.skip(`${missing} is not served`);
        return;
      }
      await runTranscript(transcript, server);
      await Promise.all(server.sessions);
    });
