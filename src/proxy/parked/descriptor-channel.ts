import { Bug } from "#base/assert.ts";
import { limits } from "#base/limits.ts";
import { ConnectionBroken } from "#base/stream.ts";
import type { ExportedRows } from "./exported-rows.ts";
import { broken, closeDescriptor, linux, send, systemCalls, wouldBlock } from "./system-calls.ts";
import type { Poll } from "./system-calls.ts";

/** A frame as it came in. Exactly one of the two answers has to be given. */
export interface ReceivedFrame extends ExportedRows {
  /**
   * Tells the peer that descriptors and bytes are ours now. False where the peer is gone: it then
   * still has what it sent, and what was made of the frame here has to be closed.
   */
  accept(): boolean;
  /** Closes the descriptors and tells the peer to keep its own. */
  refuse(): void;
}

/**
 * Passes descriptors with bytes between two processes over a Unix stream socket (SCM_RIGHTS). One
 * frame is on its way at a time and is answered, so at any moment exactly one side has the
 * descriptors of a frame: the sender until it has read the answer, except when it dies before.
 */
export class DescriptorChannel {
  readonly #descriptor: number;
  #poll: Poll | undefined;
  #waiting: ((error?: Error) => void) | undefined;
  #closed = false;

  /** Takes over the descriptor of a connected Unix stream socket, as `takeDescriptor` gives it. */
  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /**
   * Sends copies of the descriptors; ours stay open. True: the peer has them. False: it refused
   * them. Rejects with `ConnectionBroken` where the peer went away without an answer.
   */
  async send(frame: ExportedRows): Promise<boolean> {
    const { bytes, descriptors } = frame;
    if (descriptors.length > limits.passedDescriptorsMax || bytes.length > limits.passedBytesMax)
      throw new Bug("A frame of descriptors has a limit");
    const header = new Uint8Array(new ArrayBuffer(headerBytes));
    const view = new DataView(header.buffer);
    view.setUint32(0, bytes.length, true);
    view.setUint32(4, descriptors.length, true);
    const sent = await this.#sendWithDescriptors(header, descriptors);
    await this.#sendAll(header.subarray(sent));
    await this.#sendAll(bytes);
    const answer = new Uint8Array(new ArrayBuffer(1));
    if (!(await this.#fill(answer, [])))
      throw new ConnectionBroken("The peer left without an answer");
    return answer[0] === accepted;
  }

  /** The next frame, or undefined where the peer has closed the channel between two frames. */
  async receive(): Promise<ReceivedFrame | undefined> {
    const descriptors: number[] = [];
    try {
      const header = new Uint8Array(new ArrayBuffer(headerBytes));
      if (!(await this.#fill(header, descriptors))) return undefined;
      const view = new DataView(header.buffer);
      const [length, count] = [view.getUint32(0, true), view.getUint32(4, true)];
      if (length > limits.passedBytesMax || count > limits.passedDescriptorsMax)
        throw new ConnectionBroken("Not a frame of descriptors");
      const bytes = new Uint8Array(new ArrayBuffer(length));
      if (!(await this.#fill(bytes, descriptors)))
        throw new ConnectionBroken("The peer left within a frame");
      const frame = this.#frame(bytes, descriptors);
      // The system hands over fewer where this process may not open as many.
      if (descriptors.length === count) return frame;
      frame.refuse();
      return await this.receive();
    } catch (error) {
      for (const descriptor of descriptors.splice(0)) closeDescriptor(descriptor);
      throw error;
    }
  }

  /** A wait that is under way ends with `ConnectionBroken`. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#waiting?.(new ConnectionBroken("The channel was closed"));
    this.#poll?.close();
    closeDescriptor(this.#descriptor);
  }

  #frame(bytes: Uint8Array, descriptors: number[]): ReceivedFrame {
    let open = true;
    const answer = (value: number): boolean => {
      if (!open) throw new Bug("A frame is answered once");
      open = false;
      // One byte, where nothing else is ever written: there is always room for it.
      return !this.#closed && send(this.#descriptor, Uint8Array.of(value)) === 1;
    };
    return {
      bytes,
      descriptors,
      accept: () => answer(accepted),
      refuse: () => {
        answer(refused);
        for (const descriptor of descriptors) closeDescriptor(descriptor);
      },
    };
  }

  async #sendWithDescriptors(bytes: Uint8Array, descriptors: readonly number[]): Promise<number> {
    const message = new MessageStructure(bytes, descriptors.length);
    message.put(descriptors);
    const flags = linux.MSG_DONTWAIT | linux.MSG_NOSIGNAL;
    for (;;) {
      this.#check();
      const calls = systemCalls();
      const count = calls.sendmsg(this.#descriptor, message.structure, flags);
      if (count >= 0) return count;
      const errno = calls.errno();
      if (errno === linux.EINTR) continue;
      if (errno !== linux.EAGAIN) throw new ConnectionBroken(`sendmsg gave error ${errno}`);
      await this.#until("writable");
    }
  }

  async #sendAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      this.#check();
      const count = send(this.#descriptor, bytes.subarray(at));
      if (count === broken) throw new ConnectionBroken("The peer went away");
      if (count === wouldBlock) await this.#until("writable");
      else at += count;
    }
  }

  /** False where the peer ended before the first byte; rejects where it did so within. */
  async #fill(into: Uint8Array, descriptors: number[]): Promise<boolean> {
    for (let at = 0; at < into.length;) {
      this.#check();
      const count = this.#receive(into.subarray(at), descriptors);
      if (count === wouldBlock) await this.#until("readable");
      else if (count > 0) at += count;
      else if (count === 0 && at === 0) return false;
      else throw new ConnectionBroken("The peer went away");
    }
    return true;
  }

  #receive(into: Uint8Array, descriptors: number[]): number {
    const message = new MessageStructure(into, limits.passedDescriptorsMax);
    const calls = systemCalls();
    const flags = linux.MSG_DONTWAIT | linux.MSG_CMSG_CLOEXEC;
    const count = calls.recvmsg(this.#descriptor, message.structure, flags);
    if (count < 0) {
      const errno = calls.errno();
      return errno === linux.EAGAIN || errno === linux.EINTR ? wouldBlock : broken;
    }
    for (const descriptor of message.received()) descriptors.push(descriptor);
    return count;
  }

  #check(): void {
    if (this.#closed) throw new ConnectionBroken("The channel was closed");
  }

  #until(what: "readable" | "writable"): Promise<void> {
    if (this.#waiting !== undefined) throw new Bug("The channel is used by one at a time");
    return new Promise((resolve, reject) => {
      const done = (error?: Error): void => {
        this.#poll?.close();
        this.#poll = undefined;
        this.#waiting = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#waiting = done;
      let seen = false;
      this.#poll = systemCalls().poll(this.#descriptor, what, () => {
        if (seen) return;
        seen = true;
        // eslint-disable-next-line no-restricted-globals -- promises resolve in Node's callbacks only
        setImmediate(() => {
          if (this.#waiting === done) done();
        });
      });
    });
  }
}

/** The bytes before a frame: how many follow, and how many descriptors came with them. */
const headerBytes = 8;
const accepted = 1;
const refused = 0;

/** `struct msghdr` with one piece of data and room for descriptors; the same on x64 and arm64. */
class MessageStructure {
  readonly structure = new Uint8Array(new ArrayBuffer(56));
  /** What the structure points to; the arrays live as long as it does. */
  readonly #piece = new Uint8Array(new ArrayBuffer(16));
  readonly #control: Uint8Array;
  readonly #controlView: DataView;
  readonly #view = new DataView(this.structure.buffer);

  /** `bytes` has to live as long as this, and is in memory that does not move. */
  constructor(bytes: Uint8Array, descriptorsMax: number) {
    const calls = systemCalls();
    this.#control = new Uint8Array(new ArrayBuffer(controlBytes(descriptorsMax)));
    this.#controlView = new DataView(this.#control.buffer);
    const piece = new DataView(this.#piece.buffer);
    piece.setBigUint64(0, calls.address(bytes), true);
    piece.setBigUint64(8, BigInt(bytes.length), true);
    this.#view.setBigUint64(16, calls.address(this.#piece), true);
    this.#view.setBigUint64(24, 1n, true);
    this.#view.setBigUint64(32, calls.address(this.#control), true);
    this.#view.setBigUint64(40, BigInt(this.#control.length), true);
  }

  put(descriptors: readonly number[]): void {
    if (descriptors.length === 0) {
      this.#view.setBigUint64(40, 0n, true);
      return;
    }
    const control = this.#controlView;
    control.setBigUint64(0, BigInt(16 + descriptors.length * 4), true);
    control.setInt32(8, linux.SOL_SOCKET, true);
    control.setInt32(12, linux.SCM_RIGHTS, true);
    descriptors.forEach((descriptor, i) => control.setInt32(16 + i * 4, descriptor, true));
  }

  /** The descriptors that came with the data, even where the system had to leave some out. */
  received(): number[] {
    const used = Number(this.#view.getBigUint64(40, true));
    const control = this.#controlView;
    const out: number[] = [];
    for (let at = 0; at + 16 <= used;) {
      const length = Number(control.getBigUint64(at, true));
      if (length < 16) break;
      if (
        control.getInt32(at + 8, true) === linux.SOL_SOCKET &&
        control.getInt32(at + 12, true) === linux.SCM_RIGHTS
      )
        for (let i = at + 16; i + 4 <= Math.min(at + length, used); i += 4)
          out.push(control.getInt32(i, true));
      at += Math.ceil(length / 8) * 8;
    }
    return out;
  }
}

function controlBytes(descriptors: number): number {
  return 16 + Math.ceil((descriptors * 4) / 8) * 8;
}
