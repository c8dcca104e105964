import { Refusal, assert } from "#base/assert.ts";
import { noBytes, tryUtf8, utf8 } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import type { Identity } from "../identity.ts";
import { normalName } from "../names.ts";
import type { SaslContext, SaslExchange, SaslStep } from "./exchange.ts";

/** The client broke the mechanism's grammar. */
export function malformed(mechanism: string): Refusal {
  return new Refusal("AUTHENTICATIONFAILED", `Malformed ${mechanism} response`);
}

/** Text of a response within the limits; refuses what is too long or not UTF-8. */
export function responseText(response: Uint8Array, mechanism: string): string {
  const text = response.length <= limits.saslMessageBytesMax ? tryUtf8(response) : undefined;
  if (text === undefined) throw malformed(mechanism);
  return text;
}

/**
 * Nobody acts for somebody else here: the authorization identity is absent or names the one who
 * logged in. RFC 4422 §3.4.1
 */
export function authorize(identity: Identity, authcid: string, authzid: string): void {
  if (authzid === "") return;
  const wanted = normalName(authzid);
  if (wanted !== undefined && (wanted === identity.name || wanted === normalName(authcid))) return;
  throw new Refusal("AUTHORIZATIONFAILED", "You cannot act for another user");
}

/** PLAIN: `[authzid] NUL authcid NUL password` in one response. RFC 4616 §2 */
export class PlainExchange implements SaslExchange {
  readonly #context: SaslContext;
  #ended = false;

  constructor(context: SaslContext) {
    this.#context = context;
  }

  async step(response: Uint8Array | undefined): Promise<SaslStep> {
    assert(!this.#ended, "No step follows the last one");
    if (response === undefined) return { kind: "challenge", data: noBytes };
    this.#ended = true;
    const parts = responseText(response, "PLAIN").split("\0");
    const [authzid, authcid, password] = parts;
    if (parts.length !== 3 || !authcid || !password || authzid === undefined)
      throw malformed("PLAIN");
    const { credentials, peer } = this.#context;
    const identity = await credentials.verify(authcid, password, peer);
    authorize(identity, authcid, authzid);
    return { kind: "done", identity };
  }
}

const loginPrompts = [utf8("Username:"), utf8("Password:")] as const;

/**
 * LOGIN: asks for the name, then for the password. Obsolete and never standardised, but all that
 * some clients have; an initial response is taken as the name.
 */
export class LoginExchange implements SaslExchange {
  readonly #context: SaslContext;
  #name: string | undefined;
  #ended = false;

  constructor(context: SaslContext) {
    this.#context = context;
  }

  async step(response: Uint8Array | undefined): Promise<SaslStep> {
    assert(!this.#ended, "No step follows the last one");
    if (response === undefined) return { kind: "challenge", data: loginPrompts[0] };
    const text = responseText(response, "LOGIN");
    if (text === "" || text.includes("\0")) {
      this.#ended = true;
      throw malformed("LOGIN");
    }
    if (this.#name === undefined) {
      this.#name = text;
      return { kind: "challenge", data: loginPrompts[1] };
    }
    this.#ended = true;
    const { credentials, peer } = this.#context;
    return { kind: "done", identity: await credentials.verify(this.#name, text, peer) };
  }
}
