/** What people do to DAGs, runs and task instances. Plain calls: screens wrap them in mutations. */

import { call, path } from "./client";
import { questionPath, taskPath } from "./queries";
import type { AssetEvent, BackfillPlan, Dag, DagRun, TaskInstanceList } from "./types";

export function setPaused(dag: string, isPaused: boolean): Promise<Dag> {
  return call("PATCH", path`/api/v2/dags/${dag}` + "?update_mask=is_paused", { body: { is_paused: isPaused } });
}

export interface TriggerBody {
  logical_date: string | null;
  dag_run_id?: string;
  conf: Record<string, unknown>;
  note?: string;
}

export function triggerRun(dag: string, body: TriggerBody): Promise<DagRun> {
  return call("POST", path`/api/v2/dags/${dag}/dagRuns`, { body });
}

export function markRun(dag: string, run: string, state: "success" | "failed"): Promise<DagRun> {
  return call("PATCH", path`/api/v2/dags/${dag}/dagRuns/${run}` + "?update_mask=state", { body: { state } });
}

export function markTask(dag: string, run: string, task: string, mapIndex: number, newState: string): Promise<TaskInstanceList> {
  return call("PATCH", taskPath(dag, run, task, mapIndex), { body: { new_state: newState } });
}

/** Answers what an `approval` task asks. */
export function answerTask(dag: string, run: string, task: string, mapIndex: number, chosen: string[]): Promise<unknown> {
  return call("PATCH", questionPath(dag, run, task, mapIndex), { body: { chosen_options: chosen, params_input: {} } });
}

export interface ClearOptions {
  run: string;
  /** Task ids, or `[task id, map index]` for one mapped instance; all tasks when left out. */
  taskIds?: (string | [string, number])[];
  onlyFailed: boolean;
  includeDownstream: boolean;
  includeUpstream: boolean;
}

/** Clears task instances, or with `dryRun` lists those that would be cleared. */
export function clearTasks(dag: string, options: ClearOptions, dryRun: boolean): Promise<TaskInstanceList> {
  const body: Record<string, unknown> = {
    dry_run: dryRun,
    dag_run_id: options.run,
    only_failed: options.onlyFailed,
    reset_dag_runs: true,
  };
  if (options.taskIds) {
    body.task_ids = options.taskIds;
    body.include_downstream = options.includeDownstream;
    body.include_upstream = options.includeUpstream;
  }
  return call("POST", path`/api/v2/dags/${dag}/clearTaskInstances`, { body });
}

export interface BackfillBody {
  dag_id: string;
  from_date: string;
  to_date: string;
  reprocess_behavior: string;
  max_active_runs: number;
  run_backwards: boolean;
  stop_after_failures: number;
  dag_run_conf: Record<string, unknown>;
}

/** What a backfill would do; nothing is promised. */
export function planBackfill(body: BackfillBody, signal?: AbortSignal): Promise<BackfillPlan> {
  return call("POST", "/api/v1/backfills/plan", signal ? { body, signal } : { body });
}

export function createBackfill(body: BackfillBody): Promise<{ id: number }> {
  return call("POST", "/api/v2/backfills", { body });
}

export function changeBackfill(id: number, action: "pause" | "unpause" | "cancel", stopRunning = false): Promise<{ id: number }> {
  return call("PUT", path`/api/v2/backfills/${id}/${action}` + (stopRunning ? "?stop_running=true" : ""));
}

/** Says that an asset has changed; the answer names the runs that this started. */
export function reportAsset(asset: number, extra: Record<string, unknown>): Promise<AssetEvent> {
  return call("POST", "/api/v2/assets/events", { body: { asset_id: asset, extra } });
}

export async function logIn(username: string, password: string): Promise<string> {
  const answer = await call<{ access_token: string }>("POST", "/auth/token", { body: { username, password } });
  return answer.access_token;
}
