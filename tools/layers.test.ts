/** Shows that every rule of layers.ts bites: each row is one import that must be refused. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { checkDependencies } from "./dependencies.ts";
import { dependencyRules, layers } from "./layers.ts";

/** rule, importing file, what it imports */
type Row = readonly [rule: string, from: string, imports: string];

const forbidden: readonly Row[] = [
  ["layer:base", "src/base/clock.ts", "#wire/imap/decoder.ts"],
  ["layer:wire", "src/wire/imap/decoder.ts", "#message/index.ts"],
  ["layer:message", "src/message/parse.ts", "#wire/imap/decoder.ts"],
  ["layer:objects", "src/objects/port.ts", "#store/index.ts"],
  ["layer:hop", "src/hop/frames.ts", "#wire/imap/decoder.ts"],
  ["layer:sieve", "src/sieve/run.ts", "#store/index.ts"],
  ["layer:auth", "src/auth/passwords.ts", "#store/index.ts"],
  ["layer:cluster", "src/cluster/lease.ts", "#store/index.ts"],
  ["layer:store", "src/store/account.ts", "#delivery/index.ts"],
  ["layer:delivery", "src/delivery/deliver.ts", "#protocols/lmtp/index.ts"],
  // Protocols are strangers to one another.
  ["layer:protocols/imap", "src/protocols/imap/session.ts", "#protocols/pop3/index.ts"],
  ["layer:protocols/pop3", "src/protocols/pop3/session.ts", "../imap/index.ts"],
  ["layer:protocols/managesieve", "src/protocols/managesieve/s.ts", "#protocols/imap/index.ts"],
  ["layer:protocols/jmap", "src/protocols/jmap/http.ts", "#protocols/imap/index.ts"],
  ["layer:protocols/lmtp", "src/protocols/lmtp/session.ts", "#store/index.ts"],
  ["layer:protocols/smtp", "src/protocols/smtp/session.ts", "#protocols/lmtp/index.ts"],
  ["layer:protocols/submission", "src/protocols/submission/session.ts", "#store/index.ts"],
  ["layer:proxy", "src/proxy/listener.ts", "#store/index.ts"],
  ["layer:proxy", "src/proxy/route.ts", "#protocols/imap/index.ts"],
  ["layer:admin", "src/admin/operations/list.ts", "#protocols/imap/index.ts"],
  ["layer:config", "src/config/load.ts", "#store/index.ts"],
  ["layer:main.ts", "src/main.ts", "#store/index.ts"],
  ["layer:admin", "src/admin/operations/start.ts", "#roles/index.ts"],

  ["door:message", "src/store/bodies.ts", "#message/parse.ts"],
  ["door:objects", "src/store/heads.ts", "../objects/port.ts"],
  ["door:hop", "src/proxy/relay.ts", "#hop/frames.ts"],
  ["door:sieve", "src/delivery/script.ts", "#sieve/run.ts"],
  ["door:auth", "src/proxy/login.ts", "#auth/passwords.ts"],
  ["door:cluster", "src/proxy/owner.ts", "#cluster/lease.ts"],
  ["door:store", "src/delivery/act.ts", "#store/account.ts"],
  ["door:delivery", "src/protocols/imap/append.ts", "#delivery/deliver.ts"],
  ["door:protocols/imap", "src/roles/backend.ts", "#protocols/imap/session.ts"],
  ["door:protocols/pop3", "src/roles/pop3.ts", "#protocols/pop3/session.ts"],
  ["door:protocols/managesieve", "src/roles/managesieve.ts", "#protocols/managesieve/s.ts"],
  ["door:protocols/jmap", "src/roles/jmap.ts", "#protocols/jmap/http.ts"],
  ["door:protocols/lmtp", "src/roles/lmtp.ts", "#protocols/lmtp/session.ts"],
  ["door:protocols/smtp", "src/roles/smtp.ts", "#protocols/smtp/session.ts"],
  ["door:protocols/submission", "src/roles/submission.ts", "#protocols/submission/session.ts"],
  ["door:proxy", "src/roles/proxy.ts", "#proxy/listener.ts"],
  ["door:admin", "src/roles/admin.ts", "#admin/operations/list.ts"],
  ["door:config", "src/roles/settings.ts", "#config/load.ts"],
  ["door:roles", "src/main.ts", "#roles/backend.ts"],

  ["nobody-imports-programs", "src/store/model.ts", "../../sim/world.ts"],
  ["nobody-imports-programs", "src/store/fake.test.ts", "../../test/client.ts"],
  ["io-in-its-places", "src/store/disk.ts", "node:fs"],
  ["io-in-its-places", "src/store/disk-promises.ts", "node:fs/promises"],
  ["io-in-its-places", "src/protocols/imap/socket.ts", "node:net"],
  ["io-in-its-places", "src/auth/database.ts", "node:sqlite"],
  ["io-in-its-places", "src/delivery/spawn.ts", "node:child_process"],
  ["io-in-its-places", "src/store/lock.ts", "koffi"],
  ["no-tests-in-production", "src/store/reader.ts", "./reader.test.ts"],
  ["no-tests-in-production", "src/store/mock.ts", "node:test"],
  ["no-tests-in-production", "src/proxy/shared.ts", "./testing.ts"],
  ["no-development-packages", "src/store/random-input.ts", "fast-check"],
  ["declared-packages", "src/base/colour.ts", "undeclared-package"],
  ["resolvable", "src/base/lost.ts", "./no-such-file.ts"],
  ["no-cycles", "src/base/egg.ts", "./hen.ts"],
];

