import { callServer, NoServer } from "../http/client.ts";
import type { OperationCall } from "../operations/operation.ts";
import { runOperation } from "../operations/run.ts";
import type { OperationName, OperationParams, OperationResult } from "../operations/table.ts";
import type { CliEnvironment, CliOptions } from "./environment.ts";

/** What a call may bring along and get beside its result. */
export interface CallExtras {
  readonly input?: AsyncIterable<Uint8Array>;
  output?(bytes: Uint8Array): Promise<void>;
  progress?(done: number, total: number): void;
}

export type OperationRequest<N extends OperationName> = {
  readonly name: N;
  readonly params: OperationParams<N>;
} & CallExtras;

async function* nothing(): AsyncGenerator<Uint8Array> {}

/** Has an operation done: by the running server, or by this process where there is none. */
export async function callOperation<N extends OperationName>(
  environment: CliEnvironment,
  options: CliOptions,
  request: OperationRequest<N>,
): Promise<OperationResult<N>> {
  const settings = await environment.loadSettings(options);
  const call: OperationCall = {
    input: request.input ?? nothing(),
    output: async (bytes) => request.output?.(bytes),
    progress: (done, total) => request.progress?.(done, total),
  };
  try {
    return (await callServer(settings.adminSocket, request, call)) as OperationResult<N>;
  } catch (error) {
    if (!(error instanceof NoServer)) throw error;
  }
  const own = await environment.openInProcess(settings);
  try {
    return (await runOperation(own.context, request, call)) as OperationResult<N>;
  } finally {
    await own.close();
  }
}
