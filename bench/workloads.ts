/** What is measured: each workload runs against a peer and gives figures by name. */
import { benchPassword, benchUsers, type Peer } from "./peer.ts";
import { LineClient, sampleMessage, timed } from "./load.ts";

export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: "/s" | "ms" | "MB/s" | "CPU ms" | "MB";
  /** Whether more is better. */
  readonly more: boolean;
}

export interface Scale {
  readonly deliveries: number;
  readonly logins: number;
  readonly messages: number;
  readonly bodies: number;
}

async function login(peer: Peer, user: string): Promise<LineClient> {
  const client = await LineClient.open(peer.imapPort);
  await client.greeting();
  await client.imap(`LOGIN ${user} ${benchPassword}`);
  return client;
}

async function withCpu(peer: Peer, jobs: number, work: () => Promise<number>) {
  const before = peer.cpuSeconds();
  const seconds = await work();
  return { rate: jobs / seconds, cpuMs: ((peer.cpuSeconds() - before) * 1000) / jobs };
}

/** Deliveries of 5 KB over `width` connections that stay open; every 250 means durable. */
export async function deliveries(peer: Peer, scale: Scale, width: number): Promise<Figure[]> {
  const body = sampleMessage(5_000, 1);
  const measured = await withCpu(peer, scale.deliveries, () =>
    timed(width, scale.deliveries, async (next) => {
      const client = await LineClient.open(peer.lmtpPort);
      await client.greeting();
      await client.ask("LHLO bench.localhost\r\n", (tail) => /^250 [^\r]*\r\n$/m.test(tail));
      for (let job = next(); job !== undefined; job = next()) {
        const user = peer.address(benchUsers[job % benchUsers.length]!);
        const envelope = `MAIL FROM:<a@example.org>\r\nRCPT TO:<${user}>\r\nDATA\r\n`;
        await client.ask(
          envelope,
          (tail) =>
            /^(354|5\d\d|4\d\d) [^\r]*\r\n$/m.test(
              tail.slice(tail.lastIndexOf("\n", tail.length - 2) + 1),
            ) && tail.includes("354"),
        );
        let answer = "";
        await client.ask(`${body}.\r\n`, (tail) => {
          answer = tail;
          return tail.endsWith("\r\n");
        });
        if (!answer.startsWith("250")) throw new Error(`${peer.name}: ${answer}`);
      }
      client.close();
    }),
  );
  return [
    { name: `LMTP 5 KB, ${width} connections`, value: measured.rate, unit: "/s", more: true },
    {
      name: `LMTP 5 KB, ${width} connections, each`,
      value: measured.cpuMs,
      unit: "CPU ms",
      more: false,
    },
  ];
}

/** Connect, LOGIN, LOGOUT over 32 lanes with a cheap password scheme. */
export async function logins(peer: Peer, scale: Scale): Promise<Figure[]> {
  const measured = await withCpu(peer, scale.logins, () =>
    timed(32, scale.logins, async (next) => {
      for (let job = next(); job !== undefined; job = next()) {
        const client = await login(peer, benchUsers[job % benchUsers.length]!);
        await client.imap("LOGOUT");
        client.close();
      }
    }),
  );
  return [
    { name: "LOGIN + LOGOUT, 32 connections", value: measured.rate, unit: "/s", more: true },
    { name: "LOGIN + LOGOUT, each", value: measured.cpuMs, unit: "CPU ms", more: false },
  ];
}

