/** openssl's s_client: STARTTLS on both protocols, TLS versions, and what must not be possible. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { missing, type Ran, run, TestServer } from "./server.ts";

test("openssl s_client", { skip: missing("openssl") }, async (t) => {
  const server = await TestServer.start(t, { users: ["alice"] });
  const { imap, imaps, lmtp } = server.ports;
  const client = (port: number, input: string, ...more: string[]): Promise<Ran> =>
    run(
      "openssl",
      [
        ...["s_client", "-connect", `localhost:${port}`, "-CAfile", server.certificateFile],
        ...["-verify_return_error", "-verify_hostname", "localhost", "-crlf", "-ign_eof", ...more],
      ],
      input,
    );

  for (const version of ["1_2", "1_3"]) {
    const name = `TLSv${version.replace("_", ".")}`;
    await t.test(`${name}, implicit and by STARTTLS`, async () => {
      const implicit = await client(imaps, "a LOGOUT\n", `-tls${version}`);
      assert.match(implicit.output, new RegExp(`(New|Protocol *:) *,? *${name}`), implicit.errors);
      assert.match(implicit.output, /^\* OK .*\r$/m);
      assert.match(implicit.output, /^a OK /m);
      const started = await client(imap, "b LOGOUT\n", `-tls${version}`, "-starttls", "imap");
      assert.match(started.output, new RegExp(name));
      assert.match(started.output, /^b OK /m);
      const mail = await client(lmtp, "LHLO c\nQUIT\n", `-tls${version}`, "-starttls", "lmtp");
      assert.match(mail.output, new RegExp(name));
      assert.match(mail.output, /^250 BINARYMIME\r$/m);
      assert.match(mail.output, /^221 2\.0\.0 /m);
    });
  }

  await t.test("TLS 1.1 is refused", async () => {
    const old = await client(imaps, "a LOGOUT\n", "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0");
    assert.notEqual(old.code, 0);
    assert.doesNotMatch(old.output, /^\* OK /m);
  });
});
