/** SORT by its criteria. RFC 5256 §3 */
import type { Message } from "../account.ts";
import type { Address } from "../contents.ts";
import type { Dice } from "../dice.ts";

const keys = ["ARRIVAL", "CC", "DATE", "FROM", "SIZE", "SUBJECT", "TO"] as const;

export function randomCriteria(dice: Dice): string[] {
  return Array.from({ length: dice.between(1, 3) }, () => {
    const key = dice.pick(keys);
    return dice.oneIn(3) ? `REVERSE ${key}` : key;
  });
}

/** Seconds; without a valid Date field that of the arrival. RFC 5256 §2.2 */
export function sentSeconds({ content, internalDate }: Message): number {
  return content.sent === undefined ? internalDate : content.sent.ms / 1000;
}

function firstMailbox(list: readonly Address[]): string {
  return list[0]?.mailbox.toUpperCase() ?? "";
}

function valueOf(message: Message, key: (typeof keys)[number]): string | number {
  const { content } = message;
  switch (key) {
    case "ARRIVAL":
      return message.internalDate;
    case "DATE":
      return sentSeconds(message);
    case "SIZE":
      return content.bytes.length;
    case "SUBJECT":
      return content.subject.base;
    case "CC":
      return firstMailbox(content.cc);
    case "FROM":
      return firstMailbox(content.from);
    case "TO":
      return firstMailbox(content.to);
  }
}

/** Messages that compare equal come in the order of the mailbox. */
export function compareBy(criteria: readonly string[]): (a: Message, b: Message) => number {
  return (a, b) => {
    for (const criterion of criteria) {
      const key = criterion.split(" ").at(-1) as (typeof keys)[number];
      const [x, y] = [valueOf(a, key), valueOf(b, key)];
      if (x === y) continue;
      return x < y === criterion.startsWith("REVERSE") ? 1 : -1;
    }
    return a.uid - b.uid;
  };
}
