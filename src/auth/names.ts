import { domainToASCII } from "node:url";
import { limits } from "#base/limits.ts";

/** Lower-case printable ASCII is its own normal form; nearly all names are. */
const simple = /^[!-@[-~]+$/;
const forbidden = /[\p{Cc}\p{Cs}\p{Zs}\p{Zl}\p{Zp}]/u;

/**
 * The form in which login names and addresses are compared: NFKC in lower case, the domain with
 * its labels in ASCII. Undefined for what cannot name anyone: empty, too long, with spaces or
 * controls, with an empty local part or domain.
 */
export function normalName(text: string): string | undefined {
  if (text.length === 0 || text.length > limits.loginNameBytesMax) return undefined;
  const folded = simple.test(text) ? text : fold(text);
  if (folded === undefined || Buffer.byteLength(folded) > limits.loginNameBytesMax)
    return undefined;
  const at = folded.lastIndexOf("@");
  if (at < 0) return folded;
  if (at === 0) return undefined;
  const domain = normalDomain(folded.slice(at + 1));
  return domain === undefined ? undefined : `${folded.slice(0, at)}@${domain}`;
}

/** A domain in lower case with its labels in ASCII; undefined where it cannot be one. RFC 5890 */
export function normalDomain(text: string): string | undefined {
  const folded = simple.test(text) ? text : fold(text);
  if (folded === undefined || folded.includes("@")) return undefined;
  const ascii = simple.test(folded) ? folded : domainToASCII(folded);
  const domain = ascii.endsWith(".") ? ascii.slice(0, -1) : ascii;
  return domain.split(".").includes("") ? undefined : domain;
}

/** Local part and domain of a normal name; the domain is undefined where there is no "@". */
export function splitAddress(name: string): { local: string; domain: string | undefined } {
  const at = name.lastIndexOf("@");
  if (at < 0) return { local: name, domain: undefined };
  return { local: name.slice(0, at), domain: name.slice(at + 1) };
}

/**
 * The address without the detail of its local part: `user+detail@domain` gives `user@domain` and
 * `detail`. Undefined where there is no detail or no user. RFC 5233 §1
 */
export function splitDetail(name: string): { base: string; detail: string } | undefined {
  const { local, domain } = splitAddress(name);
  const plus = local.indexOf("+");
  if (plus <= 0) return undefined;
  const user = local.slice(0, plus);
  return {
    base: domain === undefined ? user : `${user}@${domain}`,
    detail: local.slice(plus + 1),
  };
}

function fold(text: string): string | undefined {
  const folded = text.normalize("NFKC").toLowerCase().normalize("NFKC");
  return forbidden.test(folded) ? undefined : folded;
}
