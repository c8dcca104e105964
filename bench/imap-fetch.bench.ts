/**
 * What FETCH, SEARCH, SORT and THREAD cost in the session alone: one mailbox over a store in
 * memory, and a client that takes everything at once. Medians of several runs, in milliseconds; CPU
 * time (of all threads of the process) tells more where others use the machine as well.
 *
 *   node bench/imap-fetch.bench.ts [messages] [bytes per message] [name of a line]
 */
import type { MailboxNumber } from "#base/brand.ts";
import { asBuffer } from "#base/bytes.ts";
import { type Random, seededRandom } from "#base/random.ts";
import type { SessionStream } from "#base/stream.ts";
import { serveImap } from "#protocols/imap/index.ts";
import { type NewMessage, prepareMessage } from "#store/index.ts";
import { CommandDecoder } from "#wire/index.ts";
import { accountId, MemoryServer } from "../test/transcripts/memory-server.ts";

const count = Number(process.argv[2] ?? "100000");
const size = Number(process.argv[3] ?? "2000");
const only = process.argv[4] ?? "";

const words = "mail store journal shard epoch segment batch durable proxy session view uid".split(
  " ",
);

function messageText(random: Random, number: number): string {
  const word = (): string => words[random.below(words.length)]!;
  const earlier = number - 1 - random.below(Math.min(number, 500) + 1);
  const isReply = number > 10 && random.below(3) > 0 && earlier > 0;
  const subject = isReply ? `Re: topic ${earlier % 9973}` : `${word()} topic ${number}`;
  const date = new Date(1_700_000_000_000 + number * 60_000 + random.below(90_000_000));
  const references = isReply
    ? `In-Reply-To: <${earlier}@example.org>\r\nReferences: <${earlier % 977}@example.org> <${earlier}@example.org>\r\n`
    : "";
  const head =
    `Received: from mx.example.net by mail.example.org with ESMTPS id ${number};\r\n` +
    `From: Sender ${number % 313} <user${number % 313}@example.net>\r\n` +
    `To: "Alice Example" <alice@example.org>, list${number % 17}@example.org\r\n` +
    `Subject: ${subject}\r\n` +
    `Date: ${date.toUTCString()}\r\n` +
    `Message-ID: <${number}@example.org>\r\n${references}` +
    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n";
  let body = "";
  while (head.length + body.length < size) body += `${word()} ${word()} ${word()} ${word()}\r\n`;
  return head + body;
}

/** Takes everything; says when a tagged response has come. */
class Sink implements SessionStream {
  compressed = false;
  bytes = 0;
  #input: ((bytes: Uint8Array | null) => void) | undefined;
  #queued: Uint8Array | undefined;
  #tag = "";
  #done: ((line: string) => void) | undefined;

