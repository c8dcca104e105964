/** All commands of a session that is logged in. */
import type { CommandName } from "#wire/index.ts";
import { servedCapabilities } from "./capabilities.ts";
import type { CommandPolicy, CommandSpec } from "./command-spec.ts";
import { capability } from "./commands/capability.ts";
import { logout } from "./commands/logout.ts";
import { check, noop } from "./commands/noop.ts";
import { examine, select } from "./commands/select.ts";
import { close, unselect } from "./commands/close.ts";

const specs: readonly CommandSpec[] = [
  capability,
  check,
  close,
  examine,
  logout,
  noop,
  select,
  unselect,
];

export const commands: ReadonlyMap<string, CommandSpec> = new Map(
  specs.map((spec) => [spec.name, spec]),
);

/** Commands that do not come as a value: their literals are streamed. */
const streamed: readonly CommandPolicy[] = [];

export function policyOf(name: CommandName): CommandPolicy | undefined {
  return commands.get(name) ?? streamed.find((policy) => policy.name === name);
}

/** What is announced after login. */
export const capabilities: readonly string[] = servedCapabilities([...specs, ...streamed]);
