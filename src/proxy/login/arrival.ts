import type { Identity } from "#auth/index.ts";
import type { Shutdown } from "#base/shutdown.ts";
import type { AccountId } from "#base/brand.ts";
import type { ByteStream, PeerInfo, SessionStream } from "#base/stream.ts";
import type { CommandDecoder, Pop3Decoder } from "#wire/index.ts";
import type { SessionEnding, WaitsFor } from "../held-session.ts";

/** What a client said about itself, by field name in lower case. RFC 2971 §3.3 */
export type ClientId = Readonly<Record<string, string>>;

/** A client that has logged in, on its way to whoever serves its mailboxes. */
export interface Arrival {
  readonly stream: SessionStream;
  readonly peer: PeerInfo;
  readonly identity: Identity;
  /** Of the command that logged in; the session answers it, with its own capabilities. */
  readonly tag: string;
  /** Holds what the client sent behind that command. */
  readonly decoder: CommandDecoder;
  readonly clientId: ClientId | undefined;
  /** Begins when the session is to end: with the server, or with what its account may do. */
  readonly shutdown: Shutdown;
}

/** A client whose session was frozen, on its way back to whoever serves its mailboxes. */
export interface ArrivalAgain extends Pick<Arrival, "stream" | "peer" | "identity" | "shutdown"> {
  readonly frozen: Uint8Array;
  /** What the client has said meanwhile. */
  readonly input?: Uint8Array | undefined;
  readonly silentMs: number;
}

/**
 * Serves clients that are logged in until they are done or silent; a rejection is a bug of ours or
 * a broken connection.
 */
export interface MailboxSessions {
  start(arrival: Arrival): Promise<SessionEnding>;
  resume(arrival: ArrivalAgain): Promise<SessionEnding>;
  /** Calls `wake` as soon as a frozen session is to be told something. */
  watch(accountId: AccountId, waitsFor: WaitsFor, wake: () => void): () => void;
}

/** The same for POP3. */
export interface Pop3Arrival {
  readonly stream: ByteStream;
  readonly peer: PeerInfo;
  readonly identity: Identity;
  /** Holds what the client sent behind the command that logged in. */
  readonly decoder: Pop3Decoder;
  /** Begins when the session is to end. */
  readonly shutdown: Shutdown;
  /** What CAPA said before login, and says after it. RFC 2449 §5 */
  readonly capabilities: readonly string[];
  /** It said UTF8, which is not possible any more now. RFC 6856 §2.1 */
  readonly utf8: boolean;
}

export type Pop3SessionStarter = (arrival: Pop3Arrival) => Promise<void>;

/** What the hook `onLogin` is told. */
export interface LoginEvent {
  readonly protocol: "imap" | "pop3";
  readonly identity: Identity;
  readonly peer: PeerInfo;
  /** "LOGIN" for IMAP's command, "PASS" for POP3's, else the name of the SASL mechanism. */
  readonly mechanism: string;
  readonly clientId: ClientId | undefined;
}

/**
 * Called when a password or proof was right, before the client hears of it. A `Refusal` that it
 * throws is the client's answer.
 */
export type OnLogin = (login: LoginEvent) => Promise<void>;
