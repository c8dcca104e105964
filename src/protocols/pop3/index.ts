/**
 * POP3 after login, at the owner of the account. RFC 1939
 *
 * - `servePop3` runs one session over a `ByteStream`. The client sees INBOX as it was at login:
 *   numbers stay, new arrivals are not shown, and what others expunge meanwhile is as if deleted.
 * - One session at a time has the maildrop of an account; `MaildropLocks` knows which, and another
 *   one hears [IN-USE]. IMAP and delivery go on beside it.
 * - DELE marks; QUIT removes what is marked in one change, and says so when it is durable. RETR
 *   changes nothing, \Seen least of all.
 * - What a session knows is a `Maildrop`, which `freeze` makes bytes of and `thaw` makes again.
 */
export { capabilities } from "./capabilities.ts";
export { freeze, thaw } from "./freeze.ts";
export { Maildrop } from "./maildrop.ts";
export { MaildropLocks } from "./maildrop-locks.ts";
export { type Pop3Arrival, type Pop3Services, servePop3 } from "./session.ts";
