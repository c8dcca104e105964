import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { LmtpMemoryServer } from "./transcripts/lmtp-server.ts";
import { parseTranscript, runTranscript } from "./transcripts/runner.ts";

const folder = new URL("./transcripts/lmtp/", import.meta.url);

for (const file of readdirSync(folder)
  .filter((name) => name.endsWith(".txt"))
  .sort())
  test(`lmtp/${file}`, async () => {
    const transcript = parseTranscript(file, readFileSync(new URL(file, folder), "utf8"));
    const bytes = transcript.settings.get("quota-bytes");
    const messages = transcript.settings.get("quota-messages");
    const server = await LmtpMemoryServer.start({
      ...(bytes === undefined ? {} : { bytes: Number(bytes) }),
      ...(messages === undefined ? {} : { messages: Number(messages) }),
    });
    await runTranscript(transcript, server);
    await Promise.all(server.sessions);
  });
