import { assert } from "./assert.ts";

/** Values for the labels of a metric, all of them. */
export type Labels = Readonly<Record<string, string>>;

/** A number that only rises. */
export interface Counter {
  inc(labels?: Labels, by?: number): void;
}

/** A number that rises and falls. */
export interface Gauge extends Counter {
  dec(labels?: Labels, by?: number): void;
}

/** Seconds, sorted into buckets. */
export interface Histogram {
  observe(labels: Labels, seconds: number): void;
}

/** One registry per process; areas create their metrics from it by name. */
export class Metrics {
  readonly #families = new Map<string, Family>();

  counter(name: string, help: string, labels: readonly string[] = []): Counter {
    const numbers = this.#add(new Numbers({ name, help, labels }, "counter"));
    return { inc: (labels, by = 1) => numbers.add(labels, by) };
  }

  gauge(name: string, help: string, labels: readonly string[] = []): Gauge {
    const numbers = this.#add(new Numbers({ name, help, labels }, "gauge"));
    return {
      inc: (labels, by = 1) => numbers.add(labels, by),
      dec: (labels, by = 1) => numbers.add(labels, -by),
    };
  }

  /** A histogram of seconds. */
  seconds(name: string, help: string, labels: readonly string[] = []): Histogram {
    const times = this.#add(new Times({ name, help, labels }));
    return { observe: (labels, seconds) => times.add(labels, seconds) };
  }

  /** The page that Prometheus scrapes: its text format 0.0.4. */
  page(): string {
    return [...this.#families.values()].map((family) => family.lines().join("\n") + "\n").join("");
  }

  #add<F extends Family>(family: F): F {
    const { name } = family.head;
    assert(!this.#families.has(name), "A metric has a name of its own");
    this.#families.set(name, family);
    return family;
  }
}

/** What all series of one name have in common. */
interface Head {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

interface Family {
  readonly head: Head;
  lines(): string[];
}

/** Counters and gauges: label part of the line → value. */
class Numbers implements Family {
  readonly head: Head;
  readonly #type: "counter" | "gauge";
  readonly #values = new Map<string, number>();

  constructor(head: Head, type: "counter" | "gauge") {
    this.head = head;
    this.#type = type;
    if (head.labels.length === 0) this.#values.set("", 0);
  }

  add(labels: Labels | undefined, by: number): void {
    const key = labelText(this.head, labels);
    this.#values.set(key, (this.#values.get(key) ?? 0) + by);
  }

  lines(): string[] {
    const { name } = this.head;
    const lines = headLines(this.head, this.#type);
    for (const [key, value] of this.#values) lines.push(`${name}${braced(key)} ${value}`);
    return lines;
  }
}

/** Upper ends of the buckets, in seconds. */
const buckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

class Times implements Family {
  readonly head: Head;
  /** For each label part how many fell into each bucket (the last one: longer than all), and their
   * sum. */
  readonly #series = new Map<string, { counts: number[]; sum: number }>();

  constructor(head: Head) {
    this.head = head;
  }

  add(labels: Labels, seconds: number): void {
    const key = labelText(this.head, labels);
    let series = this.#series.get(key);
    if (series === undefined) {
      series = { counts: Array.from({ length: buckets.length + 1 }, () => 0), sum: 0 };
      this.#series.set(key, series);
    }
    let bucket = 0;
    while (bucket < buckets.length && seconds > buckets[bucket]!) bucket++;
    series.counts[bucket]!++;
    series.sum += seconds;
  }

  lines(): string[] {
    const { name } = this.head;
    const lines = headLines(this.head, "histogram");
    for (const [key, { counts, sum }] of this.#series) {
      let total = 0;
      for (const [i, count] of counts.entries()) {
        total += count;
        const end = `le="${buckets[i] ?? "+Inf"}"`;
        lines.push(`${name}_bucket${braced(key === "" ? end : `${key},${end}`)} ${total}`);
      }
      lines.push(`${name}_sum${braced(key)} ${sum}`, `${name}_count${braced(key)} ${total}`);
    }
    return lines;
  }
}

function headLines({ name, help }: Head, type: string): string[] {
  return [`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`];
}

/** `a="1",b="2"`, in the order in which the metric names its labels. */
function labelText(head: Head, given: Labels = {}): string {
  const parts = head.labels.map((label) => {
    const value = given[label];
    assert(value !== undefined, "Each label of a metric has a value");
    return `${label}="${escaped(value).replaceAll('"', '\\"')}"`;
  });
  return parts.join(",");
}

function braced(key: string): string {
  return key === "" ? "" : `{${key}}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}
