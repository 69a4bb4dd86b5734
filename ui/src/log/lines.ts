/** A growing log as lines: pieces of text come in anywhere, whole lines and their open colours come out. Pure. */

import { carryAfter, visibleLine } from "../lib/ansi";

/** More lines than this are not kept on the page; the oldest go first. */
export const MAX_LINES = 200_000;

export interface LogLine {
  /** Number in the file, from 1. */
  n: number;
  text: string;
  /** Colours left open by the lines before. */
  carry: string;
}

export class LineBuffer {
  lines: LogLine[] = [];
  longest = 0;
  dropped = 0;
  #rest = "";
  #carry = "";
  #count = 0;

  append(text: string): void {
    const parts = (this.#rest + text).split("\n");
    this.#rest = parts.pop() ?? "";
    for (const part of parts) this.#add(part);
    if (this.lines.length > MAX_LINES) {
      const extra = this.lines.length - MAX_LINES;
      this.dropped += extra;
      this.lines = this.lines.slice(extra);
    }
  }

  /** The log is complete: a last line without its newline counts too. */
  finish(): void {
    if (this.#rest !== "") this.#add(this.#rest);
    this.#rest = "";
  }

  #add(text: string): void {
    this.#count += 1;
    this.lines.push({ n: this.#count, text, carry: this.#carry });
    this.#carry = carryAfter(this.#carry, text);
    this.longest = Math.max(this.longest, text.length);
  }
}

export interface LogRow {
  line: LogLine;
  group: string | null;
}

const GROUP = /::group::(.*)$/;
const END_GROUP = /::endgroup::\s*$/;

/** The rows to show: ends of groups are left out, and what lies in a folded group. */
export function visibleRows(lines: LogLine[], folded: ReadonlySet<number>): LogRow[] {
  const rows: LogRow[] = [];
  let hiding = false;
  for (const line of lines) {
    const marked = line.text.includes("::");
    if (marked && END_GROUP.test(line.text)) {
      hiding = false;
      continue;
    }
    const group = marked ? (GROUP.exec(line.text)?.[1] ?? null) : null;
    if (group !== null) hiding = false;
    if (!hiding) rows.push({ line, group });
    if (group !== null) hiding = folded.has(line.n);
  }
  return rows;
}

const STAMP = /^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)\]?\s+/;

/** Splits a line into its leading timestamp, if it has one, and the rest. */
export function splitStamp(text: string): { stamp: string; rest: string } {
  const shown = visibleLine(text);
  const found = STAMP.exec(shown);
  return found ? { stamp: found[1] ?? "", rest: shown.slice(found[0].length) } : { stamp: "", rest: shown };
}

/** Line numbers of rows that hold the text, without regard to case and colours. */
export function findLines(lines: LogLine[], text: string): number[] {
  if (text === "") return [];
  const wanted = text.toLowerCase();
  const escape = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");
  return lines.filter((line) => visibleLine(line.text).replace(escape, "").toLowerCase().includes(wanted)).map((line) => line.n);
}

/** `#L10` or `#L10-20` → first and last line. */
export function rangeFromHash(hash: string): [number, number] | null {
  const found = /^#L(\d+)(?:-L?(\d+))?$/.exec(hash);
  if (!found) return null;
  const [from, to] = [Number(found[1]), Number(found[2] ?? found[1])];
  return from <= to ? [from, to] : [to, from];
}
