/**
 * The hop: the link between two nodes, with many streams and calls on it.
 *
 * - A `Link` is the same thing over any carrier of bytes (`WireLink`), and within one process
 *   (`localLinks`), where it costs no more than calls; `hop.contract.ts` holds for all.
 * - A *stream* is one session's way from the proxy that has its client to the backend that serves it.
 *   Input carries its offset; what comes back comes in flushes: output bytes, the offset of the input
 *   that is consumed, the state of the session, applied together. Both directions are held back by
 *   whoever reads slowly, each stream for itself.
 * - A *call* has an answer or a `Refusal`; a *note* has nothing.
 * - When a link is gone, every stream and call on it learns so exactly once (`LinkLost`), and nothing
 *   is known of what was under way. Of one session only the newest generation is served.
 * - `Links` holds one link for each other node and makes it when it is wanted; `dialAddress` and
 *   `listenHop` are its carriers: Unix sockets on one machine, TCP with mutual TLS between machines.
 *
 * The hop understands neither sessions nor calls. Its only time is the `Clock`, its only chance the
 * `Random` that it is given. The bytes: docs/formats/hop.md.
 */
export { dialAddress, type HopAddress, type HopCertificates } from "./dial.ts";
export { Generations } from "./generations.ts";
export {
  type BackendStream,
  type CallOptions,
  type CallServer,
  type EndKind,
  type Flushed,
  type IncomingCall,
  type Link,
  LinkLost,
  type LinkServices,
  type NodeInfo,
  type OutputPart,
  type ProxyStream,
  type StreamEnd,
  type StreamListener,
  type StreamRequest,
  StreamReset,
} from "./link.ts";
export { type Carried, Links, type LinksParts } from "./links.ts";
export { type HopListener, type HopListenerParts, listenHop } from "./listen.ts";
export { localLinks, type LocalSide } from "./local-link.ts";
export { LinkRefused, WireLink, type WireLinkParts } from "./wire-link.ts";
