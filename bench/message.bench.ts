/**
 * What the message area costs on one thread, in microseconds per message: what a delivery does to
 * a message of 5 KB (line ends, parse, cached fields), and what FETCH and SEARCH do later.
 *
 *   node bench/message.bench.ts [seconds per line]
 */
import {
  CachedFields,
  FieldSelection,
  MessageParser,
  TextSearch,
  decodePart,
  encodeCachedFields,
  normaliseLineEnds,
  parseMessage,
  sectionRange,
} from "#message/index.ts";

const secondsEach = Number(process.argv[2] ?? "0.5");

const header = [
  "Return-Path: <bounce-4711@lists.example.org>",
  "Received: from mx.example.net (mx.example.net [192.0.2.7])",
  "\tby mail.example.org with ESMTPS id 4Yx1Zk2Jz9 for <alice@example.org>;",
  "\tMon, 5 Oct 2026 10:00:03 +0200 (CEST)",
  "Received: from client.example.net (unknown [198.51.100.23])",
  "\tby mx.example.net (Postfix) with ESMTPSA id 9C2F01A0B;",
  "\tMon, 5 Oct 2026 08:00:01 +0000 (UTC)",
  "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=2026;",
  "\th=from:to:subject:date:message-id:mime-version:content-type;",
  "\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;",
  "\tb=dGhpcyBpcyBub3QgYSBzaWduYXR1cmUgYnV0IGFzIGxvbmcgYXMgb25lIHdvdWxkIGJlCg",
  "From: Bob Example <bob@example.net>",
  'To: "Alice Example" <alice@example.org>, carol@example.org',
  "Cc: Discussion of mail <list@lists.example.org>",
  "Subject: Re: [list] =?utf-8?q?Gr=C3=BC=C3=9Fe?= from the bench",
  "Date: Mon, 5 Oct 2026 10:00:00 +0200",
  "Message-ID: <20261005080000.4711@client.example.net>",
  "In-Reply-To: <20261004120000.815@example.org>",
  "References: <20261003120000.1@example.org> <20261004120000.815@example.org>",
  "MIME-Version: 1.0",
  "List-Id: Discussion of mail <list.lists.example.org>",
];
const line = "The quick brown fox jumps over the lazy dog and runs away with the hen.\r\n";

function plain(size: number): Buffer {
  const head = [...header, "Content-Type: text/plain; charset=utf-8", "", ""].join("\r\n");
  return Buffer.from(head + line.repeat(Math.ceil((size - head.length) / line.length)));
}

function alternative(size: number): Buffer {
  const head = [
    ...header,
    'Content-Type: multipart/alternative; boundary="=_boundary_0815"',
    "",
    "",
  ].join("\r\n");
  const half = Math.ceil((size - head.length - 300) / 2 / line.length);
  const part = (type: string): string =>
    `--=_boundary_0815\r\nContent-Type: text/${type}; charset=utf-8\r\n` +
    `Content-Transfer-Encoding: quoted-printable\r\n\r\n`;
  return Buffer.from(
    head +
      part("plain") +
      line.repeat(half) +
      part("html") +
      `<p>${line.trimEnd()}</p>=\r\n`.repeat(half) +
      "--=_boundary_0815--\r\n",
  );
}

/** Prints the microseconds of one call: the median of ten rounds. */
function measure(name: string, run: () => unknown): void {
  let kept = 0;
  const keep = (value: unknown): void => {
    if (value === undefined) kept++;
  };
  for (let i = 0; i < 2000; i++) keep(run());
  const rounds: number[] = [];
  for (let round = 0; round < 10; round++) {
    const start = performance.now();
    const stop = start + secondsEach * 100;
    let count = 0;
    do {
      for (let i = 0; i < 20; i++) keep(run());
      count += 20;
    } while (performance.now() < stop);
    rounds.push(((performance.now() - start) * 1000) / count);
  }
  rounds.sort((a, b) => a - b);
  console.log(`${name.padEnd(52)} ${rounds[5]!.toFixed(2).padStart(10)} µs`);
  if (kept === -1) console.log(kept);
}

for (const [name, message] of [
  ["text/plain", plain(5 * 1024)],
  ["multipart/alternative", alternative(5 * 1024)],
] as const) {
  console.log(`${name}, ${message.length} bytes`);
  const parsed = parseMessage(message);
  const fields = encodeCachedFields(parsed);
  console.log(`  cached fields ${fields.length} bytes`);
  const { parts } = new CachedFields(fields);
  measure("  line ends, already CRLF", () => normaliseLineEnds(message));
  const lf = Buffer.from(message.toString("latin1").replaceAll("\r\n", "\n"), "latin1");
  measure("  line ends, LF only", () => normaliseLineEnds(lf));
  measure("  parse", () => parseMessage(message));
  measure("  parse in chunks of 1460 bytes", () => {
    const parser = new MessageParser();
    for (let at = 0; at < message.length; at += 1460) parser.push(message.subarray(at, at + 1460));
    return parser.end();
  });
  measure("  cached fields of a parse", () => encodeCachedFields(parsed));
  measure("  delivery: line ends, parse, cached fields", () =>
    encodeCachedFields(parseMessage(normaliseLineEnds(message))),
  );
  measure("  fetch ENVELOPE", () => new CachedFields(fields).envelope);
  measure("  fetch BODY[1]: its range", () =>
    sectionRange(new CachedFields(fields).parts, [1], ""),
  );
  const selection = new FieldSelection(["from", "to", "subject", "date", "message-id"], false);
  const headerBytes = message.subarray(0, parsed.root.bodyStart);
  measure("  fetch HEADER.FIELDS", () => selection.select(headerBytes));
  const ascii = new TextSearch("no such text");
  measure("  search BODY, ASCII", () => ascii.inMessage(message, parts, "body"));
  const other = new TextSearch("kein Text für uns");
  measure("  search BODY, not ASCII", () => other.inMessage(message, parts, "body"));
  measure("  search TEXT, ASCII", () => ascii.inMessage(message, parts, "text"));
}

const base64 = Buffer.from(
  Buffer.alloc(750_000, "binary content ").toString("base64").replace(/.{76}/g, "$&\r\n"),
);
measure("base64, 1 MB", () => decodePart(base64, "base64"));
const quoted = Buffer.from(
  "Gr=C3=BC=C3=9Fe and a soft line break at the end of it all=\r\n".repeat(17_000),
);
measure("quoted-printable, 1 MB", () => decodePart(quoted, "quoted-printable"));
const large = Buffer.concat([
  Buffer.from("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: a/b\r\n\r\n"),
  ...Array.from({ length: 10 }, () => base64),
  Buffer.from("\r\n--b--\r\n"),
]);
measure("parse, attachment of 10 MB", () => parseMessage(large));
