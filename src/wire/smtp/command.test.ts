import assert from "node:assert/strict";
import { test } from "node:test";
import { fromLatin1, utf8 } from "../../base/bytes.ts";
import type { SmtpCommand } from "./command.ts";
import { parseSmtpCommand } from "./command.ts";
import { SmtpSyntaxError } from "./reply.ts";

const parse = (text: string, smtpUtf8 = false): SmtpCommand =>
  parseSmtpCommand(utf8(text), smtpUtf8);

const bob = { local: "bob", domain: "b.example", international: false };

test("Greetings and simple verbs", () => {
  assert.deepEqual(parse("lhlo mx.example"), { verb: "LHLO", domain: "mx.example" });
  assert.deepEqual(parse("EHLO [127.0.0.1]"), { verb: "EHLO", domain: "[127.0.0.1]" });
  for (const verb of ["DATA", "RSET", "QUIT", "STARTTLS"] as const)
    assert.deepEqual(parse(`${verb.toLowerCase()}  `), { verb });
  assert.deepEqual(parse("NOOP x y"), { verb: "NOOP", argument: "x y" });
  assert.deepEqual(parse("VRFY bob"), { verb: "VRFY", argument: "bob" });
  assert.deepEqual(parse("BDAT 1000"), { verb: "BDAT", size: 1000, last: false });
  assert.deepEqual(parse("bdat 0 last"), { verb: "BDAT", size: 0, last: true });
  assert.deepEqual(parse("AUTH plain"), { verb: "AUTH", mechanism: "PLAIN", initial: null });
  const auth = parse("AUTH PLAIN AGE=");
  assert.equal(auth.verb === "AUTH" && Buffer.from(auth.initial!).toString(), "\0a");
  assert.equal((parse("AUTH EXTERNAL =") as { initial: Uint8Array }).initial.length, 0);
});

test("MAIL with its parameters", () => {
  const bare = { size: null, body: null, smtpUtf8: false, ret: null, envId: null };
  assert.deepEqual(parse("MAIL FROM:<>"), { verb: "MAIL", from: null, ...bare });
  assert.deepEqual(parse("mail from: <bob@B.example>"), { verb: "MAIL", from: bob, ...bare });
  const line =
    "MAIL FROM:<bob@b.example> SIZE=99 body=binarymime SMTPUTF8 RET=hdrs ENVID=a+2Bb AUTH=<>";
  assert.deepEqual(parse(line), {
    verb: "MAIL",
    from: bob,
    size: 99,
    body: "BINARYMIME",
    smtpUtf8: true,
    ret: "HDRS",
    envId: "a+2Bb",
  });
  assert.equal(
    (parse("MAIL FROM:<> SIZE=99999999999999999999") as { size: number }).size,
    2 ** 53 - 1,
  );
  const mail = parse("MAIL FROM:<\u00fc@b.example> SMTPUTF8");
  assert.equal(mail.verb === "MAIL" && mail.from?.local, "\u00fc");
});

test("RCPT with its parameters", () => {
  const base = { verb: "RCPT", to: bob, notify: null, originalRecipient: null };
  assert.deepEqual(parse("RCPT TO:<bob@b.example>"), base);
  assert.deepEqual(parse("RCPT TO:<bob@b.example> NOTIFY=failure,DELAY ORCPT=rfc822;a@b"), {
    ...base,
    notify: ["FAILURE", "DELAY"],
    originalRecipient: "rfc822;a@b",
  });
  assert.equal(parse("RCPT TO:<\u00fc@b.example>", true).verb, "RCPT");
});

test("Lines that do not fit get their replies", () => {
  const cases: ReadonlyArray<readonly [string, number, string]> = [
    ["", 500, "5.5.1"],
    ["FROB x", 500, "5.5.1"],
    ["\u0000", 500, "5.5.2"],
    ["NOOP a\rb", 500, "5.5.2"],
    ["LHLO", 501, "5.5.4"],
    ["LHLO a b", 501, "5.5.4"],
    ["DATA x", 501, "5.5.4"],
    ["MAIL", 501, "5.5.4"],
    ["MAIL <a@b>", 501, "5.5.4"],
    ["MAIL FROM:", 501, "5.1.7"],
    ["MAIL FROM:a@b", 501, "5.1.7"],
    ["MAIL FROM:<a@b>SIZE=1", 501, "5.5.4"],
    ["MAIL FROM:<a@b> SIZE", 501, "5.5.4"],
    ["MAIL FROM:<a@b> SIZE=", 501, "5.5.4"],
    ["MAIL FROM:<a@b> SIZE=-1", 501, "5.5.4"],
    ["MAIL FROM:<a@b> SIZE=1 SIZE=1", 501, "5.5.4"],
    ["MAIL FROM:<a@b> BODY=9BIT", 501, "5.5.4"],
    ["MAIL FROM:<a@b> SMTPUTF8=1", 555, "5.5.4"],
    ["MAIL FROM:<a@b> FROB=1", 555, "5.5.4"],
    ["MAIL FROM:<a@b> -=1", 501, "5.5.4"],
    ["MAIL FROM:<\u00fc@b>", 553, "5.6.7"],
    ["RCPT TO:<>", 501, "5.1.3"],
    ["RCPT TO:<a b@c>", 501, "5.1.3"],
    ["RCPT FROM:<a@b>", 501, "5.5.4"],
    ["RCPT TO:<a@b> NOTIFY=NEVER,DELAY", 501, "5.5.4"],
    ["RCPT TO:<a@b> NOTIFY=", 501, "5.5.4"],
    ["RCPT TO:<a@b> SIZE=1", 555, "5.5.4"],
    ["RCPT TO:<\u00fc@b>", 553, "5.6.7"],
    ["BDAT", 501, "5.5.4"],
    ["BDAT x", 501, "5.5.4"],
    ["BDAT 1 FIRST", 501, "5.5.4"],
    ["BDAT 9999999999999999", 501, "5.5.4"],
    ["AUTH", 501, "5.5.4"],
    ["AUTH PLAIN =a", 501, "5.5.2"],
  ];
  for (const [text, code, enhanced] of cases) {
    assert.throws(
      () => parse(text),
      (error: unknown) =>
        error instanceof SmtpSyntaxError &&
        error.reply.code === code &&
        error.reply.enhanced === enhanced,
      text,
    );
  }
  assert.throws(() => parseSmtpCommand(fromLatin1("NOOP \u00fc"), false), SmtpSyntaxError);
});
