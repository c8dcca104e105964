import { limits } from "#base/limits.ts";
import type { CachedFields } from "#message/index.ts";
import type { MailboxState } from "#store/index.ts";
import { isDamage, readFields } from "../fetch/contents.ts";
import type { Session } from "../session.ts";
import { type KeyColumn, type KeyKind, ReferencesColumn, TextColumn } from "./key-columns.ts";

/**
 * Derived keys of the messages of a mailbox. What belongs to a uid never changes, so new messages
 * only extend them; what was expunged is left in until it is more than half.
 */
export class MailboxKeys {
  readonly subject = new TextColumn("subject");
  readonly from = new TextColumn("from");
  readonly to = new TextColumn("to");
  readonly cc = new TextColumn("cc");
  readonly references = new ReferencesColumn();

  get bytes(): number {
    const { subject, from, to, cc, references } = this;
    return subject.bytes + from.bytes + to.bytes + cc.bytes + references.bytes;
  }

  get count(): number {
    const { subject, from, to, cc, references } = this;
    return Math.max(subject.count, from.count, to.count, cc.count, references.count);
  }
}

interface Kept {
  readonly mailbox: WeakRef<MailboxState>;
  readonly keys: WeakRef<MailboxKeys>;
}

/** Keys of mailboxes that were sorted lately, the least recently used first to be forgotten. */
const known = new WeakMap<MailboxState, MailboxKeys>();
let kept: Kept[] = [];

/** What the keys of a command are. */
export interface ReadKeys {
  readonly keys: MailboxKeys;
  /** Some messages could not be read, and count as having no header. */
  readonly damaged: boolean;
}

/**
 * Keys of the kinds that are asked for, of all messages in `uids` at least. Reads the cached fields
 * of messages that no earlier command has asked about; lets others work meanwhile.
 * Errors: `Refusal` UNAVAILABLE.
 *
 * @param uids ascending
 */
export async function readKeys(
  session: Session,
  uids: Uint32Array,
  kinds: readonly KeyKind[],
): Promise<ReadKeys> {
  const { mailbox } = session.view;
  let keys = known.get(mailbox);
  if (keys !== undefined && keys.count > 2 * mailbox.count + 1_000) keys = undefined;
  keys ??= new MailboxKeys();
  const columns = kinds.map((kind) => keys[kind]);
  const from = 1 + Math.min(...columns.map((column) => column.lastUid));
  const fresh = mailbox.count - mailbox.firstRowFrom(from);
  // Few of many messages are not worth reading all of them.
  if (uids.length * 4 < fresh) {
    const own = new MailboxKeys();
    const damaged = await extend(
      session,
      kinds.map((kind) => own[kind]),
      uids,
    );
    return { keys: own, damaged };
  }
  const needed = mailbox.rows.arrays.uid.slice(mailbox.firstRowFrom(from), mailbox.count);
  const damaged = await extend(session, columns, needed);
  keep(mailbox, keys);
  return { keys, damaged };
}

/**
 * Appends the messages in `uids` that a column does not have yet; true where some could not be
 * read. Another command may extend the same columns at the same time: each takes what comes next.
 */
async function extend(
  session: Session,
  columns: readonly KeyColumn[],
  uids: Uint32Array,
): Promise<boolean> {
  const { mailbox } = session.view;
  let damaged = false;
  session.startSlice();
  for (const uid of uids) {
    const pause = session.pause();
    if (pause !== undefined) {
      await pause;
      session.requireMailbox();
    }
    if (columns.every((column) => column.lastUid >= uid)) continue;
    const row = mailbox.rowOf(uid);
    if (row < 0) continue;
    let fields: CachedFields | undefined;
    try {
      const found = readFields(session, row);
      if (found instanceof Promise) {
        fields = await found;
        session.requireMailbox();
      } else fields = found;
    } catch (error) {
      if (!isDamage(error)) throw error;
      damaged = true;
    }
    for (const column of columns) if (column.lastUid < uid) column.append(uid, fields);
  }
  return damaged;
}

/** Remembers the keys of a mailbox, and forgets others where they take too much memory. */
function keep(mailbox: MailboxState, keys: MailboxKeys): void {
  known.set(mailbox, keys);
  kept = kept.filter(({ keys: other }) => {
    const found = other.deref();
    return found !== undefined && found !== keys;
  });
  kept.push({ mailbox: new WeakRef(mailbox), keys: new WeakRef(keys) });
  let bytes = 0;
  for (let i = kept.length - 1; i >= 0; i--) {
    bytes += kept[i]!.keys.deref()?.bytes ?? 0;
    if (bytes <= limits.sortKeyBytesMax) continue;
    for (const { mailbox: old } of kept.slice(0, i + 1)) {
      const forgotten = old.deref();
      if (forgotten !== undefined) known.delete(forgotten);
    }
    kept = kept.slice(i + 1);
    return;
  }
}
