/** The alerts that we send or must understand, by their numbers. RFC 8446 §6 */
export const alertNumbers = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  bad_certificate: 42,
  illegal_parameter: 47,
  decode_error: 50,
  internal_error: 80,
  user_canceled: 90,
} as const;

export type AlertName = keyof typeof alertNumbers;

/** RFC 8446 §6: the level says nothing in TLS 1.3, and is sent as it always was. */
export function alertContent(name: AlertName): Uint8Array {
  const warning = name === "close_notify" || name === "user_canceled";
  return Uint8Array.of(warning ? 1 : 2, alertNumbers[name]);
}
