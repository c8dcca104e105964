/** Habits that no linter knows, as tests. Each failure lists the places and what to do there. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { missingPlatformPackages } from "./complete-lock.ts";
import { layers } from "./layers.ts";
import { citations, readStandards, statusWords } from "./standards.ts";
import { everyFile, isTest, matches, repository, typescript } from "./tree.ts";
import type { SourceFile } from "./tree.ts";

const source = typescript("src");
const code = typescript("src", "sim", "test", "bench", "tools");
const pages = everyFile.filter(({ path }) => path.endsWith(".md"));
const itself = "tools/tidy.test.ts";

/** Fails with one line for each offence. */
function none(offences: readonly string[], advice: string): void {
  assert.ok(offences.length === 0, `${advice}\n  ${offences.join("\n  ")}`);
}

/** Fails where `pattern` occurs in `files`; shows the text found. */
function nowhere(files: readonly SourceFile[], pattern: RegExp, advice: string): void {
  const found = matches(files, pattern);
  none(
    found.map(({ place, groups }) => `${place}: ${groups[0]?.trim()}`),
    advice,
  );
}

describe("standards", () => {
  const standards = readStandards();

  test("every RFC that code cites has a row in docs/standards.md", () => {
    const known = new Set(standards.map(({ rfc }) => rfc));
    const unknown = citations().filter(({ rfc }) => !known.has(rfc));
    none(
      unknown.map(({ rfc, place }) => `RFC ${rfc} at ${place}`),
      "Add a row to docs/standards.md (or correct the number):",
    );
  });

  test("rows are complete, in order, and their status is a known word", () => {
    assert.ok(standards.length > 0, "docs/standards.md has no table");
    const words = new Set<string>(statusWords);
    const offences = standards.flatMap(({ rfc, title, status, area }, i) => {
      const problems = [];
      if (!words.has(status.split(":")[0]!)) problems.push(`status "${status}"`);
      if (status === "partly") problems.push("say what is missing: `partly: no ...`");
      if (title === "" || area === "") problems.push("an empty column");
      if (i > 0 && standards[i - 1]!.rfc >= rfc) problems.push("out of order, or there twice");
      return problems.map((problem) => `RFC ${rfc}: ${problem}`);
    });
    none(offences, `In docs/standards.md (status is one of ${statusWords.join(", ")}):`);
  });
});

describe("size", () => {
  const linesMax = 500;
  /** A listed file may be this much shorter than its entry before the entry must follow. */
  const slack = 25;
  const { longFiles } = JSON.parse(
    readFileSync(join(repository, "tools/ratchet.json"), "utf8"),
  ) as { longFiles: Record<string, number> };

  test(`files have at most ${linesMax} lines; the list of longer ones only shrinks`, () => {
    const lengths = new Map(code.map(({ path, text }) => [path, text.split("\n").length - 1]));
    const offences: string[] = [];
    for (const [path, length] of lengths) {
      const listed = longFiles[path];
      if (length > (listed ?? linesMax)) offences.push(`${path}: ${length}; find its second noun`);
    }
    for (const [path, listed] of Object.entries(longFiles)) {
      const length = lengths.get(path);
      if (length === undefined || length <= linesMax) offences.push(`${path}: strike it off`);
      else if (length < listed - slack) offences.push(`${path}: lower its entry to ${length}`);
    }
    none(offences, "Lines of files against tools/ratchet.json:");
  });
});

