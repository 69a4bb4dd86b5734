import { describe, expect, test } from "vitest";
import type { GridRun } from "../src/api/types";
import { barHeight, cutMiddle, moveSpot, scrollToShow, spotAt } from "../src/grid/geometry";
import { CELL_H, CELL_W, HEAD_H } from "../src/grid/geometry";
import { decodeCells } from "../src/lib/cells";

const task = (task_id: string) => ({ task_id, operator: "bash", depth: 0 });
const grid = (bytes: number[]) => ({
  tasks: [task("a"), task("b"), task("c")],
  runs: [{}, {}] as GridRun[],
  states: ["success", "failed"],
  cells: btoa(String.fromCharCode(...bytes)),
});

describe("cells", () => {
  test("are read run after run", () => {
    const cells = decodeCells(grid([0, 1, 255, 0, 0, 1]));
    expect([0, 1].map((run) => [0, 1, 2].map((each) => cells.at(run, each)))).toEqual([
      ["success", "failed", null],
      ["success", "success", "failed"],
    ]);
  });
  test("outside there is nothing", () => {
    const cells = decodeCells(grid([0, 1, 255, 0, 0, 1]));
    expect([cells.at(2, 0), cells.at(-1, 0), cells.at(0, 3), cells.at(1, -1)]).toEqual([null, null, null, null]);
  });
  test("an unknown state is no state", () => expect(decodeCells(grid([9, 0, 0, 0, 0, 0])).at(0, 0)).toBeNull());
  test("a wrong length is refused", () => expect(() => decodeCells(grid([0]))).toThrow("1 cells where 2 runs × 3 tasks need 6"));
});

describe("places", () => {
  const size = { runs: 4, tasks: 3 };
  test("under a point", () => {
    expect(spotAt(CELL_W * 1.5, 10, size)).toEqual({ run: 1, task: -1 });
    expect(spotAt(1, HEAD_H + CELL_H * 2.5, size)).toEqual({ run: 0, task: 2 });
    expect(spotAt(CELL_W * 4 + 1, 10, size)).toBeNull();
    expect(spotAt(1, HEAD_H + CELL_H * 3 + 1, size)).toBeNull();
  });
  test.each([
    ["ArrowUp", { run: 1, task: -1 }],
    ["ArrowDown", { run: 1, task: 1 }],
    ["ArrowLeft", { run: 0, task: 0 }],
    ["ArrowRight", { run: 2, task: 0 }],
    ["Home", { run: 0, task: 0 }],
    ["End", { run: 3, task: 0 }],
    ["PageDown", { run: 1, task: 2 }],
    ["a", null],
  ])("%s", (key, expected) => expect(moveSpot({ run: 1, task: 0 }, key, size)).toEqual(expected));
  test("stays inside", () => {
    expect(moveSpot({ run: 0, task: -1 }, "ArrowUp", size)).toEqual({ run: 0, task: -1 });
    expect(moveSpot({ run: 3, task: 2 }, "ArrowRight", size)).toEqual({ run: 3, task: 2 });
  });
  test("scrolls as little as possible", () => {
    expect(scrollToShow(100, 50, 110, 20)).toBe(100);
    expect(scrollToShow(100, 50, 90, 20)).toBe(90);
    expect(scrollToShow(100, 50, 140, 20)).toBe(110);
  });
});

test("the longest run has the highest bar", () => {
  expect(barHeight(100, 100)).toBeGreaterThan(barHeight(25, 100));
  expect(barHeight(null, 100)).toBe(barHeight(0, 100));
});

test("long names keep both ends", () => expect(cutMiddle("load_customers_from_old", 11)).toBe("load_…m_old"));
