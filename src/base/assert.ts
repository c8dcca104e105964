/**
 * The three kinds of failure (each protocol maps them once, in one place):
 *  - the client broke the grammar: the protocol's own syntax error;
 *  - we refuse, with a code: `Refusal`;
 *  - we have a bug: everything else, `Bug` when we noticed it ourselves.
 */

/** Codes of a refusal; the protocols translate them to their own response codes. */
export const refusalCodes = [
  "ALREADYEXISTS",
  "AUTHENTICATIONFAILED",
  "AUTHORIZATIONFAILED",
  "BADCHARSET",
  "CANNOT",
  "CLOSED",
  "CORRUPTION",
  "EXPIRED",
  "EXPUNGEISSUED",
  "HASCHILDREN",
  "INUSE",
  "LIMIT",
  "NONEXISTENT",
  "NOPERM",
  "NOTSAVED",
  "OVERQUOTA",
  "PRIVACYREQUIRED",
  "SERVERBUG",
  "TOOBIG",
  "TRYCREATE",
  "UNAVAILABLE",
  "UNKNOWN-CTE",
  "USEATTR",
] as const;

export type RefusalCode = (typeof refusalCodes)[number];

/** What the client may be told: a refusal with a code and a sentence. */
export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly code: RefusalCode;
  constructor(code: RefusalCode, text: string, options?: ErrorOptions) {
    super(text, options);
    this.code = code;
  }
}

/** An assertion that did not hold: our own mistake. */
export class Bug extends Error {
  override readonly name = "Bug";
}

/** States what must be true; throws `Bug` where it is not. */
export function assert(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Bug(text);
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new Bug(`Unreachable value ${JSON.stringify(value)}`);
}

/** The message of whatever was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
