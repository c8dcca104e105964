/**
 * Completes package-lock.json with the optional packages of other platforms. npm leaves those out
 * that the registry at hand could not serve when the lock file was written, and then refuses
 * `npm ci` everywhere. The entries carry version and platform but no checksum: on such a platform
 * npm takes what its registry has. Run after `npm install`: `node tools/complete-lock.ts`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface LockEntry {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
  readonly optional?: boolean;
}

interface Lock {
  readonly packages: Record<string, LockEntry>;
}

const lockPath = join(import.meta.dirname, "../package-lock.json");
const systems = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
const processors = ["arm64", "ia32", "ppc64", "riscv64", "s390x", "x64", "arm"];

/** The entry of a platform package, by what its name says; undefined when it says nothing. */
function entryFromName(name: string, version: string, dev: boolean): LockEntry | undefined {
  const words = name.split(/[/-]/);
  const os = systems.find((system) => words.includes(system));
  const cpu = processors.find((processor) => words.includes(processor));
  if (os === undefined || cpu === undefined) return undefined;
  const libc = os !== "linux" ? [] : words.some((w) => w.startsWith("musl")) ? ["musl"] : ["glibc"];
  const named = words.some((word) => /^(gnu|musl)/.test(word));
  return {
    version,
    cpu: [cpu],
    ...(dev ? { dev } : {}),
    ...(named && libc.length > 0 ? { libc } : {}),
    optional: true,
    os: [os],
  };
}

/** Optional packages that some entry names and the lock file lacks, by their place in it. */
function lacking(lock: Lock): [where: string, name: string, version: string, dev: boolean][] {
  const { packages } = lock;
  return Object.entries(packages).flatMap(([parent, { optionalDependencies, dev }]) =>
    Object.entries(optionalDependencies ?? {})
      .filter(
        ([name]) =>
          packages[`node_modules/${name}`] === undefined &&
          packages[`${parent}/node_modules/${name}`] === undefined,
      )
      .map(([name, version]): [string, string, string, boolean] => [
        `node_modules/${name}`,
        name,
        version,
        dev === true,
      ]),
  );
}

const readLock = (): Lock => JSON.parse(readFileSync(lockPath, "utf8")) as Lock;

/** Names of the packages that `npm ci` would miss. */
export function missingPlatformPackages(): string[] {
  return lacking(readLock()).map(([, name, version]) => `${name}@${version}`);
}

function complete(): void {
  const lock = readLock();
  const added = lacking(lock);
  for (const [where, name, version, dev] of added) {
    const entry = entryFromName(name, version, dev);
    if (entry === undefined) throw new Error(`${name} does not say which platform it is for`);
    lock.packages[where] = entry;
  }
  // npm's own order of entries.
  const order = Object.keys(lock.packages).sort((a, b) => a.localeCompare(b, "en"));
  const packages = Object.fromEntries(order.map((where) => [where, lock.packages[where]]));
  writeFileSync(lockPath, `${JSON.stringify({ ...lock, packages }, null, 2)}\n`);
  console.log(`${added.length} packages of other platforms added to package-lock.json`);
}

if (import.meta.main) complete();
