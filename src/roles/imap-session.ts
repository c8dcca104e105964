import {
  type ImapArrival,
  type ImapServices,
  resumeImap,
  serveImap,
} from "#protocols/imap/index.ts";
import { serveHeld } from "#proxy/index.ts";

/** Serves an IMAP client, its session frozen or not, until it is gone. */
export function serveImapSession(arrival: ImapArrival, services: ImapServices): Promise<void> {
  const { stream, peer, identity } = arrival;
  const { clock, shutdown, store } = services;
  return serveHeld(stream, {
    clock,
    shutdown,
    start: () => serveImap(arrival, services),
    resume: (resumption) => resumeImap({ stream, peer, identity, ...resumption }, services),
    watch: ({ mailbox, modseq }, wake) => {
      const account = identity.accountId;
      const stop = store.changes.watch({ account, mailbox }, wake);
      if (store.changedAfter(account, mailbox, modseq)) wake();
      return stop;
    },
  });
}
