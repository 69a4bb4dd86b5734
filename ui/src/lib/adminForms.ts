/** What the admin forms send: secrets that were not typed again stay out of the request. Pure. */

import type { Connection, Pool, Variable } from "../api/types";

export type FormValues = Record<string, string>;

/** What the API shows in place of a secret. */
export const MASK = "***";

export function variableBody(values: FormValues, before: Variable | null): Record<string, unknown> {
  const body: Record<string, unknown> = { key: values.key ?? "", description: orNull(values.description) };
  const kept = before?.value === MASK && (values.value ?? "") === "";
  if (!kept) body.value = values.value ?? "";
  return body;
}

export function connectionBody(values: FormValues, before: Connection | null): Record<string, unknown> {
  const body: Record<string, unknown> = {
    connection_id: values.connection_id ?? "",
    conn_type: values.conn_type ?? "",
    description: orNull(values.description),
    host: orNull(values.host),
    login: orNull(values.login),
    schema: orNull(values.schema),
    port: values.port ? Number(values.port) : null,
  };
  if (values.password) body.password = values.password;
  // An extra that still shows masked values would overwrite the real ones with "***".
  if (values.extra !== (before?.extra ?? "")) body.extra = orNull(values.extra);
  return body;
}

export function poolBody(values: FormValues, before: Pool | null): Record<string, unknown> {
  const body: Record<string, unknown> = {
    slots: Number(values.slots),
    description: orNull(values.description),
    include_deferred: values.include_deferred === "on",
  };
  // Airflow calls the name "pool" when a pool is changed, and "name" when it is made.
  body[before ? "pool" : "name"] = before?.name ?? values.name ?? "";
  return body;
}

/** The keys of a change, for `update_mask`. */
export function maskOf(body: Record<string, unknown>): string {
  return Object.keys(body)
    .map((key) => `update_mask=${encodeURIComponent(key)}`)
    .join("&");
}

function orNull(text: string | undefined): string | null {
  return text === undefined || text === "" ? null : text;
}
