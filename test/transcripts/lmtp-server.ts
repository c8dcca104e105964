/** LMTP sessions over a real delivery and a store in memory, for transcripts. */
import { openSqliteDirectory, type Quota } from "#auth/index.ts";
import { ByteBudget } from "#base/byte-budget.ts";
import { systemClock } from "#base/clock.ts";
import { silentLog } from "#base/log.ts";
import { systemRandom } from "#base/random.ts";
import { Shutdown } from "#base/shutdown.ts";
import { Delivery } from "#delivery/index.ts";
import { serveLmtp } from "#protocols/lmtp/index.ts";
import { prepareMessage } from "#store/index.ts";
import { MemoryServer } from "./memory-server.ts";
import { memoryStreams } from "./memory-stream.ts";
import type { TranscriptConnection, TranscriptServer } from "./runner.ts";

const lmtpCapabilities =
  "PIPELINING 8BITMIME SMTPUTF8 ENHANCEDSTATUSCODES CHUNKING BINARYMIME SIZE";

/**
 * Knows alice@example.org with the alias sales@example.org, bob@example.org who gets all other mail
 * of example.net, and the disabled off@example.org. `quota` is alice's.
 */
export class LmtpMemoryServer implements TranscriptServer {
  readonly capabilities = new Set(lmtpCapabilities.split(" "));
  readonly sessions: Promise<void>[] = [];
  readonly #delivery: Delivery;
  readonly #shutdown = new Shutdown();

  private constructor(delivery: Delivery) {
    this.#delivery = delivery;
  }

  static async start(quota: Quota): Promise<LmtpMemoryServer> {
    const [clock, random] = [systemClock, systemRandom];
    const directory = openSqliteDirectory({ path: ":memory:", clock, random });
    await directory.addAccount({ name: "alice@example.org", quota });
    const bob = await directory.addAccount({ name: "bob@example.org" });
    const off = await directory.addAccount({ name: "off@example.org" });
    await directory.addAlias("sales@example.org", "alice@example.org");
    await directory.setCatchAll("example.net", bob.accountId);
    await directory.setDisabled(off.accountId, true);
    const { store } = new MemoryServer();
    const hooks = {};
    const prepare = prepareMessage;
    return new LmtpMemoryServer(new Delivery({ store, directory, clock, hooks, prepare }));
  }

  connect(): Promise<TranscriptConnection> {
    const [client, server] = memoryStreams();
    const peer = {
      ...{ address: "127.0.0.1", port: 1, localAddress: "127.0.0.1", localPort: 24 },
      ...{ secure: false, loopback: true },
    };
    this.sessions.push(
      serveLmtp(
        {
          stream: server,
          peer,
          shutdown: this.#shutdown,
          canUpgradeTls: false,
          upgradeTls: () => Promise.reject(new Error("No TLS here")),
        },
        {
          deliver: this.#delivery,
          clock: systemClock,
          log: silentLog,
          arriving: new ByteBudget(1_000_000),
          hostname: "mx.example.org",
          messageBytesMax: 10_000,
        },
      ),
    );
    return Promise.resolve({
      send: async (bytes) => {
        await client.write(bytes);
      },
      read: () => client.read(),
      close: () => client.end(),
    });
  }
}
