import { assert, Refusal } from "#base/assert.ts";
import type { AccountId, MailboxNumber } from "#base/brand.ts";
import type { Clock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import type { Shutdown } from "#base/shutdown.ts";
import type { PeerInfo, SessionStream } from "#base/stream.ts";
import { limits } from "#base/limits.ts";
import { canonicalMailboxName } from "#store/index.ts";
import type { Account, MailboxState, PreparedMessage, Quota, Store } from "#store/index.ts";
import { type CommandDecoder, noRanges, type Ranges, type SequenceSet } from "#wire/index.ts";
import type { ArrivingBytes } from "./arriving-bytes.ts";
import type { Input } from "./input.ts";
import type { Output } from "./output.ts";
import { SessionEnd } from "./responses.ts";
import type { View } from "./view.ts";

/** A client that has logged in: what the proxy hands over. */
export interface ImapArrival {
  readonly stream: SessionStream;
  readonly peer: PeerInfo;
  readonly identity: {
    readonly accountId: AccountId;
    /** The login name in its normal form. */
    readonly name: string;
    readonly quota: Quota;
  };
  /** Of the command that logged in; it still waits for its answer. */
  readonly tag: string;
  /** Holds what the client sent behind that command. */
  readonly decoder: CommandDecoder;
}

/** A session that was frozen, and the connection that it goes on with. */
export interface ImapReturn {
  readonly stream: SessionStream;
  readonly peer: PeerInfo;
  /** Looked up again: rights may have changed meanwhile. */
  readonly identity: ImapArrival["identity"];
  /** What `serveImap` gave. */
  readonly frozen: Uint8Array;
  /** What the client has said since. */
  readonly input?: Uint8Array | undefined;
  /** How long the client has been silent. */
  readonly silentMs: number;
}

/** How the service of a session ended. */
export type ImapEnding =
  | { readonly kind: "ended" }
  /** Nothing was said to the client; the connection is whole, and nobody reads from it. */
  | {
      readonly kind: "frozen";
      readonly frozen: Uint8Array;
      /** The client idles: it is to be told of changes after this modseq of the mailbox. */
      readonly waitsFor: { readonly mailbox: MailboxNumber; readonly modseq: number } | undefined;
      /** An IDLE is under way: the client wants a sign of life now and then. */
      readonly idling: boolean;
      readonly silentMs: number;
    };

/** What sessions need of their surroundings; `roles` hands it in. */
export interface ImapServices {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly shutdown: Shutdown;
  /** Parses a message and encodes its cached fields; without `binary` its line ends become CRLF. */
  prepareMessage(
    message: Uint8Array,
    options: { readonly binary: boolean },
  ): PreparedMessage | Promise<PreparedMessage>;
  /** Memory for messages that are arriving, shared by all sessions. */
  readonly arrivingBytes: ArrivingBytes;
  /** A session whose client is silent for so long is frozen; 0: at once, undefined: never. */
  readonly freezeAfterMs?: number | undefined;
}

/** A selected mailbox. */
export interface Selected {
  readonly view: View;
  /** By EXAMINE. RFC 9051 §6.3.3 */
  readonly readOnly: boolean;
  /** How many keywords the client has heard of, -1 before the first time. */
  keywordsTold: number;
}

/** Extensions that the client has switched on; they stay on. RFC 9051 §6.3.1 */
export interface Enabled {
  /** RFC 7162 §3.1 */
  condstore: boolean;
  /** RFC 7162 §3.2 */
  qresync: boolean;
  /** RFC 9051 §6.3.1 */
  rev2: boolean;
  /** RFC 6855 §3 */
  utf8: boolean;
}

/** What a session takes of the connection that it serves. */
export type SessionArrival = Pick<ImapArrival, "stream" | "peer" | "identity" | "decoder">;

interface SessionContext {
  readonly account: Account;
  readonly output: Output;
  readonly input: Input;
  readonly log: Log;
  readonly capabilities: readonly string[];
}

/** One client that is logged in: its state, and what its commands work with. */
export class Session {
  readonly account: Account;
  readonly services: ImapServices;
  readonly clock: Clock;
  readonly log: Log;
  readonly identity: ImapArrival["identity"];
  readonly peer: PeerInfo;
  readonly output: Output;
  readonly input: Input;
  readonly stream: SessionStream;
  readonly decoder: CommandDecoder;
  readonly enabled: Enabled = { condstore: false, qresync: false, rev2: false, utf8: false };
  selected: Selected | undefined;
  /** True after LOGOUT: what is written is sent, then the connection is closed. */
  ended = false;
  /** To be done when the current command has been answered and the answer was sent. */
  afterAnswer: (() => void) | undefined;
  /** What is announced. */
  readonly capabilities: readonly string[];
  /** The result of the last SEARCH RETURN (SAVE) as ranges of uids. RFC 5182 §2 */
  saved: Ranges = noRanges;

  /** Of the IDLE that is under way. */
  idleTag: string | undefined;

  #sliceEnd = 0;

  constructor(arrival: SessionArrival, services: ImapServices, parts: SessionContext) {
    this.services = services;
    this.clock = services.clock;
    this.log = parts.log;
    this.identity = arrival.identity;
    this.peer = arrival.peer;
    this.decoder = arrival.decoder;
    this.account = parts.account;
    this.output = parts.output;
    this.input = parts.input;
    this.stream = arrival.stream;
    this.capabilities = parts.capabilities;
  }

  /** The view of the selected mailbox; only for commands of the selected state. */
  get view(): View {
    assert(this.selected !== undefined, "A mailbox is selected");
    return this.selected.view;
  }

  /** Mailbox names and quoted strings are UTF-8. */
  get utf8Names(): boolean {
    return this.enabled.rev2 || this.enabled.utf8;
  }

  /**
   * Ends the session when the selected mailbox was deleted meanwhile: then its rows no longer mean
   * anything. To be called after every `await` before the view is looked at again.
   */
  requireMailbox(): MailboxState {
    const { mailbox } = this.view;
    if (this.account.lost !== undefined) throw this.account.lost;
    if (this.account.state.mailboxes.get(mailbox.number) !== mailbox)
      throw new SessionEnd("The selected mailbox was deleted");
    return mailbox;
  }

  /** The mailbox that a client names. Errors: `Refusal` NONEXISTENT. */
  findMailbox(name: string): MailboxState {
    const { mailboxesByName } = this.account.state;
    const mailbox = mailboxesByName.get(name) ?? mailboxesByName.get(canonicalOrSame(name));
    if (mailbox === undefined) throw new Refusal("NONEXISTENT", "There is no such mailbox");
    return mailbox;
  }

  /** Where messages are to be put. Errors: `Refusal` TRYCREATE. RFC 9051 §6.3.12, §6.4.7 */
  targetMailbox(name: string): MailboxState {
    try {
      return this.findMailbox(name);
    } catch (error) {
      if (error instanceof Refusal && error.code === "NONEXISTENT")
        throw new Refusal("TRYCREATE", error.message, { cause: error });
      throw error;
    }
  }

  /**
   * The messages that a set means, as ranges of uids that stay valid over an `await`; see
   * `View.uidsOf`. `$` is the saved result. RFC 5182 §2.1
   */
  resolve(set: SequenceSet, byUid: boolean): Ranges {
    return set.saved ? this.view.clip(this.saved) : this.view.uidsOf(set, byUid);
  }

  /** Leaves the selected mailbox without expunging anything. */
  deselect(): void {
    this.selected = undefined;
    this.saved = noRanges;
  }

  /** Starts measuring the time after which a long command lets others work. */
  startSlice(): void {
    this.#sliceEnd = this.clock.monotonic() + limits.sliceMs;
  }

  /**
   * Undefined: go on. Else to be awaited: the output is full or the time slice is over. Rows and
   * sequence numbers are stale afterwards, and `requireMailbox` is to be called.
   */
  pause(): Promise<void> | undefined {
    // A client that takes all at once makes nobody wait, so the slice counts then, too.
    const sending = this.output.full ? this.output.flush() : undefined;
    if (this.clock.monotonic() < this.#sliceEnd) return sending;
    return sending === undefined ? this.#rest() : sending.then(() => this.#rest());
  }

  /**
   * The same for long work on the selected mailbox: ends the session when that was deleted, or the
   * client has gone meanwhile.
   */
  readonly restOfMailbox = (): Promise<void> | undefined => this.pause()?.then(this.#resume);

  readonly #resume = (): void => {
    this.input.requireClient();
    this.requireMailbox();
  };

  #rest(): Promise<void> {
    return this.clock.yield().then(() => this.startSlice());
  }
}

/** A name that cannot be is the name of no mailbox. */
function canonicalOrSame(name: string): string {
  try {
    return canonicalMailboxName(name);
  } catch (error) {
    if (error instanceof Refusal) return name;
    throw error;
  }
}
