/** TLS clients of others on connections that were taken over from OpenSSL: src/proxy/tls13. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { systemClock } from "#base/clock.ts";
import { acceptTls, type TlsFacts, type TlsServer } from "../../src/proxy/tls13/index.ts";
import { clientCertificate, selfSigned } from "../../src/proxy/tls13/testing.ts";
import { missing, type Ran, run } from "./server.ts";

interface EchoServer {
  readonly port: number;
  readonly folder: string;
  readonly certificate: string;
  readonly facts: TlsFacts[];
  readonly errors: string[];
}

/** Sends back every line with "echo: " before it; "quit" ends the connection. */
async function echoServer(
  t: TestContext,
  more: Partial<TlsServer> = {},
  contextOptions: SecureContextOptions = {},
): Promise<EchoServer> {
  const folder = mkdtempSync(join(tmpdir(), "roost-"));
  const made = selfSigned("localhost");
  const certificate = join(folder, "server.crt");
  writeFileSync(certificate, made.certificate);
  const context = createSecureContext({
    key: made.key,
    cert: made.certificate,
    ...contextOptions,
  });
  const [facts, errors]: [TlsFacts[], string[]] = [[], []];
  const serve = async (socket: Socket): Promise<void> => {
    const parts = { clock: systemClock, contextFor: () => context, ...more };
    const accepted = await acceptTls(socket, parts);
    facts.push(accepted.facts);
    const { stream } = accepted;
    let text = "";
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) {
      text += Buffer.from(bytes).toString("latin1");
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
        const line = text.slice(0, end + 1);
        text = text.slice(end + 1);
        await stream.write(Buffer.from(`echo: ${line}`, "latin1"));
        if (line.trim() === "quit") stream.end();
      }
    }
    stream.end();
  };
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    serve(socket).catch((error: unknown) => errors.push((error as Error).message));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
    rmSync(folder, { recursive: true, force: true });
  });
  return { port: (server.address() as AddressInfo).port, folder, certificate, facts, errors };
}

