import { limits } from "#base/limits.ts";
import type { HeaderIndex } from "./header.ts";
import { parameter, parseParameterised, withoutComments } from "./parameters.ts";
import type { Disposition, Parameter } from "./part.ts";

/** What the Content-* fields of a header say. */
export interface Content {
  readonly type: string;
  readonly subtype: string;
  readonly params: readonly Parameter[];
  readonly id: string | undefined;
  readonly description: string | undefined;
  readonly encoding: string;
  readonly md5: string | undefined;
  readonly disposition: Disposition | undefined;
  readonly language: readonly string[];
  readonly location: string | undefined;
}

/** A token of RFC 2045 §5.1, no longer than RFC 6838 §4.2 lets a name be. */
const tokenPattern = /^[^\x00-\x20()<>@,;:\\"/[\]?=\x7f-\xff]{1,127}$/;

/**
 * Reads the Content-* fields.
 *
 * @param inDigest the part lies in a multipart/digest, whose parts are messages by default.
 *   RFC 2046 §5.1.5
 */
export function readContent(header: HeaderIndex, inDigest: boolean): Content {
  const { type, subtype, params } = readType(header.first("content-type"), inDigest);
  return {
    type,
    subtype,
    params,
    id: header.first("content-id"),
    description: header.first("content-description"),
    encoding: readEncoding(header.first("content-transfer-encoding")),
    md5: header.first("content-md5"),
    disposition: readDisposition(header.first("content-disposition")),
    language: readLanguage(header.first("content-language")),
    location: header.first("content-location"),
  };
}

/** What cannot be understood is text/plain in US-ASCII. RFC 2045 §5.2 */
function readType(
  field: string | undefined,
  inDigest: boolean,
): { type: string; subtype: string; params: readonly Parameter[] } {
  if (field !== undefined) {
    const { value, params } = parseParameterised(field);
    const slash = value.indexOf("/");
    const type = value.slice(0, slash).trim().toLowerCase();
    const subtype = value
      .slice(slash + 1)
      .trim()
      .toLowerCase();
    if (slash > 0 && tokenPattern.test(type) && tokenPattern.test(subtype))
      return { type, subtype, params };
  } else if (inDigest) return { type: "message", subtype: "rfc822", params: [] };
  return { type: "text", subtype: "plain", params: [] };
}

function readEncoding(field: string | undefined): string {
  if (field === undefined) return "7bit";
  const text = withoutComments(field).trim().toLowerCase();
  const end = text.search(/[\s;]/);
  const token = text.slice(0, end < 0 ? 127 : Math.min(end, 127));
  return token === "" ? "7bit" : token;
}

function readDisposition(field: string | undefined): Disposition | undefined {
  if (field === undefined) return undefined;
  const { value, params } = parseParameterised(field);
  const type = value.toLowerCase();
  return tokenPattern.test(type) ? { type, params } : undefined;
}

function readLanguage(field: string | undefined): readonly string[] {
  if (field === undefined) return [];
  const tags = withoutComments(field).split(",", limits.languageTagsMax);
  return tags.map((tag) => tag.trim()).filter((tag) => tag !== "");
}

/** The delimiter line of a multipart up to the boundary's last byte, or undefined. */
export function delimiterOf(content: Content): Buffer | undefined {
  const boundary = parameter(content.params, "boundary")?.trimEnd();
  if (boundary === undefined || boundary === "" || boundary.length > limits.boundaryBytesMax)
    return undefined;
  return Buffer.from(`--${boundary}`, "latin1");
}
