import { act, renderHook } from "@testing-library/react";
import { expect, test } from "vitest";
import { useConfForm } from "../src/lib/confForm";

const params = {
  schema: { type: "object", properties: { depth: { type: "integer", maximum: 9 }, grid: { type: "object" } } },
  defaults: { depth: 3, grid: { a: 1 } },
};
const form = (copied: Record<string, unknown> | null = null) => renderHook(() => useConfForm(params, copied)).result;
const field = (result: ReturnType<typeof form>, name: string) => result.current.fields.find((each) => each.name === name)!;

test("a field's edit shows in the JSON", () => {
  const result = form();
  act(() => result.current.edit(field(result, "depth"), "5"));
  expect(JSON.parse(result.current.json)).toEqual({ depth: 5, grid: { a: 1 } });
});

test("an edit of the JSON shows in the fields, and other params are kept", () => {
  const result = form();
  act(() => result.current.editJson('{"depth": 7, "more": true}'));
  expect(result.current.text(field(result, "depth"))).toBe("7");
  expect(result.current.extra).toEqual(["more"]);
  expect(result.current.conf).toEqual({ depth: 7, more: true });
});

test("half-typed text stays as typed and blocks", () => {
  const result = form();
  act(() => result.current.edit(field(result, "grid"), '{"a": '));
  expect(result.current.text(field(result, "grid"))).toBe('{"a": ');
  expect(result.current.valid).toBe(false);
  act(() => result.current.editJson("{"));
  expect(result.current.jsonProblem?.key).toBe("json");
});

test("limits block too, and defaults come back", () => {
  const result = form();
  act(() => result.current.edit(field(result, "depth"), "10"));
  expect(result.current.problem(field(result, "depth"))).toEqual({ key: "maximum", values: { limit: 9 } });
  act(() => result.current.reset());
  expect(result.current.valid).toBe(true);
  expect(result.current.conf).toEqual(params.defaults);
});

test("a copied run's conf lies over the defaults", () => {
  expect(form({ depth: 1 }).current.conf).toEqual({ depth: 1, grid: { a: 1 } });
});
