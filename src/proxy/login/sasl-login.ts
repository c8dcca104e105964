/** What the dialogues before login have in common. */
import { saslNonce, startExchange } from "#auth/index.ts";
import type { CredentialCheck, Identity, MechanismOffer, Peer, SaslStep } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import type { Clock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import type { Random } from "#base/random.ts";
import type { Connection } from "../connection.ts";
import type { ClearTextLogin } from "../settings.ts";
import type { OnLogin } from "./arrival.ts";
import type { ProtocolLogins } from "./login-metrics.ts";
import type { UserConnections } from "./user-connections.ts";

/** What every dialogue before login needs. */
export interface LoginParts {
  readonly credentials: CredentialCheck;
  readonly clearTextLogin: ClearTextLogin;
  readonly users: UserConnections;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: ProtocolLogins;
  readonly onLogin?: OnLogin | undefined;
}

/** A mechanism that nobody here knows. */
export class UnknownMechanism extends Error {}

/** RFC 5530 §3 */
export function privacyRequired(): Refusal {
  return new Refusal("PRIVACYREQUIRED", "Start TLS first: others could read your password here");
}

/** What may be offered to a connection as it is now. */
export function offerFor(connection: Connection, clearTextLogin: ClearTextLogin): MechanismOffer {
  const { peer } = connection;
  return {
    secure: peer.secure || (peer.loopback && clearTextLogin !== "never"),
    allowPlain: clearTextLogin === "always",
    channelBinding:
      connection.channelBinding("tls-exporter") !== undefined ||
      connection.channelBinding("tls-server-end-point") !== undefined,
  };
}

/** As auth wants it: Unix sockets have no address. */
export function authPeer({ peer }: Connection): Peer {
  const { address, loopback } = peer;
  return { address: address === "unix" ? "" : address, loopback };
}

export interface SaslLogin {
  readonly mechanism: string;
  readonly initial: Uint8Array | null;
  readonly offer: MechanismOffer;
  /** Sends a challenge and gives the client's response. */
  readonly ask: (challenge: Uint8Array) => Promise<Uint8Array>;
}

/** Leads one SASL exchange to its end. Errors: `Refusal`, `UnknownMechanism`, what `ask` throws. */
export async function runSasl(
  connection: Connection,
  { credentials, random }: Pick<LoginParts, "credentials" | "random">,
  { mechanism, initial, offer, ask }: SaslLogin,
): Promise<Identity> {
  const context = {
    credentials,
    peer: authPeer(connection),
    nonce: () => saslNonce(random),
    channelBinding: connection.channelBinding.bind(connection),
  };
  const exchange = startExchange(mechanism, context, offer);
  if (exchange === undefined) {
    const inPrivate = startExchange(mechanism, context, { secure: true });
    throw inPrivate === undefined ? new UnknownMechanism() : privacyRequired();
  }
  let step: SaslStep = await exchange.step(initial ?? undefined);
  while (step.kind === "challenge") step = await exchange.step(await ask(step.data));
  if (step.data !== undefined) await ask(step.data);
  return step.identity;
}
