import { errorText, Refusal } from "#base/assert.ts";
import { type Clock, sleep } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import type { Random } from "#base/random.ts";
import type { ByteStream } from "#base/stream.ts";
import type { Link, LinkServices, NodeInfo } from "./link.ts";
import { LinkRefused, WireLink } from "./wire-link.ts";

/** A connection to or from another node, and who it is as far as the carrier can tell. */
export interface Carried {
  readonly carrier: ByteStream;
  /** The node's id by its certificate; undefined: the carrier knows no names. */
  readonly verifiedId: string | undefined;
}

export interface LinksParts {
  readonly local: NodeInfo;
  readonly services: LinkServices;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Connects to a node. A rejection is an attempt that failed. */
  dial(nodeId: string): Promise<Carried>;
}

interface Neighbour {
  readonly id: string;
  link: WireLink | undefined;
  dialedHere: boolean;
  /** The attempts that are under way. */
  dialing: Promise<void> | undefined;
  waiting: PromiseWithResolvers<Link>[];
}

/**
 * One link for each other node, dialed when it is wanted, whoever of the two dials. If both do at
 * once, the link that the node with the smaller id dialed is the one that stays; both know it from
 * the hellos alone.
 */
export class Links {
  readonly #parts: LinksParts;
  readonly #neighbours = new Map<string, Neighbour>();
  /** Every link that is not gone, also those that are closing. */
  readonly #all = new Set<WireLink>();
  #stopped = false;

  constructor(parts: LinksParts) {
    this.#parts = parts;
  }

