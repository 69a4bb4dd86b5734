/** Shapes of the REST answers the dashboard reads: `/api/v2` as in Airflow 3, `/api/v1` our own. */

export interface RunMark {
  run_id: string;
  state: string;
  duration_secs: number | null;
  run_after: string;
}

export interface DagRow {
  dag_id: string;
  display_name: string;
  description: string | null;
  owner: string | null;
  tags: string[];
  is_paused: boolean;
  schedule: string | null;
  schedule_words: string | null;
  timezone: string;
  next_run_after: string | null;
  has_import_errors: boolean;
  last_runs: RunMark[];
  active_runs: number;
}

export interface DagListResponse {
  dags: DagRow[];
  total_entries: number;
  tags: string[];
}

export interface GridRun {
  run_id: string;
  run_type: string;
  state: string;
  run_after: string;
  logical_date: string | null;
  start_date: string | null;
  end_date: string | null;
}

export interface GridResponse {
  tasks: { task_id: string; operator: string; depth: number }[];
  runs: GridRun[];
  states: string[];
  cells: string;
}

export interface GraphNode {
  id: string;
  label: string;
  operator: string;
  trigger_rule: string;
  x: number;
  y: number;
  w: number;
  h: number;
}

export interface GraphResponse {
  version_number: number;
  width: number;
  height: number;
  nodes: GraphNode[];
  edges: { from: string; to: string; points: [number, number][] }[];
}

export interface JsonSchema {
  type?: string | string[];
  title?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  const?: unknown;
  format?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  required?: string[];
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
}

export interface ParamsResponse {
  schema: JsonSchema;
  defaults: Record<string, unknown>;
}

export interface Dag {
  dag_id: string;
  dag_display_name: string;
  description: string | null;
  is_paused: boolean;
  fileloc: string;
  relative_fileloc?: string | null;
  timetable_summary: string | null;
  timetable_description: string | null;
  tags: { name: string }[];
  owners: string[];
  max_active_runs: number | null;
  max_active_tasks: number;
  has_import_errors: boolean;
  next_dagrun_run_after: string | null;
  last_parsed_time: string | null;
}

export interface DagRun {
  dag_run_id: string;
  dag_id: string;
  logical_date: string | null;
  queued_at: string | null;
  start_date: string | null;
  end_date: string | null;
  duration: number | null;
  data_interval_start: string | null;
  data_interval_end: string | null;
  run_after: string;
  run_type: string;
  state: string;
  triggered_by: string | null;
  triggering_user_name: string | null;
  conf: Record<string, unknown> | null;
  note: string | null;
  dag_versions: { version_number: number; created_at: string }[];
}

export interface TaskInstance {
  id?: string;
  task_id: string;
  dag_id: string;
  dag_run_id: string;
  map_index: number;
  start_date: string | null;
  end_date: string | null;
  duration: number | null;
  state: string | null;
  try_number: number;
  max_tries: number;
  task_display_name: string;
  hostname: string | null;
  unixname: string | null;
  pool: string;
  pool_slots: number;
  queue: string | null;
  priority_weight: number | null;
  operator: string | null;
  queued_when: string | null;
  scheduled_when: string | null;
  pid: number | null;
  note: string | null;
  rendered_map_index?: string | null;
}

export interface TaskInstanceList {
  task_instances: TaskInstance[];
  total_entries: number;
}

export interface XComEntry {
  key: string;
  timestamp: string;
  map_index: number;
  value?: unknown;
}

export interface ImportErrorEntry {
  import_error_id: number;
  timestamp: string;
  filename: string;
  stack_trace: string;
}

export interface LogChunk {
  text: string;
  next_offset: number;
  complete: boolean;
}

export interface BackfillProgress {
  id: number;
  dag_id: string;
  from_date: string;
  to_date: string;
  dag_run_conf: Record<string, unknown>;
  is_paused: boolean;
  reprocess_behavior: "none" | "failed" | "completed";
  max_active_runs: number;
  created_at: string;
  completed_at: string | null;
  state: "running" | "paused" | "completed" | "cancelled" | "stopped";
  reason: string | null;
  run_backwards: boolean;
  triggering_user: string | null;
  is_open: boolean;
  dates_total: number;
  dates_waiting: number;
  runs_active: number;
  runs_succeeded: number;
  runs_failed: number;
  dates_skipped: number;
  hold: { code: string; text: string } | null;
  expected_secs: number | null;
}

export interface BackfillPlan {
  dag_id: string;
  is_paused: boolean;
  counts: { total: number; missing: number; failed: number; succeeded: number; in_flight: number; create: number; rerun: number; skip: number };
  median_secs: number | null;
  expected_secs: number | null;
  dates: { logical_date: string; run_id: string | null; state: string | null; action: "create" | "rerun" | "skip"; reason: string | null }[];
}

export interface BackfillDate {
  sort_ordinal: number;
  logical_date: string;
  state: "waiting" | "active" | "success" | "failed" | "skipped";
  exception_reason: string | null;
  dag_run_id: string | null;
  dag_run_state: string | null;
}

/** What a task asks a person (Airflow: `HITLDetail`). */
export interface Question {
  subject: string;
  body: string | null;
  options: string[];
  defaults: string[] | null;
  assigned_users: { id: string; name: string }[];
  created_at: string;
  response_received: boolean;
}

export interface Explanation {
  state: string | null;
  since: string | null;
  reasons: { code: string; text: string; operands: Record<string, unknown>; help?: string }[];
}

export interface Variable {
  key: string;
  value: string;
  description: string | null;
  is_encrypted: boolean;
}

export interface Connection {
  connection_id: string;
  conn_type: string;
  description: string | null;
  host: string | null;
  login: string | null;
  schema: string | null;
  port: number | null;
  password: string | null;
  extra: string | null;
}

export interface Pool {
  name: string;
  slots: number;
  description: string | null;
  include_deferred: boolean;
  occupied_slots: number;
  running_slots: number;
  queued_slots: number;
  scheduled_slots: number;
  open_slots: number;
  deferred_slots: number;
}

export interface WhoAmI {
  name: string;
  role: string;
}

/** One change on the event stream. */
export interface LiveEvent {
  id: number | string;
  kind: "ti" | "run" | "dag" | "import_error" | "hello";
  dag_id?: string;
  run_id?: string;
  task_id?: string;
  map_index?: number;
  state?: string | null;
  try_number?: number;
}

export interface AssetNode {
  id: number;
  name: string;
  uri: string;
  group: string;
  producers: { dag_id: string; task_id: string }[];
  consumers: { dag_id: string; task_id: string }[];
  starts: { dag_id: string; has_changed: boolean }[];
  last_event: {
    id: number;
    timestamp: string;
    source_dag_id: string | null;
    source_run_id: string | null;
    source_task_id: string | null;
  } | null;
}

export interface AssetGraphResponse {
  assets: AssetNode[];
  total_entries: number;
}

export interface AssetEvent {
  id: number;
  created_dagruns: { dag_id: string; run_id: string }[];
}
