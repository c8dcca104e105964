/** Reading what belongs to a message of the selected mailbox. */
import { Refusal } from "#base/assert.ts";
import { FormatError } from "#base/bytes.ts";
import { CachedFields, encodeCachedFields, parseMessage } from "#message/index.ts";
import type { Session } from "../session.ts";

/** True where bytes are not those that were written. */
export function isDamage(error: unknown): boolean {
  return error instanceof FormatError || (error instanceof Refusal && error.code === "CORRUPTION");
}

/**
 * The cached fields of a message. Where they are damaged they are made anew of the message itself.
 * Undefined where it was expunged meanwhile. Errors: `Refusal` CORRUPTION (the message is damaged
 * as well), UNAVAILABLE.
 *
 * @param row of the mailbox, valid now
 */
export function readFields(
  session: Session,
  row: number,
): CachedFields | undefined | Promise<CachedFields | undefined> {
  const { uid, message } = session.view.mailbox.rows.arrays;
  try {
    const bytes = session.account.fields(message[row]!);
    if (!(bytes instanceof Promise)) return new CachedFields(bytes);
    return awaitFields(session, uid[row]!, bytes);
  } catch (error) {
    if (!isDamage(error)) throw error;
    return fieldsOfBody(session.account.body(message[row]!));
  }
}

async function awaitFields(
  session: Session,
  uid: number,
  bytes: Promise<Uint8Array>,
): Promise<CachedFields | undefined> {
  try {
    return new CachedFields(await bytes);
  } catch (error) {
    if (!isDamage(error)) throw error;
    // The row may belong to another message by now.
    const { rows } = session.requireMailbox();
    const row = session.view.mailbox.rowOf(uid);
    return row < 0 ? undefined : fieldsOfBody(session.account.body(rows.arrays.message[row]!));
  }
}

function fieldsOfBody(
  body: Uint8Array | Promise<Uint8Array>,
): CachedFields | Promise<CachedFields> {
  return body instanceof Promise ? body.then(parsedFields) : parsedFields(body);
}

function parsedFields(body: Uint8Array): CachedFields {
  return new CachedFields(encodeCachedFields(parseMessage(body)));
}
