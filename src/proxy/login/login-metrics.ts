import type { Metrics } from "#base/metrics.ts";

/** Counts the logins of one protocol. */
export interface ProtocolLogins {
  succeeded(mechanism: string): void;
  /** `mechanism` may be any word that a client said: unknown ones are counted together. */
  failed(mechanism: string): void;
}

/** Counts logins; one object for all protocols. */
export class LoginMetrics {
  readonly #logins;

  constructor(metrics: Metrics) {
    this.#logins = metrics.counter("roost_logins_total", "Logins by their outcome", [
      "protocol",
      "mechanism",
      "result",
    ]);
  }

  of(protocol: string): ProtocolLogins {
    const logins = this.#logins;
    return {
      succeeded: (mechanism) => logins.inc({ protocol, mechanism, result: "ok" }),
      failed(mechanism) {
        const known = /^(LOGIN|PASS|PLAIN|SCRAM-SHA-(1|256)(-PLUS)?)$/.test(mechanism);
        logins.inc({ protocol, mechanism: known ? mechanism : "other", result: "refused" });
      },
    };
  }
}
