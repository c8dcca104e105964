/**
 * SASLprep (RFC 4013), without the check for mixed writing directions: a password that a client
 * should have refused is no danger to us, and the check is what implementations differ in.
 */

/** Mapped to a space. RFC 3454 appendix C.1.2 */
const otherSpaces = /[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu;
/** Mapped to nothing. RFC 3454 appendix B.1 */
const nothing =
  /\u00ad|\u034f|\u1806|\u180b|\u180c|\u180d|\u200b|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu;
/** Prohibited: controls, private use, non-characters, surrogates, tags. RFC 4013 §2.3 */
const prohibited =
  /[\u0000-\u001f\u007f-\u009f\u06dd\u070f\u180e\u2028-\u202e\u2061-\u2063\u206a-\u206f\u2ff0-\u2ffb\ufff9-\uffff\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}\p{Co}\p{Noncharacter_Code_Point}\p{Cs}]/u;
/** What SASLprep leaves as it is. */
const plainAscii = /^[\x20-\x7e]*$/;

/** The prepared form of a name or password; undefined when it holds prohibited characters. */
export function saslprep(text: string): string | undefined {
  if (plainAscii.test(text)) return text;
  const mapped = text.replace(otherSpaces, " ").replace(nothing, "");
  const normal = mapped.normalize("NFKC");
  return prohibited.test(normal) ? undefined : normal;
}
