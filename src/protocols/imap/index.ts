/**
 * IMAP4rev1 and IMAP4rev2 after login: a session is a view of a mailbox and the commands on it.
 *
 * - `serveImap` runs one client until it ends. It never rejects; whatever a client sends, the worst
 *   that happens is the end of its own session.
 * - A response leaves only when what it was computed from is durable (`Output.flush`).
 * - One command, one file in commands/; its policy is data (`CommandSpec`) and applied in
 *   connection.ts. A capability is announced only when the commands that serve it are there.
 * - Errors become responses in one place, responses.ts.
 * - A session whose client is silent is frozen to bytes (`ImapEnding`) and goes on from them
 *   (`resumeImap`) on any process that has the account.
 * - Rows and sequence numbers are valid until the next `await`; uids for ever (`View`).
 */
export { ArrivingBytes } from "./arriving-bytes.ts";
export { capabilities } from "./command-table.ts";
export { resumeImap, serveImap } from "./connection.ts";
export type { ImapArrival, ImapEnding, ImapReturn, ImapServices } from "./session.ts";
export { View, type ViewNumbers } from "./view.ts";
