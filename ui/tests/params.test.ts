import { describe, expect, test } from "vitest";
import type { JsonSchema } from "../src/api/types";
import { checkValue, errorsByField, fieldsOf, parseConf, parseText, prettyJson, textOf } from "../src/lib/params";
import type { ParamField } from "../src/lib/params";

function field(schema: JsonSchema, sample?: unknown, required = false): ParamField {
  const [found] = fieldsOf({ type: "object", properties: { x: schema }, required: required ? ["x"] : [] }, sample === undefined ? {} : { x: sample });
  return found!;
}

describe("kinds of fields", () => {
  const cases: [JsonSchema, unknown, string][] = [
    [{ type: "string" }, undefined, "text"],
    [{ type: ["string", "null"] }, undefined, "text"],
    [{ type: ["null", "integer"] }, undefined, "integer"],
    [{ type: "number" }, undefined, "number"],
    [{ type: "boolean" }, undefined, "boolean"],
    [{ type: "object" }, undefined, "json"],
    [{ type: "array" }, undefined, "json"],
    [{ type: "string", enum: ["a", "b"] }, undefined, "choice"],
    [{ enum: [1, 2, null] }, undefined, "choice"],
    [{ type: "string", format: "date" }, undefined, "date"],
    [{ type: "string", format: "date-time" }, undefined, "datetime"],
    [{ type: "string" }, "two\nlines", "long"],
    [{}, { a: 1 }, "json"],
    [{}, 3, "number"],
    [{}, true, "boolean"],
    [{}, "word", "text"],
    [{}, undefined, "json"],
  ];
  test.each(cases)("%j with default %j is %s", (schema, sample, kind) => {
    expect(field(schema, sample).kind).toBe(kind);
  });
});

describe("text to value", () => {
  const cases: [JsonSchema, string, unknown][] = [
    [{ type: "integer" }, "7", { value: 7 }],
    [{ type: "integer" }, "7.5", { problem: { key: "integer" } }],
    [{ type: "number" }, "1e-3", { value: 0.001 }],
    [{ type: "number" }, "abc", { problem: { key: "number" } }],
    [{ type: "number" }, "", { value: undefined }],
    [{ type: ["number", "null"] }, "", { value: null }],
    [{ type: "boolean" }, "true", { value: true }],
    [{ type: "boolean" }, "false", { value: false }],
    [{ type: "string" }, "  kept ", { value: "  kept " }],
    [{ type: "object" }, '{"a": [1]}', { value: { a: [1] } }],
    [{ type: "string", enum: ["a", "b"] }, "1", { value: "b" }],
    [{ type: "string", format: "date" }, "2026-11-20", { value: "2026-11-20" }],
    [{ type: "string", format: "date-time" }, "2026-11-20T09:30", { value: "2026-11-20T09:30:00Z" }],
  ];
  test.each(cases)("%j reads %j", (schema, text, expected) => {
    expect(parseText(field(schema), text)).toEqual(expected);
  });

  test("broken JSON says why", () => {
    expect(parseText(field({ type: "array" }), "[1,")).toMatchObject({ problem: { key: "json" } });
  });

  test("a required field cannot be emptied", () => {
    expect(parseText(field({ type: "integer" }, 1, true), "")).toEqual({ problem: { key: "required" } });
  });
});

describe("value to text and back", () => {
  const cases: [JsonSchema, unknown][] = [
    [{ type: "integer" }, 0],
    [{ type: "number" }, -1.5],
    [{ type: "boolean" }, false],
    [{ type: "string" }, "가나 \"x\""],
    [{ type: "object" }, { a: { b: [1, 2, { c: null }] }, long: "x".repeat(80) }],
    [{ type: "array" }, []],
    [{ type: "array" }, ["a", ["b"]]],
    [{ enum: [1, "1", null] }, "1"],
    [{ type: ["string", "null"] }, null],
  ];
  test.each(cases)("%j keeps %j", (schema, value) => {
    const each = field(schema);
    expect(parseText(each, textOf(each, value))).toEqual({ value });
  });
});

describe("limits", () => {
  const cases: [JsonSchema, unknown, string | null][] = [
    [{ type: "integer", minimum: 1 }, 0, "minimum"],
    [{ type: "integer", maximum: 3 }, 4, "maximum"],
    [{ type: "integer", minimum: 1, maximum: 3 }, 3, null],
    [{ type: "string", minLength: 2 }, "a", "minLength"],
    [{ type: "string", maxLength: 2 }, "abc", "maxLength"],
    [{ type: "string", pattern: "^s3://" }, "file", "pattern"],
    [{ type: "string", pattern: "(" }, "a broken pattern is the server's business", null],
    [{ type: "array" }, { a: 1 }, "array"],
    [{ type: "object" }, [1], "object"],
    [{ type: ["object", "array"] }, [1], null],
    [{ type: "string" }, undefined, null],
  ];
  test.each(cases)("%j checks %j: %s", (schema, value, key) => {
    expect(checkValue(field(schema), value)?.key ?? null).toBe(key);
  });
  test("a required value", () => {
    expect(checkValue(field({ type: "string" }, undefined, true), undefined)?.key).toBe("required");
  });
});

test("server errors go to their fields", () => {
  expect(
    errorsByField([
      { loc: ["body", "conf", "grid", "depth", 0], msg: "is not of type array" },
      { loc: ["body", "dag_run_id"], msg: "taken" },
      { loc: ["body", "conf"], msg: "must be an object" },
      { loc: [], msg: "no" },
    ]),
  ).toEqual({ byParam: { grid: "depth.0: is not of type array" }, byBody: { dag_run_id: "taken", conf: "must be an object" }, other: ["no"] });
});

test("a conf is an object", () => {
  expect(parseConf("")).toEqual({ conf: {} });
  expect(parseConf('{"a": 1}')).toEqual({ conf: { a: 1 } });
  expect(parseConf("[1]")).toEqual({ problem: { key: "object" } });
  expect(parseConf("{")).toMatchObject({ problem: { key: "json" } });
});

test("short values stay on one line", () => {
  expect(prettyJson({ a: [1, 2], b: {}, c: "x" })).toBe('{\n  "a": [1, 2],\n  "b": {},\n  "c": "x"\n}');
});
