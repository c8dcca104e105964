/**
 * A text in the form in which it is compared, sorted and searched without regard to case: ASCII and
 * other letters in upper case, compatibility characters decomposed. Equal results mean equal texts
 * under i;unicode-casemap (RFC 5051 §2), and code unit order is its order but for characters
 * outside the basic plane.
 */
export function foldCase(text: string): string {
  if (/^[\x00-\x7f]*$/.test(text)) return text.toUpperCase();
  return text.normalize("NFKD").toUpperCase();
}
