import { Refusal } from "#base/assert.ts";
import { limits } from "#base/limits.ts";

/** Separates the levels of a mailbox name. RFC 9051 §5.1.1 */
export const hierarchySeparator = "/";

const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/u;

/**
 * The one form of a mailbox name: NFC, INBOX in capitals whatever its case (also as the first level
 * of a longer name), no separator at the end. RFC 9051 §5.1
 *
 * @throws Refusal CANNOT for a name that cannot be created.
 */
export function canonicalMailboxName(text: string): string {
  let name = text.normalize("NFC");
  if (name.endsWith(hierarchySeparator)) name = name.slice(0, -1);
  const levels = name.split(hierarchySeparator);
  if (levels[0]!.toUpperCase() === "INBOX") levels[0] = "INBOX";
  name = levels.join(hierarchySeparator);
  if (levels.some((level) => level === ""))
    throw new Refusal("CANNOT", "A mailbox name cannot have an empty level");
  if (controls.test(name) || /[%*]/u.test(name) || !name.isWellFormed())
    throw new Refusal("CANNOT", "A mailbox name cannot have control characters, % or *");
  if (levels.length > limits.mailboxDepthMax)
    throw new Refusal("LIMIT", `A mailbox name has at most ${limits.mailboxDepthMax} levels`);
  if (Buffer.byteLength(name) > limits.mailboxNameBytesMax)
    throw new Refusal("LIMIT", `A mailbox name has at most ${limits.mailboxNameBytesMax} bytes`);
  return name;
}

/** Names of the mailboxes above `name`, outermost first. */
export function superiorNames(name: string): string[] {
  const levels = name.split(hierarchySeparator);
  return levels.slice(1).map((_, depth) => levels.slice(0, depth + 1).join(hierarchySeparator));
}
