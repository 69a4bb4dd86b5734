// JSON shapes of the mock's answers, as the REST API has them.
import { iso, runs } from "./sim.mjs";

export function dagShape(dag) {
  return {
    dag_id: dag.dag_id, dag_display_name: dag.dag_id, description: dag.description, is_paused: dag.is_paused, is_stale: false, fileloc: `/srv/dags/${dag.dag_id}.yaml`, relative_fileloc: `${dag.dag_id}.yaml`,
    timetable_summary: dag.schedule, timetable_description: dag.schedule_words, tags: dag.tags.map((name) => ({ name, dag_id: dag.dag_id, dag_display_name: dag.dag_id })), owners: [dag.owner],
    max_active_runs: 16, max_active_tasks: 16, has_import_errors: false, next_dagrun_run_after: nextRun(dag), last_parsed_time: "2026-11-20T09:30:35.499114Z",
  };
}

const nextRun = (dag) => (dag.schedule && !dag.is_paused ? iso(Math.ceil(Date.now() / 60000) * 60000 + dag.everyMinutes * 30000) : null);

export function dagRow(dag) {
  const all = runs.get(dag.dag_id);
  return {
    dag_id: dag.dag_id, display_name: dag.dag_id, description: dag.description, owner: dag.owner, tags: dag.tags, is_paused: dag.is_paused, schedule: dag.schedule, schedule_words: dag.schedule_words,
    timezone: dag.timezone, next_run_after: nextRun(dag), has_import_errors: dag.dag_id === "team_report_01",
    last_runs: all.slice(-14).map((run) => ({ run_id: run.run_id, state: run.state, duration_secs: run.start ? ((run.end ?? Date.now()) - run.start) / 1000 : null, run_after: iso(run.run_after) })),
    active_runs: all.filter((run) => run.state === "running" || run.state === "queued").length,
  };
}

export function runShape(run) {
  return {
    dag_run_id: run.run_id, dag_id: run.dag.dag_id, logical_date: iso(run.logical_date), queued_at: iso(run.queued), start_date: iso(run.start), end_date: iso(run.end),
    duration: run.end && run.start ? (run.end - run.start) / 1000 : null, data_interval_start: iso(run.logical_date), data_interval_end: iso(run.logical_date), run_after: iso(run.run_after), last_scheduling_decision: null,
    run_type: run.run_type, state: run.state, triggered_by: run.by, triggering_user_name: run.user, conf: run.conf, note: run.note,
    dag_versions: [{ id: "01a1f841-f608-7e45-8d09-57233726e4a0", version_number: 3, dag_id: run.dag.dag_id, created_at: "2026-11-20T09:20:34.825047Z" }], bundle_version: null, dag_display_name: run.dag.dag_id,
  };
}

export function taskShape(ti, attempt = null) {
  const start = attempt ? attempt.start : ti.start;
  const end = attempt ? attempt.end : ti.end;
  return {
    id: ti.id, task_id: ti.task_id, dag_id: ti.dag.dag_id, dag_run_id: ti.run.run_id, map_index: -1, logical_date: iso(ti.run.logical_date), run_after: iso(ti.run.run_after), start_date: iso(start), end_date: iso(end),
    duration: start && end ? (end - start) / 1000 : null, state: attempt ? attempt.state : ti.state, try_number: attempt ? attempt.try_number : ti.try_number, max_tries: ti.max_tries, task_display_name: ti.task_id, dag_display_name: ti.dag.dag_id,
    hostname: start ? "worker-1" : "", unixname: "millrace", pool: "default_pool", pool_slots: 1, queue: "default", priority_weight: 1, operator: ti.spec.operator, operator_name: ti.spec.operator, queued_when: iso(ti.queued), scheduled_when: iso(ti.scheduled),
    pid: start ? 4242 : null, executor: null, executor_config: "{}", note: null, rendered_map_index: null, rendered_fields: {}, trigger: null, triggerer_job: null, dag_version: null,
  };
}

const STATES = ["success", "running", "failed", "upstream_failed", "skipped", "up_for_retry", "queued", "scheduled"];

export function gridShape(dag, count) {
  const shown = runs.get(dag.dag_id).slice(-count);
  const ids = Object.keys(dag.tasks);
  const cells = Buffer.alloc(shown.length * ids.length, 255);
  shown.forEach((run, r) => ids.forEach((id, t) => {
    const index = STATES.indexOf(run.tasks.get(id).state);
    if (index >= 0) cells[r * ids.length + t] = index;
  }));
  return {
    tasks: ids.map((task_id) => ({ task_id, operator: dag.tasks[task_id].operator, depth: 0 })),
    runs: shown.map((run) => ({ run_id: run.run_id, run_type: run.run_type, state: run.state, run_after: iso(run.run_after), logical_date: iso(run.logical_date), start_date: iso(run.start), end_date: iso(run.end) })),
    states: STATES, cells: cells.toString("base64"),
  };
}

/** A plain layered layout: rank = longest path, order as written. */
export function graphShape(dag) {
  const W = 200, H = 52, GAP_X = 70, GAP_Y = 22;
  const rank = new Map();
  const rankOf = (id) => {
    if (!rank.has(id)) rank.set(id, Math.max(-1, ...dag.tasks[id].needs.map(rankOf)) + 1);
    return rank.get(id);
  };
  const layers = [];
  for (const id of Object.keys(dag.tasks)) (layers[rankOf(id)] ??= []).push(id);
  const tallest = Math.max(...layers.map((layer) => layer.length));
  const nodes = layers.flatMap((layer, x) => layer.map((id, y) => ({
    id, label: id, operator: dag.tasks[id].operator, trigger_rule: dag.tasks[id].trigger_rule, x: 10 + x * (W + GAP_X), y: 10 + (y + (tallest - layer.length) / 2) * (H + GAP_Y), w: W, h: H,
  })));
  const at = new Map(nodes.map((node) => [node.id, node]));
  const edges = nodes.flatMap((node) => dag.tasks[node.id].needs.map((from) => {
    const a = at.get(from);
    const [x1, y1, x2, y2] = [a.x + W, a.y + H / 2, node.x, node.y + H / 2];
    return { from, to: node.id, points: [[x1, y1], [(x1 + x2) / 2, y1], [(x1 + x2) / 2, y2], [x2, y2]] };
  }));
  return { version_number: 3, width: 20 + layers.length * (W + GAP_X) - GAP_X, height: 20 + tallest * (H + GAP_Y) - GAP_Y, nodes, edges };
}

export function explain(ti) {
  const reasons = [];
  if (ti.run.dag.is_paused) reasons.push({ code: "dag_paused", text: `the DAG "${ti.dag.dag_id}" is paused`, operands: { dag_id: ti.dag.dag_id } });
  for (const id of ti.spec.needs) {
    const state = ti.run.tasks.get(id).state;
    if (state !== "success") reasons.push({ code: "upstream", text: `upstream \`${id}\` is ${state ?? "not started"}; trigger rule ${ti.spec.trigger_rule}`, operands: { task_id: id, state, trigger_rule: ti.spec.trigger_rule } });
  }
  if (ti.state === "up_for_retry") reasons.push({ code: "retry_at", text: `the next try starts at ${iso(ti.retryAt)}`, operands: { at: iso(ti.retryAt) } });
  return { state: ti.state, reasons: ti.state === "success" || ti.state === "running" ? [] : reasons };
}
