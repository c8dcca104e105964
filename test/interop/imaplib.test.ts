/** Python's imaplib against a real server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { missing, password, run, TestServer } from "./server.ts";

const script = String.raw`
import imaplib, ssl, sys, email, time
imaps, imap, certificate, password = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
trust = ssl.create_default_context(cafile=certificate)

def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]

body = b"Subject: one\r\nMessage-ID: <1@example.org>\r\n\r\n" + b"x" * 70000 + b"\r\n"
with imaplib.IMAP4_SSL("localhost", imaps, ssl_context=trust) as client:
    assert "IMAP4REV1" in client.capabilities, client.capabilities
    ok(client.login("alice@example.org", password))
    ok(client.create("Box"))
    ok(client.subscribe("Box"))
    assert b'"/" Box' in b" ".join(ok(client.list())), client.list()
    ok(client.append("INBOX", r"(\Seen)", imaplib.Time2Internaldate(1e9), body))
    ok(client.append("INBOX", None, None, body.replace(b"one", b"two")))
    assert ok(client.select("INBOX")) == [b"2"]
    assert ok(client.search(None, "SUBJECT", "two")) == [b"2"]
    assert ok(client.uid("SEARCH", None, "SEEN")) == [b"1"]
    data = ok(client.fetch("1", "(FLAGS INTERNALDATE RFC822)"))
    assert data[0][1] == body, len(data[0][1])
    assert time.mktime(imaplib.Internaldate2tuple(data[0][0])) == 1e9
    assert b"\\Seen" in imaplib.ParseFlags(data[0][0] + data[1]), data[1]
    ok(client.store("2", "+FLAGS", r"(\Flagged $Label1)"))
    ok(client.copy("1:2", "Box"))
    ok(client.store("1", "+FLAGS.SILENT", r"\Deleted"))
    assert ok(client.expunge()) == [b"1"]
    assert ok(client.sort("REVERSE DATE", "UTF-8", "ALL")) == [b"1"]
    assert ok(client.thread("REFERENCES", "UTF-8", "ALL")) == [b"(1)"]
    assert b"MESSAGES 2" in ok(client.status("Box", "(MESSAGES UIDNEXT)"))[0]
    ok(client.close())
    ok(client.rename("Box", "Box2"))
    ok(client.delete("Box2"))
    ok(client.getquotaroot("INBOX"))
    ok(client.namespace())
    assert client.select("Nowhere")[0] == "NO"

with imaplib.IMAP4_SSL("localhost", imaps, ssl_context=trust) as client:
    ok(client.login("alice@example.org", password))
    ok(client.enable("UTF8=ACCEPT"))
    ok(client.create('"Grüße"'))
    ok(client.append('"Grüße"', None, None, body))
    assert ok(client.select('"Grüße"')) == [b"1"]

with imaplib.IMAP4("127.0.0.1", imap) as client:
    try:
        client.login("alice@example.org", "wrong")
        raise AssertionError("wrong password taken")
    except imaplib.IMAP4.error as error:
        assert "AUTHENTICATIONFAILED" in str(error), error

with imaplib.IMAP4("localhost", imap) as client:
    ok(client.starttls(ssl_context=trust))
    ok(client.authenticate("PLAIN", lambda _: b"\0alice@example.org\0" + password.encode()))
    ok(client.select("INBOX", readonly=True))
    assert client.store("1", "+FLAGS", r"\Seen")[0] == "NO"
print("fine")
`;

test("imaplib", { skip: missing("python3") }, async (t) => {
  const server = await TestServer.start(t, { users: ["alice@example.org"] });
  const { imap, imaps } = server.ports;
  const parameters = ["-c", script, String(imaps), String(imap), server.certificateFile, password];
  const ran = await run("python3", parameters);
  assert.equal(ran.output.trim(), "fine", ran.errors.slice(-1000));
});
