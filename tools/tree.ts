/** The files of the repository, as the checks of tidy.test.ts see them. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

export const repository = join(import.meta.dirname, "..");

/** Written by people and shipped in the repository; everything else is data or installed. */
const folders = ["src", "sim", "test", "bench", "tools", "docs", "ui", "bin", ".ci"];
const rootFile = /\.(md|json|ts|cjs|mjs)$/;
const binaryFile = /\.(png|ico|gz|zst|bin|eml|p12|der)$/;

export interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

function walk(folder: string): string[] {
  const paths: string[] = [];
  for (const entry of readdirSync(join(repository, folder), { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name === "node_modules") continue;
    if (entry.isDirectory()) paths.push(...walk(path));
    else if (entry.isFile()) paths.push(path);
  }
  return paths;
}

function everyPath(): string[] {
  const top = readdirSync(repository, { withFileTypes: true });
  const atRoot = top.filter((entry) => entry.isFile() && rootFile.test(entry.name));
  const below = folders.filter((folder) => top.some((entry) => entry.name === folder));
  return [...atRoot.map(({ name }) => name), ...below.flatMap((folder) => walk(folder))];
}

/** All text files of the repository that people write. */
export const everyFile: readonly SourceFile[] = everyPath()
  .filter((path) => !binaryFile.test(path))
  .map((path) => ({
    path: relative(repository, join(repository, path)).split(sep).join("/"),
    text: readFileSync(join(repository, path), "utf8"),
  }));

/** The TypeScript files under these folders. */
export function typescript(...within: readonly string[]): SourceFile[] {
  return everyFile.filter(
    ({ path }) => path.endsWith(".ts") && within.some((folder) => path.startsWith(`${folder}/`)),
  );
}

export const isTest = (path: string): boolean =>
  /\.(test|contract|bench)\.ts$|\/testing\.ts$/.test(path);

export interface Match {
  /** `path:line`, where an editor finds it. */
  readonly place: string;
  readonly groups: readonly string[];
}

/** Every match of `pattern` (with the `g` flag) in these files. */
export function matches(files: readonly SourceFile[], pattern: RegExp): Match[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(pattern)].map((match) => ({
      place: `${path}:${text.slice(0, match.index).split("\n").length}`,
      groups: [...match],
    })),
  );
}
