/** Which command comes next. */
import { append } from "./commands/appending.ts";
import { copy, expunge, move, store } from "./commands/changing.ts";
import { fetch } from "./commands/fetching.ts";
import { list, lsub, status } from "./commands/listing.ts";
import { create, remove, rename, subscribe, unsubscribe } from "./commands/mailboxes.ts";
import { capability, check, enable, namespace, noop, quotaRoot } from "./commands/plain.ts";
import { search, sort, thread } from "./commands/searching.ts";
import { close, examine, select, unselect } from "./commands/selecting.ts";
import type { Dice } from "./dice.ts";
import type { Generator, Planned, World } from "./planned.ts";
import type { SessionModel } from "./session.ts";

const generators = {
  append,
  capability,
  check,
  close,
  copy,
  create,
  enable,
  examine,
  expunge,
  fetch,
  list,
  lsub,
  move,
  namespace,
  noop,
  quotaRoot,
  remove,
  rename,
  search,
  select,
  sort,
  status,
  store,
  subscribe,
  thread,
  unselect,
  unsubscribe,
} satisfies Record<string, Generator>;

type Name = keyof typeof generators;

const anywhere: Readonly<Record<Name, number>> = {
  append: 12,
  capability: 1,
  check: 1,
  close: 0,
  copy: 0,
  create: 6,
  enable: 12,
  examine: 5,
  expunge: 0,
  fetch: 0,
  list: 12,
  lsub: 3,
  move: 0,
  namespace: 1,
  noop: 1,
  quotaRoot: 1,
  remove: 2,
  rename: 3,
  search: 0,
  select: 24,
  sort: 0,
  status: 5,
  store: 0,
  subscribe: 8,
  thread: 0,
  unselect: 0,
  unsubscribe: 1,
};

const selected: Readonly<Record<Name, number>> = {
  append: 14,
  capability: 1,
  check: 2,
  close: 3,
  copy: 9,
  create: 2,
  enable: 0,
  examine: 2,
  expunge: 10,
  fetch: 26,
  list: 3,
  lsub: 1,
  move: 7,
  namespace: 1,
  noop: 8,
  quotaRoot: 1,
  remove: 1,
  rename: 2,
  search: 16,
  select: 5,
  sort: 6,
  status: 4,
  store: 26,
  subscribe: 1,
  thread: 6,
  unselect: 2,
  unsubscribe: 1,
};

export function generatorFor(dice: Dice, session: SessionModel): Generator {
  return generators[dice.weighted(session.view === undefined ? anywhere : selected)];
}

/** A command that only reads messages; undefined where one comes that does more. */
export function readingFor(dice: Dice): Generator {
  const reading =
    generators[dice.pick<Name>(["fetch", "fetch", "fetch", "search", "sort", "thread"])];
  return (world, session) => {
    const planned = reading(world, session);
    return planned?.changes === true ? undefined : planned;
  };
}

/** A command that changes messages of the selected mailbox. */
export function writingFor(dice: Dice): Generator {
  return generators[
    dice.pick<Name>(["store", "store", "expunge", "expunge", "copy", "move", "append"])
  ];
}

/** What is done with messages that are gone without its being told. */
export function hauntedFor(dice: Dice): Generator {
  return generators[
    dice.pick<Name>(["fetch", "fetch", "store", "search", "copy", "move", "sort", "expunge"])
  ];
}

/** A command that changes nothing, for a session whose mailbox was deleted. */
export function harmless(world: World, session: SessionModel): Planned {
  const name = world.dice.pick<Name>(["noop", "select", "select", "list", "examine", "fetch"]);
  return generators[name](world, session)!;
}