/** Fills INBOX of `user` by MULTIAPPEND, up to 1 MB at a time. */
export async function fill(
  peer: Peer,
  fillment: { user: string; count: number; size: number },
): Promise<void> {
  const client = await login(peer, fillment.user);
  const { count, size } = fillment;
  for (let done = 0; done < count;) {
    const group = Math.min(100, Math.ceil(1e6 / size), count - done);
    let command = "f1 APPEND INBOX";
    for (let i = 0; i < group; i++, done++) {
      const text = sampleMessage(size, done);
      const flags = done % 5 === 0 ? "()" : "(\\Seen)";
      command += ` ${flags} {${text.length}+}\r\n${text}`;
    }
    let answer = "";
    await client.ask(`${command}\r\n`, (tail) => {
      answer = tail;
      return tail.endsWith("\r\n") && /^f1 /m.test(tail);
    });
    if (!/^f1 OK/m.test(answer)) throw new Error(`${peer.name}: ${answer}`);
  }
  client.close();
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Commands on a large mailbox that was just opened by a server that was just started. */
export async function largeMailbox(peer: Peer, user: string): Promise<Figure[]> {
  const figures: Figure[] = [];
  const client = await login(peer, user);
  const note = async (name: string, command: string): Promise<void> => {
    const value = await milliseconds(() => client.imap(command));
    figures.push({ name, value, unit: "ms", more: false });
  };
  await note("SELECT, first after a start", "SELECT INBOX");
  await note("SELECT, again", "SELECT INBOX");
  await note("FETCH 1:* (UID FLAGS)", "FETCH 1:* (UID FLAGS)");
  await note("FETCH 1:* (ENVELOPE), first", "FETCH 1:* (ENVELOPE)");
  await note("FETCH 1:* (ENVELOPE), later", "FETCH 1:* (ENVELOPE)");
  await note("FETCH 1:* (BODYSTRUCTURE)", "FETCH 1:* (BODYSTRUCTURE)");
  await note("FETCH 1:* (RFC822.SIZE INTERNALDATE)", "FETCH 1:* (RFC822.SIZE INTERNALDATE)");
  const fields = "FETCH 1:* (BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)])";
  await note("FETCH 1:* HEADER.FIELDS", fields);
  await note("UID SEARCH UNSEEN", "UID SEARCH UNSEEN SINCE 1-Jan-2020");
  await note("UID SEARCH FROM", 'UID SEARCH FROM "person77@"');
  await note("UID SORT (REVERSE DATE), first", "UID SORT (REVERSE DATE) UTF-8 ALL");
  await note("UID SORT (REVERSE DATE), later", "UID SORT (REVERSE DATE) UTF-8 ALL");
  await note("UID SORT (SUBJECT), first", "UID SORT (SUBJECT) UTF-8 ALL");
  await note("UID SORT (SUBJECT), later", "UID SORT (SUBJECT) UTF-8 ALL");
  await note("UID THREAD REFERENCES, first", "UID THREAD REFERENCES UTF-8 ALL");
  await note("UID THREAD REFERENCES, later", "UID THREAD REFERENCES UTF-8 ALL");
  await note("STORE 1:* +FLAGS (\\Flagged)", "STORE 1:* +FLAGS (\\Flagged)");
  await note("STORE 1:* -FLAGS.SILENT", "STORE 1:* -FLAGS.SILENT (\\Flagged)");
  await note("UID SEARCH BODY, no index", 'UID SEARCH BODY "xyzzyrare"');
  await note("UID COPY 1:10000", "UID COPY 1:10000 Copies");
  client.close();
  return figures;
}

/** Whole bodies of 50 KB from `width` users at once, page cache warm. */
export async function bodies(peer: Peer, scale: Scale, width: number): Promise<Figure[]> {
  const clients = await Promise.all(
    Array.from({ length: width }, async (_, i) => {
      const client = await login(peer, `u${60 + i}`);
      await client.imap("SELECT INBOX");
      return client;
    }),
  );
  const before = clients.reduce((sum, client) => sum + client.received, 0);
  // One mailbox is too little to measure: it takes 40 ms.
  const times = Math.max(1, 8 / width);
  const ms = await milliseconds(() =>
    Promise.all(
      clients.map(async (client) => {
        for (let i = 0; i < times; i++) await client.imap(`FETCH 1:${scale.bodies} (BODY.PEEK[])`);
      }),
    ),
  );
  const bytes = clients.reduce((sum, client) => sum + client.received, 0) - before;
  for (const client of clients) client.close();
  const name = `FETCH bodies of 50 KB, ${width} connection${width === 1 ? "" : "s"}`;
  return [{ name, value: bytes / 1e3 / ms, unit: "MB/s", more: true }];
}
