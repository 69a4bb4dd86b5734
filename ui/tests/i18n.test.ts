import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { en } from "../src/i18n/en";
import { ko } from "../src/i18n/ko";

type Tree = { [key: string]: string | Tree };

function flat(tree: Tree, prefix = ""): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(tree)) {
    if (typeof value === "string") found.set(prefix + key, value);
    else for (const [inner, text] of flat(value, `${prefix}${key}.`)) found.set(inner, text);
  }
  return found;
}

/** Languages have different plurals: keys are compared without their ending. */
const base = (key: string) => key.replace(/_(zero|one|two|few|many|other)$/, "");
const variables = (text: string) => [...new Set([...text.matchAll(/\{\{(\w+)\}\}/g)].map((found) => found[1]))].toSorted();

const english = flat(en);
const korean = flat(ko);

describe("translations", () => {
  test("no key is missing in either language", () => {
    const [inEnglish, inKorean] = [new Set([...english.keys()].map(base)), new Set([...korean.keys()].map(base))];
    expect([...inEnglish].filter((key) => !inKorean.has(key)), "missing in Korean").toEqual([]);
    expect([...inKorean].filter((key) => !inEnglish.has(key)), "missing in English").toEqual([]);
  });

  test("every plural has the forms its language needs", () => {
    const forms = (language: string) => new Intl.PluralRules(language).resolvedOptions().pluralCategories.filter((each) => each === "one" || each === "other");
    const plurals = new Set([...english.keys()].filter((key) => key.endsWith("_other")).map(base));
    for (const [language, texts] of [["en", english], ["ko", korean]] as const) {
      const missing = [...plurals].flatMap((key) => forms(language).map((form) => `${key}_${form}`)).filter((key) => !texts.has(key));
      expect(missing, language).toEqual([]);
    }
  });

  test("both languages fill in the same values", () => {
    for (const [key, text] of korean) {
      const other = english.get(key) ?? "";
      expect(variables(text), key).toEqual(variables(other));
    }
  });

  test("no text is empty", () => {
    expect([...english, ...korean].filter(([, text]) => text.trim() === "")).toEqual([]);
  });

  test("every key that the code names exists", () => {
    const root = join(__dirname, "../src");
    const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((file) => /\.tsx?$/.test(file) && !file.startsWith("i18n"));
    const known = new Set([...english.keys()].map(base));
    const unknown = files.flatMap((file) =>
      [...readFileSync(join(root, file), "utf8").matchAll(/\bt\(\s*"([\w.]+)"/g)].map((found) => found[1] ?? "").filter((key) => !known.has(key)),
    );
    expect(unknown).toEqual([]);
  });
});
