/** One way to call the server: JSON in, JSON out, every failure an `ApiError` with the server's own words. */

import { getToken, setToken } from "./session";

export interface FieldError {
  loc: (string | number)[];
  msg: string;
}

export class ApiError extends Error {
  readonly status: number;
  readonly code: string | null;
  /** Field errors of a 422, empty otherwise. */
  readonly fields: FieldError[];

  constructor(status: number, message: string, code: string | null = null, fields: FieldError[] = []) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads `{"detail": text | [{loc, msg}] | {message}, "code"}` of any failed answer. */
export function errorFromBody(status: number, body: unknown): ApiError {
  if (!isRecord(body)) return new ApiError(status, `HTTP ${status}`);
  const code = typeof body.code === "string" ? body.code : null;
  const detail = body.detail;
  if (typeof detail === "string") return new ApiError(status, detail, code);
  if (Array.isArray(detail)) {
    const fields = detail.filter(isRecord).map((entry) => ({
      loc: Array.isArray(entry.loc) ? (entry.loc as (string | number)[]) : [],
      msg: String(entry.msg ?? "").replace(/^Value error, /, ""),
    }));
    return new ApiError(status, fields.map((field) => field.msg).join("; ") || `HTTP ${status}`, code, fields);
  }
  if (isRecord(detail)) {
    const text = detail.reason ?? detail.message;
    return new ApiError(status, typeof text === "string" ? text : `HTTP ${status}`, code);
  }
  return new ApiError(status, `HTTP ${status}`, code);
}

export function authHeaders(): Record<string, string> {
  const token = getToken();
  return token === null ? {} : { Authorization: `Bearer ${token}` };
}

interface CallOptions {
  body?: unknown;
  signal?: AbortSignal;
}

async function parse(response: Response): Promise<unknown> {
  const text = await response.text();
  if (text === "") return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** Calls the server. Throws `ApiError`; status 0 means that it could not be reached. A 401 ends the session. */
export async function call<T>(method: string, address: string, options: CallOptions = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json", ...authHeaders() };
  const init: RequestInit = { method, headers };
  if (options.body !== undefined) {
    headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(options.body);
  }
  if (options.signal) init.signal = options.signal;
  let response: Response;
  try {
    response = await fetch(address, init);
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError(0, "the server cannot be reached");
  }
  const body = await parse(response);
  if (response.ok) return body as T;
  if (endsSession(response.status, body) && getToken() !== null) setToken(null);
  throw errorFromBody(response.status, body);
}

/** A refused token: 401, or the 403 that Airflow answers to a token it cannot read. */
export function endsSession(status: number, body: unknown): boolean {
  return status === 401 || (status === 403 && isRecord(body) && body.detail === "Invalid JWT token");
}

/** A path from parts, each percent-encoded; run ids hold `:` and `+`. */
export function path(strings: TemplateStringsArray, ...parts: (string | number)[]): string {
  return strings.reduce((sum, text, i) => sum + text + (i < parts.length ? encodeURIComponent(String(parts[i])) : ""), "");
}

/** A query string, `?` included, without empty values. */
export function query(values: Record<string, string | number | boolean | null | undefined>): string {
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "") params.set(key, String(value));
  }
  const text = params.toString();
  return text === "" ? "" : `?${text}`;
}
