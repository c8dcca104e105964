/**
 * wire: octets to values and back, for every protocol. Pure: no input or output, no clock, no
 * state beyond the octets of one connection. Server, proxy and test clients share it.
 *
 * - A decoder is fed with `push(chunk)` and asked with `next()` until it says `more`. It takes
 *   input cut at any place, decodes it the same, and holds no more than `base/limits.ts` allows.
 * - What does not fit a grammar is an event, never an exception; after it the decoder goes on at
 *   the next line, or says `fatal` and the connection is to be closed.
 * - Views into the input are given out instead of copies: their memory is not written to again,
 *   but keeps the chunk alive; copy what is kept for long.
 * - Values have the names of the RFCs. They are not checked beyond the grammar: whether a mailbox
 *   exists or a charset is known is the session's affair.
 */
export type { AppendHead } from "./imap/append.ts";
export type { Command, CommandName } from "./imap/command.ts";
export type { CivilDay, DateTime } from "./imap/dates.ts";
export type { DecodeEvent, LineEvent } from "./imap/decoder.ts";
export { CommandDecoder } from "./imap/decoder.ts";
export type { FetchCommand, FetchItem, PartialRange, Section, SectionText } from "./imap/fetch.ts";
export type { ListCommand, LsubCommand } from "./imap/list.ts";
export type {
  CreateCommand,
  GetQuotaCommand,
  MailboxCommand,
  QresyncParameters,
  RenameCommand,
  SelectCommand,
  SetQuotaCommand,
} from "./imap/mailboxes.ts";
export type {
  ModSeqEntry,
  SearchCommand,
  SearchKey,
  SearchReturn,
  SortCommand,
  SortCriterion,
  ThreadCommand,
} from "./imap/search.ts";
export type { Ranges, SequenceSet } from "./imap/sequence-set.ts";
export {
  formatRanges,
  hasStar,
  noRanges,
  rangesContain,
  rangesMax,
  rangesOf,
  resolveSet,
  rowsOfUids,
} from "./imap/sequence-set.ts";
export type {
  AuthenticateCommand,
  CompressCommand,
  EnableCommand,
  IdCommand,
  LoginCommand,
  PlainCommand,
  PlainName,
} from "./imap/session.ts";
export { decodeSaslLine, isDoneLine } from "./imap/session.ts";
export type { StatusCommand, StatusItem } from "./imap/status.ts";
export type { CopyCommand, ExpungeCommand, StoreCommand } from "./imap/store.ts";
export type { SyntaxCode } from "./imap/syntax.ts";
export { ImapSyntaxError } from "./imap/syntax.ts";
export type { Pop3AuthCommand, Pop3Command } from "./pop3/command.ts";
export { decodePop3SaslLine, Pop3SyntaxError } from "./pop3/command.ts";
export type { Pop3Event } from "./pop3/decoder.ts";
export { Pop3Decoder } from "./pop3/decoder.ts";
export { DotStuffer, TopCutter } from "./pop3/dots.ts";
export { writeLanguage } from "./pop3/language.ts";
export { pop3ResponseCode } from "./pop3/refusal.ts";
export { Pop3ReplyWriter } from "./pop3/reply-writer.ts";
export type { Pop3Status } from "./pop3/response-decoder.ts";
export { Pop3ResponseDecoder } from "./pop3/response-decoder.ts";
export type { Address } from "./smtp/address.ts";
export { formatAddress } from "./smtp/address.ts";
export type { BodyType, MailCommand, RcptCommand, SmtpCommand } from "./smtp/command.ts";
export type { SmtpEvent } from "./smtp/decoder.ts";
export { SmtpDecoder } from "./smtp/decoder.ts";
export type { Reply } from "./smtp/reply.ts";
export { formatReply } from "./smtp/reply.ts";
export type { ResponseEvent, Token } from "./imap/response-decoder.ts";
export { ResponseDecoder } from "./imap/response-decoder.ts";
export type { Status } from "./imap/response-writer.ts";
export { decimalBytesMax, putDecimal, ResponseWriter } from "./imap/response-writer.ts";
