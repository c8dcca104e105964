/** IP addresses between text and octets, and networks of them. Pure. */

const ipv4Part = /^(?:0|[1-9]\d{0,2})$/;
const ipv6Part = /^[0-9a-f]{1,4}$/i;

/** The 4 octets of an IPv4 address in its canonical form, else undefined. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => ipv4Part.test(part))) return undefined;
  const numbers = parts.map(Number);
  return numbers.every((number) => number <= 255) ? Uint8Array.from(numbers) : undefined;
}

/** The 16 octets of an IPv6 address, else undefined. RFC 4291 §2.2 */
export function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groupsOf(halves[0]!, halves.length === 1);
  const tail = halves[1] === undefined ? [] : groupsOf(halves[1], true);
  if (head === undefined || tail === undefined) return undefined;
  const zeros = 8 - head.length - tail.length;
  // A "::" stands for one group at least.
  if (halves.length === 1 ? zeros !== 0 : zeros < 1) return undefined;
  const groups = [...head, ...Array.from({ length: zeros }, () => 0), ...tail];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}

/** Groups of 16 bits; the last two may be written as an IPv4 address where it is the end. */
function groupsOf(text: string, isEnd: boolean): number[] | undefined {
  if (text === "") return [];
  const parts = text.split(":");
  const out: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (isEnd && index === parts.length - 1 && part.includes(".")) {
      const octets = parseIpv4(part);
      if (octets === undefined) return undefined;
      out.push((octets[0]! << 8) | octets[1]!, (octets[2]! << 8) | octets[3]!);
    } else if (ipv6Part.test(part)) out.push(Number.parseInt(part, 16));
    else return undefined;
  }
  return out.length <= 8 ? out : undefined;
}

/** The octets of an address of either kind, with or without a zone, as sockets name it. */
export function parseAddress(text: string): Uint8Array | undefined {
  return parseIpv4(text) ?? parseIpv6(text.replace(/%.*$/, ""));
}

/**
 * Text of 4 or 16 octets; IPv6 in the form of RFC 5952 §4, and an IPv4 address that is mapped into
 * IPv6 as the IPv4 address that it is. RFC 4291 §2.5.5.2
 */
export function formatIp(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join(".");
  if (isMapped(octets)) return octets.subarray(12).join(".");
  const groups = Array.from({ length: 8 }, (_, i) => (octets[2 * i]! << 8) | octets[2 * i + 1]!);
  const zeros = longestZeros(groups);
  const text = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  if (zeros.length < 2) return text(0, 8);
  return `${text(0, zeros.start)}::${text(zeros.start + zeros.length, 8)}`;
}

function isMapped(octets: Uint8Array): boolean {
  return octets.subarray(0, 10).every((octet) => octet === 0) && octets[10]! + octets[11]! === 510;
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
    start = end;
  }
  return best;
}

interface Network {
  readonly octets: Uint8Array;
  readonly bits: number;
}

/** `address/bits`, or an address alone, which is a network of one. Undefined where it is neither. */
function parseNetwork(text: string): Network | undefined {
  const [address = "", bits, ...rest] = text.split("/");
  const octets = address.includes("%") ? undefined : parseAddress(address);
  if (octets === undefined || rest.length > 0) return undefined;
  const all = octets.length * 8;
  if (bits === undefined) return { octets, bits: all };
  if (!ipv4Part.test(bits) || Number(bits) > all) return undefined;
  const network = { octets, bits: Number(bits) };
  // An address with bits beyond its network was probably meant to be another network.
  return octets.every((octet, index) => (octet & ~mask(network.bits, index) & 0xff) === 0)
    ? network
    : undefined;
}

/** Whether a text names a network, such as `192.0.2.0/24`, `2001:db8::/32` or one address. */
export function isNetwork(text: string): boolean {
  return parseNetwork(text) !== undefined;
}

/** The bits of octet `index` that belong to a network of `bits` bits. */
function mask(bits: number, index: number): number {
  const left = Math.min(8, Math.max(0, bits - index * 8));
  return (0xff << (8 - left)) & 0xff;
}

/** A set of networks, IPv4 and IPv6. */
export class Networks {
  readonly #networks: readonly Network[];

  /** @param texts each of which `isNetwork` */
  constructor(texts: readonly string[]) {
    this.#networks = texts.map((text) => {
      const network = parseNetwork(text);
      if (network === undefined) throw new TypeError(`Not a network: ${text}`);
      return network;
    });
  }

  /** Whether an address as sockets name it lies in one of them; false for what is no address. */
  has(address: string): boolean {
    const parsed = parseAddress(address);
    if (parsed === undefined) return false;
    const octets = parsed.length === 16 && isMapped(parsed) ? parsed.subarray(12) : parsed;
    return this.#networks.some(
      (network) =>
        network.octets.length === octets.length &&
        network.octets.every(
          (octet, index) => ((octet ^ octets[index]!) & mask(network.bits, index)) === 0,
        ),
    );
  }
}
