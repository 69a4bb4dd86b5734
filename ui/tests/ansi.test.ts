import { describe, expect, test } from "vitest";
import { carryAfter, linePieces, paletteColour, visibleLine } from "../src/lib/ansi";

const ESC = "\u001b";

describe("pieces of a line", () => {
  const cases: [string, unknown][] = [
    ["plain", [{ text: "plain", className: "" }]],
    ["", []],
    [`${ESC}[31mred${ESC}[0m after`, [{ text: "red", className: "ansi-red" }, { text: " after", className: "" }]],
    [`${ESC}[1;92mok`, [{ text: "ok", className: "ansi-bright-green ansi-bold" }]],
    [`${ESC}[38;5;208mx`, [{ text: "x", className: "", colour: "rgb(255,135,0)" }]],
    [`${ESC}[48;2;1;2;3mx`, [{ text: "x", className: "", background: "rgb(1, 2, 3)" }]],
    ["<b>&amp;</b>", [{ text: "<b>&amp;</b>", className: "" }]],
  ];
  test.each(cases)("%j", (line, expected) => expect(linePieces(line)).toEqual(expected));
});

test("a colour goes on over lines until it is reset", () => {
  const open = carryAfter("", `${ESC}[31mred`);
  expect(linePieces("still", open)).toEqual([{ text: "still", className: "ansi-red" }]);
  expect(carryAfter(open, `x${ESC}[0m`)).toBe("");
  expect(carryAfter(open, "no codes")).toBe(open);
});

describe("what a terminal would show", () => {
  const cases: [string, string][] = [
    ["10%\r50%\r100%", "100%"],
    ["windows\r", "windows"],
    [`${ESC}[2Kcleared${ESC}[1A`, "cleared"],
    [`${ESC}]8;;https://example.org${ESC}\\link${ESC}]8;;${ESC}\\`, "link"],
    [`${ESC}]0;title\u0007text`, "text"],
  ];
  test.each(cases)("%j", (line, expected) => expect(visibleLine(line)).toBe(expected));
});

test("palette", () => {
  expect([16, 21, 196, 232, 255].map(paletteColour)).toEqual(["rgb(0,0,0)", "rgb(0,0,255)", "rgb(255,0,0)", "rgb(8,8,8)", "rgb(238,238,238)"]);
});
