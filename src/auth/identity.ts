import type { AccountId, TenantId } from "#base/brand.ts";
import type { Quota } from "./directory.ts";

/** Who logged in. */
export interface Identity {
  readonly accountId: AccountId;
  readonly tenant: TenantId;
  /** The login name in its normal form, whatever the client wrote. */
  readonly name: string;
  readonly quota: Quota;
}

/** Where a login comes from. */
export interface Peer {
  /** IPv4 or IPv6 address without port; empty for a Unix socket. */
  readonly address: string;
  /**
   * Whether the peer is on this machine. Behind a balancer it is not, whatever its address looks
   * like. Default: as the address looks.
   */
  readonly loopback?: boolean;
}
