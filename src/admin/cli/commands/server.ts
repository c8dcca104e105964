import type { Stats } from "../../operations/stats.ts";
import type { SessionSummary, VerifyReport } from "../../operations/operation.ts";
import type { CommandSet } from "../command.ts";
import { exitCodes } from "../exit-codes.ts";
import type { Terminal } from "../terminal.ts";
import { bytesText } from "../terminal.ts";

export const serverCommands: CommandSet = (program, act) => {
  act(
    program
      .command("serve")
      .description("run the server until a signal ends it")
      .option("--demo", 'with an account "demo" and sample mail; loopback only')
      .addHelpText(
        "after",
        "\nSignals: TERM and INT stop, letting sessions finish; a second one stops at once.\n" +
          "HUP reads the certificates anew and checks the configuration.",
      ),
    async ({ environment, options }, { demo }: { demo?: boolean }) => {
      const settings = await environment.loadSettings(options);
      return environment.serve(settings, { demo: demo ?? false, colour: options.colour });
    },
  );

  act(
    program.command("stats").description("show figures of the server and its accounts"),
    async ({ call, terminal }) => {
      const stats = await call({ name: "stats", params: {} });
      terminal.result(stats, (stats) => statsText(stats, terminal));
    },
  );

  act(
    program
      .command("who")
      .description("list who is connected, parked or not")
      .option("--name <name>", "only this login name"),
    async ({ call, terminal }, { name }: { name?: string }) => {
      const params = name === undefined ? {} : { name };
      terminal.result(await call({ name: "who", params }), (sessions) =>
        whoText(sessions, terminal),
      );
    },
  );

  act(
    program
      .command("verify")
      .description("read everything that is stored and check it")
      .option("--repair", "set broken files aside and rebuild what can be rebuilt", false)
      .addHelpText("after", "\nEnds with 1 where something is wrong and was not repaired."),
    async ({ call, terminal }, { repair }: { repair: boolean }) => {
      const bar = terminal.progressBar(repair ? "Repairing" : "Verifying");
      const report = await call({
        name: "verify",
        params: { repair },
        progress: (done, total) => bar.show(done, total),
      }).finally(() => bar.end());
      terminal.result(report, (report) => verifyText(report, terminal));
      return report.problems.length === 0 || report.repaired ? exitCodes.ok : exitCodes.found;
    },
  );

  const config = program.command("config").description("look at the configuration");
  act(
    config.command("check").description("check the configuration file"),
    async ({ environment, options, terminal }) => {
      const { file } = await environment.loadSettings(options);
      terminal.result({ ok: true, file: file ?? null }, () =>
        file === undefined
          ? "There is no configuration file; the defaults serve."
          : `${file} is sound.`,
      );
    },
  );
};

function statsText(stats: Stats, terminal: Terminal): string {
  const { server } = stats;
  const rows: [string, string | number][] = [
    ["accounts", stats.accounts],
    ["disabled accounts", stats.disabledAccounts],
  ];
  if (server === null) rows.push(["server", "not running"]);
  else
    rows.push(
      ["connections", server.connections],
      ["parked sessions", server.parked],
      ["memory", bytesText(server.memoryBytes)],
      ["running for", durationText(server.uptimeMs)],
      ...server.listeners.map((text): [string, string] => ["listens", text]),
    );
  return rows
    .map(([name, value]) => `${terminal.styled("bold", name.padEnd(18))} ${value}`)
    .join("\n");
}

function whoText(sessions: readonly SessionSummary[], terminal: Terminal): string {
  if (sessions.length === 0) return "Nobody is connected.";
  const cells = sessions.map(({ name, state, listener, address, port, secure }) => [
    name ?? "-",
    state,
    `${listener}${secure ? " (TLS)" : ""}`,
    address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`,
  ]);
  const heads = ["name", "state", "listener", "from"];
  const widths = heads.map((head, i) =>
    Math.max(head.length, ...cells.map((row) => row[i]!.length)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join("  ")
      .trimEnd();
  return [terminal.styled("bold", line(heads)), ...cells.map(line)].join("\n");
}

function durationText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const [days, hours, minutes] = [86_400, 3_600, 60].map((unit, i, units) =>
    Math.floor((i === 0 ? seconds : seconds % units[i - 1]!) / unit),
  ) as [number, number, number];
  if (days > 0) return `${days} d ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}

function verifyText(report: VerifyReport, terminal: Terminal): string {
  const { objects, bytes, problems, repaired } = report;
  const lines = problems.map((problem) => `${terminal.styled("red", "-")} ${problem}`);
  const outcome =
    problems.length === 0
      ? terminal.styled("green", "All is sound.")
      : repaired
        ? terminal.styled("yellow", "Repaired.")
        : terminal.styled("red", "Not repaired; --repair does it.");
  return [...lines, `${objects} objects, ${bytesText(bytes)} read. ${outcome}`].join("\n");
}
