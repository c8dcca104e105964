/** The labels of the key log that we need. */
export type SecretLabel =
  | "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
  | "SERVER_HANDSHAKE_TRAFFIC_SECRET"
  | "CLIENT_TRAFFIC_SECRET_0"
  | "SERVER_TRAFFIC_SECRET_0";

const wanted: ReadonlySet<string> = new Set<SecretLabel>([
  "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
  "SERVER_HANDSHAKE_TRAFFIC_SECRET",
  "CLIENT_TRAFFIC_SECRET_0",
  "SERVER_TRAFFIC_SECRET_0",
]);

/** The traffic secrets of one connection, as OpenSSL logs them: label, client random, secret. */
export class LoggedSecrets {
  readonly #secrets = new Map<string, Uint8Array>();

  /** Takes one line of a TLSSocket's `keylog` event. RFC 9850 §2 */
  add(line: Buffer): void {
    const [label = "", , secret = ""] = line.toString("latin1").trim().split(" ");
    if (wanted.has(label)) this.#secrets.set(label, Buffer.from(secret, "hex"));
  }

  get(label: SecretLabel): Uint8Array | undefined {
    return this.#secrets.get(label);
  }
}
