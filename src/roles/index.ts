/**
 * Roles: the only place that builds things and introduces them to one another.
 *
 * - `serve` is a process: settings in, exit code out; signals, stray errors, the start screen.
 * - all-in-one.ts is a server of one machine as an object.
 * - open-mail-service.ts builds journal, store, delivery and protocols; nothing else here knows
 *   how mail is kept.
 * - `openInProcess` gives operations what they need where no server runs.
 * - Nobody but the main program imports this area.
 */
export { fillCache } from "./fill-cache.ts";
export { type InProcessAdmin, openInProcess } from "./in-process.ts";
export type { MailService, MailServiceParts, OpenMailService } from "./mail-service.ts";
export { serve, type ServeOptions } from "./serve.ts";
