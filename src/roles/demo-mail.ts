import { utf8 } from "#base/bytes.ts";

const hourMs = 3600 * 1000;

/** Sample mail as it would arrive, with dates in the hours before `now` (milliseconds). */
export function demoMessages(now: number): { sender: string; content: Uint8Array }[] {
  return samples.map(({ hoursAgo, sender, lines }, index) => {
    const date = new Date(now - hoursAgo * hourMs).toUTCString().replace("GMT", "+0000");
    const text = [
      `Date: ${date}`,
      `Message-ID: <sample-${index + 1}@localhost>`,
      "MIME-Version: 1.0",
      ...lines,
    ];
    return { sender, content: utf8(`${text.join("\r\n")}\r\n`) };
  });
}

const samples = [
  {
    hoursAgo: 30,
    sender: "roost@localhost",
    lines: [
      "From: Roost <roost@localhost>",
      "To: Demo <demo@localhost>",
      "Subject: Welcome to Roost",
      "Content-Type: text/plain; charset=utf-8; format=flowed",
      "Content-Transfer-Encoding: 8bit",
      "",
      "Hello,",
      "",
      "this is a mail store that runs on your own machine. Flag me, move me, delete me: ",
      "every change is on disk before your mail program hears of it.",
      "",
      "Stop the server in the middle of anything and start it again. I will still be here.",
    ],
  },
  {
    hoursAgo: 20,
    sender: "alice@example.org",
    lines: [
      "From: Alice <alice@example.org>",
      "To: demo@localhost",
      "Subject: =?utf-8?Q?Caf=C3=A9_on_Thursday=3F?=",
      "Content-Type: text/plain; charset=utf-8",
      "Content-Transfer-Encoding: quoted-printable",
      "",
      "Shall we meet at the caf=C3=A9 by the river? I have news.",
      "",
      "Alice",
    ],
  },
  {
    hoursAgo: 19,
    sender: "bob@example.org",
    lines: [
      "From: Bob <bob@example.org>",
      "To: Alice <alice@example.org>, demo@localhost",
      "Subject: =?utf-8?Q?Re=3A_Caf=C3=A9_on_Thursday=3F?=",
      "In-Reply-To: <sample-2@localhost>",
      "References: <sample-2@localhost>",
      "Content-Type: text/plain; charset=utf-8",
      "",
      "Thursday is fine. An answer in the same thread, so that you can try threading.",
    ],
  },
  {
    hoursAgo: 2,
    sender: "alice@example.org",
    lines: [
      "From: Alice <alice@example.org>",
      "To: demo@localhost",
      "Subject: A list as an attachment",
      'Content-Type: multipart/mixed; boundary="=-sample"',
      "",
      "--=-sample",
      'Content-Type: multipart/alternative; boundary="=-body"',
      "",
      "--=-body",
      "Content-Type: text/plain; charset=utf-8",
      "",
      "The list is attached.",
      "--=-body",
      "Content-Type: text/html; charset=utf-8",
      "",
      "<p>The list is <b>attached</b>.</p>",
      "--=-body--",
      "--=-sample",
      'Content-Type: text/csv; charset=utf-8; name="list.csv"',
      'Content-Disposition: attachment; filename="list.csv"',
      "Content-Transfer-Encoding: base64",
      "",
      Buffer.from("bread,1\r\nmilk,2\r\napples,6\r\n").toString("base64"),
      "--=-sample--",
    ],
  },
];
