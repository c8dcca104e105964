import { Counter, Gauge, Histogram, Registry } from "prom-client";

/** One registry per process; areas create their metrics from it by name. */
export class Metrics {
  readonly registry = new Registry();

  counter(name: string, help: string, labels: readonly string[] = []): Counter {
    return new Counter({ name, help, labelNames: [...labels], registers: [this.registry] });
  }
  gauge(name: string, help: string, labels: readonly string[] = []): Gauge {
    return new Gauge({ name, help, labelNames: [...labels], registers: [this.registry] });
  }
  /** A histogram of seconds. */
  seconds(name: string, help: string, labels: readonly string[] = []): Histogram {
    return new Histogram({
      name,
      help,
      labelNames: [...labels],
      registers: [this.registry],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    });
  }
  /** The page that Prometheus scrapes. */
  page(): Promise<string> {
    return this.registry.metrics();
  }
}
