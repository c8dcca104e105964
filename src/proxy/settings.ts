/**
 * The proxy's part of roost.config.ts. Declares; nothing is read or opened here.
 */
import * as v from "valibot";
import type { OnLogin } from "./login/arrival.ts";
import { isNetwork } from "./proxy-protocol/address.ts";

const port = v.pipe(
  v.number(),
  v.integer("expected a whole number"),
  v.minValue(0, "expected a port from 0 to 65535"),
  v.maxValue(65_535, "expected a port from 0 to 65535"),
);
const path = v.pipe(v.string(), v.nonEmpty("expected a path"));
/** IPv6 addresses may stand in brackets, as in a URL. */
const host = v.pipe(
  v.string(),
  v.nonEmpty("expected an address"),
  v.transform((text) => text.replace(/^\[(.*:.*)\]$/, "$1")),
);

const proxyProtocol = v.strictObject({
  /** Networks of the balancers, such as "192.0.2.0/24" or "2001:db8::1"; all others are closed. */
  from: v.pipe(
    v.array(v.pipe(v.string(), v.check(isNetwork, "expected a network such as 192.0.2.0/24"))),
    v.minLength(1, "expected at least one network"),
  ),
  /** A client that came to the balancer under TLS counts as secure: who is between is trusted. */
  trustTls: v.optional(v.boolean(), false),
});

const certificateFiles = v.strictObject({
  /** PEM file with the certificate and those between it and the root. */
  certificate: path,
  /** PEM file with the private key. */
  key: path,
});

const listener = v.strictObject({
  protocol: v.picklist(["imap", "pop3", "lmtp"]),
  /** Addresses to listen on; default is loopback only, by IPv4 and IPv6. */
  hosts: v.optional(v.pipe(v.array(host), v.minLength(1, "expected at least one address"))),
  /** TCP port; 0 takes a free one. Either `port` or `path`. */
  port: v.optional(port),
  /** A Unix socket instead of a TCP port. */
  path: v.optional(path),
  /** Access rights of the Unix socket, such as 0o660. */
  mode: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(0o777)), 0o600),
  /** "implicit": TLS from the first byte; "starttls": when the client asks for it; "none". */
  tls: v.optional(v.picklist(["implicit", "starttls", "none"]), "starttls"),
  /** Connections come through balancers that speak the PROXY protocol, version 1 or 2. */
  proxyProtocol: v.exactOptional(proxyProtocol),
});

export const listenersSettings = v.optional(
  v.array(
    v.pipe(
      listener,
      v.check(
        (entry) => (entry.port === undefined) !== (entry.path === undefined),
        "expected either port or path",
      ),
      v.check(
        (entry) => entry.path === undefined || entry.hosts === undefined,
        "expected no hosts beside path",
      ),
      v.check(
        (entry) => entry.path === undefined || entry.proxyProtocol === undefined,
        "expected no proxyProtocol beside path",
      ),
    ),
  ),
  [
    { protocol: "imap", port: 1143 },
    { protocol: "imap", port: 1993, tls: "implicit" },
    { protocol: "pop3", port: 1110 },
    { protocol: "pop3", port: 1995, tls: "implicit" },
    { protocol: "lmtp", port: 1024 },
  ],
);

export const tlsSettings = v.optional(
  v.pipe(
    v.strictObject({
      ...v.partial(certificateFiles).entries,
      /** Other certificates by the server name that the client asks for; "*.domain" is allowed. */
      names: v.optional(v.record(v.pipe(v.string(), v.nonEmpty()), certificateFiles), {}),
      minVersion: v.optional(v.picklist(["TLSv1.2", "TLSv1.3"]), "TLSv1.2"),
      /** Who protects what TLS 1.3 carries after its handshake: "openssl" costs more memory. */
      recordLayer: v.optional(v.picklist(["roost", "openssl"]), "roost"),
    }),
    v.check(
      (tls) => (tls.certificate === undefined) === (tls.key === undefined),
      "expected both certificate and key, or neither for a self-signed one",
    ),
  ),
  {},
);

/** What may be said in clear text. */
export const clearTextLoginSettings = v.optional(
  v.picklist(["never", "loopback", "always"]),
  "loopback",
);

export type ListenerSettings = v.InferOutput<typeof listener>;
export type ProxyProtocolSettings = v.InferOutput<typeof proxyProtocol>;
export type TlsSettings = v.InferOutput<typeof tlsSettings>;
export type CertificateFiles = v.InferOutput<typeof certificateFiles>;
export type ClearTextLogin = v.InferOutput<typeof clearTextLoginSettings>;

/** Silence after which a session is frozen and its connection parked, in milliseconds. */
export const parkAfterMsSettings = v.optional(
  v.union([
    v.literal(false),
    v.pipe(v.number(), v.integer("expected a whole number"), v.minValue(0, "expected 0 or more")),
  ]),
  5_000,
);

/** Called when somebody has proven who they are, before the client hears of it. */
export const onLoginHook = v.optional(
  v.custom<OnLogin>((value) => typeof value === "function", "expected a function"),
);
