/** A mail server under measurement: where it listens and what it has used. */
export interface Peer {
  readonly name: string;
  readonly imapPort: number;
  readonly lmtpPort: number;
  /** Domain part for LMTP recipients and IMAP logins, "" where names are bare. */
  address(user: string): string;
  /** CPU seconds of all its processes since it started. */
  cpuSeconds(): number;
  /** Memory of all its processes (PSS), in bytes. */
  memoryBytes(): number;
  /** Stops it and starts it again, so that nothing is in its memory. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export const benchPassword = "bench";
export const benchUsers: readonly string[] = Array.from({ length: 100 }, (_, i) => `u${i}`);
