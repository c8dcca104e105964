/** APPEND, with one message or several. */
import { utf8 } from "#base/bytes.ts";
import { systemFlags } from "../account.ts";
import { type Content, dateTexts, makeContent } from "../contents.ts";
import { demandEqual } from "../failure.ts";
import { canonical, quotedName } from "../names.ts";
import type { Generator, World } from "../planned.ts";
import { numbersOf } from "../sets.ts";
import { likelyName } from "./mailboxes.ts";

export const keywords = ["$Forwarded", "$forwarded", "todo", "Todo", "later"] as const;

/** Flags as a client writes them; they are compared in small letters. */
export function randomFlags({ dice }: World): string[] {
  if (dice.oneIn(4)) return [];
  const flags = ["\\Seen", "\\Deleted", ...systemFlags, ...keywords];
  return Array.from({ length: dice.between(1, 3) }, () => dice.pick(flags));
}

export function asSet(flags: readonly string[]): ReadonlySet<string> {
  return new Set(flags.map((flag) => flag.toLowerCase()));
}

interface Piece {
  readonly content: Content;
  readonly bytes: Uint8Array;
  readonly flags: readonly string[];
  /** Seconds; undefined: now. */
  readonly date: number | undefined;
  readonly text: string;
}

function randomPiece(world: World): Piece {
  const { dice, clock, contents } = world;
  const serial = contents.length + 1;
  const content = makeContent(dice, { serial, now: clock.now(), known: contents });
  contents.push(content);
  const flags = randomFlags(world);
  const date = dice.oneIn(2) ? Math.floor(clock.now() / 1000) - dice.below(4) * 43_200 : undefined;
  const zone = dice.pick([0, 60, -480, 330]);
  const text = [
    ...(flags.length > 0 || dice.oneIn(4) ? [`(${flags.join(" ")})`] : []),
    ...(date === undefined ? [] : [`"${dateTexts(date * 1000, zone).dateTime}"`]),
    "{}",
  ].join(" ");
  // Line ends are made CRLF.
  const bytes = dice.oneIn(6)
    ? utf8(content.bytes.toString().replaceAll("\r\n", "\n"))
    : new Uint8Array(content.bytes);
  return { content, bytes, flags, date, text };
}

export const append: Generator = (world, session) => {
  const { account, dice, clock } = world;
  const sent = likelyName(world);
  const mailbox = account.find(canonical(sent));
  const pieces = Array.from({ length: dice.oneIn(3) ? dice.between(2, 4) : 1 }, () =>
    randomPiece(world),
  );
  const reasons: string[] = [];
  if (mailbox === undefined) reasons.push("NO TRYCREATE");
  if (!account.hasRoom(pieces.length)) reasons.push("NO OVERQUOTA");
  // \Recent is not the client's. RFC 3501 §2.3.2
  const wrongFlag = dice.oneIn(30);
  if (wrongFlag) reasons.push("NO CANNOT");
  const before = wrongFlag ? "(\\Recent) {}" : pieces[0]!.text;
  const texts = [before, ...pieces.slice(1).map(({ text }) => text)];
  const nowSeconds = Math.floor(clock.now() / 1000);
  let uids: number[] = [];
  return {
    text: `APPEND ${quotedName(sent, session.utf8)} ${texts.join(" ")}`,
    literals: pieces.map(({ bytes }) => bytes),
    expected: reasons.length === 0 ? ["OK APPENDUID"] : reasons,
    sync: "all",
    apply: ({ status }) => {
      if (status !== "OK") return;
      const added = account.add(
        mailbox!,
        pieces.map(({ content, flags, date }) => ({
          content,
          flags: asSet(flags),
          internalDate: date ?? nowSeconds,
          savedAt: nowSeconds,
        })),
      );
      uids = added.map(({ uid }) => uid);
    },
    check: ({ status, codeTokens }) => {
      if (status !== "OK") return;
      const [uidValidity, set] = codeTokens;
      demandEqual(uidValidity, mailbox!.uidValidity, "UIDVALIDITY of APPENDUID");
      demandEqual(numbersOf(String(set)), uids, "Uids of APPENDUID");
    },
  };
};
