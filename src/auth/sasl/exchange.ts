import type { Identity, Peer } from "../identity.ts";
import type { ScramHash, ScramVerifier } from "./scram-keys.ts";

/** What the server sends next. */
export type SaslStep =
  | { readonly kind: "challenge"; readonly data: Uint8Array }
  /**
   * The client is logged in. A protocol without room for `data` in its success response (IMAP,
   * POP3) sends it as one more challenge, expects an empty response and then reports success.
   */
  | { readonly kind: "done"; readonly identity: Identity; readonly data?: Uint8Array };

/**
 * The server's side of one SASL authentication (RFC 4422 §3). It knows no base64 and no protocol.
 * `step` takes the client's response, without base64; undefined only in the first call and only
 * when the client sent no initial response. Steps are taken one after another, never at once.
 * Every failure, a malformed response included, is a `Refusal` and ends the exchange; a later
 * step is a bug.
 */
export interface SaslExchange {
  step(response: Uint8Array | undefined): Promise<SaslStep>;
}

/** Kinds of channel binding we serve. RFC 9266 §2, RFC 5929 §4 */
export type ChannelBindingType = "tls-exporter" | "tls-server-end-point";

/** What a mechanism may ask of the authenticator. */
export interface CredentialCheck {
  /** Checks a password as sent; throws `Refusal`. */
  verify(name: string, password: string, peer: Peer): Promise<Identity>;
  /** What SCRAM starts with; unknown names get a decoy that no proof fits. */
  scramChallenge(name: string, hash: ScramHash): Promise<ScramChallenge>;
  /** Checks a client proof; throws `Refusal`. */
  verifyScram(challenge: ScramChallenge, proof: ScramProof): Promise<ScramSuccess>;
}

/** All verifiers of one account that share salt and iteration count: main and app passwords. */
export interface ScramChallenge {
  readonly name: string;
  readonly hash: ScramHash;
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly verifiers: readonly ScramVerifier[];
}

export interface ScramProof {
  readonly authMessage: Uint8Array;
  readonly clientProof: Uint8Array;
  readonly peer: Peer;
}

export interface ScramSuccess {
  readonly identity: Identity;
  readonly serverSignature: Uint8Array;
}

/** What one exchange runs in. */
export interface SaslContext {
  readonly credentials: CredentialCheck;
  readonly peer: Peer;
  /** A fresh nonce: printable ASCII without commas. */
  nonce(): string;
  /** The binding data of the TLS connection; undefined without TLS or where it cannot be had. */
  channelBinding(type: ChannelBindingType): Uint8Array | undefined;
}
