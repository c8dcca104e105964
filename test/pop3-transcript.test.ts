import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Pop3MemoryServer } from "./transcripts/pop3-server.ts";
import { parseTranscript, runTranscript } from "./transcripts/runner.ts";

const folder = new URL("./transcripts/pop3/", import.meta.url);

// `@setting message-1 text` puts a message into INBOX; \r and \n stand for CR and LF.
for (const file of readdirSync(folder)
  .filter((name) => name.endsWith(".txt"))
  .sort())
  test(`pop3/${file}`, async () => {
    const transcript = parseTranscript(file, readFileSync(new URL(file, folder), "utf8"));
    const server = new Pop3MemoryServer();
    for (const [name, text] of transcript.settings)
      if (name.startsWith("message-"))
        await server.deliver(text.replaceAll("\\r", "\r").replaceAll("\\n", "\n"));
    await runTranscript(transcript, server);
    await Promise.all(server.sessions);
  });
