/** What one client was told, and whether it may be told what comes next. */
import type { Token } from "#wire/index.ts";
import { type Answer, fetchItems, type ImapClient, type Untagged } from "../client/imap-client.ts";
import { type Mailbox, type Message, type ModelAccount, present, sameFlags } from "./account.ts";
import { demand, demandEqual } from "./failure.ts";
import { checkItem, flagsOf, stateTold } from "./facts.ts";
import { numbersOf } from "./sets.ts";

/** What the client takes the flags of a message for. */
interface Belief {
  flags: ReadonlySet<string>;
  modseq: number;
}

/** The selected mailbox as its client knows it. */
export interface ViewModel {
  readonly mailbox: Mailbox;
  readonly readOnly: boolean;
  /** By sequence number; also messages that are gone without its having been told. */
  list: Message[];
  uidNextSeen: number;
  /** Expunges up to this modseq were told. */
  expungeModseq: number;
  readonly recentFloor: number;
  readonly believed: Map<Message, Belief>;
  /** Flags of the last FLAGS response. */
  flags: ReadonlySet<string>;
}

export type DataResponse = Extract<Untagged, { kind: "data" }>;

export interface ToldFetch {
  readonly message: Message;
  readonly items: ReadonlyMap<string, Token>;
}

/** What came before the tagged response, beside what the view took in. */
export interface Told {
  readonly codes: { readonly code: string; readonly tokens: readonly Token[] }[];
  readonly data: DataResponse[];
  readonly fetches: ToldFetch[];
  /** EXISTS and RECENT, in their order. */
  readonly counts: (readonly [string, number | null])[];
  /** Undefined: there was no VANISHED (EARLIER). */
  vanishedEarlier: number[] | undefined;
}

/**
 * What may be told of the mailbox at the end of a command, and then must be told in full:
 * "all"; all but expunges; nothing.
 */
export type SyncKind = "all" | "held" | "none";

export class SessionModel {
  readonly name: string;
  readonly client: ImapClient;
  readonly enabled = { condstore: false, qresync: false, rev2: false, utf8: false };
  view: ViewModel | undefined;
  /** Uids of the last SEARCH RETURN (SAVE). RFC 5182 §2 */
  saved: ReadonlySet<number> = new Set();
  /** While it idles: what came since, and the end of the command. */
  idling: { readonly tag: string; readonly events: Untagged[]; end: Promise<Answer> } | undefined;

  constructor(name: string, client: ImapClient) {
    this.name = name;
    this.client = client;
  }

  get utf8(): boolean {
    return this.enabled.rev2 || this.enabled.utf8;
  }

  /** The selected mailbox was deleted: the server may only say goodbye. */
  get isStranded(): boolean {
    return this.view?.mailbox.deleted === true;
  }

  open(mailbox: Mailbox, options: { readOnly: boolean; recentFloor: number }): ViewModel {
    const list = present(mailbox);
    this.view = {
      mailbox,
      ...options,
      list,
      uidNextSeen: mailbox.uidNext,
      expungeModseq: mailbox.highestModseq,
      believed: new Map(list.map((message) => [message, beliefOf(message)])),
      flags: new Set(),
    };
    return this.view;
  }

  leave(): void {
    this.view = undefined;
    this.saved = new Set();
  }

  /**
   * Takes in untagged responses in their order. Errors: `Disagreement`.
   *
   * @param since another command ran at the same time, after this modseq: messages that it
   *   expunged were still there for a while, and its new ones need not be told yet.
   */
  take(
    events: readonly Untagged[],
    account: ModelAccount,
    { sync, since = Infinity }: { sync: SyncKind; since?: number },
  ): Told {
    const told: Told = { codes: [], data: [], fetches: [], counts: [], vanishedEarlier: undefined };
    for (const event of events) {
      if (event.kind === "status") {
        demand(event.tag === "*", `Unknown tag ${event.tag}`);
        demand(event.status === "OK", `Untagged ${event.status} ${event.text}`);
        if (event.code !== null) told.codes.push({ code: event.code, tokens: event.codeTokens });
      } else new Taking(this, { account, sync, told, since }).data(event);
    }
    return told;
  }

  /** Demands that nothing is left untold. */
  checkComplete(sync: SyncKind): void {
    const { view, enabled } = this;
    if (view === undefined || sync === "none") return;
    const { mailbox } = view;
    const expected = sync === "all" ? present(mailbox) : [...view.list, ...arrivals(view, sync)];
    demandEqual(
      view.list.map(({ uid }) => uid),
      expected.map(({ uid }) => uid),
      `Uids that ${this.name} was told of`,
    );
    view.uidNextSeen = mailbox.uidNext;
    if (sync === "all") view.expungeModseq = mailbox.highestModseq;
    for (const message of view.list) {
      if (message.goneAt !== undefined) continue;
      const { flags, modseq } = view.believed.get(message)!;
      demand(
        sameFlags(flags, message.flags),
        () =>
          `Flags of uid ${message.uid} are ${[...message.flags].join(" ")}, told ${[...flags].join(" ")}`,
      );
      if (enabled.condstore) demandEqual(modseq, message.modseq, `MODSEQ told of ${message.uid}`);
    }
  }
}

function beliefOf({ flags, modseq }: Message): Belief {
  return { flags, modseq };
}