describe("areas", () => {
  const doors = layers.filter(({ area, open }) => open !== true && !area.endsWith(".ts"));

  test("every folder of src/ is in the layer table", () => {
    const places = layers.map(({ area }) => `src/${area}`);
    const strangers = source.filter(
      ({ path }) => !places.some((place) => path === place || path.startsWith(`${place}/`)),
    );
    none(
      strangers.map(({ path }) => path),
      "No layer rule holds for these; see tools/layers.ts:",
    );
  });

  test("every area has a door that opens with its contract", () => {
    const offences = doors.flatMap(({ area }) => {
      if (!source.some(({ path }) => path.startsWith(`src/${area}/`))) return [];
      const door = source.find(({ path }) => path === `src/${area}/index.ts`);
      if (door === undefined) return [`src/${area}/index.ts is missing`];
      const comment = /^\/\*\*([\s\S]*?)\*\//.exec(door.text)?.[1] ?? "";
      if (comment.length < 120) return [`${door.path}: open it with the area's contract`];
      return [];
    });
    none(offences, "A door is src/<area>/index.ts:");
  });

  test("a door exports names and nothing else", () => {
    const open = source.filter(({ path }) =>
      doors.some(({ area }) => path === `src/${area}/index.ts`),
    );
    nowhere(
      open,
      /^(export (?!(type )?\{).*|(const|let|function|class|async|if|for) .*)$/gm,
      "Only `export { name } from` and `export type { Name } from`:",
    );
  });
});

describe("stored formats", () => {
  const tagged = matches(source, /@format ([a-z][a-z0-9-]*)/g);
  const twins = pages.filter(({ path }) => path.startsWith("docs/formats/"));

  test("every @format has its page, and every page its @format", () => {
    const names = new Set(tagged.map(({ groups }) => groups[1]));
    const withoutPage = tagged
      .filter(({ groups }) => !twins.some(({ path }) => path === `docs/formats/${groups[1]}.md`))
      .map(({ place, groups }) => `${place}: docs/formats/${groups[1]}.md is missing`);
    const withoutCode = twins
      .filter(
        ({ path }) => !path.endsWith("/README.md") && !names.has(/([^/]+)\.md$/.exec(path)?.[1]),
      )
      .map(({ path }) => `${path}: no file in src/ says @format ${/([^/]+)\.md$/.exec(path)?.[1]}`);
    none(
      [...withoutPage, ...withoutCode],
      "A stored format is told twice, at its type and in prose:",
    );
  });

  test("a file that defines a version or a magic number says which format it is", () => {
    const versioned =
      /^(?:export )?const (\w*(?:formatVersion|FORMAT_VERSION|magic|MAGIC)\w*)\b/gim;
    const silent = source.filter(({ path, text }) => !isTest(path) && !text.includes("@format "));
    nowhere(
      silent,
      versioned,
      "Add `@format <name>` to its doc comment and docs/formats/<name>.md:",
    );
  });
});

describe("documents", () => {
  /** GitHub's anchor of a heading. */
  const anchor = (heading: string): string =>
    heading
      .toLowerCase()
      .replaceAll(/[`*]|\[|\]\([^)]*\)/g, "")
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, "")
      .replaceAll(" ", "-");
  const withoutCode = (text: string): string => text.replaceAll(/^```[\s\S]*?^```/gm, "");
  const anchors = (text: string): Set<string> =>
    new Set(
      [...withoutCode(text).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchor(heading)),
    );

  test("links between pages lead somewhere", () => {
    const offences = pages.flatMap((page) =>
      [...withoutCode(page.text).matchAll(/\]\((?!\w+:)([^)\s#]*)(?:#([^)\s]*))?\)/g)].flatMap(
        ([whole, target = "", fragment]) => {
          const path = target === "" ? page.path : join(dirname(page.path), target);
          if (!existsSync(join(repository, path))) return [`${page.path}: ${whole}`];
          const other = pages.find((candidate) => candidate.path === path);
          if (fragment === undefined || other === undefined) return [];
          return anchors(other.text).has(fragment) ? [] : [`${page.path}: ${whole}`];
        },
      ),
    );
    none(offences, "Dead links:");
  });

  test("a page has one title", () => {
    const offences = pages.filter(
      ({ text }) => [...withoutCode(text).matchAll(/^# /gm)].length !== 1,
    );
    none(
      offences.map(({ path }) => path),
      "Exactly one `# ` heading:",
    );
  });
});

describe("names", () => {
  test("no file or folder is named after nothing in particular", () => {
    const empty = /(^|[/.-])(utils?|helpers?|common|managers?|handlers?|misc)([/.-]|$)/;
    const offences = code.filter(({ path }) => empty.test(path));
    none(
      offences.map(({ path }) => path),
      "Say what it is or does:",
    );
  });

  test("files are in kebab-case", () => {
    const offences = code.filter(({ path }) => !/^([a-z0-9]+(-[a-z0-9]+)*[./])+ts$/.test(path));
    none(
      offences.map(({ path }) => path),
      "Rename:",
    );
  });
});

describe("text", () => {
  const others = everyFile.filter(({ path }) => path !== itself);

  test("nothing of one machine is in the repository", () => {
    nowhere(
      others,
      /(?<![\w.~-])\/(home|root|Users)\/\w[^\s"'`)]*|https?:\/\/(registry|npm)\.[^\s"'`)]*/g,
      "Machine paths and registry hosts:",
    );
  });

  test("no test is narrowed, put off or switched off without a word", () => {
    nowhere(
      code.filter(({ path }) => path !== itself),
      /\b(test|it|describe|suite)\.(only|todo|skip)\b|\bonly: true|\bskip: true/g,
      'Run it, or give the reason: `{ skip: "needs ..." }`:',
    );
  });

  test("what is left to do has an issue", () => {
    nowhere(
      code.filter(({ path }) => path !== itself),
      /\b(FIXME|XXX|HACK)\b.*|\bTODO\b(?!\(#\d+\)).*/g,
      "Write `TODO(#issue): ...` or do it:",
    );
  });

  test("a lint rule is switched off only with a reason", () => {
    nowhere(
      code.filter(({ path }) => path !== itself),
      /(?:oxlint|eslint)-disable(?:(?! -- ).)*$/gm,
      "`// oxlint-disable-next-line rule -- why`:",
    );
  });
});

describe("packages", () => {
  test("the lock file has the packages of every platform", () => {
    none(missingPlatformPackages(), "`npm ci` would fail; run `node tools/complete-lock.ts`:");
  });
});

describe("time", () => {
  const bound = [...source, ...typescript("sim")].filter(
    ({ path }) => !isTest(path) && !/^src\/(base|roles|admin\/cli)\//.test(path),
  );

  test("no code asks the process for the date", () => {
    nowhere(bound, /\bnew Date\(\)|(?<!new )\bDate\(\)/g, "new Date(clock.now()):");
  });

  test("no result depends on the time zone or language of the machine", () => {
    nowhere(
      bound,
      /\.(get|set)(FullYear|Month|Date|Day|Hours|Minutes|Seconds|Milliseconds)\(|\.getTimezoneOffset\(|\.toLocale\w+\(|\.localeCompare\(/g,
      "Use the UTC methods, or compare bytes:",
    );
  });
});
