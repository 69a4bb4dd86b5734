import { describe, expect, test } from "vitest";
import { patchTasks, staleKeys } from "../src/api/live";
import type { TaskInstance } from "../src/api/types";
import { SseParser } from "../src/lib/sse";

describe("server-sent events", () => {
  test("come whole out of any pieces", () => {
    const parser = new SseParser();
    const text = 'id: 7\ndata: {"a":1}\n\n: still here\n\ndata: two\r\ndata: lines\r\n\r\n';
    const found = [...text].flatMap((piece) => parser.push(piece));
    expect(found).toEqual([
      { id: "7", data: '{"a":1}' },
      { id: "7", data: "two\nlines" },
    ]);
  });
});

test("an event refreshes what shows it", () => {
  const keys = (event: Parameters<typeof staleKeys>[0]) => staleKeys(event).map((key) => key.join("/"));
  expect(keys({ id: 1, kind: "hello" })).toEqual([]);
  expect(keys({ id: 1, kind: "ti", dag_id: "d", run_id: "r" })).toEqual(["dag/d/grid", "dag/d/run/r"]);
  expect(keys({ id: 1, kind: "run", dag_id: "d", run_id: "r" })).toEqual(["dags", "assets", "dag/d/backfills", "dag/d/grid", "dag/d/run/r"]);
  expect(keys({ id: 1, kind: "import_error" })).toEqual(["importErrors", "dags"]);
});

test("a task instance's event is shown at once", () => {
  const ti = (task_id: string, map_index: number) => ({ task_id, map_index, state: "queued", try_number: 1 }) as TaskInstance;
  const list = { task_instances: [ti("a", -1), ti("b", 0), ti("b", 1)], total_entries: 3 };
  const after = patchTasks(list, { id: 1, kind: "ti", task_id: "b", map_index: 1, state: "running", try_number: 2 });
  expect(after?.task_instances.map((each) => `${each.state} ${each.try_number}`)).toEqual(["queued 1", "queued 1", "running 2"]);
});
