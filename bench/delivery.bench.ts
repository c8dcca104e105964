/**
 * What a delivery costs on one thread without a disk, in microseconds per message of 5 KB: alone,
 * and with its LMTP session over a stream in memory.
 *
 *   node bench/delivery.bench.ts [messages] [connections]
 */
import { openSqliteDirectory } from "#auth/index.ts";
import { ByteBudget } from "#base/byte-budget.ts";
import { fromLatin1, latin1 } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { silentLog } from "#base/log.ts";
import { systemRandom } from "#base/random.ts";
import { Shutdown } from "#base/shutdown.ts";
import { Delivery } from "#delivery/index.ts";
import { MemoryObjectStore, SimulatedDisk } from "#objects/index.ts";
import { serveLmtp } from "#protocols/lmtp/index.ts";
import { openLocalJournal, openStore, prepareMessage } from "#store/index.ts";
import { memoryStreams } from "../test/transcripts/memory-stream.ts";

const count = Number(process.argv[2] ?? 20_000);
const connections = Number(process.argv[3] ?? 16);
const users = 100;

const [clock, random, log] = [systemClock, systemRandom, silentLog];
const disk = new SimulatedDisk({ random });
const opened = await openStore({
  objects: new MemoryObjectStore(),
  openJournal: (start) => openLocalJournal({ ...start, files: disk.mount(), random }),
  clock,
  random,
  log,
});
const { store } = opened;
const directory = openSqliteDirectory({ path: ":memory:", clock, random });
for (let i = 0; i < users; i++) await directory.addAccount({ name: `user${i}@example.org` });
const delivery = new Delivery({ store, directory, clock, hooks: {}, prepare: prepareMessage });

function message(number: number): string {
  const head =
    "Received: from mx.example.net (mx.example.net [192.0.2.7])\r\n" +
    `\tby mail.example.org with ESMTPS id ${number}; Mon, 5 Oct 2026 10:00:03 +0200\r\n` +
    "From: Bob Example <bob@example.net>\r\nTo: Alice <alice@example.org>\r\n" +
    `Subject: Message ${number}\r\nDate: Mon, 5 Oct 2026 10:00:00 +0200\r\n` +
    `Message-ID: <${number}@example.net>\r\nMIME-Version: 1.0\r\n` +
    "Content-Type: text/plain; charset=utf-8\r\n\r\n";
  const line = "The quick brown fox jumps over the lazy dog and runs away with the hen.\r\n";
  return head + line.repeat(Math.ceil((5000 - head.length) / line.length));
}

const messages = Array.from({ length: 64 }, (_, i) => message(i));

/** Runs `step` for every message, on several lines at a time. */
async function measure(
  what: string,
  step: (line: number) => Promise<(n: number) => Promise<void>>,
) {
  for (const round of ["cold", "warm"]) {
    let next = 0;
    const start = performance.now();
    const cpu = process.cpuUsage();
    await Promise.all(
      Array.from({ length: connections }, async (_, line) => {
        const one = await step(line);
        while (next < count) await one(next++);
      }),
    );
    const { user, system } = process.cpuUsage(cpu);
    const wall = ((performance.now() - start) * 1000) / count;
    const busy = (user + system) / count;
    console.log(
      `${wall.toFixed(1).padStart(8)} µs  ${busy.toFixed(1).padStart(8)} µs CPU  ${what}, ${round}`,
    );
  }
}

await measure("prepare alone", () =>
  Promise.resolve((n) => {
    prepareMessage(fromLatin1(messages[n % 64]!), { binary: true });
    return Promise.resolve();
  }),
);

await measure("resolve and deliver", () =>
  Promise.resolve(async (n) => {
    const recipient = await delivery.resolve(`user${n % users}@example.org`, 0);
    const content = fromLatin1(messages[n % 64]!);
    const [outcome] = await delivery.deliver({ sender: "", content, exact: true }, [recipient]);
    if (outcome!.error !== null) throw new Error("Refused", { cause: outcome!.error });
  }),
);

const everybody = await Promise.all(
  Array.from({ length: 50 }, (_, i) => delivery.resolve(`user${i}@example.org`, 0)),
);
const deliverToEverybody = (content: Uint8Array) =>
  delivery.deliver({ sender: "a@example.net", content, exact: true }, everybody);
await measure("one of 50 recipients of a message", () =>
  Promise.resolve(async (n) => {
    if (n % everybody.length === 0) await deliverToEverybody(fromLatin1(messages[n % 64]!));
  }),
);
{
  const { bytes } = opened.journal.tail;
  await deliverToEverybody(fromLatin1(messages[0]!));
  const more = opened.journal.tail.bytes - bytes;
  console.log(`${String(more).padStart(8)} bytes of journal for a message to 50 recipients`);
}

await measure("LMTP session", async () => {
  const [client, server] = memoryStreams();
  void serveLmtp(
    {
      stream: server,
      peer: {
        ...{ address: "127.0.0.1", port: 1, localAddress: "127.0.0.1", localPort: 24 },
        ...{ secure: false, loopback: true },
      },
      shutdown: new Shutdown(),
      canUpgradeTls: false,
      upgradeTls: () => Promise.reject(new Error("No TLS")),
    },
    {
      deliver: delivery,
      clock,
      log,
      arriving: new ByteBudget(limits.arrivingBytesMax),
      hostname: "mx.example.org",
      messageBytesMax: limits.messageBytesMax,
    },
  );
  const expect = async (code: string): Promise<void> => {
    let text = "";
    while (!new RegExp(`^${code} [^\r]*\r\n$`, "m").test(text)) {
      const bytes = await client.read();
      if (bytes === null) throw new Error("Closed");
      text += latin1(bytes);
      client.writes.length = server.writes.length = 0;
    }
  };
  await expect("220");
  void client.write(fromLatin1("LHLO client\r\n"));
  await expect("250");
  return async (n) => {
    const to = `user${n % users}@example.org`;
    void client.write(fromLatin1(`MAIL FROM:<a@example.net>\r\nRCPT TO:<${to}>\r\nDATA\r\n`));
    await expect("354");
    void client.write(fromLatin1(`${messages[n % 64]}.\r\n`));
    await expect("250");
  };
});
process.exit(0);
