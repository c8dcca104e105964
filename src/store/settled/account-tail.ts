import type { AccountState, JournaledContent } from "../index/account-state.ts";
import { type JournalPosition, comparePositions } from "../journal/journal.ts";
import type { TailUnit } from "./delta-codec.ts";

/** The records of an account that no head includes, in order. */
export class AccountTail {
  #units: TailUnit[] = [];
  #bytes = 0;
  /** Monotonic milliseconds of the oldest and the newest of them. */
  firstAt = 0;
  lastAt = 0;
  /** The newest head needs contents in the journal from here on; undefined: none. */
  floor: JournalPosition | undefined;

  get units(): readonly TailUnit[] {
    return this.#units;
  }

  /** Of the records, without contents. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What lies before it in the journal is not needed any more; undefined: nothing is. */
  get start(): JournalPosition | undefined {
    const first = this.#units[0]?.address.place;
    if (first === undefined || this.floor === undefined) return first ?? this.floor;
    return comparePositions(first, this.floor) < 0 ? first : this.floor;
  }

  get isEmpty(): boolean {
    return this.#units.length === 0 && this.floor === undefined;
  }

  add(unit: TailUnit, at: number): void {
    if (this.#units.length === 0) this.firstAt = at;
    this.lastAt = at;
    this.#units.push(unit);
    this.#bytes += unit.unit.length;
  }

  /** Forgets the first `count` records: a head includes them. */
  settled(count: number, at: number): void {
    for (const { unit } of this.#units.splice(0, count)) this.#bytes -= unit.length;
    this.firstAt = at;
  }

  /** Keeps those that `keep` accepts. */
  filter(keep: (unit: TailUnit) => boolean): void {
    this.#units = this.#units.filter(keep);
    this.#bytes = 0;
    for (const { unit } of this.#units) this.#bytes += unit.length;
  }
}

/** The oldest place of contents in the journal. All must be durable. */
export function floorOf(
  journaled: AccountState["journaled"],
  unreadable: ReadonlySet<unknown>,
): JournalPosition | undefined {
  return oldest([...journaled.values()].filter((content) => !unreadable.has(content)));
}

/** The oldest place of these contents. */
export function oldest(contents: readonly JournaledContent[]): JournalPosition | undefined {
  let floor: JournalPosition | undefined;
  for (const { address } of contents) {
    const place = address.place!;
    if (floor === undefined || comparePositions(place, floor) < 0) floor = place;
  }
  return floor;
}
