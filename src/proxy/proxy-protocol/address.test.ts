import assert from "node:assert/strict";
import { test } from "node:test";
import { formatIp, isNetwork, Networks, parseAddress, parseIpv4, parseIpv6 } from "./address.ts";

const roundTrip = (text: string): string | undefined => {
  const octets = parseAddress(text);
  return octets === undefined ? undefined : formatIp(octets);
};

test("addresses are read, and written in their shortest form", () => {
  const cases: [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["::", "::"],
    ["::1", "::1"],
    ["2001:DB8::", "2001:db8::"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0db8:0000:0001:0001:0001:0001:0001", "2001:db8:0:1:1:1:1:1"],
    ["fe80::1%eth0", "fe80::1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::ffff:c000:201", "192.0.2.1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ];
  for (const [text, wanted] of cases) assert.equal(roundTrip(text), wanted, text);
});

test("what is no address is refused", () => {
  for (const text of ["", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1.2.3.4 ", "-1.2.3.4"])
    assert.equal(parseIpv4(text), undefined, text);
  for (const text of [
    ...["", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "g::"],
    ...["1:2:3:4:5:6:7:8::", "::1:", ":1::", "1.2.3.4::", "::1.2.3", "1:2:3:4:5:6:7:1.2.3.4"],
  ])
    assert.equal(parseIpv6(text), undefined, text);
});

test("networks", () => {
  const networks = new Networks(["192.0.2.0/25", "10.1.2.3", "2001:db8::/33", "::1", "0.0.0.0/32"]);
  for (const inside of ["192.0.2.127", "::ffff:192.0.2.1", "10.1.2.3", "2001:db8:7fff::", "::1"])
    assert.ok(networks.has(inside), inside);
  for (const outside of ["192.0.2.128", "10.1.2.4", "2001:db8:8000::", "::2", "unix", "", "::"])
    assert.ok(!networks.has(outside), outside);
  assert.ok(new Networks(["0.0.0.0/0"]).has("203.0.113.9"));
  assert.ok(!new Networks(["0.0.0.0/0"]).has("2001:db8::1"));
  assert.ok(new Networks(["::/0"]).has("2001:db8::1"));
  assert.ok(new Networks(["fe80::/10"]).has("fe80::1%eth0"));
});

test("a network with bits beyond its length, or none at all, is refused", () => {
  for (const text of ["192.0.2.1/24", "192.0.2.0/33", "::/129", "192.0.2.0/", "192.0.2.0/24/1"])
    assert.ok(!isNetwork(text), text);
  for (const text of ["example.org", "", "/8", "2001:db8::1/32", "fe80::%eth0/10", "10.0.0.0/08"])
    assert.ok(!isNetwork(text), text);
});
