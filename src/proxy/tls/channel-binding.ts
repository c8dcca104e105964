import { createHash } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { ChannelBindingType } from "#auth/index.ts";

/**
 * What both ends of a TLS connection know about it and no man in the middle can arrange, from the
 * server's side. Undefined where this connection does not have it.
 */
export function channelBinding(
  socket: TLSSocket,
  type: ChannelBindingType,
): Uint8Array | undefined {
  switch (type) {
    case "tls-exporter":
      return exporterBinding(socket);
    case "tls-server-end-point":
      return endPointBinding(socket);
  }
}

/**
 * RFC 9266 §2: 32 bytes of exported keying material with this label and an empty context. Before
 * TLS 1.3 they are unique only with an extended master secret, which cannot be asked for here.
 */
function exporterBinding(socket: TLSSocket): Uint8Array | undefined {
  if (socket.getProtocol() !== "TLSv1.3") return undefined;
  return socket.exportKeyingMaterial(32, "EXPORTER-Channel-Binding", Buffer.alloc(0));
}

/** RFC 5929 §4.1: the digest of the server's certificate, by the hash function of its signature. */
function endPointBinding(socket: TLSSocket): Uint8Array | undefined {
  const certificate = socket.getX509Certificate();
  if (certificate === undefined) return undefined;
  const hash = endPointHash(certificate.signatureAlgorithm);
  return hash === undefined ? undefined : createHash(hash).update(certificate.raw).digest();
}

/**
 * MD5 and SHA-1 are replaced by SHA-256; algorithms without one hash function (EdDSA, PSS with
 * parameters of its own) are undefined by the standard.
 */
export function endPointHash(signatureAlgorithm: string | undefined): string | undefined {
  const name = signatureAlgorithm?.toLowerCase() ?? "";
  const sha = /sha-?(1|224|256|384|512)(?!\d)/.exec(name)?.[1];
  if (sha !== undefined) return sha === "1" ? "sha256" : `sha${sha}`;
  return name.includes("md5") ? "sha256" : undefined;
}
