import type { Server } from "node:http";
import { hostname } from "node:os";
import { join } from "node:path";
import { adminSocketName, createAdminServer, createMonitoringServer } from "#admin/index.ts";
import type { AdminContext } from "#admin/index.ts";
import { errorText, Refusal } from "#base/assert.ts";
import { utf8 } from "#base/bytes.ts";
import type { Clock } from "#base/clock.ts";
import type { Log } from "#base/log.ts";
import { Metrics } from "#base/metrics.ts";
import type { Random } from "#base/random.ts";
import type { Settings } from "#config/index.ts";
import {
  bind,
  Certificates,
  endpointText,
  Listeners,
  LoginMetrics,
  ParkingLot,
  serveImapLogin,
  servePop3Login,
  serveReturned,
  UserConnections,
} from "#proxy/index.ts";
import type { Connection, Endpoint, ListenerSettings, ListenOptions } from "#proxy/index.ts";
import { openAuthDesk } from "./auth-desk.ts";
import type { AuthDesk } from "./auth-desk.ts";
import { listSessions } from "./list-sessions.ts";
import type { MailService, OpenMailService } from "./mail-service.ts";

export interface ServerParts {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly openMailService: OpenMailService;
  /** See `MailServiceParts.fatal`. */
  readonly fatal: (error: unknown) => void;
}

/** A place where the server listens, for people. */
export interface ListeningPlace {
  readonly protocol: "imap" | "pop3" | "lmtp" | "http" | "admin";
  readonly tls: "implicit" | "starttls" | "none";
  readonly endpoint: Endpoint;
}

const loopbackHosts = ["127.0.0.1", "::1"];

/** Proxy and backend in one process: the whole server of one machine. */
export class AllInOne {
  readonly #parts: ServerParts;
  readonly #metrics = new Metrics();
  readonly #startedAt: number;
  readonly #listeners: Listeners;
  readonly #users: UserConnections;
  readonly #places: ListeningPlace[] = [];
  readonly #httpServers: Server[] = [];
  #auth!: AuthDesk;
  #certificates!: Certificates;
  #mail: MailService | undefined;
  #lot: ParkingLot | undefined;

  private constructor(parts: ServerParts) {
    const { clock, log } = parts;
    this.#parts = parts;
    this.#startedAt = clock.monotonic();
    this.#listeners = new Listeners({ clock, log, metrics: this.#metrics });
    this.#users = new UserConnections(this.#listeners.shutdown);
  }

  /** Builds everything and listens. What was opened is closed again where a part refuses. */
  static async start(parts: ServerParts): Promise<AllInOne> {
    const server = new AllInOne(parts);
    try {
      await server.#open();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  get places(): readonly ListeningPlace[] {
    return this.#places;
  }

  get certificates(): Certificates {
    return this.#certificates;
  }

  /** What administrators' operations work with. */
  get adminContext(): AdminContext {
    return {
      clock: this.#parts.clock,
      accounts: this.#auth,
      mail: async () => this.#mailService().desk,
      endSessions: (accountId, text) => {
        this.#users.end(accountId, { text, code: "CONTACTADMIN" });
        this.#lot?.wakeAccount(accountId);
      },
      sessions: () => listSessions(this.#listeners, this.#lot),
      serverStats: async () => ({
        uptimeMs: Math.round(this.#parts.clock.monotonic() - this.#startedAt),
        connections: this.#listeners.connections,
        parked: this.#lot?.count ?? 0,
        memoryBytes: process.memoryUsage.rss(),
        listeners: this.#places.map(({ protocol, endpoint }) => {
          return `${protocol} ${endpointText(endpoint)}`;
        }),
      }),
    };
  }

  async #open(): Promise<void> {
    const { settings, clock, random, log, openMailService } = this.#parts;
    const { dataDir, tls } = settings;
    this.#auth = await openAuthDesk(this.#parts);
    this.#certificates = await Certificates.open({ dataDir, settings: tls, clock, random, log });
    const { shutdown } = this.#listeners;
    const metrics = this.#metrics;
    const directory = this.#auth.limited;
    const { fatal } = this.#parts;
    const parts = { settings, clock, random, log, metrics, directory, shutdown, fatal };
    this.#mail = await openMailService(parts);
    const sessions = this.#sessionServers();
    for (const listener of settings.listeners) await this.#listen(listener, sessions);
    await this.#openHttp();
  }

  #mailService(): MailService {
    if (this.#mail === undefined) throw new Refusal("UNAVAILABLE", "The store is closed");
    return this.#mail;
  }

