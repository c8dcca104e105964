import {
  type ImapArrival,
  type ImapServices,
  resumeImap,
  serveImap,
} from "#protocols/imap/index.ts";
import { type MailboxSessions, serveHeld } from "#proxy/index.ts";

/** IMAP as the proxy starts and resumes it, in the same process. */
export function imapSessions(services: ImapServices): MailboxSessions {
  const { store } = services;
  return {
    start: (arrival) => serveImap(arrival, { ...services, shutdown: arrival.shutdown }),
    resume: (arrival) => resumeImap(arrival, { ...services, shutdown: arrival.shutdown }),
    watch: (account, { mailbox, modseq }, wake) => {
      const stop = store.changes.watch({ account, mailbox }, wake);
      if (store.changedAfter(account, mailbox, modseq)) wake();
      return stop;
    },
  };
}

/** Serves an IMAP client, its session frozen or not, until it is gone; its connection stays. */
export function serveImapSession(arrival: ImapArrival, services: ImapServices): Promise<void> {
  const { stream, peer, identity } = arrival;
  const { clock, shutdown } = services;
  const sessions = imapSessions(services);
  return serveHeld(stream, {
    clock,
    shutdown,
    start: () => serveImap(arrival, services),
    resume: (resumption) => resumeImap({ stream, peer, identity, ...resumption }, services),
    watch: (waitsFor, wake) => sessions.watch(identity.accountId, waitsFor, wake),
  });
}
