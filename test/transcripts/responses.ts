/** The responses of a server, one after the other. */
import { asBuffer, concatBytes } from "#base/bytes.ts";
import type { TranscriptConnection } from "./runner.ts";

/** Milliseconds after which a server that says nothing has failed. */
const answerMsMax = 10_000;

/** Cuts what a server sends into responses, literals included, without their last CRLF. */
export class Responses {
  readonly #connection: TranscriptConnection;
  #buffer: Buffer = Buffer.alloc(0);
  skipping = false;

  constructor(connection: TranscriptConnection) {
    this.#connection = connection;
  }

  async send(text: string): Promise<void> {
    await this.#connection.send(Buffer.from(text));
  }

  close(): void {
    this.#connection.close();
  }

  /** One character per byte; null at the end. */
  async next(): Promise<string | null> {
    let end = 0;
    for (;;) {
      const feed = this.#buffer.indexOf("\r\n", end);
      if (feed < 0) {
        if (!(await this.#more())) return null;
        continue;
      }
      const line = this.#buffer.toString("latin1", end, feed);
      const literal = /\{(\d+)\}$/.exec(line);
      end = feed + 2;
      if (literal === null) break;
      end += Number(literal[1]);
      while (this.#buffer.length < end) if (!(await this.#more())) return null;
    }
    const response = this.#buffer.toString("latin1", 0, end - 2);
    this.#buffer = this.#buffer.subarray(end);
    return response;
  }

  async #more(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error("the server says nothing")), answerMsMax);
    });
    try {
      const bytes = await Promise.race([this.#connection.read(), late]);
      if (bytes === null) return false;
      this.#buffer = asBuffer(concatBytes([this.#buffer, bytes]));
      return true;
    } finally {
      clearTimeout(timer);
    }
  }
}
