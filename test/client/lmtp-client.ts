import { fromLatin1, latin1 } from "#base/bytes.ts";
import type { ByteStream } from "#base/stream.ts";

/** Thrown where the connection ends. */
export class LmtpClosed extends Error {
  override readonly name = "LmtpClosed";
}

/** A minimal LMTP client for tests: knows nothing of sockets or clocks. RFC 2033 */
export class LmtpClient {
  readonly #stream: ByteStream;
  #text = "";

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** One reply, its lines joined by LF. */
  async reply(): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n/.exec(this.#text);
      if (match !== null) {
        this.#text = this.#text.slice(match[0].length);
        return match[0].trimEnd().replaceAll("\r\n", "\n");
      }
      const chunk = await this.#stream.read();
      if (chunk === null) throw new LmtpClosed("The connection ended");
      this.#text += latin1(chunk);
    }
  }

  async send(text: string): Promise<void> {
    await this.#stream.write(fromLatin1(text));
  }

  async ask(line: string): Promise<string> {
    await this.send(`${line}\r\n`);
    return this.reply();
  }

  /** Reads the greeting and says LHLO. */
  async hello(): Promise<string> {
    await this.reply();
    return this.ask("LHLO client.localhost");
  }

  /** Sends one message; gives the reply for each recipient, those of RCPT for refused ones. */
  async deliver(
    message: string,
    recipients: readonly string[],
    sender = "a@example.org",
  ): Promise<string[]> {
    await this.send(
      `MAIL FROM:<${sender}>\r\n${recipients.map((to) => `RCPT TO:<${to}>\r\n`).join("")}DATA\r\n`,
    );
    const mail = await this.reply();
    const replies: string[] = [];
    for (const _ of recipients) replies.push(await this.reply());
    const go = await this.reply();
    if (!go.startsWith("354")) {
      if (mail.startsWith("250")) await this.ask("RSET");
      return replies;
    }
    await this.send(`${message.replace(/^\./gm, "..")}.\r\n`);
    for (let i = 0; i < replies.length; i++)
      if (replies[i]!.startsWith("250")) replies[i] = await this.reply();
    return replies;
  }

  close(): void {
    this.#stream.destroy();
  }
}
