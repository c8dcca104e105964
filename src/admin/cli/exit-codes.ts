import type { RefusalCode } from "#base/assert.ts";

/** Codes that commands end with: those of sysexits(3) where there is one. */
export const exitCodes = {
  ok: 0,
  /** Something was found to be wrong, though the command itself did its work. */
  found: 1,
  usage: 64,
  data: 65,
  noInput: 66,
  noUser: 67,
  unavailable: 69,
  bug: 70,
  cannotCreate: 73,
  inputOutput: 74,
  tryLater: 75,
  notPermitted: 77,
  config: 78,
} as const;

/** For `--help`. */
export const exitCodesText = `Exit codes:
   0  done                          70  a bug of ours
   1  done, and something is wrong  73  exists already
  64  wrong usage                   74  the disk or the terminal failed
  65  the data cannot be used       75  not now, try again later
  66  a file cannot be read         77  not permitted
  67  no such user, mailbox ...     78  the configuration is wrong
  69  the server is not available`;

/** The code for what was refused. */
export function exitCodeOf(code: RefusalCode): number {
  switch (code) {
    case "NONEXISTENT":
    case "TRYCREATE":
      return exitCodes.noUser;
    case "ALREADYEXISTS":
      return exitCodes.cannotCreate;
    case "NOPERM":
    case "AUTHENTICATIONFAILED":
    case "AUTHORIZATIONFAILED":
    case "PRIVACYREQUIRED":
    case "EXPIRED":
      return exitCodes.notPermitted;
    case "INUSE":
    case "LIMIT":
    case "OVERQUOTA":
      return exitCodes.tryLater;
    case "UNAVAILABLE":
    case "CLOSED":
      return exitCodes.unavailable;
    case "BADCHARSET":
    case "CANNOT":
    case "CORRUPTION":
    case "EXPUNGEISSUED":
    case "HASCHILDREN":
    case "NOTSAVED":
    case "TOOBIG":
    case "UNKNOWN-CTE":
    case "USEATTR":
      return exitCodes.data;
    case "SERVERBUG":
      return exitCodes.bug;
  }
}
