/**
 * The test report: a line for each file, what failed in full, what was skipped and why, totals.
 * For `node --test --test-reporter=./tools/reporter.ts`.
 */
import { relative } from "node:path";
import type { TestEvent } from "node:test/reporters";
import { inspect, styleText } from "node:util";

type Result = Extract<TestEvent, { type: "test:fail" | "test:pass" }>["data"];
type Summary = Extract<TestEvent, { type: "test:summary" }>["data"];

const paint = (format: "bold" | "green" | "red" | "yellow", text: string): string =>
  styleText(format, text, { stream: process.stdout });
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const place = (file: string | undefined): string =>
  file === undefined ? "" : relative(process.cwd(), file);

function errorOf({ details }: Result): unknown {
  return "error" in details ? details.error : undefined;
}

/** Cancelled tests (those that ran out of time) count as failed. */
const failed = ({ counts }: Summary): number =>
  counts.tests - counts.passed - counts.skipped - counts.todo;

/** What a suite fails with when something inside it failed: that is told already. */
const echo = "subtestsFailed";

function failureKind(failure: Result): string {
  const error = errorOf(failure);
  return error instanceof Error && "failureType" in error ? String(error.failureType) : "";
}

function describeFailure(failure: Result): string {
  const error = errorOf(failure);
  const cause: unknown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const text = typeof cause === "string" ? cause : inspect(cause, { colors: false, depth: 4 });
  const where = `${place(failure.file)}:${failure.line ?? 0}`;
  return `${paint("red", `✖ ${failure.name}`)}\n  ${where}\n${text.replaceAll(/^/gm, "  ")}\n\n`;
}

function fileLine(summary: Summary): string {
  const sign = summary.success ? paint("green", "✔") : paint("red", "✖");
  const notes = [`${summary.counts.passed} passed`];
  if (failed(summary) > 0) notes.push(paint("red", `${failed(summary)} failed`));
  if (summary.counts.skipped > 0) {
    notes.push(paint("yellow", `${summary.counts.skipped} skipped`));
  }
  return `${sign} ${place(summary.file)}  ${notes.join(", ")}, ${seconds(summary.duration_ms)}
`;
}

function closing(total: Summary, files: number): string {
  const { counts } = total;
  const lines = [
    `files ${files}`,
    `tests ${counts.tests}`,
    `pass ${counts.passed}`,
    `fail ${failed(total)}`,
    `skipped ${counts.skipped}`,
    `todo ${counts.todo}`,
    `duration ${seconds(total.duration_ms)}`,
  ];
  return `${lines.map((line) => `ℹ ${line}`).join("\n")}\n`;
}

/** The interface that Node's test runner expects of a reporter module is a default export. */
// oxlint-disable-next-line import/no-default-export -- the runner looks for it
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const failures: Result[] = [];
  const skipped: string[] = [];
  let files = 0;
  for await (const event of source) {
    switch (event.type) {
      case "test:fail":
        if (failureKind(event.data) !== echo) failures.push(event.data);
        break;
      case "test:pass":
        if (event.data.skip !== undefined && event.data.skip !== false) {
          const reason = typeof event.data.skip === "string" ? `: ${event.data.skip}` : "";
          skipped.push(`- ${event.data.name}${reason}\n`);
        }
        break;
      case "test:stdout":
      case "test:stderr":
        yield event.data.message;
        break;
      case "test:summary":
        if (event.data.file === undefined) {
          if (skipped.length > 0) yield `\n${paint("yellow", "Skipped")}\n${skipped.join("")}`;
          if (failures.length > 0) yield `\n${paint("bold", "Failed")}\n`;
          for (const failure of failures) yield describeFailure(failure);
          yield `\n${closing(event.data, files)}`;
        } else {
          files++;
          yield fileLine(event.data);
        }
        break;
      default:
    }
  }
}
