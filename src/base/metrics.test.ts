import assert from "node:assert/strict";
import { test } from "node:test";
import { Metrics } from "./metrics.ts";

test("counters and gauges, with and without labels", () => {
  const metrics = new Metrics();
  const logins = metrics.counter("logins_total", "Logins", ["protocol", "result"]);
  const open = metrics.gauge("open", "Open\nconnections");
  logins.inc({ result: "ok", protocol: "imap" });
  logins.inc({ protocol: "imap", result: "ok" }, 2);
  logins.inc({ protocol: 'a"b\\c\nd', result: "no" });
  open.inc();
  open.inc();
  open.dec();
  assert.equal(
    metrics.page(),
    `# HELP logins_total Logins
# TYPE logins_total counter
logins_total{protocol="imap",result="ok"} 3
logins_total{protocol="a\\"b\\\\c\\nd",result="no"} 1
# HELP open Open\\nconnections
# TYPE open gauge
open 1
`,
  );
});

test("what never happened is 0 where there are no labels, and absent where there are", () => {
  const metrics = new Metrics();
  metrics.counter("plain_total", "Plain");
  metrics.counter("labelled_total", "Labelled", ["kind"]);
  const lines = metrics.page().split("\n");
  assert.ok(lines.includes("plain_total 0"));
  assert.ok(!lines.some((line) => line.startsWith("labelled_total")));
});

test("buckets count all that is not longer than their end", () => {
  const metrics = new Metrics();
  const times = metrics.seconds("time_seconds", "Time", ["kind"]);
  for (const seconds of [0.0001, 0.0005, 0.3, 10, 11]) times.observe({ kind: "a" }, seconds);
  const lines = metrics.page().split("\n");
  for (const line of [
    "# TYPE time_seconds histogram",
    'time_seconds_bucket{kind="a",le="0.0005"} 2',
    'time_seconds_bucket{kind="a",le="0.25"} 2',
    'time_seconds_bucket{kind="a",le="0.5"} 3',
    'time_seconds_bucket{kind="a",le="10"} 4',
    'time_seconds_bucket{kind="a",le="+Inf"} 5',
    'time_seconds_count{kind="a"} 5',
  ])
    assert.ok(lines.includes(line), line);
});

test("a label that is missing, and a name that is taken, are bugs", () => {
  const metrics = new Metrics();
  const counter = metrics.counter("one_total", "One", ["kind"]);
  assert.throws(() => counter.inc({}));
  assert.throws(() => metrics.gauge("one_total", "Again"));
});
