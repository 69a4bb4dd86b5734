import { describe, expect, test } from "vitest";
import { LineBuffer, findLines, rangeFromHash, splitStamp, visibleRows } from "../src/log/lines";

function lines(...pieces: string[]): LineBuffer {
  const buffer = new LineBuffer();
  for (const piece of pieces) buffer.append(piece);
  return buffer;
}

describe("a growing log", () => {
  test("joins what was cut in the middle of a line", () => {
    expect(lines("one\ntw", "o\nthr").lines.map((line) => line.text)).toEqual(["one", "two"]);
  });
  test("its last line needs no newline once it is complete", () => {
    const buffer = lines("one\ntwo");
    buffer.finish();
    buffer.finish();
    expect(buffer.lines.map((line) => [line.n, line.text])).toEqual([[1, "one"], [2, "two"]]);
  });
});

test("groups fold", () => {
  const { lines: all } = lines("::group::Pre\ninside\n::endgroup::\nafter\n");
  expect(visibleRows(all, new Set()).map((row) => row.group ?? row.line.text)).toEqual(["Pre", "inside", "after"]);
  expect(visibleRows(all, new Set([1])).map((row) => row.group ?? row.line.text)).toEqual(["Pre", "after"]);
});

test.each([
  ["2026-11-20T09:31:57.427302Z hello", "2026-11-20T09:31:57.427302Z", "hello"],
  ["[2026-11-20 09:31:57,427] hello", "2026-11-20 09:31:57,427", "hello"],
  ["no time", "", "no time"],
])("%s", (text, stamp, rest) => expect(splitStamp(text)).toEqual({ stamp, rest }));

test("finds through colours and in any case", () => {
  const { lines: all } = lines("a\n\u001b[31mER\u001b[1mROR\u001b[0m\nError again\n");
  expect(findLines(all, "error")).toEqual([2, 3]);
  expect(findLines(all, "")).toEqual([]);
});

test.each([
  ["#L10", [10, 10]],
  ["#L10-20", [10, 20]],
  ["#L20-10", [10, 20]],
  ["#token=x", null],
])("%s", (hash, range) => expect(rangeFromHash(hash)).toEqual(range));
