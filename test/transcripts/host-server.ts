/** Connections to a server that runs somewhere, for transcripts. */
import { once } from "node:events";
import { connect } from "node:net";
import type { TranscriptConnection, TranscriptServer } from "./runner.ts";

export interface HostOptions {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

/** A server that takes LOGIN in clear text. Its account is emptied by `reset`. */
export class HostServer implements TranscriptServer {
  readonly #options: HostOptions;
  capabilities: ReadonlySet<string> = new Set();

  constructor(options: HostOptions) {
    this.#options = options;
  }

  async connect(): Promise<TranscriptConnection> {
    const { host, port, user, password } = this.#options;
    const socket = connect({ host, port });
    await once(socket, "connect");
    const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    const read = async (): Promise<Uint8Array | null> => {
      try {
        const { value, done } = await chunks.next();
        return done === true ? null : value;
      } catch {
        return null;
      }
    };
    await answer(read, "*");
    const login = await command({ socket, read }, `LOGIN "${user}" "${password}"`);
    if (!/ OK [^\r]*\r\n$/.test(login)) throw new Error(`Cannot log in: ${login}`);
    return {
      send: (bytes) => void socket.write(bytes),
      read,
      close: () => void socket.end(),
    };
  }

  /** Leaves an empty INBOX and nothing else, and asks what the server can do. */
  async reset(): Promise<void> {
    const connection = await this.connect();
    const ask = (text: string): Promise<string> =>
      command(
        {
          socket: { write: (data: string) => void connection.send(Buffer.from(data)) },
          read: () => connection.read(),
        },
        text,
      );
    const announced = /\* CAPABILITY ([^\r]*)/.exec(await ask("CAPABILITY"))?.[1] ?? "";
    this.capabilities = new Set(announced.toUpperCase().split(" "));
    const listed = await ask('LIST "" *');
    const names = [...listed.matchAll(/^\* LIST \([^)]*\) "?.*?"? ("[^"]*"|\S+)\r$/gm)];
    for (const [, name] of names.toReversed()) if (name !== "INBOX") await ask(`DELETE ${name}`);
    const subscribed = await ask('LSUB "" *');
    for (const [, name] of subscribed.matchAll(/^\* LSUB \([^)]*\) "?.*?"? ("[^"]*"|\S+)\r$/gm))
      await ask(`UNSUBSCRIBE ${name}`);
    await ask("SELECT INBOX");
    await ask("UID STORE 1:* FLAGS.SILENT (\\Deleted)");
    await ask("CLOSE");
    await ask("LOGOUT");
    connection.close();
  }
}

interface Line {
  readonly socket: { write(data: string): unknown };
  readonly read: () => Promise<Uint8Array | null>;
}

let tags = 0;

/** Sends a command and gives all up to its answer. */
async function command(line: Line, text: string): Promise<string> {
  const tag = `reset${++tags}`;
  line.socket.write(`${tag} ${text}\r\n`);
  return answer(line.read, tag);
}

async function answer(read: Line["read"], tag: string): Promise<string> {
  let text = "";
  while (
    !text
      .split("\r\n")
      .slice(0, -1)
      .some((line) => line.startsWith(`${tag} `))
  ) {
    const bytes = await read();
    if (bytes === null) throw new Error("The server closed the connection");
    text += Buffer.from(bytes).toString("latin1");
  }
  return text;
}
