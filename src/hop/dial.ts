import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Clock } from "#base/clock.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import type { Carried } from "./links.ts";
import { SocketCarrier } from "./socket-carrier.ts";

/** What a node shows to the others and knows them by. PEM. */
export interface HopCertificates {
  /** Of the cluster's own authority. */
  readonly authority: string | Buffer;
  /** Its common name is the id of the node. */
  readonly certificate: string | Buffer;
  readonly key: string | Buffer;
}

/** Where a node is reached. */
export type HopAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number; readonly certificates: HopCertificates };

/** Connects to `address`. @throws ConnectionBroken within `limits.hopHandshakeMs` */
export function dialAddress(address: HopAddress, clock: Clock): Promise<Carried> {
  return new Promise((resolve, reject) => {
    const socket = "path" in address ? connectTcp({ path: address.path }) : dialTls(address);
    const timer = clock.after(limits.hopHandshakeMs, () =>
      socket.destroy(new Error("Connecting took too long")),
    );
    const failed = (error?: Error): void => {
      timer.cancel();
      socket.destroy();
      reject(new ConnectionBroken(error?.message ?? "The connection was closed", { cause: error }));
    };
    socket.once("error", failed);
    socket.once("close", failed);
    socket.once("path" in address ? "connect" : "secureConnect", () => {
      timer.cancel();
      socket.off("error", failed);
      socket.off("close", failed);
      const verifiedId = "path" in address ? undefined : nodeIdOf(socket as TLSSocket);
      resolve({ carrier: new SocketCarrier(socket, clock), verifiedId });
    });
  });
}

function dialTls(address: Exclude<HopAddress, { path: string }>): Socket {
  const { host, port, certificates } = address;
  return connectTls({
    host,
    port,
    ca: certificates.authority,
    cert: certificates.certificate,
    key: certificates.key,
    minVersion: "TLSv1.3",
    // Which node it is, not which host: the link compares its name with the hello.
    checkServerIdentity: () => undefined,
  });
}

/** The id that the peer's certificate speaks for; empty where it names nobody. */
export function nodeIdOf(socket: TLSSocket): string {
  const name: unknown = socket.getPeerCertificate().subject?.CN;
  return typeof name === "string" ? name : "";
}
