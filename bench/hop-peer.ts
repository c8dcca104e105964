/** The backend of hop.bench.ts: a process that answers over a Unix socket. */
import { noBytes } from "#base/bytes.ts";
import { systemClock } from "#base/clock.ts";
import { silentLog } from "#base/log.ts";
import { systemRandom } from "#base/random.ts";
import { type BackendStream, Generations, Links, listenHop } from "#hop/index.ts";

const clock = systemClock;
const block = Buffer.alloc(128 * 1024, "x");
const line = Buffer.from("a1 OK NOOP completed\r\n");

/** "mb": as many megabytes as are asked for; "echo": one line for each line. */
async function serve(stream: BackendStream): Promise<void> {
  let consumed = 0;
  for (;;) {
    const bytes = await stream.read();
    if (bytes === null) return stream.end("ended", "");
    consumed += bytes.length;
    if (stream.request.protocol === "mb") {
      for (let left = Number(Buffer.from(bytes).toString()) * 8; left > 0; left--)
        await stream.write(block);
      void stream.flush({ consumed, output: noBytes, state: noBytes });
    } else void stream.flush({ consumed, output: line, state: undefined });
  }
}

const links = new Links({
  local: { id: "backend", incarnation: "1", roles: ["backend"] },
  services: {
    serve: (stream) => void serve(stream).catch(() => {}),
    calls: new Map([
      ["echo", (payload: Uint8Array) => Promise.resolve(payload)],
      ["cpu", () => Promise.resolve(Buffer.from(JSON.stringify(process.cpuUsage())))],
    ]),
    note: () => {},
    generations: new Generations(clock),
  },
  clock,
  random: systemRandom,
  log: silentLog,
  dial: () => Promise.reject(new Error("This one is dialed")),
});

await listenHop({
  address: { path: process.argv[2]! },
  clock,
  log: silentLog,
  accept: (carried) => void links.accept(carried),
});
console.log("ready");
