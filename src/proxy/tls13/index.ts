/**
 * TLS 1.3 for servers whose connections are nothing but bytes: the handshake is OpenSSL's, the
 * record layer after it is ours.
 *
 * - `acceptTls` drives a handshake and takes the connection over where it is TLS 1.3 with one of
 *   the three suites of RFC 8446; anything else stays with OpenSSL behind the same kind of stream.
 *   The take-over is exact: the first record that we open is the first that the client protected
 *   with its application keys, and the first that we seal follows the last one that OpenSSL sent.
 * - What OpenSSL alone knows (channel bindings, names, the client's certificate) is in `TlsFacts`.
 * - A `Tls13Stream` is a `ByteStream`. `freeze` turns it into a socket, at most 210 bytes of state
 *   and what was not read yet; `thawTls13` goes on from there, in this process or another. `release`
 *   does it in one turn, for parking; `sealFrozen` is for the few bytes that go out meanwhile.
 * - Keys change both ways; closing, alerts and limits are as RFC 8446 has them. A peer that sends
 *   what it may not gets one alert and the end, whatever it sends; nothing is thrown for it but
 *   `ConnectionBroken` at who reads.
 * - The state is secret: whoever has it reads and forges the connection.
 */
export { type AcceptedTls, acceptTls, type TlsFacts, type TlsServer } from "./handshake.ts";
export { decodeTls13State, encodeTls13State, type Tls13State } from "./state.ts";
export { type Carrier, type FrozenTls13, type TakenTls13, Tls13Stream } from "./tls13-stream.ts";
export { sealFrozen, thawTls13 } from "./thaw.ts";
