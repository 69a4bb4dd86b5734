/** The trigger form's model: JSON Schema → fields, text ↔ values, and where a server's error belongs. Pure. */

import type { FieldError } from "../api/client";
import type { JsonSchema } from "../api/types";

export type FieldKind = "text" | "long" | "number" | "integer" | "boolean" | "choice" | "json" | "date" | "datetime";

export interface ParamField {
  name: string;
  kind: FieldKind;
  title: string;
  description: string;
  required: boolean;
  nullable: boolean;
  schema: JsonSchema;
  /** The allowed values of a choice, in order. */
  choices: unknown[];
}

export type Conf = Record<string, unknown>;

/** Why a text is not a value; `key` names the translation under `form.error`. */
export interface Problem {
  key: string;
  values?: Record<string, string | number>;
}

function typesOf(schema: JsonSchema): string[] {
  if (Array.isArray(schema.type)) return schema.type;
  if (schema.type !== undefined) return [schema.type];
  if (schema.properties) return ["object"];
  return [];
}

function kindOf(schema: JsonSchema, sample: unknown): FieldKind {
  if (schema.enum) return "choice";
  const type = typesOf(schema).find((each) => each !== "null") ?? guessType(sample);
  if (type === "integer" || type === "number" || type === "boolean") return type;
  if (type === "object" || type === "array") return "json";
  if (type !== "string") return "json";
  if (schema.format === "date") return "date";
  if (schema.format === "date-time") return "datetime";
  if (schema.format === "multiline" || (typeof sample === "string" && sample.includes("\n"))) return "long";
  return "text";
}

function guessType(sample: unknown): string {
  if (Array.isArray(sample)) return "array";
  if (sample === null || sample === undefined) return "unknown";
  return typeof sample;
}

/** The fields of a params schema, in its order. */
export function fieldsOf(schema: JsonSchema, defaults: Conf): ParamField[] {
  const required = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([name, each]) => {
    const types = typesOf(each);
    const nullable = types.includes("null") || (each.enum?.includes(null) ?? false);
    return {
      name,
      kind: kindOf(each, defaults[name] ?? each.default),
      title: each.title ?? name,
      description: each.description ?? "",
      required: required.has(name),
      nullable,
      schema: each,
      choices: each.enum ?? [],
    };
  });
}

/** What a field's input shows for a value. */
export function textOf(field: ParamField, value: unknown): string {
  if (value === undefined || value === null) return "";
  if (field.kind === "choice") return String(field.choices.findIndex((each) => JSON.stringify(each) === JSON.stringify(value)));
  if (field.kind === "json") return prettyJson(value);
  if (field.kind === "datetime") return String(value).slice(0, 19);
  return typeof value === "string" ? value : JSON.stringify(value);
}

const SHORT_CHARS = 56;

/** JSON over several lines, but what is short stays on one. */
export function prettyJson(value: unknown, indent = ""): string {
  const flat = JSON.stringify(value) ?? "null";
  if (typeof value !== "object" || value === null) return flat;
  const inner = `${indent}  `;
  const entries = Array.isArray(value)
    ? value.map((each) => inner + prettyJson(each, inner))
    : Object.entries(value).map(([key, each]) => `${inner}${JSON.stringify(key)}: ${prettyJson(each, inner)}`);
  const short = indent !== "" && flat.length <= SHORT_CHARS;
  if (entries.length === 0 || short) return spaced(value);
  return `${Array.isArray(value) ? "[" : "{"}\n${entries.join(",\n")}\n${indent}${Array.isArray(value) ? "]" : "}"}`;
}

/** One line, with a space after commas and colons. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${spaced(each)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

type Parsed = { value: unknown } | { problem: Problem };

/** Reads a field's text. An empty optional field has no value (`undefined`), a nullable one `null`. */
export function parseText(field: ParamField, text: string): Parsed {
  if (text === "" && (field.kind !== "text" && field.kind !== "long")) return emptyValue(field);
  if (text === "" && field.nullable) return { value: null };
  if (text === "" && !field.required) return { value: undefined };
  if (field.kind === "choice") return { value: field.choices[Number(text)] };
  if (field.kind === "boolean") return { value: text === "true" };
  if (field.kind === "json") return parseJson(text);
  if (field.kind === "number" || field.kind === "integer") return parseNumber(field, text);
  if (field.kind === "datetime") return { value: /[zZ]|[+-]\d\d:\d\d$/.test(text) ? text : `${text.length === 16 ? `${text}:00` : text}Z` };
  return { value: text };
}

