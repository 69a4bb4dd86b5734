// The mock's routes: a pure-looking function from a request to {status, body}. Streams are in server.mjs.
import { admin } from "./admin.mjs";
import { assetGraph, reportAsset } from "./assets.mjs";
import { backfillRoutes } from "./backfills.mjs";
import { DAGS, IMPORT_ERRORS, sourceOf } from "./dags.mjs";
import { dagRow, dagShape, explain, graphShape, gridShape, runShape, taskShape } from "./shapes.mjs";
import { clear, findDag, logText, newRun, publish, runs } from "./sim.mjs";

const ok = (body) => ({ status: 200, body });
const missing = (what) => ({ status: 404, body: { detail: `${what} was not found` } });
const invalid = (...fields) => ({ status: 422, body: { detail: fields.map(([loc, msg, input]) => ({ type: "value_error", loc: ["body", ...loc], msg, input })) } });

function trigger(dag, body) {
  if (!("logical_date" in body)) return invalid([["logical_date"], "Field required", body]);
  const conf = { ...dag.params.defaults, ...body.conf };
  const bad = [];
  for (const [name, schema] of Object.entries(dag.params.schema.properties ?? {})) {
    const value = conf[name];
    if (schema.maximum !== undefined && value > schema.maximum) bad.push([["conf", name], `${value} is greater than the maximum of ${schema.maximum}`, value]);
    if (name === "comment" && /forbidden/.test(value)) bad.push([["conf", name], 'the word "forbidden" is not allowed here', value]);
    if (name === "grid" && typeof value?.depth === "string") bad.push([["conf", name, "depth"], `"${value.depth}" is not of type array`, value.depth]);
  }
  if (bad.length) return invalid(...bad);
  if (body.dag_run_id && runs.get(dag.dag_id).some((run) => run.run_id === body.dag_run_id)) return { status: 409, body: { detail: { reason: "Unique constraint violation", message: "run id exists" } } };
  const run = newRun(dag, { run_id: body.dag_run_id, logical_date: body.logical_date ? Date.parse(body.logical_date) : null, conf: body.conf ?? {}, note: body.note ?? null, by: "ui" });
  return ok(runShape(run));
}

function reach(dag, ids, forward) {
  const all = new Set(ids);
  let before;
  do {
    before = all.size;
    for (const [id, each] of Object.entries(dag.tasks)) {
      if (forward && each.needs.some((need) => all.has(need))) all.add(id);
      if (!forward && all.has(id)) each.needs.forEach((need) => all.add(need));
    }
  } while (all.size > before);
  return all;
}

function clearTasks(dag, body) {
  const run = runs.get(dag.dag_id).find((each) => each.run_id === body.dag_run_id);
  if (!run) return missing("The DagRun");
  let ids = new Set(body.task_ids?.map((id) => (Array.isArray(id) ? id[0] : id)) ?? Object.keys(dag.tasks));
  if (body.include_downstream) ids = reach(dag, ids, true);
  if (body.include_upstream) ids = reach(dag, ids, false);
  const tis = [...ids].map((id) => run.tasks.get(id)).filter((ti) => ti && ti.state !== null && (!body.only_failed || ti.state === "failed" || ti.state === "upstream_failed"));
  const cleared = { task_instances: tis.map((ti) => taskShape(ti)), total_entries: tis.length };
  if (!body.dry_run) clear(run, tis);
  return ok(cleared);
}

function mark(run, tis, state) {
  const now = Date.now();
  for (const ti of tis) {
    ti.state = state;
    ti.end ??= now;
    const attempt = ti.attempts.at(-1);
    if (attempt && attempt.end === null) Object.assign(attempt, { end: now, state });
    publish({ kind: "ti", dag_id: run.dag.dag_id, run_id: run.run_id, task_id: ti.task_id, map_index: -1, state, try_number: ti.try_number });
  }
}

function taskRoutes(method, run, rest, body) {
  const [id, what, name] = rest;
  const tis = [...run.tasks.values()];
  if (!id) return ok({ task_instances: tis.map((ti) => taskShape(ti)), total_entries: tis.length });
  const ti = run.tasks.get(id);
  if (!ti) return missing(`The Task Instance with task_id: \`${id}\``);
  if (method === "PATCH") {
    mark(run, [ti], body.new_state);
    return ok({ task_instances: [taskShape(ti)], total_entries: 1 });
  }
  if (what === "tries") return ok({ task_instances: ti.attempts.map((attempt) => taskShape(ti, attempt)), total_entries: ti.attempts.length });
  if (what === "xcomEntries") {
    const entries = ti.state === "success" ? [{ key: "return_value", value: { accuracy: 0.912, rows: 14_200, model: "s3://models/credit/2026-11-19" } }, { key: "metrics", value: [0.81, 0.87, 0.912] }] : [];
    const full = entries.map((entry) => ({ ...entry, timestamp: new Date(ti.end).toISOString(), map_index: -1, task_id: id, dag_id: ti.dag.dag_id, run_id: run.run_id }));
    return name ? ok(full.find((entry) => entry.key === name)) : ok({ xcom_entries: full.map(({ value: _value, ...entry }) => entry), total_entries: full.length });
  }
  return ok(taskShape(ti));
}

