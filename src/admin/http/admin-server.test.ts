import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { inlineSlowHash, openSqliteDirectory, Passwords } from "#auth/index.ts";
import { Refusal } from "#base/assert.ts";
import { systemClock } from "#base/clock.ts";
import { silentLog } from "#base/log.ts";
import { systemRandom } from "#base/random.ts";
import type { AdminContext, OperationCall } from "../operations/operation.ts";
import { ParameterError } from "../operations/run.ts";
import { callServer, NoServer } from "./client.ts";
import { createAdminServer } from "./server.ts";

function context(t: TestContext): AdminContext {
  const directory = openSqliteDirectory({
    path: ":memory:",
    clock: systemClock,
    random: systemRandom,
  });
  t.after(() => directory.close());
  return {
    clock: systemClock,
    accounts: {
      directory,
      passwords: new Passwords({ random: systemRandom, slow: inlineSlowHash }),
    },
    mail: () => Promise.reject(new Refusal("UNAVAILABLE", "There is no store here")),
    endSessions() {},
    serverStats: async () => undefined,
    sessions: () => [],
  };
}

async function serve(t: TestContext): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "roost-"));
  const path = join(folder, "admin.sock");
  const server = createAdminServer(context(t), silentLog);
  server.listen(path);
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true });
  });
  return path;
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

const quiet: OperationCall = { input: nothing(), output: async () => {}, progress() {} };

test("a long input leaves no listeners behind for each of its pieces", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "roost-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "slow.sock");
  const server = createServer((incoming, outgoing) => {
    let bytes = 0;
    incoming.on("data", (piece: Buffer) => {
      bytes += piece.length;
      incoming.pause();
      setImmediate(() => incoming.resume());
    });
    incoming.on("end", () => outgoing.end(`${JSON.stringify({ result: bytes })}\n`));
  });
  server.listen(path);
  await once(server, "listening");
  t.after(() => server.close());
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on("warning", note);
  t.after(() => process.off("warning", note));
  async function* long(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 50; i++) yield Buffer.alloc(100_000);
  }
  const call = { ...quiet, input: long() };
  assert.equal(await callServer(path, { name: "x", params: {} }, call), 5_000_003);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warnings, []);
});

test("the answer is not closed before the caller's last write", async (t) => {
  const socket = connect(await serve(t));
  t.after(() => socket.destroy());
  let received = "";
  socket.setEncoding("latin1").on("data", (text: string) => (received += text));
  socket.write(
    "POST /operations/user.list HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" +
      "Transfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n",
  );
  while (!received.includes('{"result":[]}')) await once(socket, "data");
  // A last piece of the answer, or the end of the connection, would come first.
  const early = await Promise.race([
    once(socket, "end").then(() => "closed"),
    once(socket, "data").then(() => "ended"),
    new Promise((resolve) => setTimeout(resolve, 50, "open")),
  ]);
  assert.equal(early, "open");
  const end = once(socket, "end");
  socket.write("0\r\n\r\n");
  await end;
});

test("user operations work through the socket, and refusals come back as they were", async (t) => {
  const path = await serve(t);
  const call = (name: string, params: unknown) => callServer(path, { name, params }, quiet);
  const alice = (await call("user.add", { name: "alice", password: "secret" })) as object;
  assert.deepEqual(await call("user.list", {}), [alice]);
  await assert.rejects(call("user.add", { name: "alice" }), {
    name: "Refusal",
    code: "ALREADYEXISTS",
  });
  await call("user.passwd", { name: "alice", password: "another" });
  assert.deepEqual(await call("user.disable", { name: "alice" }), { ...alice, disabled: true });
  assert.deepEqual(await call("stats", {}), { accounts: 1, disabledAccounts: 1, server: null });
  assert.deepEqual(await call("user.disable", { name: "alice", disabled: false }), alice);
  await call("user.remove", { name: "alice" });
  await assert.rejects(call("user.passwd", { name: "alice", password: "x" }), {
    code: "NONEXISTENT",
  });
});

test("unknown operations, wrong parameters and things that are no JSON are told apart", async (t) => {
  const path = await serve(t);
  await assert.rejects(callServer(path, { name: "user.eat", params: {} }, quiet), {
    code: "NONEXISTENT",
  });
  await assert.rejects(callServer(path, { name: "user.add", params: { nam: 1 } }, quiet), (e) => {
    assert.ok(e instanceof ParameterError);
    assert.match(e.message, /^name: /);
    return true;
  });
  const raw = request({ socketPath: path, method: "POST", path: "/operations/user.list" });
  raw.end("{ not json\n");
  const [response] = await once(raw, "response");
  const [body] = await once(response.setEncoding("utf8"), "data");
  assert.match(body, /^{"error":{"kind":"parameter","text":"The parameters are not JSON/);
});

test("no socket is no server", async () => {
  await assert.rejects(
    callServer("/nonexistent/admin.sock", { name: "stats", params: {} }, quiet),
    NoServer,
  );
});
