/** RFC 8446 §4 */
export const finishedType = 20;
const headerBytes = 4;

/**
 * Finds where the handshake messages of a byte stream end, without keeping them: several may lie in
 * one record, and one may go over several records. RFC 8446 §5.1
 */
export class HandshakeMessages {
  /** Of the message that is under way; the first is its type. */
  #header: number[] = [];
  #left = 0;

  /**
   * Takes the content of the next record. Gives the offset at which a Finished ends, or undefined
   * where it does not end in this record.
   */
  finishedEnd(content: Uint8Array): number | undefined {
    let at = 0;
    while (at < content.length) {
      while (this.#header.length < headerBytes && at < content.length) {
        this.#header.push(content[at++]!);
        const [, high = 0, middle = 0, low = 0] = this.#header;
        if (this.#header.length === headerBytes) this.#left = high * 65_536 + middle * 256 + low;
      }
      if (this.#header.length < headerBytes) return undefined;
      const taken = Math.min(this.#left, content.length - at);
      at += taken;
      this.#left -= taken;
      if (this.#left > 0) return undefined;
      const type = this.#header[0]!;
      this.#header = [];
      if (type === finishedType) return at;
    }
    return undefined;
  }
}