/** Messages that are to be announced, also such as came and went while expunges were held back. */
function arrivals(view: ViewModel, sync: SyncKind): Message[] {
  return view.mailbox.messages.filter(
    ({ uid, goneAt }) =>
      uid >= view.uidNextSeen &&
      !view.list.some((known) => known.uid === uid) &&
      (goneAt === undefined || (sync === "held" && goneAt > view.expungeModseq)),
  );
}

class Taking {
  readonly #session: SessionModel;
  readonly #account: ModelAccount;
  readonly #sync: SyncKind;
  readonly #told: Told;
  readonly #since: number;

  constructor(
    session: SessionModel,
    of: { account: ModelAccount; sync: SyncKind; told: Told; since: number },
  ) {
    this.#session = session;
    this.#since = of.since;
    this.#account = of.account;
    this.#sync = of.sync;
    this.#told = of.told;
  }

  #view(name: string): ViewModel {
    const { view } = this.#session;
    demand(view !== undefined, `${name} without a selected mailbox`);
    return view;
  }

  data(event: DataResponse): void {
    const { name, number, tokens } = event;
    if (name === "EXISTS" || name === "RECENT") this.#told.counts.push([name, number]);
    switch (name) {
      case "EXISTS":
        return this.#exists(number!);
      case "RECENT":
        return this.#recent(number!);
      case "EXPUNGE":
        return this.#expunge(number!);
      case "FETCH":
        return this.#fetch(event);
      case "VANISHED":
        return this.#vanished(tokens);
      case "FLAGS":
        this.#view(name).flags = flagsOf(tokens[0]);
        return;
      default:
        this.#told.data.push(event);
    }
  }

  #exists(count: number): void {
    const view = this.#view("EXISTS");
    const fresh = arrivals(view, this.#sync);
    demandEqual(count, view.list.length + fresh.length, "EXISTS");
    view.list.push(...fresh);
    for (const message of fresh) view.believed.set(message, beliefOf(message));
    if (!this.#session.enabled.rev2 && !view.readOnly && fresh.length > 0)
      view.mailbox.firstRecent = view.mailbox.uidNext;
  }

  #recent(count: number): void {
    const view = this.#view("RECENT");
    demand(!this.#session.enabled.rev2, "RECENT in IMAP4rev2");
    const recent = view.list.filter(({ uid }) => uid >= view.recentFloor);
    demandEqual(count, recent.length, "RECENT");
  }

  #requireExpunge(): ViewModel {
    demand(this.#sync === "all", "An expunge is told where it must not be");
    return this.#view("EXPUNGE");
  }

  #expunge(seq: number): void {
    const view = this.#requireExpunge();
    demand(!this.#session.enabled.qresync, "EXPUNGE in spite of QRESYNC");
    const message = view.list[seq - 1];
    demand(message !== undefined, `EXPUNGE of ${seq}, there are ${view.list.length}`);
    demand(message.goneAt !== undefined, `EXPUNGE of uid ${message.uid}, which is there`);
    view.list.splice(seq - 1, 1);
  }

  #vanished(tokens: readonly Token[]): void {
    demand(this.#session.enabled.qresync, "VANISHED without QRESYNC");
    const uids = numbersOf(String(tokens.at(-1)));
    if (tokens.length > 1) {
      demandEqual(tokens[0], ["EARLIER"], "VANISHED");
      // Otherwise the numbers in FETCH responses would be misread. RFC 7162 §3.2.6
      demandEqual(this.#told.fetches.length, 0, "FETCH responses before VANISHED (EARLIER)");
      (this.#told.vanishedEarlier ??= []).push(...uids);
      return;
    }
    const view = this.#requireExpunge();
    for (const uid of uids) {
      const at = view.list.findIndex((message) => message.uid === uid);
      demand(at >= 0, `VANISHED ${uid}, which was not announced`);
      demand(view.list[at]!.goneAt !== undefined, `VANISHED ${uid}, which is there`);
      view.list.splice(at, 1);
    }
  }

  #fetch(event: DataResponse): void {
    const { enabled } = this.#session;
    const view = this.#view("FETCH");
    const message = view.list[event.number! - 1];
    demand(message !== undefined, `FETCH of ${event.number}, there are ${view.list.length}`);
    demand(
      message.goneAt === undefined || message.goneAt > this.#since,
      `FETCH of uid ${message.uid}, which is gone`,
    );
    const items = fetchItems(event);
    demand(items.size > 0, "FETCH without items");
    const recent = !enabled.rev2 && message.uid >= view.recentFloor;
    const context = { account: this.#account, mailbox: view.mailbox, message, recent };
    for (const [name, token] of items) checkItem(name, token, context);
    this.#told.fetches.push({ message, items });
    const belief = view.believed.get(message)!;
    if (items.has("FLAGS")) {
      const state = stateTold(message, items.get("FLAGS"));
      for (const flag of state.flags)
        demand(view.flags.has(flag), `${flag} is used before FLAGS told of it`);
      belief.flags = state.flags;
      if (!enabled.condstore) belief.modseq = state.modseq;
    }
    if (items.has("MODSEQ")) belief.modseq = (items.get("MODSEQ") as readonly number[])[0]!;
  }
}
