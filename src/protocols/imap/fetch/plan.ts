/** What a FETCH asks for, in the form in which it is answered. */
import { areKeptFields, FieldSelection, type SectionKind } from "#message/index.ts";
import type { FlagLineItem } from "../flag-lines.ts";
import type { FetchCommand, FetchItem, PartialRange } from "#wire/index.ts";

/** Items that the columns of the mailbox and of the account answer. */
export type ColumnItem = Extract<
  FetchItem["item"],
  "UID" | "FLAGS" | "INTERNALDATE" | "RFC822.SIZE" | "MODSEQ" | "EMAILID" | "THREADID" | "SAVEDATE"
>;

/** Items that the cached fields answer. */
export type FieldsItem = Extract<
  FetchItem["item"],
  "ENVELOPE" | "BODYSTRUCTURE" | "BODY" | "PREVIEW"
>;

/** Items that need the message itself. */
export type BodyItem =
  | {
      readonly kind: "section";
      readonly label: string;
      readonly part: readonly number[];
      readonly section: SectionKind;
      /** For HEADER.FIELDS and HEADER.FIELDS.NOT. */
      readonly selection: FieldSelection | undefined;
      /** Selects nothing but what the cached fields keep of the header. */
      readonly kept: boolean;
      readonly partial: PartialRange | null;
    }
  | {
      readonly kind: "binary";
      readonly label: string;
      readonly part: readonly number[];
      readonly partial: PartialRange | null;
    }
  | { readonly kind: "binarySize"; readonly label: string; readonly part: readonly number[] };

/** In each response the columns come first, then the fields, then what is cut out of the message. */
export interface FetchPlan {
  readonly columns: readonly ColumnItem[];
  readonly fields: readonly FieldsItem[];
  readonly bodies: readonly BodyItem[];
  /** The columns, where they are all that is asked for and `FlagLines` can tell them. */
  readonly flagLine: readonly FlagLineItem[] | undefined;
  /** The cached fields are needed, be it to find parts. */
  readonly needsFields: boolean;
  /** All bodies are sections of the message as it is. */
  readonly sectionsOnly: boolean;
  /** The header that the cached fields keep is enough for all bodies. */
  readonly keptHeader: boolean;
  /** What is asked for counts as reading the message. RFC 9051 §6.4.5 */
  readonly setsSeen: boolean;
  /** Responses may have flags in them. */
  readonly tellsFlags: boolean;
  /** Only messages that changed after this modseq. RFC 7162 §3.1.4.1 */
  readonly changedSince: number;
}

class PlanBuilder {
  readonly columns = new Set<ColumnItem>();
  readonly fields = new Set<FieldsItem>();
  /** By label and partial: what is asked for twice is sent once. */
  readonly bodies = new Map<string, BodyItem>();
  setsSeen = false;

  add(item: FetchItem): void {
    switch (item.item) {
      case "UID":
      case "FLAGS":
      case "INTERNALDATE":
      case "RFC822.SIZE":
      case "MODSEQ":
      case "EMAILID":
      case "THREADID":
      case "SAVEDATE":
        this.columns.add(item.item);
        return;
      case "ENVELOPE":
      case "BODYSTRUCTURE":
      case "BODY":
      case "PREVIEW":
        this.fields.add(item.item);
        return;
      case "RFC822":
        return this.#addWhole("RFC822", "");
      case "RFC822.HEADER":
        return this.#addWhole("RFC822.HEADER", "HEADER");
      case "RFC822.TEXT":
        return this.#addWhole("RFC822.TEXT", "TEXT");
      case "BODY[]":
        if (!item.peek) this.setsSeen = true;
        return this.#addBody(sectionItem(item));
      case "BINARY[]": {
        if (!item.peek) this.setsSeen = true;
        const { label, part, partial } = item;
        return this.#addBody({ kind: "binary", label, part, partial });
      }
      case "BINARY.SIZE":
        return this.#addBody({ kind: "binarySize", label: item.label, part: item.part });
    }
  }

  /** RFC 3501 §6.4.5: RFC822.HEADER alone does not set \Seen. */
  #addWhole(label: string, section: SectionKind): void {
    if (section !== "HEADER") this.setsSeen = true;
    const selection = undefined;
    const kept = false;
    this.#addBody({ kind: "section", label, part: [], section, selection, kept, partial: null });
  }

  #addBody(item: BodyItem): void {
    const range = item.kind === "binarySize" ? null : item.partial;
    const key = range === null ? item.label : `${item.label}<${range.offset}.${range.count}>`;
    this.bodies.set(key, item);
  }
}

function sectionItem(item: Extract<FetchItem, { item: "BODY[]" }>): BodyItem {
  const { label, partial } = item;
  const { part, text, fields } = item.section;
  const chooses = text === "HEADER.FIELDS" || text === "HEADER.FIELDS.NOT";
  const selection = chooses ? new FieldSelection(fields, text === "HEADER.FIELDS.NOT") : undefined;
  const section = chooses ? "HEADER" : (text ?? "");
  const kept = text === "HEADER.FIELDS" && part.length === 0 && areKeptFields(fields);
  return { kind: "section", label, part, section, selection, kept, partial };
}

/** The work that `command` asks for. */
export function planFetch(command: FetchCommand): FetchPlan {
  const builder = new PlanBuilder();
  // RFC 9051 §6.4.9, RFC 7162 §3.1.4.1: implied items.
  if (command.uid) builder.columns.add("UID");
  for (const item of command.items) builder.add(item);
  if (command.changedSince !== null) builder.columns.add("MODSEQ");
  const bodies = [...builder.bodies.values()];
  const columns = [...builder.columns];
  const others = builder.fields.size + bodies.length;
  return {
    columns,
    flagLine: others === 0 && columns.every(isFlagLineItem) ? columns : undefined,
    fields: [...builder.fields],
    bodies,
    needsFields: builder.fields.size > 0 || bodies.some(needsParts),
    sectionsOnly: bodies.length > 0 && bodies.every((item) => item.kind === "section"),
    keptHeader: bodies.every((item) => item.kind === "section" && item.kept),
    setsSeen: builder.setsSeen,
    tellsFlags: builder.setsSeen || builder.columns.has("FLAGS"),
    changedSince: command.changedSince ?? 0,
  };
}

function isFlagLineItem(item: ColumnItem): item is FlagLineItem {
  return item === "UID" || item === "FLAGS" || item === "MODSEQ";
}

function needsParts(item: BodyItem): boolean {
  if (item.part.length > 0) return true;
  return item.kind === "section" && item.section !== "";
}
