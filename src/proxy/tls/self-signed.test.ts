import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { connect, createServer } from "node:tls";
import { seededRandom } from "#base/random.ts";
import { makeSelfSigned } from "./self-signed.ts";

const now = Date.UTC(2026, 0, 2);
const random = seededRandom(1);

test("the certificate says what it is for", () => {
  const made = makeSelfSigned({
    names: ["localhost", "mail.example.org", "localhost"],
    now,
    random,
  });
  const certificate = new X509Certificate(made.certificate);
  assert.equal(certificate.subject, "CN=localhost");
  assert.equal(certificate.issuer, "CN=localhost");
  assert.equal(
    certificate.subjectAltName,
    "DNS:localhost, DNS:mail.example.org, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
  );
  assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1"]);
  assert.equal(certificate.ca, false);
  assert.equal(certificate.validFromDate.getTime(), now - 24 * 3600 * 1000);
  assert.equal(certificate.validToDate.getTime(), now + 3650 * 24 * 3600 * 1000);
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.ok(certificate.verify(certificate.publicKey));
  assert.ok(certificate.checkPrivateKey(createPrivateKey(made.key)));
});

test("a TLS client that trusts it is content", async (t) => {
  const made = makeSelfSigned({ names: ["localhost"], now: Date.now(), random });
  const server = createServer({ cert: made.certificate, key: made.key }, (socket) => socket.end());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: "127.0.0.1", ca: made.certificate });
  await once(client, "secureConnect");
  assert.ok(client.authorized);
  client.destroy();
});

test("names that no certificate can hold are left out", () => {
  const names = ["", "mühle", "a b", "x".repeat(65)];
  const certificate = new X509Certificate(makeSelfSigned({ names, now, random }).certificate);
  assert.equal(certificate.subject, "CN=localhost");
});

test("from 2050 on times have four digits for the year, and long ones are no trouble", () => {
  const names = Array.from({ length: 20 }, (_, i) => `${"host".repeat(10)}-${i}.example.org`);
  const later = Date.UTC(2045, 5, 1);
  const certificate = new X509Certificate(
    makeSelfSigned({ names, now: later, random }).certificate,
  );
  assert.equal(certificate.validToDate.getTime(), later + 3650 * 24 * 3600 * 1000);
  assert.ok(certificate.verify(certificate.publicKey));
});

test("serial numbers are positive, of 16 bytes, and differ", () => {
  const serial = (): string =>
    new X509Certificate(makeSelfSigned({ names: ["a"], now, random }).certificate).serialNumber;
  const some = Array.from({ length: 5 }, serial);
  assert.equal(new Set(some).size, 5);
  for (const one of some) assert.match(one, /^[4-7][0-9A-F]{31}$/);
});