/** Says `words` to a program one after the other, each when the one before was answered. */
class Talk {
  readonly #child: ChildProcess;
  #output = "";
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(t: TestContext, program: string, parameters: readonly string[]) {
    this.#child = spawn(program, parameters, { stdio: "pipe" });
    t.after(() => this.#child.kill("SIGKILL"));
    const take = (bytes: Buffer): void => {
      this.#output += bytes.toString("latin1");
      this.#wake?.();
    };
    this.#child.stdout!.on("data", take);
    this.#child.stderr!.on("data", take);
    this.#child.stdin!.on("error", () => {});
    this.#child.on("close", () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  get output(): string {
    return this.#output;
  }

  say(text: string): void {
    this.#child.stdin!.write(text);
  }

  /** Waits until the output has this, after what was waited for before. */
  async hears(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.#output)) {
      if (this.#ended) assert.fail(`It ended without ${String(pattern)}:\n${this.#output}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async end(): Promise<void> {
    while (!this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

const suites = [
  ["TLS_AES_128_GCM_SHA256", "NORMAL:-CIPHER-ALL:+AES-128-GCM"],
  ["TLS_AES_256_GCM_SHA384", "NORMAL:-CIPHER-ALL:+AES-256-GCM"],
  ["TLS_CHACHA20_POLY1305_SHA256", "NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305"],
] as const;

test("openssl s_client", { skip: missing("openssl") }, async (t) => {
  const server = await echoServer(t);
  const client = (to: EchoServer, input: string, ...more: string[]): Promise<Ran> =>
    run(
      "openssl",
      [
        ...["s_client", "-connect", `127.0.0.1:${to.port}`, "-CAfile", to.certificate],
        ...["-verify_return_error", "-verify_hostname", "localhost", "-ign_eof", ...more],
      ],
      input,
    );

  for (const [suite] of suites)
    await t.test(suite, async () => {
      const ran = await client(server, "hello\nquit\n", "-ciphersuites", suite);
      assert.match(ran.output, new RegExp(`New, TLSv1.3, Cipher is ${suite}`), ran.errors);
      assert.match(ran.output, /echo: hello\r?\n/);
      assert.match(ran.output, /echo: quit\r?\n/);
      assert.equal(ran.code, 0);
      assert.equal(server.facts.at(-1)?.cipher, suite);
    });

  await t.test("tickets, used twice", async () => {
    const file = join(server.folder, "session");
    await client(server, "a\nquit\n", "-sess_out", file);
    for (let round = 0; round < 2; round++) {
      const again = await client(server, "b\nquit\n", "-sess_in", file);
      assert.match(again.output, /^Reused, TLSv1\.3/m, again.errors);
      assert.match(again.output, /echo: b\r?\n/);
      assert.equal(server.facts.at(-1)?.resumed, true);
    }
  });

  await t.test("HelloRetryRequest", async () => {
    const own = await echoServer(t, {}, { ecdhCurve: "P-384" });
    const trace = await client(own, "c\nquit\n", "-groups", "P-521:P-384", "-msg");
    assert.match(trace.output, /echo: c\r?\n/, trace.errors);
    assert.equal(trace.output.match(/>>>.*ClientHello/g)?.length, 2);
  });

  await t.test("KeyUpdates from both sides", async (t) => {
    const talk = new Talk(t, "openssl", ["s_client", "-connect", `127.0.0.1:${server.port}`]);
    await talk.hears(/Verify return code|read R BLOCK/);
    for (let round = 0; round < 4; round++) {
      talk.say("K\n");
      await talk.hears(new RegExp(`(KEYUPDATE[^]*){${2 * round + 1}}`));
      talk.say(`asked ${round}\n`);
      await talk.hears(new RegExp(`echo: asked ${round}`));
      talk.say("k\n");
      await talk.hears(new RegExp(`(KEYUPDATE[^]*){${2 * round + 2}}`));
      talk.say(`told ${round}\n`);
      await talk.hears(new RegExp(`echo: told ${round}`));
    }
    talk.say("quit\n");
    await talk.end();
    assert.doesNotMatch(talk.output, /alert|error:0A/);
  });

  await t.test("a client certificate", async () => {
    const known = clientCertificate("alice");
    const files = ["-cert", join(server.folder, "c.crt"), "-key", join(server.folder, "c.key")];
    writeFileSync(files[1]!, known.certificate);
    writeFileSync(files[3]!, known.key);
    const own = await echoServer(t, { clientCertificate: "required" }, { ca: known.certificate });
    const ran = await client(own, "it is me\nquit\n", ...files);
    assert.match(ran.output, /echo: it is me\r?\n/, ran.errors);
    assert.equal(own.facts[0]?.clientCertificate?.subject, "CN=alice");
    const without = await client(own, "nobody\n");
    assert.match(without.errors, /alert certificate required|alert number 116/);
  });

  await t.test("a large text in one piece", async () => {
    const own = await echoServer(t);
    const text = "0123456789".repeat(500_000);
    const ran = await run(
      "openssl",
      ["s_client", "-connect", `127.0.0.1:${own.port}`, "-quiet", "-ign_eof"],
      `${text}\nquit\n`,
    );
    assert.ok(ran.output.includes(`echo: ${text}`));
  });

  assert.deepEqual(server.errors, []);
});

test("gnutls-cli", { skip: missing("gnutls-cli") }, async (t) => {
  const server = await echoServer(t);
  const say = async (input: string, ...more: string[]): Promise<string> => {
    const talk = new Talk(t, "gnutls-cli", [
      ...["--x509cafile", server.certificate, "--verify-hostname", "localhost"],
      ...["--port", String(server.port), ...more, "127.0.0.1"],
    ]);
    // Resuming, it connects once before.
    await talk.hears(more.includes("--resume") ? /resumed session/ : /Simple Client Mode/);
    talk.say(input);
    await talk.end();
    return talk.output;
  };
  for (const [suite, priority] of suites)
    await t.test(suite, async () => {
      const output = await say("hello\nquit\n", "--priority", `${priority}:-VERS-ALL:+VERS-TLS1.3`);
      assert.match(output, /Description: \(TLS1\.3/);
      assert.match(output, /echo: hello\r?\n/);
      assert.equal(server.facts.at(-1)?.cipher, suite);
    });
  await t.test("resumed", async () => {
    const output = await say("again\nquit\n", "--resume");
    assert.match(output, /echo: again\r?\n/);
    assert.equal(server.facts.at(-1)?.resumed, true);
  });
  await t.test("KeyUpdates between its lines", async () => {
    const output = await say(
      "one\n^rekey^\ntwo\n^rekey^\nthree\nquit\n",
      ...["--inline-commands", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3"],
    );
    for (const word of ["one", "two", "three"]) assert.match(output, new RegExp(`echo: ${word}`));
  });
  assert.deepEqual(server.errors, []);
});

const pythonClient = `
import socket, ssl, sys
port, ca = int(sys.argv[1]), sys.argv[2]
context = ssl.create_default_context(cafile=ca)
context.minimum_version = ssl.TLSVersion.TLSv1_3
session = None
for round in range(3):
    raw = socket.create_connection(("127.0.0.1", port))
    with context.wrap_socket(raw, server_hostname="localhost", session=session) as tls:
        tls.sendall(b"round %d\\n" % round)
        file = tls.makefile("rb")
        print(tls.version(), tls.session_reused, file.readline().decode().strip())
        big = b"x" * 3000000 + b"\\n"
        tls.settimeout(None)
        tls.sendall(big)
        print(file.readline() == b"echo: " + big)
        session = tls.session
        tls.sendall(b"quit\\n")
        print(file.read())
`;

test("Python's ssl", { skip: missing("python3") }, async (t) => {
  const server = await echoServer(t);
  const program = join(server.folder, "client.py");
  writeFileSync(program, pythonClient);
  const ran = await run("python3", [program, String(server.port), server.certificate]);
  const expected = [0, 1, 2].map(
    (round) =>
      `TLSv1.3 ${round > 0 ? "True" : "False"} echo: round ${round}\nTrue\nb'echo: quit\\n'\n`,
  );
  assert.equal(ran.output, expected.join(""), ran.errors);
  assert.deepEqual(server.errors, []);
});

const javaClient = `
import java.io.*;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

public class Client {
  public static void main(String[] args) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream in = Files.newInputStream(Path.of(args[1]))) {
      store.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLSv1.3");
    context.init(null, trust.getTrustManagers(), null);
    for (int round = 0; round < 2; round++) {
      SSLSocket socket =
        (SSLSocket) context.getSocketFactory().createSocket("127.0.0.1", Integer.parseInt(args[0]));
      socket.setEnabledProtocols(new String[] {"TLSv1.3"});
      BufferedReader in = new BufferedReader(new InputStreamReader(socket.getInputStream(), "UTF-8"));
      OutputStream out = socket.getOutputStream();
      out.write(("round " + round + "\\n").getBytes());
      out.write(("x".repeat(100000) + "\\nquit\\n").getBytes());
      System.out.println(socket.getSession().getProtocol() + " " + in.readLine());
      System.out.println(in.readLine().length() + " " + in.readLine() + " " + in.readLine());
      socket.close();
    }
  }
}
`;

/** A runtime without a compiler cannot run a source file. */
async function javaMissing(): Promise<string | false> {
  const none = missing("java");
  if (none !== false) return none;
  const { output } = await run("java", ["--list-modules"]);
  return output.includes("jdk.compiler") ? false : "java has no compiler";
}

test("Java's client", { skip: await javaMissing() }, async (t) => {
  const server = await echoServer(t);
  const program = join(server.folder, "Client.java");
  writeFileSync(program, javaClient);
  const ran = await run("java", [program, String(server.port), server.certificate]);
  const lines = [0, 1].flatMap((round) => [
    `TLSv1.3 echo: round ${round}`,
    "100006 echo: quit null",
  ]);
  assert.deepEqual(ran.output.trim().split("\n"), lines, ran.errors);
  assert.equal(server.facts[1]?.resumed, true);
  assert.deepEqual(server.errors, []);
});
