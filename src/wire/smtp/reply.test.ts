import assert from "node:assert/strict";
import { test } from "node:test";
import { formatReply } from "./reply.ts";

test("Replies of one and of several lines", () => {
  assert.equal(
    formatReply({ code: 250, enhanced: "2.1.5", text: "Recipient ok" }),
    "250 2.1.5 Recipient ok\r\n",
  );
  assert.equal(
    formatReply({ code: 250, enhanced: null, text: ["mx", "PIPELINING", "SIZE 1"] }),
    "250-mx\r\n250-PIPELINING\r\n250 SIZE 1\r\n",
  );
  assert.equal(
    formatReply({ code: 550, enhanced: "5.1.1", text: ["a", "b"] }),
    "550-5.1.1 a\r\n550 5.1.1 b\r\n",
  );
});

test("Texts cannot break out of their line", () => {
  assert.equal(
    formatReply({ code: 550, enhanced: null, text: "a\r\n250 ok\u00fc\0" }),
    "550 a??250 ok??\r\n",
  );
  assert.equal(formatReply({ code: 250, enhanced: null, text: [] }), "250 \r\n");
});
