/** The line of version 1. The PROXY protocol, section 2.1 */
import { formatIp, parseIpv4, parseIpv6 } from "./address.ts";
import { type ProxyHeader, ProxyHeaderError } from "./header.ts";

/** Octets of the longest line with its CRLF. */
export const lineBytesMax = 107;

const portForm = /^(?:0|[1-9]\d{0,4})$/;

/** @param line without CRLF, one character per octet */
export function parseLine(line: string): ProxyHeader {
  const [word, family, ...rest] = line.split(" ");
  if (word !== "PROXY") throw new ProxyHeaderError("No PROXY line");
  if (family === "UNKNOWN") return { version: 1, endpoints: undefined };
  if ((family !== "TCP4" && family !== "TCP6") || rest.length !== 4)
    throw new ProxyHeaderError("A PROXY line that does not fit the grammar");
  const [source, target, sourcePort, targetPort] = rest as [string, string, string, string];
  const parse = family === "TCP4" ? parseIpv4 : parseIpv6;
  return {
    version: 1,
    endpoints: {
      address: address(parse(source)),
      port: port(sourcePort),
      localAddress: address(parse(target)),
      localPort: port(targetPort),
    },
  };
}

function address(octets: Uint8Array | undefined): string {
  if (octets === undefined) throw new ProxyHeaderError("A PROXY line with a bad address");
  return formatIp(octets);
}

function port(text: string): number {
  const number = portForm.test(text) ? Number(text) : Number.NaN;
  if (!(number <= 65_535)) throw new ProxyHeaderError("A PROXY line with a bad port");
  return number;
}
