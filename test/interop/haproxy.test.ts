/** HAProxy in front of a real server: who the client is, by both versions of the PROXY protocol. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { networkInterfaces } from "node:os";
import { delimiter, join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { connect as connectTls } from "node:tls";
import { missing, password, TestServer } from "./server.ts";

// Debian puts it where only root looks.
process.env["PATH"] += `${delimiter}/usr/sbin`;

interface Frontend {
  /** Port of the backend. */
  readonly to: string;
  /** Of the line `server`. */
  readonly options: string;
  /** Of the line `bind`. */
  readonly bind?: string;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Starts HAProxy; gives the port of each frontend, which listens on 127.0.0.1 and ::1. */
async function balance<Name extends string>(
  t: TestContext,
  folder: string,
  frontends: Readonly<Record<Name, Frontend>>,
): Promise<Record<Name, number>> {
  const ports = {} as Record<Name, number>;
  const lines = ["global", "maxconn 200", "defaults", "mode tcp", "timeout connect 5s"];
  lines.push("timeout client 60s", "timeout server 60s");
  for (const [name, { to, options, bind = "" }] of Object.entries<Frontend>(frontends)) {
    const port = (ports[name as Name] = await freePort());
    lines.push(`listen ${name}`, `bind 127.0.0.1:${port} ${bind}`, `bind [::1]:${port} ${bind}`);
    lines.push("unique-id-format %cp-%ts", `server roost ${to} ${options}`);
  }
  const file = join(folder, "haproxy.cfg");
  writeFileSync(file, `${lines.join("\n")}\n`);
  const haproxy = spawn("haproxy", ["-db", "-f", file], { stdio: ["ignore", "pipe", "pipe"] });
  const said: string[] = [];
  const note = (bytes: Buffer): void => void said.push(bytes.toString());
  haproxy.stdout.on("data", note);
  haproxy.stderr.on("data", note);
  t.after(() => haproxy.kill("SIGKILL"));
  for (const port of Object.values<number>(ports))
    for (;;) {
      assert.equal(haproxy.exitCode, null, said.join(""));
      const socket = connect(port, "127.0.0.1");
      const up = await new Promise((resolve) => {
        socket.once("connect", () => resolve(true));
        socket.once("error", () => resolve(false));
      });
      socket.destroy();
      if (up === true) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  return ports;
}

/** From 127.0.0.2, which is not where HAProxy itself comes from; or from ::1. */
async function dial(port: number, host: "127.0.0.1" | "::1" = "127.0.0.1"): Promise<Socket> {
  const socket =
    host === "::1" ? connect({ port, host }) : connect({ port, host, localAddress: "127.0.0.2" });
  await once(socket, "connect");
  return socket;
}

/** Sends lines, each when something came; gives all that came until the end or until `last`. */
async function talk(socket: Socket, lines: readonly string[], last?: RegExp): Promise<string> {
  const left = [...lines];
  let text = "";
  for await (const bytes of socket as AsyncIterable<Buffer>) {
    text += bytes.toString("latin1");
    if (last?.test(text) === true) break;
    const line = text.endsWith("\r\n") ? left.shift() : undefined;
    if (line !== undefined) socket.write(`${line}\r\n`);
  }
  socket.destroy();
  return text;
}

const imap = ["a LOGIN alice wrong", "b LOGOUT"];

const ipv6 = Object.values(networkInterfaces()).some((entries) =>
  entries?.some(({ address }) => address === "::1"),
);
const skip = missing("haproxy") || (ipv6 ? false : "this machine has no ::1");

test("haproxy", { skip }, async (t) => {
  const from = ["127.0.0.1", "::1"];
  const proxyProtocol = { from };
  const four = { hosts: ["127.0.0.1"], port: 0, proxyProtocol };
  const six = { hosts: ["::1"], port: 0, proxyProtocol };
  const server = await TestServer.start(t, {
    users: ["alice"],
    settings: {
      logLevel: "debug",
      clearTextLogin: "always",
      auth: { penaltyDelayMsMax: 0 },
      listeners: [
        { protocol: "imap", ...four },
        { protocol: "imap", ...six },
        { protocol: "imap", tls: "implicit", ...four },
        { protocol: "lmtp", ...four },
        { protocol: "lmtp", ...six },
        { protocol: "imap", ...four, proxyProtocol: { from, trustTls: true } },
        { protocol: "imap", ...four, proxyProtocol: { from: ["192.0.2.0/24"] } },
        { protocol: "pop3", hosts: ["127.0.0.1"], port: 0 },
      ],
    },
  });
  const [imap4, imap6, imaps4, lmtp4, lmtp6, trusting, strange, pop3] = server.listening;
  const pem = join(server.folder, "haproxy.pem");
  const [certificate, key] = [".crt", ".key"].map((end) =>
    readFileSync(server.certificateFile.replace(/\.crt$/, end), "utf8"),
  );
  writeFileSync(pem, `${certificate}${key}`, { mode: 0o600 });
  const v2 = "send-proxy-v2 proxy-v2-options crc32c,unique-id";
  const ports = await balance(t, server.folder, {
    imap4v1: { to: `127.0.0.1:${imap4}`, options: "send-proxy" },
    imap4v2: { to: `127.0.0.1:${imap4}`, options: `${v2} check check-send-proxy inter 100` },
    imap6v1: { to: `[::1]:${imap6}`, options: "send-proxy" },
    imap6v2: { to: `[::1]:${imap6}`, options: v2 },
    imapsv1: { to: `127.0.0.1:${imaps4}`, options: "send-proxy" },
    imapsv2: { to: `127.0.0.1:${imaps4}`, options: v2 },
    lmtp4v1: { to: `127.0.0.1:${lmtp4}`, options: "send-proxy" },
    lmtp6v2: { to: `[::1]:${lmtp6}`, options: v2 },
    tls: {
      to: `127.0.0.1:${trusting}`,
      options: "send-proxy-v2 proxy-v2-options ssl,cert-cn,crc32c,authority",
      bind: `ssl crt ${pem}`,
    },
    silent: { to: `127.0.0.1:${imap4}`, options: "" },
    strange: { to: `127.0.0.1:${strange}`, options: "send-proxy" },
  });
  /** The log is written a little after what it tells of. */
  const logged = async (pattern: RegExp): Promise<void> => {
    while (!pattern.test(server.log)) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  /** How often a login from `address` has been refused. */
  const refusedFrom = (address: string): number =>
    server.log.split("\n").filter((line) => line.includes(`"peer":"${address}"`)).length;

  const refused = async (address: string, count: number): Promise<void> => {
    while (refusedFrom(address) < count) await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(refusedFrom(address), count);
  };

  for (const name of ["imap4v1", "imap4v2", "imap6v1", "imap6v2"] as const)
    await t.test(`IMAP: ${name}`, async () => {
      for (const [host, address] of [
        ["127.0.0.1", "127.0.0.2"],
        ["::1", "::1"],
      ] as const) {
        const before = refusedFrom(address);
        const said = await talk(await dial(ports[name], host), imap);
        assert.match(said, /^\* OK [^]*\r\na NO \[AUTHENTICATIONFAILED\][^]*\r\nb OK/);
        await refused(address, before + 1);
      }
    });

  for (const name of ["imapsv1", "imapsv2"] as const)
    await t.test(`TLS through the balancer: ${name}`, async () => {
      const before = refusedFrom("127.0.0.2");
      const socket = await dial(ports[name]);
      const tls = connectTls({ socket, ca: certificate!, servername: "localhost" });
      const said = await talk(tls, imap);
      assert.match(said, /SCRAM-SHA-256-PLUS[^]*a NO \[AUTHENTICATIONFAILED\]/);
      await refused("127.0.0.2", before + 1);
    });

  await t.test("TLS that ends at the balancer", async () => {
    const socket = await dial(ports.tls);
    const tls = connectTls({ socket, ca: certificate!, servername: "localhost" });
    const said = await talk(tls, [`a LOGIN alice "${password}"`, "b LOGOUT"]);
    assert.match(said, /^\* OK \[[^\]]*\]/);
    assert.doesNotMatch(said.split("\r\n")[0]!, /STARTTLS|LOGINDISABLED|PLUS/);
    assert.match(said, /\r\na OK /);
    await logged(/"authority":"localhost".*"used":true.*"version":"TLSv1\.3"/);
  });

  for (const name of ["lmtp4v1", "lmtp6v2"] as const)
    await t.test(`LMTP: ${name}`, async () => {
      const said = await talk(await dial(ports[name]), [
        ...["LHLO client", "MAIL FROM:<>", "RCPT TO:<alice@localhost>", "DATA"],
        ...["Subject: through haproxy\r\n\r\nbody\r\n.", "QUIT"],
      ]);
      assert.match(said, /\r\n250 2\.0\.0 <alice@localhost> Saved\r\n221/);
      const number = name === "lmtp4v1" ? 1 : 2;
      const lines = ["USER alice", `PASS ${password}`, `RETR ${number}`];
      const read = await talk(await dial(pop3!), lines, /\r\n\.\r\n/);
      assert.match(read, /Received: from client \(.*127\.0\.0\.2.*\)/);
    });

  await t.test("health checks are the balancer's own", async () => {
    await logged(/"address":"127.0.0.1".*A balancer passes on/);
    await logged(/"address":"127\.0\.0\.2".*"uniqueId":"[0-9a-f]+"/);
  });

  await t.test("a balancer that says nothing, or that nobody knows, is closed", async () => {
    const silent = await dial(ports.silent);
    silent.write("a LOGIN alice wrong\r\n");
    assert.equal(await talk(silent, []), "");
    await logged(/No PROXY header/);
    assert.equal(await talk(await dial(ports.strange), []), "");
    await logged(/comes from no balancer/);
  });
});
