import type { Answer } from "../client/imap-client.ts";
import type { Mailbox, Message, ModelAccount } from "./account.ts";
import type { Content } from "./contents.ts";
import type { Dice, ManualClock } from "./dice.ts";
import type { SessionModel, SyncKind, Told, ToldFetch } from "./session.ts";

/** What generators of commands draw on. */
export interface World {
  readonly dice: Dice;
  readonly clock: ManualClock;
  readonly account: ModelAccount;
  /** Every content that was made. */
  readonly contents: Content[];
  /** What clients without a connection remember of mailboxes. */
  readonly memories: Memory[];
}

/** What a client keeps of a mailbox when it goes offline. RFC 7162 §6 */
export interface Memory {
  readonly mailbox: Mailbox;
  readonly uidValidity: number;
  readonly modseq: number;
  readonly messages: ReadonlyMap<Message, ReadonlySet<string>>;
}

/** A command, what may be answered, and what it does. */
export interface Planned {
  readonly text: string;
  readonly literals?: readonly Uint8Array[];
  /** Status and code that are allowed, such as `OK`, `NO TRYCREATE`; a code may be left out. */
  readonly expected: readonly string[];
  readonly sync: SyncKind;
  /** It changes more than what `switches` does. */
  readonly changes?: boolean;
  /** Changes the model, before untagged responses are looked at. Called after every NO as well. */
  apply?(answer: Answer): void;
  /** What it switches on, whatever it finds: a part of `apply`, for commands that change nothing. */
  switches?(): void;
  /** Looks at what is not the view's. Called after OK and NO. */
  check?(answer: Answer, told: Told): void;
  /** True for a FETCH response that was asked for; others must say which message they are about. */
  claims?(fetched: ToldFetch): boolean;
  /** Names of data responses that belong to it. */
  readonly responses?: readonly string[];
  /** Codes of untagged OK responses that belong to it. */
  readonly codes?: readonly string[];
}

/** Makes a command for a session; undefined where it has no use now. */
export type Generator = (world: World, session: SessionModel) => Planned | undefined;

/** The answer in the form of `Planned.expected`. */
export function outcomeOf(answer: Answer): string {
  return answer.code === null ? answer.status : `${answer.status} ${answer.code}`;
}
