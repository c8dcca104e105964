import type { Metrics } from "#base/metrics.ts";

/** What listeners count. */
export class ListenerMetrics {
  readonly #open;
  readonly #opened;
  readonly #refused;
  readonly #broken;
  readonly #failed;

  constructor(metrics: Metrics) {
    this.#open = metrics.gauge("roost_connections", "Open connections", ["listener"]);
    this.#opened = metrics.counter("roost_connections_total", "Accepted connections", ["listener"]);
    this.#refused = metrics.counter("roost_connections_refused_total", "Connections over a limit", [
      "listener",
      "limit",
    ]);
    this.#broken = metrics.counter(
      "roost_connections_broken_total",
      "Connections that the peer or the network broke",
      ["listener"],
    );
    this.#failed = metrics.counter(
      "roost_sessions_failed_total",
      "Sessions ended by a fault of ours",
      ["listener"],
    );
  }

  opened(listener: string): void {
    this.#open.inc({ listener });
    this.#opened.inc({ listener });
  }
  /** A connection that had been parked. */
  takenBack(listener: string): void {
    this.#open.inc({ listener });
  }
  closed(listener: string): void {
    this.#open.dec({ listener });
  }
  refused(listener: string, limit: string): void {
    this.#refused.inc({ listener, limit });
  }
  broken(listener: string): void {
    this.#broken.inc({ listener });
  }
  failed(listener: string): void {
    this.#failed.inc({ listener });
  }
}