  read(): Promise<Uint8Array | null> {
    const queued = this.#queued;
    this.#queued = undefined;
    if (queued !== undefined) return Promise.resolve(queued);
    return new Promise((resolve) => (this.#input = resolve));
  }

  write(bytes: Uint8Array): undefined {
    this.bytes += bytes.length;
    const end = asBuffer(bytes.subarray(Math.max(0, bytes.length - 200))).toString("latin1");
    const at = end.lastIndexOf(`\n${this.#tag} `);
    if (end.endsWith("\r\n") && (at >= 0 || end.startsWith(`${this.#tag} `)))
      this.#done?.(end.slice(at + 1).trim());
    return undefined;
  }

  command(tag: string, text: string): Promise<string> {
    this.#tag = tag;
    this.bytes = 0;
    const bytes = Buffer.from(`${tag} ${text}\r\n`);
    return new Promise((resolve) => {
      this.#done = resolve;
      const input = this.#input;
      this.#input = undefined;
      if (input === undefined) this.#queued = bytes;
      else input(bytes);
    });
  }

  end(): void {}
  destroy(): void {}
  startCompression(): void {}
}

const server = new MemoryServer();
const account = await server.openAccount();
const random = seededRandom(1);
const filling = performance.now();
for (let next = 1; next <= count;) {
  const messages: NewMessage[] = [];
  for (; next <= count && messages.length < 100; next++) {
    const prepared = prepareMessage(Buffer.from(messageText(random, next)));
    const flags = { bits: random.below(4) === 0 ? 0 : 1, keywords: [] };
    messages.push({ prepared, flags, internalDate: 1_700_000_000_000 + next * 60_000 });
  }
  await account.addMessages(1 as MailboxNumber, messages);
  await account.durable();
}
console.log(
  `${count} messages of ${size} bytes, filled in ${Math.round(performance.now() - filling)} ms`,
);

const sink = new Sink();
void serveImap(
  {
    stream: sink,
    peer: {
      address: "127.0.0.1",
      port: 1,
      localAddress: "127.0.0.1",
      localPort: 2,
      secure: true,
      loopback: true,
    },
    identity: { accountId, name: "alice", quota: {} },
    tag: "login",
    decoder: new CommandDecoder(),
  },
  server.services,
);
await sink.command("a", "EXAMINE INBOX");

/** The longest time in which nothing else could run on this thread. */
class Watch {
  longest = 0;
  #last = performance.now();
  #done = false;

  constructor() {
    setImmediate(() => this.#look());
  }

  stop(): number {
    this.#done = true;
    return this.longest;
  }

  #look(): void {
    const now = performance.now();
    this.longest = Math.max(this.longest, now - this.#last);
    this.#last = now;
    if (!this.#done) setImmediate(() => this.#look());
  }
}

/** Runs a command a number of times; prints the first run, the median of the others, the size. */
async function measure(text: string, runs = 5): Promise<void> {
  if (!text.includes(only)) return;
  const times: number[] = [];
  const cpu: number[] = [];
  let longest = 0;
  for (let run = 0; run <= runs; run++) {
    const watch = new Watch();
    const start = performance.now();
    const used = process.cpuUsage();
    const answer = await sink.command("b", text);
    times.push(performance.now() - start);
    const { user, system } = process.cpuUsage(used);
    cpu.push((user + system) / 1000);
    longest = watch.stop();
    if (!answer.startsWith("b OK")) console.log(answer);
  }
  const [first, ...others] = times;
  others.sort((a, b) => a - b);
  const [firstCpu, ...othersCpu] = cpu;
  othersCpu.sort((a, b) => a - b);
  const ms = (value: number): string => value.toFixed(1).padStart(8);
  console.log(
    `${text.padEnd(52)} first ${ms(first!)}  median ${ms(others[others.length >> 1]!)}` +
      `  CPU ${ms(firstCpu!)} ${ms(othersCpu[othersCpu.length >> 1]!)}  block ${ms(longest)} ms  ${(sink.bytes / 1e6).toFixed(1)} MB`,
  );
}

await measure("FETCH 1:* (UID FLAGS)");
await measure("FETCH 1:* (FLAGS)");
await measure("UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1)");
await measure("FETCH 1:* (UID RFC822.SIZE)");
await measure("FETCH 1:* FAST");
await measure("FETCH 1:* (ENVELOPE)");
await measure("FETCH 1:* (BODYSTRUCTURE)");
await measure("FETCH 1:* (PREVIEW)");
await measure("FETCH 1:* (UID BODY.PEEK[])", 3);
await measure("FETCH 1:* (BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)])", 3);
await measure("UID SEARCH ALL");
await measure("SEARCH UNSEEN");
await measure("UID SEARCH UNSEEN SINCE 1-Jan-2024 LARGER 100");
await measure("UID SEARCH FROM user7@", 3);
await measure("UID SEARCH SUBJECT journal", 3);
await measure("UID SEARCH BODY nonsense", 3);
await measure("UID SEARCH TEXT nonsense", 3);
await measure("UID SORT (ARRIVAL) UTF-8 ALL");
await measure("UID SORT (SUBJECT) UTF-8 ALL");
await measure("UID SORT (REVERSE DATE) UTF-8 ALL");
await measure("UID SORT (FROM SUBJECT DATE) UTF-8 ALL");
await measure("UID THREAD ORDEREDSUBJECT UTF-8 ALL");
await measure("UID THREAD REFERENCES UTF-8 ALL");
await measure("UID THREAD REFS UTF-8 ALL");
process.exit(0);
