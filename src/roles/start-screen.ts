import { styleText } from "node:util";
import { endpointText } from "#proxy/index.ts";
import type { ListeningPlace } from "./all-in-one.ts";
import { demoAccount } from "./demo.ts";

export interface StartScreenOptions {
  readonly places: readonly ListeningPlace[];
  readonly fingerprint: string;
  readonly selfSigned: boolean;
  readonly dataDir: string;
  readonly demo: boolean;
  /** How to call this program, such as "./bin/roost". */
  readonly program: string;
  readonly colour: boolean;
}

const titles = {
  imap: { starttls: "IMAP", implicit: "IMAP over TLS", none: "IMAP, no TLS" },
  pop3: { starttls: "POP3", implicit: "POP3 over TLS", none: "POP3, no TLS" },
  lmtp: { starttls: "LMTP", implicit: "LMTP over TLS", none: "LMTP, no TLS" },
  http: { starttls: "", implicit: "", none: "Monitoring" },
  admin: { starttls: "", implicit: "", none: "" },
} as const;

/** What somebody who has just started the server wants to know. */
export function startScreen(options: StartScreenOptions): string {
  const { places, demo, program, colour } = options;
  const bold = (text: string): string => (colour ? styleText("bold", text, forced) : text);
  const dim = (text: string): string => (colour ? styleText("dim", text, forced) : text);
  const row = (title: string, text: string): string => `  ${title.padEnd(18)}${text}`;
  const lines = ["", bold("Roost is running."), ""];
  for (const [title, endpoints] of grouped(places)) lines.push(row(title, endpoints));
  lines.push(row("Mail is kept in", options.dataDir));
  if (options.selfSigned) {
    lines.push(row("Certificate", "self-signed; your mail program will ask whether to trust it"));
    lines.push(row("", dim(`SHA-256 ${options.fingerprint}`)));
  }
  if (demo) {
    const { name, password, address } = demoAccount;
    lines.push(
      "",
      bold("Read mail") + dim("  (set up an account by hand: server localhost, port as above)"),
      row("User name", bold(name)),
      row("Password", bold(password)),
      "",
      bold("Deliver mail"),
      row("A file", `${program} deliver message.eml --to ${address}`),
    );
    const lmtp = places.find(({ protocol }) => protocol === "lmtp");
    if (lmtp !== undefined)
      lines.push(row("By LMTP", `to ${address} at ${endpointText(lmtp.endpoint)}`));
  } else lines.push("", bold("Accounts"), row("Add one", `${program} user add alice@example.org`));
  lines.push("", `Stop with ${bold("Ctrl+C")}. More commands: ${program} --help`, "");
  return `${lines.join("\n")}\n`;
}

const forced = { validateStream: false } as const;

/** Endpoints by title; the addresses of one port are put together. */
function grouped(places: readonly ListeningPlace[]): Map<string, string> {
  const groups = new Map<string, string>();
  for (const { protocol, tls, endpoint } of places) {
    const title = titles[protocol][tls];
    if (title === "") continue;
    const text =
      protocol === "http" && "host" in endpoint
        ? `http://${endpointText(endpoint)}/metrics`
        : endpointText(endpoint);
    const before = groups.get(title);
    groups.set(title, before === undefined ? text : `${before}  ${text}`);
  }
  return groups;
}
