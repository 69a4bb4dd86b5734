/** Addresses of the screens. Ids are percent-encoded: run ids hold `:` and `+`. */

import { query } from "../api/client";

const part = encodeURIComponent;

export function dagLink(dag: string, view?: string): string {
  return `/dags/${part(dag)}${query({ view })}`;
}

export function runLink(dag: string, run: string): string {
  return `/dags/${part(dag)}/runs/${part(run)}`;
}

export function taskLink(dag: string, run: string, task: string, mapIndex = -1, view?: string): string {
  return `${runLink(dag, run)}/tasks/${part(task)}${query({ map: mapIndex >= 0 ? mapIndex : null, view })}`;
}

/** An id out of a route: the router leaves reserved characters encoded. */
export function idFromRoute(text: string | undefined): string {
  try {
    return decodeURIComponent(text ?? "");
  } catch {
    return text ?? "";
  }
}
