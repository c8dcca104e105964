import type { ByteStream } from "#base/stream.ts";
import { ByteWriter } from "#base/bytes.ts";
import { limits } from "#base/limits.ts";
import { encodeFrame, type Frame, frameHeaderBytes } from "./frames.ts";

/** Frames of one stream or call that wait for the carrier, in their order. */
export class SendQueue {
  readonly frames: Frame[] = [];
  next = 0;
  /** It waits for its turn. */
  listed = false;
  /** Bytes of frames taken in this turn beyond its share, to be made up for in the next. */
  debt = 0;

  /** Forgets its frames and gives those that were not sent. */
  drop(): Frame[] {
    const dropped = this.frames.slice(this.next);
    this.frames.length = 0;
    this.next = 0;
    return dropped;
  }
}

/** About the bytes that a frame takes in the queue. */
function weight(frame: Frame): number {
  const bytes = "bytes" in frame ? frame.bytes.length : 0;
  const state = frame.kind === "flush" ? (frame.done?.state?.length ?? 0) : 0;
  const head = frame.kind === "open" ? frame.request.head.length : 0;
  return bytes + state + head + 32;
}

/** Payloads of calls have a limit of their own, and are no reason to hold sessions back. */
function holdsBack({ kind }: Frame): boolean {
  return kind !== "call" && kind !== "callBody" && kind !== "answer" && kind !== "answerBody";
}

/**
 * What leaves a link: control frames first, then the queues of streams and calls in turns of
 * `limits.hopPartBytes`. The frames of one turn of the event loop leave in one write.
 */
export class LinkWriter {
  readonly #carrier: ByteStream;
  readonly #failed: (error: unknown) => void;
  readonly #control: Frame[] = [];
  /** Queues that have frames; the first one is next. */
  #ring: SendQueue[] = [];
  #ringNext = 0;
  /** Frames that wait, and the bytes of those that hold writers back. */
  #frames = 0;
  #bytes = 0;
  #pumpWanted = false;
  /** The carrier has asked to wait. */
  #waiting = false;
  #closed = false;
  /** The carrier is ended when all has left. */
  ending = false;
  #drained: PromiseWithResolvers<void> | undefined;

  /** @param failed is told, once, that the carrier broke */
  constructor(carrier: ByteStream, failed: (error: unknown) => void) {
    this.#carrier = carrier;
    this.#failed = failed;
  }

  /** Ahead of all queues. */
  control(frame: Frame): void {
    if (this.#closed) return;
    this.#control.push(frame);
    this.#count(frame, 1);
    this.#want();
  }

  push(queue: SendQueue, frame: Frame): void {
    if (this.#closed) return;
    queue.frames.push(frame);
    this.#count(frame, 1);
    if (!queue.listed) {
      queue.listed = true;
      this.#ring.push(queue);
    }
    this.#want();
  }

  /** Forgets what waits in `queue`. */
  drop(queue: SendQueue): void {
    for (const frame of queue.drop()) this.#count(frame, -1);
    this.#release();
  }

  /** A promise for a time when less is waiting, where too much is. It never rejects. */
  pressure(): Promise<void> | undefined {
    if (this.#bytes < limits.hopQueueBytesMax || this.#closed) return undefined;
    this.#drained ??= Promise.withResolvers<void>();
    return this.#drained.promise;
  }

  /** Sends what waits, then ends the carrier. */
  end(): void {
    this.ending = true;
    this.#want();
  }

  /** Nothing leaves any more. */
  close(): void {
    this.#closed = true;
    this.#control.length = 0;
    this.#ring = [];
    this.#frames = 0;
    this.#bytes = 0;
    this.#release();
  }

  #count(frame: Frame, sign: 1 | -1): void {
    // After the end it is all forgotten already.
    if (this.#closed) return;
    this.#frames += sign;
    if (holdsBack(frame)) this.#bytes += sign * weight(frame);
  }

  #want(): void {
    if (this.#pumpWanted || this.#waiting || this.#closed) return;
    this.#pumpWanted = true;
    process.nextTick(() => {
      this.#pumpWanted = false;
      this.#pump();
    });
  }

  #pump(): void {
    while (!this.#closed && !this.#waiting && this.#frames > 0) {
      for (const part of this.#batch()) this.#write(part);
      this.#release();
    }
    if (this.ending && !this.#closed && !this.#waiting) {
      this.#closed = true;
      this.#carrier.end();
    }
  }

  #write(bytes: Uint8Array): void {
    const wait = this.#carrier.write(bytes);
    if (wait === undefined || this.#waiting) {
      wait?.catch(() => {});
      return;
    }
    this.#waiting = true;
    wait.then(
      () => {
        this.#waiting = false;
        this.#want();
      },
      (error: unknown) => {
        if (!this.#closed) this.#failed(error);
      },
    );
  }

  /** The frames that leave now: small ones together, large bodies as they are. */
  #batch(): Uint8Array[] {
    const writer = new ByteWriter(1_024);
    const cuts: { readonly at: number; readonly body: Uint8Array }[] = [];
    let large = 0;
    while (writer.length + large < limits.writeBytes) {
      const frame = this.#take();
      if (frame === undefined) break;
      this.#count(frame, -1);
      const body = encodeFrame(writer, frame);
      if (body === undefined || body.length === 0) continue;
      if (body.length <= limits.hopCopiedBytesMax) writer.raw(body);
      else {
        cuts.push({ at: writer.length, body });
        large += body.length;
      }
    }
    const small = writer.view();
    const parts: Uint8Array[] = [];
    let from = 0;
    for (const { at, body } of cuts) {
      parts.push(small.subarray(from, at), body);
      from = at;
    }
    if (from < small.length) parts.push(small.subarray(from));
    return parts;
  }

  #take(): Frame | undefined {
    const control = this.#control.shift();
    if (control !== undefined) return control;
    for (;;) {
      const queue = this.#ring[this.#ringNext];
      if (queue === undefined) {
        this.#ring.length = 0;
        this.#ringNext = 0;
        return undefined;
      }
      const frame = queue.frames[queue.next];
      if (frame === undefined) {
        queue.frames.length = 0;
        queue.next = 0;
        queue.listed = false;
        queue.debt = 0;
        this.#advance();
        continue;
      }
      queue.next++;
      queue.debt += weight(frame) + frameHeaderBytes;
      if (queue.debt >= limits.hopPartBytes) {
        queue.debt = 0;
        if (queue.next > 64) {
          queue.frames.splice(0, queue.next);
          queue.next = 0;
        }
        // The others first.
        this.#ring.push(queue);
        this.#advance();
      }
      return frame;
    }
  }

  #advance(): void {
    this.#ringNext++;
    if (this.#ringNext < 256) return;
    this.#ring = this.#ring.slice(this.#ringNext);
    this.#ringNext = 0;
  }

  #release(): void {
    if (this.#drained === undefined) return;
    if (this.#bytes >= limits.hopQueueBytesMax / 2 && !this.#closed) return;
    this.#drained.resolve();
    this.#drained = undefined;
  }
}
