/** What each screen reads: the query keys (which live events name) and their requests. */

import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { call, path, query } from "./client";
import type {
  AssetGraphResponse, BackfillDate, BackfillProgress, Connection, Dag, DagListResponse, DagRun, Explanation, GraphResponse, GridResponse, ImportErrorEntry,
  ParamsResponse, Pool, Question, TaskInstance, TaskInstanceList, Variable, WhoAmI, XComEntry,
} from "./types";

export const keys = {
  dags: ["dags"] as const,
  importErrors: ["importErrors"] as const,
  assets: ["assets"] as const,
  dag: (dag: string) => ["dag", dag] as const,
  backfills: (dag: string) => ["dag", dag, "backfills"] as const,
  grid: (dag: string) => ["dag", dag, "grid"] as const,
  run: (dag: string, run: string) => ["dag", dag, "run", run] as const,
  tasks: (dag: string, run: string) => ["dag", dag, "run", run, "tasks"] as const,
  task: (dag: string, run: string, task: string, mapIndex: number) => ["dag", dag, "run", run, "task", task, mapIndex] as const,
  admin: (kind: string) => ["admin", kind] as const,
};

export const whoamiQuery = () =>
  queryOptions({ queryKey: ["whoami"], queryFn: ({ signal }) => call<WhoAmI>("GET", "/api/v1/whoami", { signal }), staleTime: Infinity });

export const dagListQuery = (q: string, tag: string) =>
  queryOptions({
    queryKey: [...keys.dags, q, tag],
    queryFn: ({ signal }) => call<DagListResponse>("GET", `/api/v1/dags${query({ q, tag })}`, { signal }),
    placeholderData: keepPreviousData,
  });

export const importErrorsQuery = () =>
  queryOptions({
    queryKey: keys.importErrors,
    queryFn: ({ signal }) => call<{ import_errors: ImportErrorEntry[]; total_entries: number }>("GET", "/api/v2/importErrors", { signal }),
  });

export const assetsQuery = (q: string) =>
  queryOptions({
    queryKey: [...keys.assets, q],
    queryFn: ({ signal }) => call<AssetGraphResponse>("GET", `/api/v1/assets/graph${query({ q })}`, { signal }),
    placeholderData: keepPreviousData,
  });

export const dagQuery = (dag: string) =>
  queryOptions({ queryKey: [...keys.dag(dag), "info"], queryFn: ({ signal }) => call<Dag>("GET", path`/api/v2/dags/${dag}`, { signal }) });

export const gridQuery = (dag: string, runs: number) =>
  queryOptions({
    queryKey: [...keys.grid(dag), runs],
    queryFn: ({ signal }) => call<GridResponse>("GET", path`/api/v1/dags/${dag}/grid` + query({ runs }), { signal }),
    placeholderData: keepPreviousData,
  });

export const graphQuery = (dag: string, version?: number) =>
  queryOptions({
    queryKey: ["graph", dag, version ?? "newest"],
    queryFn: ({ signal }) => call<GraphResponse>("GET", path`/api/v1/dags/${dag}/graph` + query({ version }), { signal }),
    staleTime: version === undefined ? 30_000 : Infinity,
  });

export const paramsQuery = (dag: string) =>
  queryOptions({
    queryKey: ["params", dag],
    queryFn: ({ signal }) => call<ParamsResponse>("GET", path`/api/v1/dags/${dag}/params`, { signal }),
  });

export const sourceQuery = (dag: string) =>
  queryOptions({
    queryKey: ["source", dag],
    queryFn: ({ signal }) => call<{ content: string; version_number: number | null }>("GET", path`/api/v2/dagSources/${dag}`, { signal }),
  });

export const backfillsQuery = (dag: string) =>
  queryOptions({
    queryKey: keys.backfills(dag),
    queryFn: ({ signal }) =>
      call<{ backfills: BackfillProgress[]; total_entries: number }>("GET", path`/api/v1/dags/${dag}/backfills` + query({ limit: 20 }), { signal }),
    placeholderData: keepPreviousData,
  });

export const backfillDatesQuery = (dag: string, id: number, offset: number) =>
  queryOptions({
    queryKey: [...keys.backfills(dag), id, offset],
    queryFn: ({ signal }) =>
      call<{ dates: BackfillDate[]; total_entries: number }>("GET", path`/api/v1/backfills/${id}/dates` + query({ limit: 100, offset }), { signal }),
    placeholderData: keepPreviousData,
  });

export const runQuery = (dag: string, run: string) =>
  queryOptions({
    queryKey: [...keys.run(dag, run), "info"],
    queryFn: ({ signal }) => call<DagRun>("GET", path`/api/v2/dags/${dag}/dagRuns/${run}`, { signal }),
  });

const PAGE_ENTRIES = 100;
const MAX_PAGES = 50;