function runRoutes(method, dag, rest, body) {
  const [id, what, ...more] = rest;
  if (!id && method === "POST") return trigger(dag, body);
  if (!id) return ok({ dag_runs: runs.get(dag.dag_id).slice(-50).map(runShape), total_entries: runs.get(dag.dag_id).length });
  const run = runs.get(dag.dag_id).find((each) => each.run_id === id);
  if (!run) return missing(`The DagRun with dag_id: \`${dag.dag_id}\` and run_id: \`${id}\``);
  if (what === "taskInstances") return taskRoutes(method, run, more, body);
  if (method === "PATCH") {
    mark(run, [...run.tasks.values()].filter((ti) => ti.state !== "success" && ti.state !== "skipped" && (body.state === "success" || ti.state === "running" || ti.state === null)), body.state === "success" ? "success" : "skipped");
    run.state = body.state;
    run.end ??= Date.now();
    publish({ kind: "run", dag_id: dag.dag_id, run_id: run.run_id, state: run.state });
  }
  return ok(runShape(run));
}

function v2(method, parts, body) {
  if (parts[0] === "importErrors") return ok({ import_errors: IMPORT_ERRORS, total_entries: IMPORT_ERRORS.length });
  const found = admin(method, parts, body);
  if (found) return found;
  if (parts[0] === "assets") return ok(reportAsset(body));
  const dag = findDag(parts[1]);
  if (!dag) return missing(`The Dag with ID: \`${parts[1]}\``);
  if (parts[0] === "dagSources") return ok({ content: sourceOf(dag), dag_id: dag.dag_id, version_number: 3 });
  if (parts[2] === "dagRuns") return runRoutes(method, dag, parts.slice(3), body);
  if (parts[2] === "clearTaskInstances") return clearTasks(dag, body);
  if (method === "PATCH") {
    dag.is_paused = body.is_paused;
    publish({ kind: "dag", dag_id: dag.dag_id });
  }
  return ok(dagShape(dag));
}

function log(ti, params) {
  const attempt = ti.attempts.find((each) => each.try_number === Number(params.get("try_number")));
  if (!attempt) return missing("The attempt");
  const bytes = Buffer.from(logText(ti, attempt));
  const from = Number(params.get("from") ?? 0);
  return ok({ text: bytes.subarray(from).toString(), next_offset: bytes.length, complete: attempt.end !== null });
}

function v1(parts, params) {
  if (parts[0] === "whoami") return ok({ name: "admin", role: process.env.MOCK_ROLE ?? "admin" });
  if (parts[0] === "assets") return ok(assetGraph(params.get("q") ?? ""));
  if (parts.length === 1) {
    const q = (params.get("q") ?? "").toLowerCase();
    const shown = DAGS.filter((dag) => dag.dag_id.includes(q) && (!params.get("tag") || dag.tags.includes(params.get("tag"))));
    return ok({ dags: shown.map(dagRow), total_entries: shown.length, tags: [...new Set(DAGS.flatMap((dag) => dag.tags))].toSorted() });
  }
  const dag = findDag(parts[1]);
  if (!dag) return missing(`The Dag with ID: \`${parts[1]}\``);
  if (parts[2] === "grid") return ok(gridShape(dag, Number(params.get("runs") ?? 30)));
  if (parts[2] === "graph") return ok(graphShape(dag));
  if (parts[2] === "params") return ok(dag.params);
  const run = runs.get(dag.dag_id).find((each) => each.run_id === parts[3]);
  const ti = run?.tasks.get(parts[5]);
  if (!ti) return missing("The task instance");
  if (parts[4] === "explain") return ok(explain(ti));
  if (parts[6] === "rendered") return ok({ fields: ti.attempts.length ? { command: `python ${ti.task_id}.py \\\n  --base_dt 2026-11-19 \\\n  --grid '{"depth": [4, 6]}'`, image: "credit/ct:latest", "env.DB_PASSWORD": "***" } : {} });
  if (parts[6] === "log") return log(ti, params);
  return missing("This path");
}

/** Answers one JSON request. */
export function answer(method, path, params, body) {
  const backfills = backfillRoutes(method, path, params, body);
  if (backfills) return backfills;
  const parts = path.split("/").filter(Boolean).map(decodeURIComponent);
  return parts[1] === "v1" ? v1(parts.slice(2), params) : v2(method, parts.slice(2), body);
}