function emptyValue(field: ParamField): Parsed {
  if (field.nullable) return { value: null };
  return field.required ? { problem: { key: "required" } } : { value: undefined };
}

function parseJson(text: string): Parsed {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { problem: { key: "json", values: { message: error instanceof Error ? error.message : "" } } };
  }
}

function parseNumber(field: ParamField, text: string): Parsed {
  const value = Number(text);
  if (!Number.isFinite(value)) return { problem: { key: "number" } };
  if (field.kind === "integer" && !Number.isInteger(value)) return { problem: { key: "integer" } };
  return { value };
}

/** What is wrong with a value by its own schema, or null. The server has the last word. */
export function checkValue(field: ParamField, value: unknown): Problem | null {
  const { schema } = field;
  if (value === undefined) return field.required ? { key: "required" } : null;
  if (value === null) return field.nullable || !field.required ? null : { key: "required" };
  if (typeof value === "number") return checkNumber(schema, value);
  if (typeof value === "string") return checkString(field, value);
  const types = typesOf(schema);
  if (types.includes("array") && !types.includes("object") && !Array.isArray(value)) return { key: "array" };
  if (types.includes("object") && !types.includes("array") && (typeof value !== "object" || Array.isArray(value))) return { key: "object" };
  return null;
}

function checkNumber(schema: JsonSchema, value: number): Problem | null {
  if (schema.minimum !== undefined && value < schema.minimum) return { key: "minimum", values: { limit: schema.minimum } };
  if (schema.maximum !== undefined && value > schema.maximum) return { key: "maximum", values: { limit: schema.maximum } };
  return null;
}

function checkString(field: ParamField, value: string): Problem | null {
  const { schema } = field;
  if (value === "" && field.required && (schema.minLength ?? 0) > 0) return { key: "required" };
  if (schema.minLength !== undefined && value.length < schema.minLength) return { key: "minLength", values: { limit: schema.minLength } };
  if (schema.maxLength !== undefined && value.length > schema.maxLength) return { key: "maxLength", values: { limit: schema.maxLength } };
  if (schema.pattern !== undefined && !matches(schema.pattern, value)) return { key: "pattern", values: { pattern: schema.pattern } };
  return null;
}

function matches(pattern: string, value: string): boolean {
  try {
    return new RegExp(pattern, "u").test(value);
  } catch {
    return true;
  }
}

/** A conf from text: must be a JSON object. */
export function parseConf(text: string): { conf: Conf } | { problem: Problem } {
  const parsed = parseJson(text.trim() === "" ? "{}" : text);
  if ("problem" in parsed) return parsed;
  if (typeof parsed.value !== "object" || parsed.value === null || Array.isArray(parsed.value)) return { problem: { key: "object" } };
  return { conf: parsed.value as Conf };
}

/** Server errors by the field they belong to: `["body","conf","grid","depth"]` → `grid`, with the rest of the path in the text. */
export function errorsByField(fields: FieldError[]): { byParam: Record<string, string>; byBody: Record<string, string>; other: string[] } {
  const byParam: Record<string, string> = {};
  const byBody: Record<string, string> = {};
  const other: string[] = [];
  for (const { loc, msg } of fields) {
    const [first, second, ...rest] = loc[0] === "body" ? loc.slice(1) : loc;
    const tail = rest.length > 0 ? `${rest.join(".")}: ` : "";
    if ((first === "conf" || first === "params") && second !== undefined) byParam[String(second)] = tail + msg;
    else if (first !== undefined) byBody[String(first)] = msg;
    else other.push(msg);
  }
  return { byParam, byBody, other };
}
