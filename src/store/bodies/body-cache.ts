import { limits } from "#base/limits.ts";

/** Bodies that were read lately, the least recently used forgotten first. */
export class BodyCache {
  readonly #bodies = new Map<string, Uint8Array>();
  #bytes = 0;

  get(key: string): Uint8Array | undefined {
    const body = this.#bodies.get(key);
    if (body !== undefined) {
      this.#bodies.delete(key);
      this.#bodies.set(key, body);
    }
    return body;
  }

  set(key: string, body: Uint8Array): void {
    if (body.length > limits.cachedBodyBytesMax) return;
    this.#forget(key);
    this.#bodies.set(key, body);
    this.#bytes += body.length;
    for (const oldest of this.#bodies.keys()) {
      if (this.#bytes <= limits.bodyCacheBytes) break;
      this.#forget(oldest);
    }
  }

  #forget(key: string): void {
    const body = this.#bodies.get(key);
    if (body === undefined) return;
    this.#bytes -= body.length;
    this.#bodies.delete(key);
  }
}
