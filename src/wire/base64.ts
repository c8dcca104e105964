/** Base64 as the SASL exchanges of every protocol use it. RFC 4648 §4 */

const form = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** The octets of a text, undefined where it is not base64 with its padding. */
export function decodeBase64(text: string): Uint8Array | undefined {
  return form.test(text) ? Buffer.from(text, "base64") : undefined;
}
