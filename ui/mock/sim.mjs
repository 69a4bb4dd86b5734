// A small make-believe scheduler: runs advance by themselves so that the pages have something live to show.
import { randomUUID } from "node:crypto";
import { DAGS } from "./dags.mjs";

const SPEED = Number(process.env.MOCK_SPEED ?? 1);
const HISTORY = Number(process.env.MOCK_HISTORY ?? 24);
const DONE = new Set(["success", "failed", "skipped", "upstream_failed", "removed"]);
const ESC = "\x1b";

let seed = 42;
function random() {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return seed / 2147483648;
}

const listeners = new Set();
const recent = [];
let eventId = 0;
export const runs = new Map(DAGS.map((dag) => [dag.dag_id, []]));
export const findDag = (id) => DAGS.find((dag) => dag.dag_id === id);
export const iso = (millis) => (millis === null || millis === undefined ? null : new Date(millis).toISOString());

export function listen(listener, since) {
  for (const event of recent) if (since !== null && event.id > since) listener(event);
  listeners.add(listener);
  return () => listeners.delete(listener);
}
export const lastEventId = () => eventId;

export function publish(event) {
  eventId += 1;
  const full = { id: eventId, ...event };
  recent.push(full);
  if (recent.length > 2000) recent.shift();
  for (const listener of listeners) listener(full);
}

function newTask(dag, run, task_id) {
  return { id: randomUUID(), dag, run, task_id, spec: dag.tasks[task_id], state: null, try_number: 0, max_tries: dag.tasks[task_id].retries ?? 0, start: null, end: null, queued: null, scheduled: null, attempts: [] };
}

export function newRun(dag, { run_id, run_type = "manual", logical_date = null, conf = {}, note = null, at = Date.now(), by = "rest_api", user = "admin" }) {
  const run = { dag, run_id: run_id ?? `${run_type}__${new Date(at).toISOString().replace("Z", "000+00:00")}`, run_type, logical_date, conf, note, by, user, state: "queued", run_after: at, queued: at, start: null, end: null, tasks: new Map() };
  for (const id of Object.keys(dag.tasks)) run.tasks.set(id, newTask(dag, run, id));
  runs.get(dag.dag_id).push(run);
  publish({ kind: "run", dag_id: dag.dag_id, run_id: run.run_id, state: "queued" });
  return run;
}

function logLines(ti, attempt) {
  const lines = [
    `${iso(attempt.start)} attempt ${attempt.try_number} of ${ti.dag.dag_id}.${ti.task_id} started on worker-1`,
    `::group::Rendered`, `command: python ${ti.task_id}.py --base_dt 2026-11-19`, `::endgroup::`,
    `${ESC}[1;34m==>${ESC}[0m reading input`,
  ];
  for (let i = 1; i <= 40; i += 1) lines.push(`${iso(attempt.start + i * 40)} ${ESC}[32mINFO${ESC}[0m  batch ${String(i).padStart(2, "0")}/40 rows=${1000 + i * 37} loss=${(1 / i).toFixed(4)}`);
  lines.push(`${ESC}[33mWARN${ESC}[0m  column ${ESC}[38;5;208mincome${ESC}[0m has ${ESC}[38;2;90;200;250m3${ESC}[0m empty values ${"and a very long explanation follows ".repeat(6)}`, "<script>alert('not run')</script> & other text stays text", "진행률 100% 완료");
  return lines;
}

/** Log of an attempt so far: lines appear over its duration. */
export function logText(ti, attempt) {
  const lines = logLines(ti, attempt);
  const end = attempt.end ?? Date.now();
  const whole = attempt.end !== null;
  const share = whole ? 1 : Math.min(1, (end - attempt.start) / (attempt.secs * 1000));
  const shown = lines.slice(0, Math.ceil(lines.length * share));
  if (whole) shown.push(attempt.state === "failed" ? `${ESC}[1;31mERROR${ESC}[0m exit code 1: totals differ by 14.20` : `${iso(attempt.end)} exit code 0`);
  return `${shown.join("\n")}\n`;
}

function setState(ti, state, now) {
  if (ti.state === state) return;
  ti.state = state;
  if (state === "scheduled") ti.scheduled = now;
  if (state === "queued") ti.queued = now;
  if (DONE.has(state) && ti.end === null) ti.end = now;
  publish({ kind: "ti", dag_id: ti.dag.dag_id, run_id: ti.run.run_id, task_id: ti.task_id, map_index: -1, state, try_number: ti.try_number });
}

function ready(ti) {
  const needs = ti.spec.needs.map((id) => ti.run.tasks.get(id));
  if (needs.some((each) => !DONE.has(each.state))) return null;
  const has = (state) => needs.some((each) => each.state === state);
  if (ti.spec.trigger_rule === "all_done") return "go";
  if (has("failed") || has("upstream_failed")) return "upstream_failed";
  if (ti.spec.trigger_rule === "none_failed_min_one_success") return has("success") ? "go" : "skipped";
  const branch = needs.find((each) => each.spec.skip?.includes(ti.task_id));
  return branch || has("skipped") ? "skipped" : "go";
}

