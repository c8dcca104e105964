/**
 * The proxy: everything between the network and a session that is logged in.
 *
 * - `Listeners` own the sockets: limits on connections, the goodbye of a shutdown, metrics.
 * - A `Connection` is one peer; its stream stays the same object when TLS or DEFLATE is put under
 *   it, waits for slow readers and collects the writes of one turn.
 * - Plain text that comes ahead of a TLS handshake is never executed.
 * - Behind a balancer (proxy-protocol/) a connection's peer is the client that the balancer names.
 * - `serveImapLogin` leads the dialogue before login and hands over an `Arrival`, `servePop3Login`
 *   likewise. The proxy knows no mailbox: whoever builds it passes in what starts sessions.
 * - A `RelayedSession` is a client whose session a backend serves over the hop, and the next one
 *   goes on with when that one dies: the client sees the same bytes, later.
 */
export { type Connection, type SecureContexts } from "./connection.ts";
export {
  bind,
  currentConnection,
  type Endpoint,
  endpointText,
  Listeners,
  type ListenersParts,
  type ListenOptions,
} from "./listener.ts";
export {
  type FrozenSession,
  type HeldSessionParts,
  type Resumption,
  serveHeld,
  type SessionEnding,
  type WaitsFor,
} from "./held-session.ts";
export type {
  Arrival,
  ArrivalAgain,
  ClientId,
  LoginEvent,
  MailboxSessions,
  OnLogin,
  Pop3Arrival,
  Pop3SessionStarter,
} from "./login/arrival.ts";
export { ParkingLot, type ParkingLotParts, type ReturningSession } from "./parking-lot.ts";
export { serveReturned } from "./login/logged-in.ts";
export { type ImapLoginParts, serveImapLogin } from "./login/imap.ts";
export { LoginMetrics } from "./login/login-metrics.ts";
export { type Pop3LoginParts, servePop3Login } from "./login/pop3.ts";
export { UserConnections } from "./login/user-connections.ts";
export {
  type FarewellReason,
  RelayedSession,
  type RelayedSessionParts,
  type RelayOutcome,
  type Route,
} from "./relay/relayed-session.ts";
export type { ClearTextLogin, ListenerSettings, TlsSettings } from "./settings.ts";
export { type CertificateOptions, Certificates } from "./tls/certificates.ts";
