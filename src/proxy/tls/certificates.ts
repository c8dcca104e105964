import { X509Certificate } from "node:crypto";
import { chmod, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { createSecureContext } from "node:tls";
import type { SecureContext } from "node:tls";
import type { Clock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import type { Random } from "#base/random.ts";
import { Refusal, errorText } from "#base/assert.ts";
import type { SecureContexts } from "../connection.ts";
import type { CertificateFiles, TlsSettings } from "../settings.ts";
import { makeSelfSigned } from "./self-signed.ts";

interface Loaded {
  readonly context: SecureContext;
  readonly certificate: X509Certificate;
}

interface LoadedSet {
  readonly standard: Loaded;
  /** Server name in lower case, perhaps "*.domain". */
  readonly names: ReadonlyMap<string, Loaded>;
}

export interface CertificateOptions {
  /** Absolute; a certificate that we sign ourselves is kept in its folder tls/. */
  readonly dataDir: string;
  readonly settings: TlsSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/**
 * The certificates of the server, by server name. Without one in the settings it makes one, once,
 * and signs it itself: enough for a trial, and clients that pin it can trust it.
 */
export class Certificates implements SecureContexts {
  readonly #options: CertificateOptions;
  #loaded: LoadedSet;

  private constructor(options: CertificateOptions, loaded: LoadedSet) {
    this.#options = options;
    this.#loaded = loaded;
  }

  /** Refuses with CANNOT and the path where a file is missing or does not fit. */
  static async open(options: CertificateOptions): Promise<Certificates> {
    return new Certificates(options, await loadAll(options));
  }

  /** SHA-256 fingerprint of the certificate that clients get who name no server. */
  get fingerprint(): string {
    return this.#loaded.standard.certificate.fingerprint256;
  }

  get takesOver(): boolean {
    return this.#options.settings.recordLayer === "roost";
  }

  get selfSigned(): boolean {
    return this.#options.settings.certificate === undefined;
  }

  /** Reads all files anew; where that fails, the old certificates stay. */
  async reload(): Promise<void> {
    this.#loaded = await loadAll(this.#options);
  }

  contextFor(serverName: string | undefined): SecureContext {
    return this.#find(serverName).context;
  }

  /** RFC 6125 §6.4.3: a wildcard stands for the leftmost label as a whole. */
  #find(serverName: string | undefined): Loaded {
    const { names, standard } = this.#loaded;
    if (serverName === undefined || names.size === 0) return standard;
    const name = serverName.toLowerCase();
    const dot = name.indexOf(".");
    return names.get(name) ?? (dot > 0 ? names.get(`*${name.slice(dot)}`) : undefined) ?? standard;
  }
}

async function loadAll(options: CertificateOptions): Promise<LoadedSet> {
  const { settings } = options;
  const files =
    settings.certificate === undefined || settings.key === undefined
      ? await selfSignedFiles(options)
      : { certificate: settings.certificate, key: settings.key };
  const names = new Map<string, Loaded>();
  for (const [name, own] of Object.entries(settings.names))
    names.set(name.toLowerCase(), await load(own, options));
  return { standard: await load(files, options), names };
}

async function load(files: CertificateFiles, options: CertificateOptions): Promise<Loaded> {
  const [cert, key] = [await readPem(files.certificate), await readPem(files.key)];
  try {
    const certificate = new X509Certificate(cert);
    const context = createSecureContext({
      cert,
      key,
      minVersion: options.settings.minVersion,
      sessionIdContext: "roost",
      honorCipherOrder: true,
    });
    if (certificate.validToDate.getTime() < options.clock.now())
      options.log.warn(
        { certificate: files.certificate, validTo: certificate.validToDate },
        "A certificate has expired",
      );
    return { certificate, context };
  } catch (error) {
    throw new Refusal(
      "CANNOT",
      `The certificate ${files.certificate} with the key ${files.key} cannot be used: ${errorText(error)}`,
      { cause: error },
    );
  }
}

async function readPem(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new Refusal("CANNOT", `${path} cannot be read: ${errorText(error)}`, { cause: error });
  }
}

/** Makes key and certificate where there are none, or where the certificate has run out. */
async function selfSignedFiles(options: CertificateOptions): Promise<CertificateFiles> {
  const folder = join(options.dataDir, "tls");
  const files = {
    certificate: join(folder, "self-signed.crt"),
    key: join(folder, "self-signed.key"),
  };
  const now = options.clock.now();
  if (await isUsable(files, now)) return files;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const made = makeSelfSigned({ names: ["localhost", hostname()], now, random: options.random });
  await writeWhole(files.key, made.key, 0o600);
  await writeWhole(files.certificate, made.certificate, 0o644);
  options.log.info({ certificate: files.certificate }, "Made a self-signed certificate");
  return files;
}

async function isUsable(files: CertificateFiles, now: number): Promise<boolean> {
  try {
    const certificate = new X509Certificate(await readFile(files.certificate));
    const key = await readFile(files.key, "latin1");
    return key.includes("PRIVATE KEY") && certificate.validToDate.getTime() > now;
  } catch {
    return false;
  }
}

/** Never half a file under the name, whatever happens. */
async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.new`;
  await writeFile(temporary, text, { mode });
  await chmod(temporary, mode);
  await rename(temporary, path);
}
