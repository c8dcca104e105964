/** A client of the in-memory server that speaks in lines, and a clock that a test moves on. */
import assert from "node:assert/strict";
import { latin1, utf8 } from "#base/bytes.ts";
import type { Clock, Timer } from "#base/clock.ts";
import type { MemoryStream } from "#base/testing.ts";
import type { MemoryServer } from "../transcripts/memory-server.ts";

export const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
export const settle = async (turns = 20): Promise<void> => {
  for (let i = 0; i < turns; i++) await soon();
};

/** A client that has read its greeting. */
export async function login(server: MemoryServer): Promise<MemoryStream> {
  const client = server.serve();
  assert.match(await read(client), /^login OK \[CAPABILITY /);
  client.writes.length = 0;
  return client;
}

export async function read(client: MemoryStream): Promise<string> {
  const bytes = await client.read();
  return bytes === null ? "<closed>" : latin1(bytes);
}

/** Reads up to the tagged answer. */
export async function answer(client: MemoryStream, tag: string): Promise<string> {
  let text = "";
  while (!new RegExp(`(^|\r\n)${tag} [^\r]*\r\n$`).test(text)) {
    const more = await read(client);
    if (more === "<closed>") return text + more;
    text += more;
  }
  return text;
}

export const say = (client: MemoryStream, text: string): void => void client.write(utf8(text));

/** Time that a test moves on. */
export class TestClock implements Clock {
  #now = 1_700_000_000_000;
  #timers: { at: number; run: () => void }[] = [];
  now = (): number => this.#now;
  monotonic = (): number => this.#now;
  after(ms: number, run: () => void): Timer {
    const timer = { at: this.#now + ms, run };
    this.#timers.push(timer);
    return { cancel: () => void (this.#timers = this.#timers.filter((other) => other !== timer)) };
  }
  yield = (): Promise<void> => soon();
  async advance(ms: number): Promise<void> {
    this.#now += ms;
    const due = this.#timers.filter((timer) => timer.at <= this.#now);
    this.#timers = this.#timers.filter((timer) => timer.at > this.#now);
    for (const timer of due) timer.run();
    await settle();
  }
}