function begin(ti, now) {
  ti.try_number += 1;
  ti.start = now;
  ti.end = null;
  ti.attempts.push({ try_number: ti.try_number, start: now, end: null, state: "running", secs: (ti.spec.secs * (0.7 + random() * 0.6)) / SPEED });
  setState(ti, "running", now);
}

function advanceRunning(ti, now) {
  const attempt = ti.attempts.at(-1);
  if (now < attempt.start + attempt.secs * 1000) return;
  const fails = ti.spec.failAlways || attempt.try_number <= (ti.spec.failTries ?? 0);
  attempt.end = attempt.start + attempt.secs * 1000;
  attempt.state = fails ? "failed" : "success";
  ti.end = attempt.end;
  const retry = fails && ti.try_number <= ti.max_tries;
  ti.retryAt = now + 1500 / SPEED;
  setState(ti, retry ? "up_for_retry" : attempt.state, now);
}

function advanceTask(ti, now) {
  if (ti.state === "running") return advanceRunning(ti, now);
  if (ti.state === "up_for_retry") return now >= ti.retryAt ? begin(ti, now) : undefined;
  if (ti.state === "queued") return now - ti.queued > 250 / SPEED ? begin(ti, now) : undefined;
  if (ti.state === "scheduled") return now - ti.scheduled > 150 / SPEED ? setState(ti, "queued", now) : undefined;
  if (ti.state !== null) return undefined;
  const verdict = ready(ti);
  if (verdict === "go") setState(ti, "scheduled", now);
  else if (verdict) setState(ti, verdict, now);
}

function advanceRun(run, now) {
  if (run.state === "queued" && !run.dag.is_paused) {
    run.state = "running";
    run.start ??= now;
    publish({ kind: "run", dag_id: run.dag.dag_id, run_id: run.run_id, state: "running" });
  }
  if (run.state !== "running") return;
  const tasks = [...run.tasks.values()];
  for (const ti of tasks) advanceTask(ti, now);
  if (!tasks.every((ti) => DONE.has(ti.state))) return;
  run.state = tasks.some((ti) => ti.state === "failed" || ti.state === "upstream_failed") ? "failed" : "success";
  run.end = now;
  publish({ kind: "run", dag_id: run.dag.dag_id, run_id: run.run_id, state: run.state });
}

/** Puts tasks back to "not run yet" and wakes their run. */
export function clear(run, tis) {
  for (const ti of tis) {
    ti.max_tries = ti.try_number + (ti.spec.retries ?? 0);
    Object.assign(ti, { state: "none", start: null, end: null, queued: null, scheduled: null });
    setState(ti, null, Date.now());
  }
  run.state = "queued";
  run.end = null;
  publish({ kind: "run", dag_id: run.dag.dag_id, run_id: run.run_id, state: "queued" });
}

/** Runs of the past, made in one go with make-believe times. */
function history() {
  for (const dag of DAGS) {
    const count = dag.dag_id === "team_report_03" ? 0 : dag.dag_id === "wide_pipeline" ? 60 : HISTORY;
    for (let i = count; i >= 1; i -= 1) {
      const at = Math.floor(Date.now() / 60000) * 60000 - i * dag.everyMinutes * 60000;
      const run = newRun(dag, { run_type: "scheduled", logical_date: at, at, by: "timetable", user: null });
      finishInPast(run, at, i);
    }
  }
}

function finishInPast(run, at, i) {
  const bad = random() < 0.12;
  let now = at + 900;
  run.start = at + 700;
  for (const ti of run.tasks.values()) {
    const verdict = ready(ti);
    if (verdict !== "go") { ti.state = verdict; ti.end = now; continue; }
    const fails = ti.spec.failAlways ? i % 3 !== 0 : bad && random() < 0.4;
    const secs = ti.spec.secs * (8 + random() * 30);
    ti.try_number = fails ? (ti.max_tries + 1) : 1;
    for (let n = 1; n <= ti.try_number; n += 1) ti.attempts.push({ try_number: n, start: now + n, end: now + secs * 1000, secs, state: fails ? "failed" : "success" });
    Object.assign(ti, { scheduled: now - 300, queued: now - 200, start: now, end: now + secs * 1000, state: fails ? "failed" : "success" });
    now += secs * 1000;
  }
  run.end = now;
  run.state = [...run.tasks.values()].some((ti) => ti.state === "failed" || ti.state === "upstream_failed") ? "failed" : "success";
}

export function start() {
  history();
  setInterval(() => {
    const now = Date.now();
    for (const list of runs.values()) for (const run of list) if (run.state === "queued" || run.state === "running") advanceRun(run, now);
  }, 100);
  if (process.env.MOCK_QUIET !== "1") {
    const plan = (id) => newRun(findDag(id), { run_type: "scheduled", logical_date: Date.now(), by: "timetable", user: null });
    setInterval(() => plan("wide_pipeline"), 45_000);
    setInterval(() => plan("simple_dag"), 20_000);
    plan("wide_pipeline");
  }
}
