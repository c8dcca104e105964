/** The thread behind `PasswordThreads`: one request at a time, one answer each. */
import { parentPort } from "node:worker_threads";
import { assert, errorText } from "#base/assert.ts";
import { derive } from "./derive.ts";
import type { SlowWork } from "./derive.ts";

export interface DeriveRequest {
  readonly work: SlowWork;
  readonly password: Uint8Array;
}
export type DeriveAnswer = { readonly derived: Uint8Array } | { readonly error: string };

assert(parentPort !== null, "This file is the main module of a worker thread");
const port = parentPort;
port.on("message", ({ work, password }: DeriveRequest) => {
  let answer: DeriveAnswer;
  try {
    answer = { derived: derive(work, password) };
  } catch (error) {
    answer = { error: errorText(error) };
  }
  password.fill(0);
  port.postMessage(answer);
});
