import { request as httpRequest } from "./node-http.ts";
import type { IncomingMessage } from "node:http";
import { once } from "node:events";
import { Refusal } from "#base/assert.ts";
import type { RefusalCode } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import type { OperationCall } from "../operations/operation.ts";
import { ParameterError } from "../operations/run.ts";
import { LineCutter } from "./frames.ts";
import type { FailureFrame, Frame } from "./frames.ts";

/** No server listens at the socket. */
export class NoServer extends Error {
  override readonly name = "NoServer";
}

/**
 * Has a running server do an operation. Throws what the operation threw there, and `NoServer`
 * where nobody listens at `socketPath`.
 */
export async function callServer(
  socketPath: string,
  request: { readonly name: string; readonly params: unknown },
  call: OperationCall,
): Promise<unknown> {
  const outgoing = httpRequest({
    socketPath,
    method: "POST",
    path: `/operations/${request.name}`,
    headers: { "content-type": "application/json", connection: "close" },
  });
  const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
  const failed = new Promise<never>((_, reject) => {
    outgoing.on("error", (error: NodeJS.ErrnoException) => reject(callFailure(error, socketPath)));
  });
  failed.catch(() => {});
  answered.catch(() => {});
  outgoing.write(`${JSON.stringify(request.params)}\n`);
  // The input is left alone until there is somebody to send it to.
  await Promise.race([connected(outgoing), failed]);
  const sending = sendInput(call.input, outgoing);
  sending.catch(() => {});
  const [response] = await Promise.race([answered, failed]);
  const result = await readFrames(response, call);
  await Promise.race([sending, failed]);
  return result;
}

function connected(outgoing: ReturnType<typeof httpRequest>): Promise<void> {
  return new Promise((resolve) => {
    outgoing.once("socket", (socket) => {
      if (socket.connecting) socket.once("connect", () => resolve());
      else resolve();
    });
  });
}

async function sendInput(
  input: AsyncIterable<Uint8Array>,
  outgoing: ReturnType<typeof httpRequest>,
): Promise<void> {
  try {
    for await (const bytes of input) {
      if (outgoing.destroyed) return;
      if (!outgoing.write(bytes)) await drained(outgoing);
    }
    outgoing.end();
  } catch (error) {
    outgoing.destroy(error as Error);
  }
}

/** Resolves when more can be written, or nothing more will be. */
function drained(outgoing: ReturnType<typeof httpRequest>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off("drain", done).off("close", done);
      resolve();
    };
    outgoing.on("drain", done).on("close", done);
  });
}

function callFailure(error: NodeJS.ErrnoException, socketPath: string): Error {
  if (error.code === "ENOENT" || error.code === "ECONNREFUSED")
    return new NoServer(`No server listens at ${socketPath}`, { cause: error });
  if (error.code === "EACCES")
    return new Refusal("NOPERM", `${socketPath} belongs to another user`, { cause: error });
  return error;
}

async function readFrames(response: IncomingMessage, call: OperationCall): Promise<unknown> {
  const cutter = new LineCutter(limits.adminLineBytesMax);
  for await (const chunk of response as AsyncIterable<Buffer>) {
    for (let cut = cutter.cut(chunk); cut !== undefined; cut = cutter.cut(cut.rest)) {
      const frame = JSON.parse(cut.line) as Frame;
      if ("result" in frame) return frame.result;
      if ("error" in frame) throw errorOf(frame.error);
      if ("data" in frame) await call.output(Buffer.from(frame.data, "base64"));
      else call.progress(frame.progress.done, frame.progress.total);
    }
  }
  throw new Refusal("UNAVAILABLE", "The server ended the call without a result");
}

function errorOf(failure: FailureFrame): Error {
  switch (failure.kind) {
    case "refusal":
      return new Refusal(failure.code as RefusalCode, failure.text);
    case "parameter":
      return new ParameterError(failure.text);
    case "bug":
      return new Error(failure.text);
  }
}
