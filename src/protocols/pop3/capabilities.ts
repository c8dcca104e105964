/**
 * What CAPA says in any state; the proxy adds USER, SASL and STLS. RFC 2449 §6, RFC 3206 §3,
 * RFC 6856 §2, §3
 */
export const capabilities: readonly string[] = [
  "TOP",
  "UIDL",
  "RESP-CODES",
  "AUTH-RESP-CODE",
  "PIPELINING",
  "EXPIRE NEVER",
  "UTF8 USER",
  "LANG",
  "IMPLEMENTATION Roost",
];
