import type { Metrics } from "#base/metrics.ts";

/** Counts logins; one object for each protocol. */
export class LoginMetrics {
  readonly #protocol: string;
  readonly #logins;

  constructor(metrics: Metrics, protocol: string) {
    this.#protocol = protocol;
    this.#logins = metrics.counter("roost_logins_total", "Logins by their outcome", [
      "protocol",
      "mechanism",
      "result",
    ]);
  }

  succeeded(mechanism: string): void {
    this.#logins.inc({ protocol: this.#protocol, mechanism, result: "ok" });
  }

  /** `mechanism` may be any word that a client said: unknown ones are counted together. */
  failed(mechanism: string): void {
    const known = /^(LOGIN|PLAIN|SCRAM-SHA-(1|256)(-PLUS)?)$/.test(mechanism);
    const labels = { mechanism: known ? mechanism : "other", result: "refused" };
    this.#logins.inc({ protocol: this.#protocol, ...labels });
  }
}
