import { expect, test } from "vitest";
import { readExtra } from "../src/lib/assets";

test.each([
  ["", { ok: true, extra: {} }],
  ["  \n", { ok: true, extra: {} }],
  ['{"version": 3}', { ok: true, extra: { version: 3 } }],
  ["[1]", { ok: false, why: "object" }],
  ["null", { ok: false, why: "object" }],
  ["{version: 3}", { ok: false, why: "json" }],
])("the extra %j", (text, expected) => {
  expect(readExtra(text)).toMatchObject(expected);
});
