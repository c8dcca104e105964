/** What the tests of the hop share. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "#base/clock.ts";
import { utf8 } from "#base/bytes.ts";
import { silentLog } from "#base/log.ts";
import type { ByteStream } from "#base/stream.ts";
import type { HopCertificates } from "./dial.ts";
import { Generations } from "./generations.ts";
import type {
  BackendStream,
  CallServer,
  LinkServices,
  NodeInfo,
  OutputPart,
  StreamEnd,
  StreamListener,
  StreamRequest,
} from "./link.ts";
import { WireLink } from "./wire-link.ts";

export function node(id: string, incarnation = "1"): NodeInfo {
  return { id, incarnation, roles: ["proxy", "backend"] };
}

/** Services that collect what comes. */
export class TestServices implements LinkServices {
  readonly calls = new Map<string, CallServer>();
  readonly notes: string[] = [];
  readonly generations: Generations;
  readonly streams: BackendStream[] = [];
  #waiting: ((stream: BackendStream) => void)[] = [];
  /** Instead of collecting. */
  onStream: ((stream: BackendStream) => void) | undefined;

  constructor(clock: Clock) {
    this.generations = new Generations(clock);
  }

  serve(stream: BackendStream): void {
    if (this.onStream !== undefined) return this.onStream(stream);
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.streams.push(stream);
    else waiting(stream);
  }

  note(name: string, payload: Uint8Array): void {
    this.notes.push(`${name} ${payload.length}`);
  }

  next(): Promise<BackendStream> {
    const first = this.streams.shift();
    if (first !== undefined) return Promise.resolve(first);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

export interface LinkedPair {
  readonly a: WireLink;
  readonly b: WireLink;
}

/** Two links over one carrier; `a` dialed. */
export async function wirePair(
  [carrierA, carrierB]: readonly [ByteStream, ByteStream],
  clock: Clock,
  [servicesA, servicesB]: readonly [LinkServices, LinkServices],
): Promise<LinkedPair> {
  const parts = { clock, log: silentLog };
  const [a, b] = await Promise.all([
    WireLink.start(carrierA, { ...parts, dialed: true, local: node("a"), services: servicesA }),
    WireLink.start(carrierB, { ...parts, dialed: false, local: node("b"), services: servicesB }),
  ]);
  return { a, b };
}

let sessions = 0;

export function request(fields: Partial<StreamRequest> = {}): StreamRequest {
  const session = new Uint8Array(16);
  new DataView(session.buffer).setUint32(0, ++sessions);
  return {
    protocol: "imap",
    session,
    generation: 1,
    shard: 7,
    epoch: 3,
    inputOffset: 0,
    outputOffset: 0,
    head: utf8("head"),
    ...fields,
  };
}

/** A listener that writes down what it hears. */
export class Heard implements StreamListener {
  readonly parts: OutputPart[] = [];
  readonly ends: StreamEnd[] = [];
  /** What `output` answers. */
  slow: (() => Promise<void> | undefined) | undefined;
  #wake: (() => void)[] = [];

  output(part: OutputPart): Promise<void> | undefined {
    this.parts.push(part);
    this.#tell();
    return this.slow?.();
  }

  ended(end: StreamEnd): void {
    this.ends.push(end);
    this.#tell();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.parts.map(({ bytes }) => bytes));
  }

  /** Resolves when `done` is true of what was heard. */
  async until(done: (heard: this) => boolean): Promise<this> {
    while (!done(this)) await new Promise<void>((resolve) => this.#wake.push(resolve));
    return this;
  }

  #tell(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

export interface TestAuthority {
  readonly certificate: string;
  issue(nodeId: string): HopCertificates;
}

const opensslProgram = "openssl";

/** A cluster's authority by the program openssl. */
export function makeAuthority(): TestAuthority {
  const folder = mkdtempSync(join(tmpdir(), "roost-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const openssl = (...args: string[]): unknown =>
    execFileSync(opensslProgram, args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  const read = (name: string): string => readFileSync(join(folder, name), "latin1");
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=cluster");
  const certificate = read("ca.pem");
  return {
    certificate,
    issue(nodeId) {
      openssl("req", ...key, "-keyout", "node.key", "-out", "node.csr", "-subj", `/CN=${nodeId}`);
      const signer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2"];
      writeFileSync(join(folder, "node.ext"), "basicConstraints=CA:FALSE\n");
      openssl(
        ...["x509", "-req", "-in", "node.csr", "-out", "node.pem", "-extfile", "node.ext"],
        ...signer,
      );
      return { authority: certificate, certificate: read("node.pem"), key: read("node.key") };
    },
  };
}