/** Imports that no rule may refuse. */
const allowed: readonly Row[] = [
  ["", "src/store/fine.ts", "#objects/index.ts"],
  ["", "src/store/fine.ts", "#base/clock.ts"],
  ["", "src/store/fine.ts", "./account.ts"],
  ["", "src/store/fine.ts", "node:crypto"],
  ["", "src/store/fine.ts", "koffi-is-not-this"],
  ["", "src/store/fine.test.ts", "node:test"],
  ["", "src/store/fine.test.ts", "node:fs"],
  ["", "src/store/fine.test.ts", "fast-check"],
  ["", "src/proxy/testing.ts", "node:test"],
  ["", "src/proxy/session.test.ts", "./testing.ts"],
  ["", "src/objects/drivers/filesystem.ts", "node:fs"],
  ["", "src/objects/drivers/filesystem.ts", "koffi"],
  ["", "src/auth/directories/sqlite.ts", "node:sqlite"],
  ["", "src/config/plan.ts", "#store/settings.ts"],
  ["", "src/protocols/lmtp/ports.ts", "#delivery/ports.ts"],
  ["", "src/roles/all.ts", "#protocols/imap/index.ts"],
  ["", "src/roles/all.ts", "node:net"],
  ["", "sim/world.ts", "#store/account.ts"],
  ["", "test/client.ts", "#protocols/imap/session.ts"],
  ["", "test/client.ts", "node:net"],
];

const packages = ["koffi", "koffi-is-not-this", "fast-check", "undeclared-package"];

/** Writes a tree with these imports, every imported file included; `importing` makes a line. */
function plant(rows: readonly Row[], importing: (target: string, index: number) => string): string {
  const tree = mkdtempSync(join(tmpdir(), "roost-layers-"));
  const files = new Map<string, string>();
  const add = (path: string, line: string): void => {
    files.set(path, `${files.get(path) ?? ""}${line}`);
  };
  rows.forEach(([, from, target], index) => {
    add(from, importing(target, index));
    if (target.startsWith("#")) add(`src/${target.slice(1)}`, "");
    else if (target.startsWith(".") && !target.includes("no-such")) {
      add(join(dirname(from), target), "");
    }
  });
  // The other half of the cycle; it is told once, from its first file.
  if (files.has("src/base/hen.ts")) add("src/base/hen.ts", importing("./egg.ts", rows.length));
  for (const name of packages) {
    add(`node_modules/${name}/package.json`, JSON.stringify({ name, main: "index.js" }));
    add(`node_modules/${name}/index.js`, "");
  }
  const manifest = {
    type: "module",
    imports: { "#*": "./src/*" },
    dependencies: { koffi: "*", "koffi-is-not-this": "*" },
    devDependencies: { "fast-check": "*" },
  };
  add("package.json", JSON.stringify(manifest));
  for (const [path, text] of files) {
    mkdirSync(join(tree, dirname(path)), { recursive: true });
    writeFileSync(join(tree, path), text || "export const thing = 1;\n");
  }
  return tree;
}

const value = (target: string, index: number): string =>
  `import * as thing${index} from "${target}";\nexport const use${index} = thing${index};\n`;
const type = (target: string, index: number): string =>
  `import type * as thing${index} from "${target}";\nexport type Use${index} = typeof thing${index};\n`;
const passOn = (target: string, index: number): string =>
  `export * as thing${index} from "${target}";\n`;

function offencesOf(
  rows: readonly Row[],
  importing: (target: string, index: number) => string,
): Set<string> {
  const tree = plant(rows, importing);
  try {
    const folders = ["src", "sim", "test"].filter((folder) =>
      rows.some(([, from]) => from.startsWith(`${folder}/`)),
    );
    const { offences } = checkDependencies(tree, folders);
    return new Set(offences.map(({ rule, from }) => `${rule} ${from}`));
  } finally {
    rmSync(tree, { recursive: true });
  }
}

test("each forbidden import is refused by its rule", () => {
  const offences = offencesOf(forbidden, value);
  const missed = forbidden.filter(([rule, from]) => !offences.has(`${rule} ${from}`));
  assert.deepEqual(missed, []);
});

test("passing a name on is an import too", () => {
  const offences = offencesOf(forbidden, passOn);
  const missed = forbidden.filter(([rule, from]) => !offences.has(`${rule} ${from}`));
  assert.deepEqual(missed, []);
});

test("`import type` is an import too", () => {
  const structural = forbidden.filter(([rule]) => /^(layer|door):|^nobody/.test(rule));
  const offences = offencesOf(structural, type);
  const missed = structural.filter(([rule, from]) => !offences.has(`${rule} ${from}`));
  assert.deepEqual(missed, []);
});

test("permitted imports pass", () => {
  assert.deepEqual([...offencesOf(allowed, value)], []);
});

test("every rule has a row that shows it", () => {
  const shown = new Set(forbidden.map(([rule]) => rule));
  const silent = dependencyRules().filter(({ name }) => !shown.has(name));
  assert.deepEqual(silent, []);
});

test("the table is one-way", () => {
  const seen = new Set<string>();
  for (const { area, mayImport } of layers) {
    for (const target of mayImport)
      assert.ok(target === "*" || seen.has(target), `${area} → ${target}`);
    seen.add(area);
  }
});

test("a tree without modules is a failure, not a pass", () => {
  const tree = mkdtempSync(join(tmpdir(), "roost-layers-"));
  mkdirSync(join(tree, "src"));
  try {
    assert.throws(() => checkDependencies(tree, ["src"]), /no modules/);
  } finally {
    rmSync(tree, { recursive: true });
  }
});
