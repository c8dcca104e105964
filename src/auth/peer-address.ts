/** Four numbers; the addresses come from sockets and are well formed. */
const ipv4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;

/**
 * What failures of one peer are counted under: an IPv4 address itself, the first 64 bits of an
 * IPv6 address, which is the least that one customer has. Other texts stand for themselves.
 */
export function networkOf(address: string): string {
  const plain = address.replace(/%.*$/, "");
  const mapped = /^::ffff:([\d.]+)$/i.exec(plain);
  if (mapped !== null && ipv4.test(mapped[1]!)) return mapped[1]!;
  if (!plain.includes(":")) return plain;
  return `${groups(plain).slice(0, 4).join(":")}::/64`;
}

/** Whether nobody on a network could read along: loopback, or a Unix socket (empty address). */
export function isLoopback(address: string): boolean {
  const network = networkOf(address);
  if (network === "" || address === "::1") return true;
  return ipv4.test(network) && network.startsWith("127.");
}

/** The eight groups of an IPv6 address without leading zeros. RFC 4291 §2.2 */
function groups(address: string): readonly string[] {
  const [head, tail] = address.split("::") as [string, string | undefined];
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  // An IPv4 tail takes the place of two groups, beyond the half we look at.
  const taken = before.length + after.length + (address.includes(".") ? 1 : 0);
  const zeros = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - taken) }, () => "0");
  return [...before, ...zeros, ...after].map((group) =>
    group.replace(/^0+(?=.)/, "").toLowerCase(),
  );
}
