/** Load generators: as little work per request as possible, for they share the machine. */
import { createConnection, type Socket } from "node:net";

/** How much of the answer is looked at for its end: more than the longest last line. */
const tailBytes = 2_000;
/** All connections read into the same memory: half the work of the stream's own chunks. */
const receiveBuffer = Buffer.allocUnsafeSlow(256 * 1024);

/** A connection that writes a request and waits for the line that ends its answer. */
export class LineClient {
  readonly socket: Socket;
  #chunks: Buffer[] = [];
  #last = "";
  #done: ((answer: Buffer[]) => void) | undefined;
  #until: (tail: string) => boolean = () => true;
  /** Bytes received so far. */
  received = 0;
  keep = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on("error", (error) => {
      throw error;
    });
  }

  #take(chunk: Buffer): void {
    this.received += chunk.length;
    if (this.keep) this.#chunks.push(Buffer.from(chunk));
    const tail = chunk.toString("latin1", Math.max(0, chunk.length - tailBytes));
    this.#last = chunk.length >= tailBytes ? tail : (this.#last + tail).slice(-tailBytes);
    if (this.#done === undefined || !this.#until(this.#last)) return;
    const done = this.#done;
    this.#done = undefined;
    done(this.#chunks);
  }

  static open(port: number): Promise<LineClient> {
    return new Promise((resolve, reject) => {
      const buffer = receiveBuffer;
      const callback = (count: number): boolean => {
        client.#take(buffer.subarray(0, count));
        return true;
      };
      const to = { host: "127.0.0.1", port, onread: { buffer, callback } };
      const socket = createConnection(to, () => resolve(client));
      const client = new LineClient(socket);
      socket.once("error", reject);
    });
  }

  /** Sends and waits until what came last satisfies `until`. */
  ask(request: string | Buffer | null, until: (tail: string) => boolean): Promise<Buffer[]> {
    return new Promise((resolve) => {
      this.#chunks = [];
      this.#last = "";
      this.#until = until;
      this.#done = resolve;
      if (request !== null) this.socket.write(request);
    });
  }

  /** Waits for the greeting. */
  greeting(): Promise<Buffer[]> {
    return this.ask(null, (tail) => tail.endsWith("\r\n"));
  }

  #tag = 0;
  /** An IMAP command; throws unless it is answered with OK. */
  async imap(command: string): Promise<Buffer[]> {
    const tag = `t${++this.#tag}`;
    let answer = "";
    const chunks = await this.ask(`${tag} ${command}\r\n`, (tail) => {
      if (!tail.endsWith("\r\n")) return false;
      const line = tail.slice(tail.lastIndexOf("\n", tail.length - 2) + 1);
      answer = line;
      return line.startsWith(`${tag} `);
    });
    if (!answer.startsWith(`${tag} OK`)) throw new Error(`${command.slice(0, 60)}: ${answer}`);
    return chunks;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Text lines that look like mail, of about `size` bytes. */
export function sampleMessage(size: number, number: number): string {
  const head =
    `From: Person ${number % 97} <person${number % 97}@example.org>\r\n` +
    `To: User <user${number % 13}@example.net>\r\n` +
    `Subject: ${number % 3 === 0 ? "Re: " : ""}Report ${number % 500} of the week\r\n` +
    `Date: ${new Date(1.6e12 + number * 61_000).toUTCString().replace("GMT", "+0000")}\r\n` +
    `Message-ID: <${number}.${size}@example.org>\r\n` +
    (number % 3 === 0 && number > 500
      ? `In-Reply-To: <${number - 500}.${size}@example.org>\r\n`
      : "") +
    `MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n`;
  const line = "The quick brown fox jumps over the lazy dog, and nobody is any the wiser.\r\n";
  const marked = number % 2000 === 0 ? "xyzzyrare\r\n" : "";
  return head + marked + line.repeat(Math.max(1, Math.floor((size - head.length) / line.length)));
}

/** Runs `count` jobs on `width` lanes; gives the seconds it took. */
export async function timed(
  width: number,
  count: number,
  lane: (next: () => number | undefined) => Promise<void>,
): Promise<number> {
  let given = 0;
  const next = (): number | undefined => (given < count ? given++ : undefined);
  const start = performance.now();
  await Promise.all(Array.from({ length: width }, () => lane(next)));
  return (performance.now() - start) / 1000;
}
