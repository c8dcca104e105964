/** The union of all commands, and the table that leads from a name to its grammar. */
import type { Cursor } from "./cursor.ts";
import type { FetchCommand } from "./fetch.ts";
import { parseFetch } from "./fetch.ts";
import type { ListCommand, LsubCommand } from "./list.ts";
import { parseList, parseLsub } from "./list.ts";
import type {
  CreateCommand,
  GetQuotaCommand,
  MailboxCommand,
  RenameCommand,
  SelectCommand,
  SetQuotaCommand,
} from "./mailboxes.ts";
import {
  parseCreate,
  parseGetQuota,
  parseMailbox,
  parseRename,
  parseSelect,
  parseSetQuota,
} from "./mailboxes.ts";
import type { SearchCommand, SortCommand, ThreadCommand } from "./search.ts";
import { parseSearch, parseSort, parseThread } from "./search.ts";
import type {
  AuthenticateCommand,
  CompressCommand,
  EnableCommand,
  IdCommand,
  LoginCommand,
  PlainCommand,
  PlainName,
} from "./session.ts";
import {
  parseAuthenticate,
  parseCompress,
  parseEnable,
  parseId,
  parseLogin,
  parsePlain,
} from "./session.ts";
import type { StatusCommand } from "./status.ts";
import { parseStatus } from "./status.ts";
import type { CopyCommand, ExpungeCommand, StoreCommand } from "./store.ts";
import { parseCopy, parseExpunge, parseStore } from "./store.ts";

/** Every command but APPEND, which is streamed. */
export type Command =
  | AuthenticateCommand
  | CompressCommand
  | CopyCommand
  | CreateCommand
  | EnableCommand
  | ExpungeCommand
  | FetchCommand
  | GetQuotaCommand
  | IdCommand
  | ListCommand
  | LoginCommand
  | LsubCommand
  | MailboxCommand
  | PlainCommand
  | RenameCommand
  | SearchCommand
  | SelectCommand
  | SetQuotaCommand
  | SortCommand
  | StatusCommand
  | StoreCommand
  | ThreadCommand;

/** The names of `Command`, and APPEND. */
export type CommandName = Command["name"] | "APPEND";

interface Grammar {
  /** Reads what follows the name; null where the literals of the command are streamed. */
  readonly parse: ((cursor: Cursor) => Command) | null;
  /** May be prefixed by UID. RFC 9051 §6.4.9 */
  readonly uid: boolean;
}

const plain = (name: PlainName): Grammar => ({
  parse: (cursor) => parsePlain(cursor, name),
  uid: false,
});
const mailbox = (name: MailboxCommand["name"]): Grammar => ({
  parse: (cursor) => parseMailbox(cursor, name),
  uid: false,
});
const withUid = (parse: (cursor: Cursor) => Command): Grammar => ({ parse, uid: true });
const withoutUid = (parse: (cursor: Cursor) => Command): Grammar => ({ parse, uid: false });

const grammars = {
  APPEND: { parse: null, uid: false },
  AUTHENTICATE: withoutUid(parseAuthenticate),
  CAPABILITY: plain("CAPABILITY"),
  CHECK: plain("CHECK"),
  CLOSE: plain("CLOSE"),
  COMPRESS: withoutUid(parseCompress),
  COPY: withUid((cursor) => parseCopy(cursor, "COPY")),
  CREATE: withoutUid(parseCreate),
  DELETE: mailbox("DELETE"),
  ENABLE: withoutUid(parseEnable),
  EXAMINE: withoutUid((cursor) => parseSelect(cursor, "EXAMINE")),
  EXPUNGE: withUid(parseExpunge),
  FETCH: withUid(parseFetch),
  GETQUOTA: withoutUid(parseGetQuota),
  GETQUOTAROOT: mailbox("GETQUOTAROOT"),
  ID: withoutUid(parseId),
  IDLE: plain("IDLE"),
  LIST: withoutUid(parseList),
  LOGIN: withoutUid(parseLogin),
  LOGOUT: plain("LOGOUT"),
  LSUB: withoutUid(parseLsub),
  MOVE: withUid((cursor) => parseCopy(cursor, "MOVE")),
  NAMESPACE: plain("NAMESPACE"),
  NOOP: plain("NOOP"),
  RENAME: withoutUid(parseRename),
  SEARCH: withUid(parseSearch),
  SELECT: withoutUid((cursor) => parseSelect(cursor, "SELECT")),
  SETQUOTA: withoutUid(parseSetQuota),
  SORT: withUid(parseSort),
  STARTTLS: plain("STARTTLS"),
  STATUS: withoutUid(parseStatus),
  STORE: withUid(parseStore),
  SUBSCRIBE: mailbox("SUBSCRIBE"),
  THREAD: withUid(parseThread),
  UNSELECT: plain("UNSELECT"),
  UNSUBSCRIBE: mailbox("UNSUBSCRIBE"),
} satisfies Record<CommandName, Grammar>;

const table: ReadonlyMap<string, Grammar> = new Map<string, Grammar>(Object.entries(grammars));

/** Names of all commands that the decoder knows. */
export const commandNames: readonly string[] = [...table.keys()];

/** Reads tag and name, sets `tag` and `uid` of the cursor, and finds the grammar of the rest. */
export function readCommandName(cursor: Cursor): Grammar {
  cursor.tag = cursor.readTag();
  cursor.space();
  let name = cursor.keyword("a command");
  cursor.uid = name === "UID";
  if (cursor.uid) {
    cursor.space();
    name = cursor.keyword("a command");
  }
  const grammar = table.get(name);
  if (grammar === undefined) return cursor.fail("Unknown command");
  return cursor.uid && !grammar.uid ? cursor.fail("UID does not go with this command") : grammar;
}

/** Reads one whole command. */
export function readCommand(cursor: Cursor): Command {
  const grammar = readCommandName(cursor);
  if (grammar.parse === null) return cursor.fail("Expected a literal");
  const command = grammar.parse(cursor);
  cursor.finish();
  return command;
}