  /** What serves a connection, by protocol. */
  #sessionServers(): Record<ListenerSettings["protocol"], (c: Connection) => Promise<void>> {
    const { settings, clock, random, log } = this.#parts;
    const mail = this.#mailService();
    const logins = new LoginMetrics(this.#metrics);
    const login = {
      credentials: this.#auth.authenticator,
      clearTextLogin: settings.clearTextLogin,
      users: this.#users,
      onLogin: settings.onLogin,
      clock,
      random,
      log,
    };
    const imap = {
      ...login,
      sessions: mail.imap,
      lot: this.#openLot(mail),
      capabilities: mail.imapGreetingCapabilities,
      metrics: logins.of("imap"),
    };
    const pop3 = {
      ...login,
      start: mail.startPop3,
      capabilities: mail.pop3Capabilities,
      metrics: logins.of("pop3"),
    };
    return {
      imap: (connection) => serveImapLogin(connection, imap),
      pop3: (connection) => servePop3Login(connection, pop3),
      lmtp: (connection) => mail.serveLmtp(connection),
    };
  }

  #openLot(mail: MailService): ParkingLot | undefined {
    const { settings, clock, random, log } = this.#parts;
    if (settings.parkAfterMs === false) return undefined;
    const users = this.#users;
    const lot = ParkingLot.open({
      ...{ clock, random, log },
      metrics: this.#metrics,
      listeners: this.#listeners,
      serve: (connection, session) =>
        serveReturned(connection, session, {
          ...{ users, clock, lot },
          sessions: mail.imap,
          directory: this.#auth.limited,
        }),
    });
    if (lot === undefined) return undefined;
    users.countParked((accountId) => lot.countOfAccount(accountId));
    mail.whenChanged((change) => lot.changed(change));
    return (this.#lot = lot);
  }

  async #listen(
    listener: ListenerSettings,
    sessions: Record<ListenerSettings["protocol"], (c: Connection) => Promise<void>>,
  ): Promise<void> {
    const { protocol, tls, mode } = listener;
    const options: Omit<ListenOptions, "endpoint"> = {
      name: tls === "implicit" ? `${protocol}s` : protocol,
      contexts: tls === "none" ? undefined : this.#certificates,
      implicitTls: tls === "implicit",
      turnAway: utf8(turnAwayLines[protocol]),
      proxyProtocol: listener.proxyProtocol,
      serve: sessions[protocol],
    };
    const open = async (endpoint: Endpoint): Promise<void> => {
      const bound = await this.#listeners.open({ ...options, endpoint });
      this.#places.push({ protocol, tls, endpoint: bound });
    };
    if (listener.path !== undefined) return open({ path: listener.path, mode });
    let opened = 0;
    for (const host of listener.hosts ?? loopbackHosts) {
      try {
        await open({ host, port: listener.port! });
        opened++;
      } catch (error) {
        // Many containers have no IPv6; one of two addresses is enough.
        if (opened === 0 || !isAddressMissing(error)) throw error;
        this.#parts.log.info({ host }, "An address to listen on is not there");
      }
    }
  }

  async #openHttp(): Promise<void> {
    const { settings, log } = this.#parts;
    const admin = createAdminServer(this.adminContext, log);
    const path = join(settings.dataDir, adminSocketName);
    await this.#bindHttp(admin, { path, mode: 0o600 }, "admin");
    if (settings.http === false) return;
    const health = (): string | undefined =>
      this.#mail === undefined ? "The store is closed" : this.#mail.health();
    const monitoring = createMonitoringServer({ metrics: this.#metrics, health });
    try {
      await this.#bindHttp(monitoring, settings.http, "http");
    } catch (error) {
      // Mail is more important than watching it.
      log.warn({ reason: errorText(error) }, "There is no page for monitoring");
    }
  }

  async #bindHttp(server: Server, endpoint: Endpoint, protocol: "admin" | "http"): Promise<void> {
    await bind(server, endpoint);
    this.#httpServers.push(server);
    const address = server.address();
    const bound =
      "host" in endpoint && typeof address === "object" && address !== null
        ? { host: address.address, port: address.port }
        : endpoint;
    this.#places.push({ protocol, tls: "none", endpoint: bound });
  }

  /** Reads the certificates anew; where that fails, the old ones stay and the error is thrown. */
  reload(): Promise<void> {
    return this.#certificates.reload();
  }

  /** Sessions say goodbye, what is arriving is finished, then everything is closed. */
  async stop(): Promise<void> {
    this.#lot?.close(utf8("* BYE [UNAVAILABLE] The server is going down\r\n"));
    this.#lot = undefined;
    await this.#listeners.stop();
    for (const server of this.#httpServers) {
      server.close();
      server.closeAllConnections();
    }
    const mail = this.#mail;
    this.#mail = undefined;
    await mail?.close();
    await (this.#auth as AuthDesk | undefined)?.close();
  }
}

const turnAwayLines = {
  imap: "* BYE [UNAVAILABLE] Too many connections, try again later\r\n",
  pop3: "-ERR [SYS/TEMP] Too many connections, try again later\r\n",
  lmtp: `421 4.3.2 ${hostname()} Too many connections, try again later\r\n`,
} as const;

function isAddressMissing(error: unknown): boolean {
  const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException) : undefined;
  return cause?.code === "EADDRNOTAVAIL" || cause?.code === "EAFNOSUPPORT";
}
