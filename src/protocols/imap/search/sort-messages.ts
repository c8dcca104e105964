import type { MessageKeys, TextKey } from "#store/index.ts";
import type { SortCriterion } from "#wire/index.ts";
import type { Session } from "../session.ts";
import { inSteps } from "./in-steps.ts";
import { asKeys, ascending, reversed, stableOrder } from "./stable-order.ts";

const textKeys: Readonly<Partial<Record<SortCriterion["key"], TextKey>>> = {
  SUBJECT: "subject",
  FROM: "from",
  TO: "to",
  CC: "cc",
};

/**
 * The order of messages by the criteria, as indexes into `uids`; messages that compare equal keep
 * the order of the mailbox. RFC 5256 §3
 *
 * @param uids ascending
 */
export async function sortMessages(
  session: Session,
  uids: Uint32Array,
  criteria: readonly SortCriterion[],
): Promise<{ order: Uint32Array; damaged: boolean }> {
  // A key that was used already decides nothing more.
  const decisive = criteria.filter(
    ({ key }, index) => criteria.findIndex((other) => other.key === key) === index,
  );
  const kinds = decisive.flatMap(({ key }) => textKeys[key] ?? []);
  const { mailbox } = session.view;
  const rest = session.restOfMailbox;
  const read =
    kinds.length === 0
      ? undefined
      : await session.account.keys.read(mailbox, { uids, kinds }, rest);
  let order = ascending(uids.length);
  // From the least significant criterion to the most significant one, each keeping ties as they are.
  for (const { key, reverse } of decisive.toReversed()) {
    const keys = await keysOf(session, uids, { key, keys: read?.keys });
    order = await stableOrder(session, order, reverse ? await reversed(session, keys) : keys);
  }
  return { order, damaged: read?.damaged ?? false };
}

async function keysOf(
  session: Session,
  uids: Uint32Array,
  { key, keys }: { key: SortCriterion["key"]; keys: MessageKeys | undefined },
): Promise<Uint32Array> {
  const kind = textKeys[key];
  if (kind !== undefined) {
    const { mailbox } = session.view;
    return keys!.ranks(mailbox, { uids, key: kind }, session.restOfMailbox);
  }
  if (key === "SIZE") return columnKeys(session, uids, ({ size }, message) => size[message]!);
  if (key === "DATE") return sentKeys(session, uids);
  return columnKeys(session, uids, ({ internalDate }, message) =>
    Math.floor(internalDate[message]! / 1000),
  );
}

/** Sent dates in seconds; without a valid one the internal date counts. RFC 5256 §2.2 */
export function sentKeys(session: Session, uids: Uint32Array): Promise<Uint32Array> {
  return columnKeys(session, uids, ({ internalDate, sentDate }, message) => {
    const sent = sentDate[message]!;
    return Math.floor((Number.isNaN(sent) ? internalDate[message]! : sent) / 1000);
  });
}

type MessageColumns = Session["account"]["state"]["messages"]["arrays"];

async function columnKeys(
  session: Session,
  uids: Uint32Array,
  valueOf: (columns: MessageColumns, message: number) => number,
): Promise<Uint32Array> {
  const values = new Float64Array(uids.length);
  await inSteps(session, uids.length, (start, end) => {
    const mailbox = session.requireMailbox();
    const columns = session.account.state.messages.arrays;
    const { uid: all, message } = mailbox.rows.arrays;
    const { count } = mailbox;
    let row = mailbox.firstRowFrom(uids[start]!);
    for (let i = start; i < end; i++) {
      if (row < count && all[row]! < uids[i]!) row = mailbox.firstRowFrom(uids[i]!);
      // What was expunged meanwhile sorts as if it had no value.
      if (row < count && all[row] === uids[i]) values[i] = valueOf(columns, message[row++]!);
    }
  });
  return asKeys(session, values);
}
