import { latin1, utf8 } from "#base/bytes.ts";
import type { ByteStream } from "#base/stream.ts";
import { Pop3ResponseDecoder, type Pop3Status } from "#wire/index.ts";

/** The server broke the grammar, or the connection ended. */
export class Pop3ClientError extends Error {
  override readonly name: string = "Pop3ClientError";
}

/** Thrown where the connection ends. */
export class Pop3Closed extends Pop3ClientError {
  override readonly name = "Pop3Closed";
}

/** A strict POP3 client for tests: knows nothing of sockets or clocks. RFC 1939 */
export class Pop3Client {
  readonly #stream: ByteStream;
  readonly #decoder = new Pop3ResponseDecoder();

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** The next response. Errors: `Pop3ClientError`. */
  async response(multiline = false): Promise<Pop3Status> {
    for (;;) {
      const event = this.#decoder.next(multiline);
      if (event.kind === "status") return event;
      if (event.kind === "error") throw new Pop3ClientError(event.text);
      if (event.kind === "challenge") throw new Pop3ClientError("An unexpected challenge");
      const chunk = await this.#stream.read();
      if (chunk === null) throw new Pop3Closed("The connection ended");
      this.#decoder.push(chunk);
    }
  }

  async send(text: string): Promise<void> {
    await this.#stream.write(utf8(text));
  }

  async ask(line: string): Promise<Pop3Status> {
    await this.send(`${line}\r\n`);
    return this.response();
  }

  /** The text of a positive response. */
  async ok(line: string): Promise<string> {
    const { ok, code, text } = await this.ask(line);
    if (!ok) throw new Pop3ClientError(`${line}: [${code ?? ""}] ${text}`);
    return text;
  }

  /** The content of a positive multi-line response, one character per octet. */
  async content(line: string): Promise<string> {
    await this.send(`${line}\r\n`);
    const { ok, code, text, content } = await this.response(true);
    if (!ok) throw new Pop3ClientError(`${line}: [${code ?? ""}] ${text}`);
    return latin1(content!);
  }

  /** The lines of LIST or UIDL by message number. */
  async listing(command: "LIST" | "UIDL"): Promise<Map<number, string>> {
    const lines = (await this.content(command)).split("\r\n").slice(0, -1);
    return new Map(
      lines.map((line) => {
        const match = /^([1-9]\d*) (\S+)$/.exec(line);
        if (match === null) throw new Pop3ClientError(`A line of ${command}: ${line}`);
        return [Number(match[1]), match[2]!];
      }),
    );
  }

  close(): void {
    this.#stream.destroy();
  }
}
