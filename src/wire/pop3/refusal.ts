import type { Refusal } from "../../base/assert.ts";

/** The response code for a refusal; undefined where there is none for it. RFC 2449 §8.1, RFC 3206 §3 */
export function pop3ResponseCode({ code }: Refusal): string | undefined {
  switch (code) {
    case "AUTHENTICATIONFAILED":
    case "AUTHORIZATIONFAILED":
    case "EXPIRED":
    case "NOPERM":
      return "AUTH";
    case "INUSE":
      return "IN-USE";
    case "LIMIT":
    case "UNAVAILABLE":
      return "SYS/TEMP";
    case "CORRUPTION":
      return "SYS/PERM";
    default:
      return undefined;
  }
}
