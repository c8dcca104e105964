import type { Random } from "#base/random.ts";
import type { SaslContext, SaslExchange } from "./exchange.ts";
import { LoginExchange, PlainExchange } from "./plain.ts";
import { ScramExchange } from "./scram.ts";
import type { ScramHash } from "./scram-keys.ts";

/** What decides which mechanisms a connection may use. */
export interface MechanismOffer {
  /** Nobody can read along: TLS, loopback or a Unix socket. */
  readonly secure: boolean;
  /** Passwords may cross an open network all the same; default no. */
  readonly allowPlain?: boolean;
  /** The TLS connection can give binding data. */
  readonly channelBinding?: boolean;
}

interface Mechanism {
  readonly name: string;
  /** Shows the password itself to whoever reads along. */
  readonly plain?: true;
  readonly plus?: true;
  start(context: SaslContext, offer: MechanismOffer): SaslExchange;
}

/** Strongest first: clients that just take the first one do well. */
const table: readonly Mechanism[] = [
  scram("SCRAM-SHA-256-PLUS", "sha256"),
  scram("SCRAM-SHA-256", "sha256"),
  scram("SCRAM-SHA-1-PLUS", "sha1"),
  scram("SCRAM-SHA-1", "sha1"),
  { name: "PLAIN", plain: true, start: (context) => new PlainExchange(context) },
  { name: "LOGIN", plain: true, start: (context) => new LoginExchange(context) },
];

/** Whether a password may be sent as it is: for LOGIN and USER/PASS as well as for PLAIN. */
export function mayShowPassword(offer: MechanismOffer): boolean {
  return offer.secure || offer.allowPlain === true;
}

/** Names of the mechanisms that may be offered, strongest first. */
export function mechanisms(offer: MechanismOffer): readonly string[] {
  return table.filter((mechanism) => mayOffer(mechanism, offer)).map(({ name }) => name);
}

/** A nonce for `SaslContext`: 144 random bits as base64. RFC 5802 §5.1 */
export function saslNonce(random: Random): string {
  return Buffer.from(random.bytes(18)).toString("base64");
}

/** Begins an exchange; undefined where the mechanism is unknown or not on offer here. */
export function startExchange(
  name: string,
  context: SaslContext,
  offer: MechanismOffer,
): SaslExchange | undefined {
  const wanted = name.toUpperCase();
  const mechanism = table.find((other) => other.name === wanted && mayOffer(other, offer));
  return mechanism?.start(context, offer);
}

function mayOffer(mechanism: Mechanism, offer: MechanismOffer): boolean {
  if (mechanism.plain === true && !mayShowPassword(offer)) return false;
  return mechanism.plus !== true || offer.channelBinding === true;
}

function scram(name: string, hash: ScramHash): Mechanism {
  const plus = name.endsWith("-PLUS");
  return {
    name,
    ...(plus ? { plus: true } : {}),
    start: (context, offer) =>
      new ScramExchange(context, { hash, plus, plusOffered: offer.channelBinding === true }),
  };
}
