import { createServer } from "./node-http.ts";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Refusal, errorText } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import type { Log } from "#base/log.ts";
import type { AdminContext, OperationCall } from "../operations/operation.ts";
import { ParameterError, runOperation } from "../operations/run.ts";
import { operationNames } from "../operations/table.ts";
import { LineCutter } from "./frames.ts";
import type { FailureFrame, Frame } from "./frames.ts";

/** The socket for administrators, in the data folder. */
export const adminSocketName = "admin.sock";

/**
 * Serves operations over HTTP; whoever calls `listen` sees to it that only administrators reach it
 * (a Unix socket of the server's user). It has no passwords of its own.
 */
export function createAdminServer(context: AdminContext, log: Log): Server {
  const server = createServer((request, response) => {
    answer(request, response, context, log).catch((error: unknown) => {
      log.warn({ err: error }, "An administrator's call broke");
      response.destroy();
    });
  });
  // A long delivery or verification may take its time.
  server.requestTimeout = 0;
  return server;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  ...[context, log]: [AdminContext, Log]
): Promise<void> {
  const name = /^\/operations\/([a-z.]+)$/.exec(request.url ?? "")?.[1];
  if (name === undefined || request.method !== "POST") {
    const isList = request.method === "GET" && request.url === "/operations";
    response.writeHead(isList ? 200 : 404, { "content-type": "application/json" });
    response.end(`${JSON.stringify(isList ? operationNames : { error: "Not found" })}\n`);
    return;
  }
  response.writeHead(200, { "content-type": "application/x-ndjson" });
  let input: AsyncIterable<Uint8Array> | undefined;
  try {
    const { params, input: rest } = await readRequest(request);
    input = rest;
    const call = callOver(response, input);
    const result = await runOperation(context, { name, params }, call);
    await send(response, { result: result ?? null });
    log.info({ operation: name }, "Administrator's operation");
  } catch (error) {
    const failure = failureOf(error);
    if (failure.kind === "bug") log.error({ err: error, operation: name }, "An operation failed");
    await send(response, { error: failure });
  }
  if (input !== undefined) await readToEnd(input);
  response.end();
}

/** Where we closed before the caller's last write, it would fail and hide the answer from it. */
async function readToEnd(input: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const _ of input);
  } catch {
    // The caller has its answer and has gone.
  }
}

function callOver(response: ServerResponse, input: AsyncIterable<Uint8Array>): OperationCall {
  return {
    input,
    output: (bytes) => send(response, { data: Buffer.from(bytes).toString("base64") }),
    progress: (done, total) => {
      // Who does not read it misses it.
      if (!response.writableNeedDrain)
        send(response, { progress: { done, total } }).catch(() => {});
    },
  };
}

/** Waits while the caller does not read. */
async function send(response: ServerResponse, frame: Frame): Promise<void> {
  if (response.destroyed) throw new Error("The caller has gone");
  if (response.write(`${JSON.stringify(frame)}\n`)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}

function failureOf(error: unknown): FailureFrame {
  if (error instanceof Refusal) return { kind: "refusal", code: error.code, text: error.message };
  if (error instanceof ParameterError) return { kind: "parameter", text: error.message };
  return { kind: "bug", text: errorText(error) };
}

/** Parameters, and the bytes behind them. */
async function readRequest(
  request: IncomingMessage,
): Promise<{ params: unknown; input: AsyncIterable<Uint8Array> }> {
  const chunks = request[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  const cutter = new LineCutter(limits.adminParamsBytesMax);
  let first: { line: string; rest: Uint8Array } | undefined;
  try {
    for (;;) {
      const next = await chunks.next();
      first =
        next.done === true
          ? { line: cutter.take(), rest: Buffer.alloc(0) }
          : cutter.cut(next.value);
      if (first !== undefined) break;
    }
    const params: unknown = first.line.trim() === "" ? {} : JSON.parse(first.line);
    return { params, input: remaining(first.rest, chunks) };
  } catch (error) {
    throw new ParameterError(`The parameters are not JSON: ${errorText(error)}`);
  }
}

async function* remaining(
  first: Uint8Array,
  chunks: AsyncIterator<Uint8Array, undefined>,
): AsyncGenerator<Uint8Array> {
  if (first.length > 0) yield first;
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next())
    yield next.value;
}
