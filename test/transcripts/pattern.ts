/** What a transcript wants as a regular expression. */

/** Values of variables. */
export type Values = Map<string, string>;

/** `…` as it stands in text with one character per byte. */
export const anything = Buffer.from("…").toString("latin1");

/** One character per byte, a dollar sign as \x1a: what `patternOf` reads. */
export function wantedText(text: string): string {
  return Buffer.from(text.replaceAll("$$", "\x1a")).toString("latin1");
}

/** Without anchors. A variable without a value is a group of its name. */
export function patternOf(wanted: string, values: Values): string {
  const names = new Set<string>();
  let pattern = "";
  for (const part of wanted.split(/(\x1a|\$[a-z][a-z0-9]*|\u00e2\u0080\u00a6)/)) {
    const name = part.startsWith("$") ? part.slice(1) : undefined;
    if (part === anything) pattern += "[^]*?";
    else if (part === "\x1a") pattern += "\\$";
    else if (name === undefined) pattern += quoted(part);
    else if (values.has(name)) pattern += quoted(values.get(name)!);
    else if (names.has(name)) pattern += `\\k<${name}>`;
    else {
      names.add(name);
      pattern += `(?<${name}>[A-Za-z0-9_-]+)`;
    }
  }
  return pattern;
}

/** Whether `text` matches; if so the variables in the pattern take their values. */
export function matchAndBind(pattern: RegExp, text: string, values: Values): boolean {
  const match = pattern.exec(text);
  for (const [name, value] of Object.entries(match?.groups ?? {})) values.set(name, value);
  return match !== null;
}

function quoted(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
