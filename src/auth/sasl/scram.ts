import { Refusal, assert } from "#base/assert.ts";
import { asBuffer, concatBytes, equalBytes, noBytes, utf8 } from "#base/bytes.ts";
import type {
  ChannelBindingType,
  SaslContext,
  SaslExchange,
  SaslStep,
  ScramChallenge,
} from "./exchange.ts";
import { authorize, malformed, responseText } from "./plain.ts";
import { digestLength } from "./scram-keys.ts";
import type { ScramHash } from "./scram-keys.ts";

export interface ScramOptions {
  readonly hash: ScramHash;
  /** Whether this is the -PLUS variant, which demands channel binding. */
  readonly plus: boolean;
  /** Whether the server offers the -PLUS variant on this connection. */
  readonly plusOffered: boolean;
}

interface ClientFirst {
  /** Up to and with the second comma; comes back inside the channel binding. */
  readonly gs2Header: string;
  /** The rest. */
  readonly bare: string;
  readonly binding: ChannelBindingType | undefined;
  readonly authzid: string;
  readonly name: string;
  readonly nonce: string;
}

interface Conversation {
  readonly first: ClientFirst;
  readonly serverFirst: string;
  readonly nonce: string;
  readonly challenge: ScramChallenge;
}

const bindingTypes: readonly string[] = ["tls-exporter", "tls-server-end-point"];

/** SCRAM-SHA-1 and SCRAM-SHA-256, with and without -PLUS. RFC 5802 §5, RFC 7677 §3 */
export class ScramExchange implements SaslExchange {
  readonly #context: SaslContext;
  readonly #options: ScramOptions;
  readonly #mechanism: string;
  #conversation: Conversation | undefined;
  #ended = false;

  constructor(context: SaslContext, options: ScramOptions) {
    this.#context = context;
    this.#options = options;
    this.#mechanism = options.hash === "sha1" ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
  }

  async step(response: Uint8Array | undefined): Promise<SaslStep> {
    assert(!this.#ended, "No step follows the last one");
    if (response === undefined) return { kind: "challenge", data: noBytes };
    // Set back below when the first message was right: every throw ends the exchange.
    this.#ended = true;
    const text = responseText(response, this.#mechanism);
    const conversation = this.#conversation;
    if (conversation !== undefined) return this.#finish(conversation, text);
    const challenge = await this.#begin(text);
    this.#ended = false;
    return challenge;
  }

  async #begin(text: string): Promise<SaslStep> {
    const first = this.#parseFirst(text);
    const nonce = first.nonce + this.#context.nonce();
    const { credentials } = this.#context;
    const challenge = await credentials.scramChallenge(first.name, this.#options.hash);
    const salt = asBuffer(challenge.salt).toString("base64");
    const serverFirst = `r=${nonce},s=${salt},i=${challenge.iterations}`;
    this.#conversation = { first, serverFirst, nonce, challenge };
    return { kind: "challenge", data: utf8(serverFirst) };
  }

  /** client-first-message. RFC 5802 §7 */
  #parseFirst(text: string): ClientFirst {
    const match =
      /^(?<header>(?<flag>n|y|p=[A-Za-z0-9.-]+),(?:a=(?<authzid>[^,\0]+))?,)(?<bare>n=(?<name>[^,\0]+),r=(?<nonce>[!-+\--~]+)(?:,[A-Za-z]=[^,\0]*)*)$/.exec(
        text,
      );
    if (match?.groups === undefined) throw malformed(this.#mechanism);
    const { header, flag, authzid, bare, name, nonce } = match.groups as {
      readonly [group in "header" | "flag" | "bare" | "name" | "nonce"]: string;
    } & { readonly authzid?: string };
    return {
      gs2Header: header,
      bare,
      binding: this.#bindingOf(flag),
      authzid: authzid === undefined ? "" : this.#saslName(authzid),
      name: this.#saslName(name),
      nonce,
    };
  }

  /** What the client wants to bind to; refuses what an attacker in the middle would ask for. */
  // RFC 5802 §6
  #bindingOf(flag: string): ChannelBindingType | undefined {
    const { plus, plusOffered } = this.#options;
    if (!flag.startsWith("p=")) {
      if (plus) throw malformed(this.#mechanism);
      // "y": the client could bind and believes that we cannot, so someone hid our offer from it.
      if (flag === "y" && plusOffered)
        throw new Refusal("AUTHENTICATIONFAILED", "The offer of channel binding was lost");
      return undefined;
    }
    const type = flag.slice(2);
    if (!plus) throw malformed(this.#mechanism);
    if (!bindingTypes.includes(type))
      throw new Refusal("AUTHENTICATIONFAILED", "This kind of channel binding is not supported");
    return type as ChannelBindingType;
  }

  /** saslname: "=2C" is a comma, "=3D" an equals sign, no other "=" may be. RFC 5802 §5.1 */
  #saslName(text: string): string {
    if (/=(?!2C|3D)/.test(text)) throw malformed(this.#mechanism);
    return text.replaceAll("=2C", ",").replaceAll("=3D", "=");
  }

  async #finish(conversation: Conversation, text: string): Promise<SaslStep> {
    const { first, nonce, challenge, serverFirst } = conversation;
    // client-final-message. RFC 5802 §7
    const match =
      /^(?<unproven>c=(?<binding>[A-Za-z0-9+/]+={0,2}),r=(?<nonce>[!-+\--~]+)(?:,[A-Za-z]=[^,\0]*)*),p=(?<proof>[A-Za-z0-9+/]+={0,2})$/.exec(
        text,
      );
    if (match?.groups === undefined) throw malformed(this.#mechanism);
    const parts = match.groups as {
      readonly [group in "unproven" | "binding" | "nonce" | "proof"]: string;
    };
    const clientProof = Buffer.from(parts.proof, "base64");
    if (parts.nonce !== nonce || clientProof.length !== digestLength(this.#options.hash))
      throw malformed(this.#mechanism);
    this.#checkBinding(first, Buffer.from(parts.binding, "base64"));
    const { credentials, peer } = this.#context;
    const authMessage = utf8(`${first.bare},${serverFirst},${parts.unproven}`);
    const success = await credentials.verifyScram(challenge, { authMessage, clientProof, peer });
    authorize(success.identity, first.name, first.authzid);
    const signature = asBuffer(success.serverSignature).toString("base64");
    return { kind: "done", identity: success.identity, data: utf8(`v=${signature}`) };
  }

  /** The client's GS2 header and, with -PLUS, the data of the very TLS connection it sees. */
  #checkBinding(first: ClientFirst, binding: Uint8Array): void {
    let data = noBytes;
    if (first.binding !== undefined) {
      const ours = this.#context.channelBinding(first.binding);
      if (ours === undefined || ours.length === 0)
        throw new Refusal("AUTHENTICATIONFAILED", "This channel binding is not available");
      data = ours;
    }
    if (!equalBytes(concatBytes([utf8(first.gs2Header), data]), binding))
      throw new Refusal("AUTHENTICATIONFAILED", "The channel binding does not match");
  }
}
