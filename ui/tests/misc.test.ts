import { describe, expect, test } from "vitest";
import { errorFromBody, path, query } from "../src/api/client";
import { safeNextPath } from "../src/api/session";
import { stripBars } from "../src/components/RunStrip";
import { edgePath, worstState } from "../src/graph/shape";
import { connectionBody, maskOf, poolBody, variableBody } from "../src/lib/adminForms";
import { readImportError } from "../src/lib/importErrors";
import { GLYPHS, TASK_STATES, isActive } from "../src/lib/state";
import { formatDuration, formatInstant, formatRelative, instantFromInput } from "../src/lib/time";
import { yamlPieces } from "../src/lib/yaml";
import { tokenFromHash } from "../src/pages/Login";

describe("times", () => {
  test("in a zone", () => {
    expect(formatInstant("2026-11-20T15:00:05Z", "Asia/Seoul")).toBe("2026-11-21 00:00:05");
    expect(formatInstant("2026-11-20T15:00:05Z", "UTC", false)).toBe("2026-11-20 15:00");
    expect(formatInstant("not a date", "UTC")).toBe("not a date");
  });
  test.each([
    [0.26, "0.3s"],
    [9.96, "10.0s"],
    [59.9, "59s"],
    [69, "1m 09s"],
    [7500, "2h 05m"],
    [90000, "1d 01h"],
    [null, ""],
  ])("%s s is %s", (secs, text) => expect(formatDuration(secs)).toBe(text));
  test("in Korean", () => expect(formatDuration(69, "ko")).toBe("1분 09초"));
  test("relative", () => {
    const now = Date.parse("2026-11-20T12:00:00Z");
    expect(formatRelative("2026-11-20T11:57:00Z", now, "en")).toBe("3 min. ago");
    expect(formatRelative("2026-11-20T14:00:00Z", now, "ko")).toBe("2시간 후");
  });
  test("from a field", () => {
    expect(instantFromInput("2026-11-20T09:30", "utc")).toBe("2026-11-20T09:30:00.000Z");
    expect(instantFromInput("", "utc")).toBeNull();
  });
});

describe("import errors", () => {
  const read = (stack_trace: string) => readImportError({ import_error_id: 1, timestamp: "", filename: "f.yaml", stack_trace });
  test("of ours", () => {
    expect(read('f.yaml:12:5: unknown key "retires"\n12 | retires: 2')).toMatchObject({ line: 12, message: 'unknown key "retires"' });
    expect(read("f.yaml:3:1: error: cycle: a → b → a")).toEqual({ file: "f.yaml", line: 3, message: "cycle: a → b → a", details: null });
  });
  test("of Airflow", () => {
    expect(read('Traceback:\n  File "x.py", line 1, in <module>\nModuleNotFoundError: No module named \'x\'')).toMatchObject({ line: 1, message: "ModuleNotFoundError: No module named 'x'" });
  });
});

describe("errors of the server", () => {
  test.each([
    [{ detail: "no" }, "no"],
    [{ detail: [{ loc: ["body", "a"], msg: "Value error, bad" }] }, "bad"],
    [{ detail: { reason: "Unique constraint violation" } }, "Unique constraint violation"],
    ["<html>", "HTTP 500"],
    [null, "HTTP 500"],
  ])("%j", (body, message) => expect(errorFromBody(500, body).message).toBe(message));
});

test("addresses are encoded", () => {
  expect(path`/dags/${"a/b"}/runs/${"m__2026-11-20T09:31:05+00:00"}`).toBe("/dags/a%2Fb/runs/m__2026-11-20T09%3A31%3A05%2B00%3A00");
  expect(query({ q: "", tag: "a b", n: 0, x: undefined })).toBe("?tag=a+b&n=0");
});

test("a login leads only to this site", () => {
  expect(["/dags?q=1", "//evil.example", "/\\evil.example", "https://evil.example", null].map(safeNextPath)).toEqual(["/dags?q=1", "/dags", "/dags", "/dags", "/dags"]);
  expect([tokenFromHash("#token=a.b-c"), tokenFromHash("#token="), tokenFromHash("#L10")]).toEqual(["a.b-c", null, null]);
});

test("secrets that were not typed stay out", () => {
  const before = { connection_id: "c", conn_type: "mysql", description: null, host: "h", login: null, schema: null, port: 3306, password: "***", extra: '{"k": "***"}' };
  const same = { connection_id: "c", conn_type: "mysql", host: "h2", port: "3306", password: "", extra: '{"k": "***"}' };
  expect(connectionBody(same, before)).not.toHaveProperty("password");
  expect(connectionBody(same, before)).not.toHaveProperty("extra");
  expect(connectionBody({ ...same, password: "new" }, before)).toMatchObject({ password: "new", host: "h2", port: 3306, login: null });
  expect(variableBody({ key: "k", value: "" }, { key: "k", value: "***", description: null, is_encrypted: true })).toEqual({ key: "k", description: null });
  expect(variableBody({ key: "k", value: "" }, null)).toEqual({ key: "k", description: null, value: "" });
  expect(poolBody({ name: "p", slots: "3" }, null)).toEqual({ name: "p", slots: 3, description: null, include_deferred: false });
  expect(maskOf({ host: 1, port: 2 })).toBe("update_mask=host&update_mask=port");
});

test("every state has its own glyph", () => {
  const shapes = [...TASK_STATES, "none" as const].map((state) => GLYPHS[state]);
  expect(new Set(shapes).size).toBe(shapes.length);
  expect([isActive("running"), isActive("up_for_retry"), isActive("success"), isActive(null)]).toEqual([true, true, false, false]);
});

test("the strip is right-aligned", () => {
  const run = (duration_secs: number) => ({ run_id: String(duration_secs), state: "success", duration_secs, run_after: "" });
  const bars = stripBars([run(1), run(100)]);
  expect(bars.map((bar) => bar.x)).toEqual([12 * 13, 13 * 13]);
  expect(bars[1]!.height).toBeGreaterThan(bars[0]!.height);
});

test("graph", () => {
  expect(edgePath([[0, 0], [5, 0], [5, 9], [10, 9]])).toBe("M0,0C5,0 5,9 10,9");
  expect(edgePath([[0, 0], [10, 9]])).toBe("M0,0L10,9");
  expect(edgePath([[0, 0]])).toBe("");
  expect([worstState(["success", "failed"]), worstState(["success", null]), worstState(["success"]), worstState([])]).toEqual(["failed", null, "success", null]);
});

test("coloured YAML is the same text", () => {
  const line = '  command: [python, "{{ ds }}"]  # a comment';
  expect(yamlPieces(line).map((piece) => piece.text).join("")).toBe(line);
  expect(yamlPieces(line).map((piece) => piece.kind)).toContain("template");
  expect(yamlPieces("dag_id: x")[0]).toEqual({ kind: "key", text: "dag_id" });
});
