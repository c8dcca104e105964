/**
 * The one-way rule of the source tree as data: which area may import which. The rules for
 * dependency-cruiser are generated from this table (`npm run check` runs them, layers.test.ts
 * shows that each of them bites), and the table in ARCHITECTURE.md says the same in words.
 *
 * An area is a folder under src/ with an index.ts, its door. Areas meet only through their doors;
 * an `open` area is a vocabulary and may be reached by file.
 */

export interface Layer {
  /** A folder under src/, or one file there. */
  readonly area: string;
  /** Areas; "*" is every area. */
  readonly mayImport: readonly string[];
  /** Single files, as patterns under src/, beside the areas. */
  readonly mayReach?: readonly string[];
  /** True where others may import its files directly. */
  readonly open?: boolean;
}

/** A rule as dependency-cruiser reads it. */
export interface Rule {
  readonly name: string;
  readonly severity: "error";
  /** What is wrong and what to do instead; printed with each offence. */
  readonly comment: string;
  readonly from: object;
  readonly to: object;
}

const mailboxProtocol = ["delivery", "store", "sieve", "message", "auth", "wire", "base"];
const recipientProtocol = ["message", "auth", "wire", "base"];
/** Where `Deliver` and `Submit` are declared, should an area other than their users declare them. */
const deliveryPorts = ["delivery/ports\\.ts"];

export const layers: readonly Layer[] = [
  { area: "base", mayImport: [], open: true },
  { area: "wire", mayImport: ["base"], open: true },
  { area: "message", mayImport: ["base"] },
  { area: "objects", mayImport: ["base"] },
  { area: "hop", mayImport: ["base"] },
  { area: "sieve", mayImport: ["message", "base"] },
  { area: "auth", mayImport: ["objects", "base"] },
  { area: "cluster", mayImport: ["objects", "base"] },
  { area: "store", mayImport: ["objects", "message", "base"] },
  { area: "delivery", mayImport: ["store", "sieve", "message", "auth", "wire", "base"] },
  { area: "protocols/imap", mayImport: mailboxProtocol },
  { area: "protocols/pop3", mayImport: mailboxProtocol },
  { area: "protocols/managesieve", mayImport: mailboxProtocol },
  { area: "protocols/jmap", mayImport: mailboxProtocol },
  { area: "protocols/lmtp", mayImport: recipientProtocol, mayReach: deliveryPorts },
  { area: "protocols/smtp", mayImport: recipientProtocol, mayReach: deliveryPorts },
  { area: "protocols/submission", mayImport: recipientProtocol, mayReach: deliveryPorts },
  { area: "proxy", mayImport: ["auth", "cluster", "hop", "wire", "base"] },
  {
    area: "admin",
    mayImport: ["delivery", "store", "cluster", "auth", "sieve", "objects", "base"],
  },
  { area: "config", mayImport: ["base"], mayReach: [".+/settings\\.ts"] },
  { area: "roles", mayImport: ["*"] },
  { area: "main.ts", mayImport: ["roles", "admin", "config", "base"] },
];

/** Programs beside the server: they import what they like, and nothing in src/ imports them. */
export const outside = ["sim", "test", "bench", "tools"];

/** Files that only tests and benchmarks run; `testing.ts` is what the tests of a folder share. */
const testFile = "\\.(test|contract|bench)\\.ts$|/testing\\.ts$";

/** Node's modules that reach disk, network or other processes, and the package for system calls. */
const ioModules =
  "^(node:)?(fs|fs/promises|net|tls|http|https|http2|dgram|dns|dns/promises|child_process|cluster|sqlite|readline|readline/promises|tty|repl|inspector)$|^node_modules/koffi/|^koffi$";

/** The only places that may use them, as patterns. */
export const ioPlaces = [
  "^src/objects/drivers/",
  "^src/auth/directories/",
  "^src/proxy/",
  "^src/hop/",
  "^src/delivery/relay[./-]",
  "^src/admin/http[./-]",
  "^src/admin/cli[./-]",
  "^src/config/load[./-]",
  "^src/roles/",
];

const inside = (area: string): string =>
  area.endsWith(".ts") ? `^src/${area.replace(".", "\\.")}$` : `^src/${area}/`;

/** What an area may import, beyond itself. */
function layerRule(layer: Layer): Rule {
  const reach = (layer.mayReach ?? []).map((file) => `^src/${file}$`);
  return {
    name: `layer:${layer.area}`,
    severity: "error",
    comment: `${layer.area} may import ${layer.mayImport.join(", ") || "nothing of ours"}`,
    from: { path: inside(layer.area) },
    to: {
      path: "^src/",
      pathNot: [inside(layer.area), ...layer.mayImport.map(inside), ...reach],
    },
  };
}

/** Others reach an area through its index.ts only. */
function doorRule(layer: Layer): Rule {
  return {
    name: `door:${layer.area}`,
    severity: "error",
    comment: `import #${layer.area}/index.ts instead; a file behind the door is private`,
    from: { path: "^src/", pathNot: [inside(layer.area), "^src/config/"] },
    to: {
      path: inside(layer.area),
      pathNot: [`^src/${layer.area}/index\\.ts$`, ...deliveryPorts.map((file) => `^src/${file}$`)],
    },
  };
}

const generalRules: readonly Rule[] = [
  {
    name: "nobody-imports-programs",
    severity: "error",
    comment: "src/ stands without simulation, tests, benchmarks and tools",
    from: { path: "^src/" },
    to: { path: `^(${outside.join("|")})/` },
  },
  {
    name: "io-in-its-places",
    severity: "error",
    comment: "disk, network and processes are handed in as ports; see ioPlaces in tools/layers.ts",
    from: { path: "^src/", pathNot: [...ioPlaces, testFile] },
    to: { path: ioModules },
  },
  {
    name: "no-tests-in-production",
    severity: "error",
    comment: "code that ships does not depend on code that only tests run",
    from: { path: "^src/", pathNot: [testFile] },
    to: { path: `${testFile}|^(node:)?test$` },
  },
  {
    name: "no-development-packages",
    severity: "error",
    comment: "what ships uses `dependencies` only",
    from: { path: "^src/", pathNot: [testFile] },
    to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
  },
  {
    name: "declared-packages",
    severity: "error",
    comment: "a package that is imported is named in package.json",
    from: {},
    to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"] },
  },
  {
    name: "resolvable",
    severity: "error",
    comment: "an import that leads nowhere would also escape every other rule",
    from: {},
    to: { couldNotResolve: true },
  },
  {
    name: "no-cycles",
    severity: "error",
    comment: "files that need each other are one file, or lack a third",
    from: {},
    to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
  },
];

/** The rules for dependency-cruiser, generated from the table. */
export function dependencyRules(): Rule[] {
  const closed = layers.filter((layer) => !layer.open && !layer.area.endsWith(".ts"));
  const bounded = layers.filter((layer) => !layer.mayImport.includes("*"));
  return [...bounded.map(layerRule), ...closed.map(doorRule), ...generalRules];
}