/** All task instances of a run; the API gives at most 100 a page. */
export async function allTaskInstances(dag: string, run: string, signal?: AbortSignal): Promise<TaskInstanceList> {
  const found: TaskInstance[] = [];
  const options = signal ? { signal } : {};
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const url = path`/api/v2/dags/${dag}/dagRuns/${run}/taskInstances` + query({ limit: PAGE_ENTRIES, offset: page * PAGE_ENTRIES });
    // oxlint-disable-next-line no-await-in-loop -- each page depends on how full the one before was
    const answer = await call<TaskInstanceList>("GET", url, options);
    found.push(...answer.task_instances);
    if (answer.task_instances.length < PAGE_ENTRIES) break;
  }
  return { task_instances: found, total_entries: found.length };
}

export const tasksQuery = (dag: string, run: string) =>
  queryOptions({ queryKey: keys.tasks(dag, run), queryFn: ({ signal }) => allTaskInstances(dag, run, signal) });

/** Path of one task instance; mapped ones have their index at the end. */
export function taskPath(dag: string, run: string, task: string, mapIndex: number): string {
  const base = path`/api/v2/dags/${dag}/dagRuns/${run}/taskInstances/${task}`;
  return mapIndex >= 0 ? `${base}/${mapIndex}` : base;
}

export const taskQuery = (dag: string, run: string, task: string, mapIndex: number) =>
  queryOptions({
    queryKey: [...keys.task(dag, run, task, mapIndex), "info"],
    queryFn: ({ signal }) => call<TaskInstance>("GET", taskPath(dag, run, task, mapIndex), { signal }),
  });

/** Path of what a task instance asks people; its map index is always there. */
export function questionPath(dag: string, run: string, task: string, mapIndex: number): string {
  return path`/api/v2/dags/${dag}/dagRuns/${run}/taskInstances/${task}/${String(mapIndex)}/hitlDetails`;
}

export const questionQuery = (dag: string, run: string, task: string, mapIndex: number) =>
  queryOptions({
    queryKey: [...keys.task(dag, run, task, mapIndex), "question"],
    queryFn: ({ signal }) => call<Question>("GET", questionPath(dag, run, task, mapIndex), { signal }),
  });

export const triesQuery = (dag: string, run: string, task: string, mapIndex: number) =>
  queryOptions({
    queryKey: [...keys.task(dag, run, task, mapIndex), "tries"],
    queryFn: ({ signal }) => call<TaskInstanceList>("GET", `${taskPath(dag, run, task, mapIndex)}/tries`, { signal }),
  });

export const explainQuery = (dag: string, run: string, task: string, mapIndex: number) =>
  queryOptions({
    queryKey: [...keys.task(dag, run, task, mapIndex), "explain"],
    queryFn: ({ signal }) =>
      call<Explanation>("GET", path`/api/v1/dags/${dag}/runs/${run}/explain/${task}` + query({ map_index: mapIndex }), { signal }),
  });

export const renderedQuery = (dag: string, run: string, task: string, mapIndex: number, tryNumber: number) =>
  queryOptions({
    queryKey: [...keys.task(dag, run, task, mapIndex), "rendered", tryNumber],
    queryFn: ({ signal }) =>
      call<{ fields: Record<string, string> }>(
        "GET",
        path`/api/v1/dags/${dag}/runs/${run}/tasks/${task}/rendered` + query({ try_number: tryNumber, map_index: mapIndex }),
        { signal },
      ),
  });

/** All XCom entries of a task instance with their values. */
async function xcomEntries(dag: string, run: string, task: string, mapIndex: number, signal: AbortSignal): Promise<XComEntry[]> {
  const base = path`/api/v2/dags/${dag}/dagRuns/${run}/taskInstances/${task}/xcomEntries`;
  const list = await call<{ xcom_entries: XComEntry[] }>("GET", base + query({ map_index: mapIndex }), { signal });
  return Promise.all(
    list.xcom_entries.map((entry) =>
      call<XComEntry>("GET", `${base}/${encodeURIComponent(entry.key)}${query({ map_index: mapIndex })}`, { signal }),
    ),
  );
}

export const xcomQuery = (dag: string, run: string, task: string, mapIndex: number) =>
  queryOptions({
    queryKey: [...keys.task(dag, run, task, mapIndex), "xcom"],
    queryFn: ({ signal }) => xcomEntries(dag, run, task, mapIndex, signal),
  });

export function listVariables(): Promise<Variable[]> {
  return call<{ variables: Variable[] }>("GET", "/api/v2/variables?limit=100").then((body) => body.variables);
}

export function listConnections(): Promise<Connection[]> {
  return call<{ connections: Connection[] }>("GET", "/api/v2/connections?limit=100").then((body) => body.connections);
}

export function listPools(): Promise<Pool[]> {
  return call<{ pools: Pool[] }>("GET", "/api/v2/pools?limit=100").then((body) => body.pools);
}
