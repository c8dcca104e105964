/** Python's poplib against a real server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LmtpClient } from "../client/lmtp-client.ts";
import { connect, missing, password, run, TestServer } from "./server.ts";

const script = String.raw`
import poplib, ssl, sys
pop3s, pop3, certificate, password = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
trust = ssl.create_default_context(cafile=certificate)

client = poplib.POP3_SSL("localhost", pop3s, context=trust)
assert client.getwelcome().startswith(b"+OK")
capabilities = client.capa()
for name in ("TOP", "UIDL", "USER", "PIPELINING", "RESP-CODES", "UTF8", "SASL"):
    assert name in capabilities, capabilities
assert "STLS" not in capabilities, capabilities
client.user("alice"); client.pass_(password)
count, octets = client.stat()
assert count == 3, count
response, listing, _ = client.list()
assert [int(line.split()[0]) for line in listing] == [1, 2, 3], listing
assert sum(int(line.split()[1]) for line in listing) == octets, (listing, octets)
_, lines, size = client.retr(2)
body = lines[lines.index(b"") + 1:]
assert body == [b".dots", b"..", b".", b"end"], body
_, lines, _ = client.retr(3)
assert lines[-1] == b"x" * 70, lines[-1]
assert len(lines) > 20000
_, lines, _ = client.top(3, 2)
assert len(lines) - lines.index(b"") == 3, lines
uidls = client.uidl()[1]
assert client.uidl(2).endswith(uidls[1]), (client.uidl(2), uidls)
try:
    other = poplib.POP3("localhost", pop3)
    other.user("alice"); other.pass_(password)
    raise AssertionError("two sessions")
except poplib.error_proto as error:
    assert b"[IN-USE]" in error.args[0], error
client.dele(1)
client.quit()

client = poplib.POP3("localhost", pop3)
assert "STLS" in client.capa()
client.stls(context=trust)
client.user("alice"); client.pass_(password)
assert [line.split()[1] for line in client.uidl()[1]] == [line.split()[1] for line in uidls[1:]]
client.dele(1); client.rset(); client.noop()
assert client.stat()[0] == 2
client.quit()

client = poplib.POP3("localhost", pop3)
client.utf8()
try:
    client.user("alice"); client.pass_("wrong")
    raise AssertionError("wrong password taken")
except poplib.error_proto as error:
    assert b"[AUTH]" in error.args[0], error
client.close()
print("fine")
`;

const utf8Script = String.raw`
import poplib, ssl, sys
pop3s, certificate, password = int(sys.argv[1]), sys.argv[3], sys.argv[4]
trust = ssl.create_default_context(cafile=certificate)
# The last message has UTF-8 in its header.
for says in (False, True):
    client = poplib.POP3_SSL("localhost", pop3s, context=trust)
    if says:
        client.utf8()
    client.user("alice"); client.pass_(password)
    last = client.stat()[0]
    assert len(client.list()[1]) == last
    try:
        _, lines, _ = client.retr(last)
        assert says and "Subject: größer".encode() in lines, lines
    except poplib.error_proto as error:
        assert not says and b"[UTF8]" in error.args[0], error
    client.retr(1)
    client.dele(last)
    if says:
        client.quit()
    else:
        client.close()
print("fine")
`;

test("poplib", { skip: missing("python3") }, async (t) => {
  const server = await TestServer.start(t, { users: ["alice"] });
  const lmtp = new LmtpClient(await connect(server.ports.lmtp));
  await lmtp.hello();
  const large = `${"x".repeat(70)}\r\n`.repeat(20_000);
  for (const body of ["one\r\n", ".dots\r\n..\r\n.\r\nend\r\n", large]) {
    const [reply] = await lmtp.deliver(`Subject: x\r\n\r\n${body}`, ["alice@localhost"]);
    assert.match(reply!, /^250/);
  }
  const { pop3, pop3s } = server.ports;
  const parameters = ["-c", script, String(pop3s), String(pop3), server.certificateFile, password];
  const ran = await run("python3", parameters);
  assert.equal(ran.output.trim(), "fine", ran.errors.slice(-1000));
  // The client sends one octet for each character.
  const needy = Buffer.from("Subject: größer\r\n\r\nx\r\n").toString("latin1");
  assert.match((await lmtp.deliver(needy, ["alice@localhost"]))[0]!, /^250/);
  lmtp.close();
  const says = await run("python3", ["-c", utf8Script, ...parameters.slice(2)]);
  assert.equal(says.output.trim(), "fine", says.errors.slice(-1000));
  // Across a restart, unique ids stay.
  const uidl = async (): Promise<string> => {
    const socket = await connect(server.ports.pop3);
    await socket.write(Buffer.from(`USER alice\r\nPASS ${password}\r\nUIDL\r\nQUIT\r\n`));
    let text = "";
    for (let bytes = await socket.read(); bytes !== null; bytes = await socket.read())
      text += Buffer.from(bytes).toString("latin1");
    return /\r\n1 (?:.|\r\n)*?\r\n\.\r\n/.exec(text)![0];
  };
  const before = await uidl();
  assert.match(before, /^\r\n1 \S+\r\n2 \S+\r\n\.\r\n$/);
  await server.end("SIGKILL");
  await server.start();
  assert.equal(await uidl(), before);
});