  /** The links that take something new. */
  get open(): Link[] {
    return [...this.#all].filter((link) => !link.closing);
  }

  /**
   * The link with a node; it is made where there is none.
   * @throws Refusal UNAVAILABLE after `limits.hopDialsMax` failures, or when too many wait
   */
  async to(nodeId: string): Promise<Link> {
    if (nodeId === this.#parts.local.id)
      throw new RangeError("A node has no link with itself here");
    const neighbour = this.#neighbour(nodeId);
    if (neighbour.link !== undefined && !neighbour.link.closing) return neighbour.link;
    if (this.#stopped) throw new Refusal("UNAVAILABLE", "This node is going down");
    if (neighbour.waiting.length >= limits.hopWaitingMax)
      throw new Refusal("UNAVAILABLE", "Too many wait for a node");
    const place = Promise.withResolvers<Link>();
    neighbour.waiting.push(place);
    if (neighbour.dialing === undefined) this.#startDialing(neighbour);
    return place.promise;
  }

  /** Takes a connection that another node made. Never rejects: failures are logged. */
  async accept({ carrier, verifiedId }: Carried): Promise<void> {
    const { clock, log, local, services } = this.#parts;
    const admit = (peer: NodeInfo): string | undefined =>
      wrongName(peer, verifiedId) ?? this.#against(peer);
    try {
      const link = await WireLink.start(carrier, {
        dialed: false,
        local,
        services,
        clock,
        log,
        admit,
      });
      this.#add(link, false);
    } catch (error) {
      const fields = { node: verifiedId, error: errorText(error) };
      // Two that dial each other are nothing unusual.
      if (error instanceof LinkRefused) log.debug(fields, "A link was not accepted");
      else log.warn(fields, "A link was not accepted");
    }
  }

  /** Says goodbye on all links; resolves when they are gone. */
  async stop(reason: string): Promise<void> {
    this.#stopped = true;
    for (const neighbour of this.#neighbours.values())
      this.#refuse(neighbour, "This node is going down");
    await Promise.all([...this.#all].map((link) => link.goodbye(reason)));
  }

  #neighbour(id: string): Neighbour {
    let neighbour = this.#neighbours.get(id);
    if (neighbour === undefined) {
      neighbour = { id, link: undefined, dialedHere: false, dialing: undefined, waiting: [] };
      this.#neighbours.set(id, neighbour);
    }
    return neighbour;
  }

  /** Why a link that `peer` dialed is not wanted. */
  #against(peer: NodeInfo): string | undefined {
    if (this.#stopped) return "The node is going down";
    if (peer.id === this.#parts.local.id) return "A node with the same name";
    const neighbour = this.#neighbours.get(peer.id);
    const ours = this.#parts.local.id < peer.id;
    const link = neighbour?.link;
    if (link === undefined || link.closing)
      return ours && neighbour?.dialing !== undefined ? duplicate : undefined;
    if (link.peer.incarnation !== peer.incarnation || !neighbour!.dialedHere || !ours)
      return undefined;
    // Either this crossed our own dial, or the peer has lost the link that we still believe in.
    link.probe();
    return duplicate;
  }

  #add(link: WireLink, dialedHere: boolean): void {
    const neighbour = this.#neighbour(link.peer.id);
    const before = neighbour.link;
    neighbour.link = link;
    neighbour.dialedHere = dialedHere;
    this.#all.add(link);
    // The peer would not have made this one if it still had the other.
    if (before !== undefined && !before.closing) before.destroy("The node made another link");
    for (const { resolve } of neighbour.waiting.splice(0)) resolve(link);
    if (this.#stopped) void link.goodbye("The node is going down");
    void link.closed.then((lost) => {
      this.#all.delete(link);
      if (neighbour.link === link) neighbour.link = undefined;
      this.#forget(neighbour);
      this.#parts.log.info({ node: link.peer.id, reason: lost.message }, "A link is gone");
    });
  }

  #startDialing(neighbour: Neighbour): void {
    neighbour.dialing = this.#dial(neighbour).finally(() => {
      neighbour.dialing = undefined;
      if (neighbour.waiting.length > 0) this.#startDialing(neighbour);
    });
  }

  async #dial(neighbour: Neighbour): Promise<void> {
    const { clock, random, log } = this.#parts;
    let pause: number = limits.hopRedialMsMin;
    let reason = "";
    for (let dials = 0; dials < limits.hopDialsMax; dials++) {
      if (dials > 0) {
        await sleep(clock, pause / 2 + random.below(pause));
        pause = Math.min(pause * 2, limits.hopRedialMsMax);
      }
      // The other node may have dialed meanwhile, or nobody waits any more.
      if (neighbour.waiting.length === 0) return;
      try {
        this.#add(await this.#dialOnce(neighbour), true);
        return;
      } catch (error) {
        reason = errorText(error);
        log.debug({ node: neighbour.id, error: reason }, "A link could not be made");
      }
    }
    if (neighbour.waiting.length === 0) return;
    log.warn({ node: neighbour.id, error: reason }, "A node cannot be reached");
    this.#refuse(neighbour, "A server cannot be reached");
    this.#forget(neighbour);
  }

  async #dialOnce(neighbour: Neighbour): Promise<WireLink> {
    const { clock, log, local, services } = this.#parts;
    const { carrier, verifiedId } = await this.#parts.dial(neighbour.id);
    return WireLink.start(carrier, {
      dialed: true,
      local,
      services,
      clock,
      log,
      admit: (peer) => {
        const wrong = wrongName(peer, verifiedId);
        if (wrong !== undefined) return wrong;
        if (peer.id !== neighbour.id) return `It is ${peer.id}`;
        // Accepted meanwhile: then the peer's dial has won.
        return neighbour.link !== undefined && !neighbour.link.closing ? duplicate : undefined;
      },
    });
  }

  #refuse(neighbour: Neighbour, text: string): void {
    for (const { reject } of neighbour.waiting.splice(0)) reject(new Refusal("UNAVAILABLE", text));
  }

  #forget(neighbour: Neighbour): void {
    if (neighbour.link !== undefined || neighbour.waiting.length > 0) return;
    if (neighbour.dialing === undefined) this.#neighbours.delete(neighbour.id);
  }
}

const duplicate = "There is a link already";

function wrongName(peer: NodeInfo, verifiedId: string | undefined): string | undefined {
  if (verifiedId === undefined || verifiedId === peer.id) return undefined;
  return `The certificate of ${verifiedId} does not speak for ${peer.id}`;
}
