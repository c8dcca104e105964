/** Elements whose content is not text for a reader. */
const hiddenElements = new Set(["script", "style", "head", "title", "template", "noscript"]);

/** The named character references that mail uses; others stay as they are. */
const references = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
  ["apos", "'"],
  ["nbsp", " "],
  ["copy", "©"],
  ["reg", "®"],
  ["euro", "€"],
  ["pound", "£"],
  ["ndash", "–"],
  ["mdash", "—"],
  ["hellip", "…"],
  ["lsquo", "‘"],
  ["rsquo", "’"],
  ["ldquo", "“"],
  ["rdquo", "”"],
  ["laquo", "«"],
  ["raquo", "»"],
  ["bull", "•"],
  ["middot", "·"],
  ["auml", "ä"],
  ["ouml", "ö"],
  ["uuml", "ü"],
  ["Auml", "Ä"],
  ["Ouml", "Ö"],
  ["Uuml", "Ü"],
  ["szlig", "ß"],
  ["eacute", "é"],
  ["egrave", "è"],
  ["agrave", "à"],
  ["ccedil", "ç"],
  ["ntilde", "ñ"],
  ["zwnj", ""],
  ["zwj", ""],
  ["shy", ""],
]);

/**
 * What a reader would see of a beginning of HTML: tags, comments, styles and scripts left out,
 * character references resolved. Meant for previews; one pass, no tree.
 */
export function htmlText(html: string): string {
  let out = "";
  let at = 0;
  /** The element that hides what follows, until its end tag. */
  let hiding = "";
  while (at < html.length) {
    const open = html.indexOf("<", at);
    const end = open < 0 ? html.length : open;
    if (hiding === "") out += html.slice(at, end);
    if (open < 0) break;
    if (html.startsWith("<!--", open)) {
      const close = html.indexOf("-->", open + 4);
      at = close < 0 ? html.length : close + 3;
      continue;
    }
    const next = html.charCodeAt(open + 1) | 0x20;
    const isTag = (next >= 0x61 && next <= 0x7a) || next === 0x2f || next === 0x21 || next === 0x3f;
    if (!isTag) {
      if (hiding === "") out += "<";
      at = open + 1;
      continue;
    }
    const close = html.indexOf(">", open);
    const tag = html.slice(open + 1, close < 0 ? html.length : close);
    at = close < 0 ? html.length : close + 1;
    const name = /^\/?[a-z0-9]*/i.exec(tag)![0].toLowerCase();
    if (hiding !== "") {
      if (name === `/${hiding}` || (hiding === "head" && name === "body")) hiding = "";
    } else if (hiddenElements.has(name) && !tag.endsWith("/")) hiding = name;
    if (!inlineElements.has(name.replace("/", ""))) out += " ";
  }
  return out.includes("&") ? withoutReferences(out) : out;
}

/** Tags that do not part words. */
const inlineElements = new Set([
  "a",
  "b",
  "i",
  "u",
  "em",
  "strong",
  "span",
  "font",
  "small",
  "big",
]);

function withoutReferences(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z]{2,8}));?/g,
    (whole, decimal?: string, hexadecimal?: string, name?: string) => {
      if (name !== undefined) return references.get(name) ?? whole;
      const code = decimal === undefined ? Number.parseInt(hexadecimal!, 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "";
    },
  );
}
