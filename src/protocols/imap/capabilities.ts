/**
 * What the server can do, and which commands it takes: a capability is announced only when each of
 * these commands is registered and declares that it serves it.
 */
import { Bug } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import type { CommandName } from "#wire/index.ts";
import type { CommandPolicy } from "./command-spec.ts";

const messages: readonly CommandName[] = ["FETCH", "SEARCH", "STORE", "COPY", "APPEND", "EXPUNGE"];
const mailboxes: readonly CommandName[] = [
  "SELECT",
  "EXAMINE",
  "CREATE",
  "DELETE",
  "RENAME",
  "SUBSCRIBE",
  "UNSUBSCRIBE",
  "LIST",
  "STATUS",
];

/** In the order in which they are announced. The decoder serves those without commands. */
const servedBy: ReadonlyMap<string, readonly CommandName[]> = new Map(
  Object.entries<readonly CommandName[]>({
    IMAP4rev1: [
      ...mailboxes,
      ...messages,
      "LSUB",
      "CHECK",
      "CLOSE",
      "NOOP",
      "LOGOUT",
      "CAPABILITY",
    ],
    IMAP4rev2: [
      ...mailboxes,
      ...messages,
      ...(["MOVE", "CLOSE", "UNSELECT", "IDLE", "NAMESPACE", "ENABLE", "NOOP", "LOGOUT"] as const),
    ],
    "LITERAL+": [],
    "SASL-IR": [],
    ID: ["ID"],
    ENABLE: ["ENABLE"],
    IDLE: ["IDLE"],
    NAMESPACE: ["NAMESPACE"],
    UNSELECT: ["UNSELECT"],
    UIDPLUS: ["APPEND", "COPY", "EXPUNGE"],
    MOVE: ["MOVE"],
    MULTIAPPEND: ["APPEND"],
    CHILDREN: ["LIST"],
    "LIST-EXTENDED": ["LIST"],
    "LIST-STATUS": ["LIST", "STATUS"],
    "SPECIAL-USE": ["LIST"],
    "CREATE-SPECIAL-USE": ["CREATE"],
    "STATUS=SIZE": ["STATUS"],
    CONDSTORE: ["SELECT", "FETCH", "STORE", "SEARCH", "STATUS"],
    QRESYNC: ["SELECT", "ENABLE", "FETCH", "EXPUNGE"],
    ESEARCH: ["SEARCH"],
    SEARCHRES: ["SEARCH"],
    WITHIN: ["SEARCH"],
    SORT: ["SORT"],
    "THREAD=ORDEREDSUBJECT": ["THREAD"],
    "THREAD=REFERENCES": ["THREAD"],
    "THREAD=REFS": ["THREAD"],
    BINARY: ["FETCH", "APPEND"],
    OBJECTID: ["SELECT", "CREATE", "STATUS", "FETCH", "SEARCH"],
    SAVEDATE: ["FETCH", "SEARCH"],
    APPENDLIMIT: ["APPEND", "STATUS"],
    "UTF8=ACCEPT": ["ENABLE", "APPEND"],
    "COMPRESS=DEFLATE": ["COMPRESS"],
    PREVIEW: ["FETCH"],
    PARTIAL: ["SEARCH"],
    QUOTA: ["GETQUOTA", "GETQUOTAROOT", "SETQUOTA", "STATUS"],
    "QUOTA=RES-STORAGE": ["GETQUOTA"],
    "QUOTA=RES-MESSAGE": ["GETQUOTA"],
  }),
);

/** Every capability there could be. */
export const capabilityNames: readonly string[] = [...servedBy.keys()];

/**
 * The capabilities that all their commands serve, as they are announced. Errors: `Bug` when a
 * command declares one that is not in the table or does not need it.
 */
export function servedCapabilities(commands: readonly CommandPolicy[]): string[] {
  const declared = new Set<string>();
  for (const { name, capabilities } of commands)
    for (const capability of capabilities) {
      if (servedBy.get(capability)?.includes(name) !== true)
        throw new Bug(`${name} declares ${capability}, which does not count on it`);
      declared.add(`${name} ${capability}`);
    }
  return capabilityNames
    .filter((capability) =>
      servedBy.get(capability)!.every(
        (name) =>
          declared.has(`${name} ${capability}`) ||
          // The base protocol is served by being there.
          (capability.startsWith("IMAP4") && commands.some((command) => command.name === name)),
      ),
    )
    .map((capability) =>
      capability === "APPENDLIMIT" ? `APPENDLIMIT=${limits.messageBytesMax}` : capability,
    );
}
