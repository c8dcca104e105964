/** All commands of a session that is logged in, and what is announced because of them. */
import type { CommandName } from "#wire/index.ts";
import { servedCapabilities } from "./capabilities.ts";
import type { CommandPolicy, CommandSpec } from "./command-spec.ts";
import { append } from "./commands/append.ts";
import { capability } from "./commands/capability.ts";
import { close, unselect } from "./commands/close.ts";
import { compress } from "./commands/compress.ts";
import { copy, move } from "./commands/copy.ts";
import { create } from "./commands/create.ts";
import { deleteMailbox } from "./commands/delete.ts";
import { enable } from "./commands/enable.ts";
import { expunge } from "./commands/expunge.ts";
import { fetch } from "./commands/fetch.ts";
import { id } from "./commands/id.ts";
import { idle } from "./commands/idle.ts";
import { list, lsub } from "./commands/list.ts";
import { logout } from "./commands/logout.ts";
import { namespace } from "./commands/namespace.ts";
import { check, noop } from "./commands/noop.ts";
import { getQuota, getQuotaRoot, setQuota } from "./commands/quota.ts";
import { rename } from "./commands/rename.ts";
import { search } from "./commands/search.ts";
import { examine, select } from "./commands/select.ts";
import { sort } from "./commands/sort.ts";
import { status } from "./commands/status.ts";
import { store } from "./commands/store.ts";
import { subscribe, unsubscribe } from "./commands/subscribe.ts";
import { thread } from "./commands/thread.ts";

const specs: readonly CommandSpec[] = [
  capability,
  check,
  close,
  compress,
  copy,
  create,
  deleteMailbox,
  enable,
  examine,
  expunge,
  fetch,
  getQuota,
  getQuotaRoot,
  id,
  idle,
  list,
  logout,
  lsub,
  move,
  namespace,
  noop,
  rename,
  search,
  select,
  setQuota,
  sort,
  status,
  store,
  subscribe,
  thread,
  unselect,
  unsubscribe,
];

/** Commands that do not come as a value: their literals are streamed. */
const streamed: readonly CommandPolicy[] = [append];

export const commands: ReadonlyMap<CommandName, CommandSpec> = new Map(
  specs.map((spec) => [spec.name, spec]),
);

/** What is announced after login. */
export const capabilities: readonly string[] = servedCapabilities([...specs, ...streamed]);
