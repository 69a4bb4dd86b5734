// The mock's backfills: a date is done every so often while one is neither paused nor ended.
const DAY_MILLIS = 86_400_000;
const DATE_MILLIS = 400;
const backfills = [];

const ok = (body) => ({ status: 200, body });
const iso = (millis) => new Date(millis).toISOString().replace(/\.000Z$/, "Z");

function days(body) {
  const found = [];
  const from = Date.parse(body.from_date);
  for (let at = Math.ceil(from / DAY_MILLIS) * DAY_MILLIS; at <= Date.parse(body.to_date); at += DAY_MILLIS) found.push(at);
  return body.run_backwards ? found.toReversed() : found;
}

/** Every fifth day failed before and every third one succeeded. */
function before(at) {
  const day = new Date(at).getUTCDate();
  return day % 5 === 0 ? "failed" : day % 3 === 0 ? "success" : null;
}

function action(state, behavior) {
  if (state === null) return "create";
  return behavior === "completed" || (behavior === "failed" && state === "failed") ? "rerun" : "skip";
}

function plan(dag, body) {
  if (Date.parse(body.from_date) > Date.parse(body.to_date)) {
    return { status: 422, body: { detail: [{ type: "value_error", loc: ["body", "from_date"], msg: "from_date must not be after to_date", input: null }] } };
  }
  const dates = days(body).map((at) => {
    const state = before(at);
    const todo = action(state, body.reprocess_behavior);
    return { logical_date: iso(at), run_id: state ? `scheduled__${iso(at)}` : null, state, action: todo, reason: todo === "skip" ? "already exists" : null };
  });
  const count = (of) => dates.filter(of).length;
  const runs = count((date) => date.action !== "skip");
  const counts = {
    total: dates.length, missing: count((date) => date.state === null), failed: count((date) => date.state === "failed"),
    succeeded: count((date) => date.state === "success"), in_flight: 0,
    create: count((date) => date.action === "create"), rerun: count((date) => date.action === "rerun"), skip: dates.length - runs,
  };
  return ok({ dag_id: dag, is_paused: false, counts, median_secs: 40, expected_secs: 40 * Math.ceil(runs / body.max_active_runs), dates: dates.slice(0, 500) });
}

/** Lets time pass for a backfill. */
function advance(backfill) {
  const now = Date.now();
  if (!backfill.is_paused && backfill.completed_at === null) backfill.spent += now - backfill.seen;
  backfill.seen = now;
  const total = backfill.dates.length;
  const done = Math.min(total, Math.floor(backfill.spent / DATE_MILLIS));
  const skipped = backfill.dates.slice(0, done).filter((date) => date.action === "skip").length;
  backfill.done = done;
  if (done === total && backfill.completed_at === null) Object.assign(backfill, { completed_at: iso(now), state: "completed" });
  const isOpen = backfill.completed_at === null;
  const active = isOpen && !backfill.is_paused ? Math.min(backfill.max_active_runs, total - done) : 0;
  return {
    ...backfill, dates: undefined, spent: undefined, seen: undefined, done: undefined,
    state: backfill.state === "running" && backfill.is_paused ? "paused" : backfill.state,
    is_open: isOpen, dates_total: total, dates_waiting: total - done - active, runs_active: active,
    runs_succeeded: done - skipped, runs_failed: 0, dates_skipped: skipped,
    hold: backfill.is_paused && isOpen ? { code: "backfill_paused", text: `backfill ${backfill.id} is paused` } : null,
    expected_secs: 40 * Math.ceil((total - done) / backfill.max_active_runs),
  };
}

function create(dag, body) {
  const planned = plan(dag, body);
  if (planned.status !== 200) return planned;
  const now = Date.now();
  const backfill = {
    id: backfills.length + 1, dag_id: dag, dag_display_name: dag, from_date: body.from_date, to_date: body.to_date, dag_run_conf: body.dag_run_conf,
    is_paused: false, reprocess_behavior: body.reprocess_behavior, max_active_runs: body.max_active_runs, created_at: iso(now), completed_at: null,
    updated_at: iso(now), state: "running", reason: null, run_backwards: body.run_backwards, stop_after_failures: body.stop_after_failures,
    triggering_user: "mock", dates: planned.body.dates, spent: 0, seen: now,
  };
  backfills.push(backfill);
  return ok(advance(backfill));
}

function change(backfill, what) {
  advance(backfill);
  if (backfill.completed_at !== null) return { status: 409, body: { detail: "Backfill is already completed." } };
  backfill.is_paused = what !== "unpause";
  if (what === "cancel") Object.assign(backfill, { completed_at: iso(Date.now()), state: "cancelled" });
  return ok(advance(backfill));
}

function datesOf(backfill, params) {
  const { runs_active: active } = advance(backfill);
  const offset = Number(params.get("offset") ?? 0);
  const dates = backfill.dates.map((date, index) => {
    const isDone = index < backfill.done;
    const state = isDone ? (date.action === "skip" ? "skipped" : "success") : index < backfill.done + active ? "active" : "waiting";
    const runId = state === "waiting" || state === "skipped" ? null : (date.run_id ?? `backfill__${date.logical_date}`);
    return { sort_ordinal: index + 1, logical_date: date.logical_date, state, exception_reason: isDone ? date.reason : null, dag_run_id: runId, dag_run_state: null };
  });
  return ok({ dates: dates.slice(offset, offset + 100), total_entries: dates.length });
}

/** The answer to a request about backfills, or null when it is about something else. */
export function backfillRoutes(method, path, params, body) {
  const list = /^\/api\/v1\/dags\/([^/]+)\/backfills$/.exec(path);
  if (list) {
    const found = backfills.filter((each) => each.dag_id === decodeURIComponent(list[1])).map(advance).toReversed();
    return ok({ backfills: found, total_entries: found.length });
  }
  if (path === "/api/v1/backfills/plan") return plan(body.dag_id, body);
  if (path === "/api/v2/backfills" && method === "POST") return create(body.dag_id, body);
  const one = /^\/api\/v[12]\/backfills\/(\d+)(?:\/(\w+))?$/.exec(path);
  if (!one) return null;
  const backfill = backfills[Number(one[1]) - 1];
  if (!backfill) return { status: 404, body: { detail: "Backfill not found" } };
  if (method === "PUT") return change(backfill, one[2]);
  return one[2] === "dates" ? datesOf(backfill, params) : ok(advance(backfill));
}
