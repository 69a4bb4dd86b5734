//! Clearing task instances, of one run or several: a dry run lists them, an order runs them again.
//!
//! What is cleared in several runs is cleared by one order, so in all of them or in none.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use millrace_core::engine::{Clear, Order, RUNS_PER_ORDER_MAX, Selection, plan_clear};
use millrace_core::ids::{DagId, RunId, TaskId};
use millrace_core::record::{RunRow, TiRow};
use millrace_store::{Page, dag_run, task_instance};
use serde_json::Value;

use super::run_change::{cleared_page, note_of, run_note};
use super::{runs_of, tis_of};
use crate::access::{Action, Caller};
use crate::app::App;
use crate::body::Body;
use crate::inbox::place;
use crate::path::{Names, no_run};
use crate::problem::Problem;
use crate::routes::Routes;
use crate::shape::TiPage;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.post("/api/v2/dags/{dag_id}/clearTaskInstances", Action::RunClear, clear).post(
        "/api/v2/dags/{dag_id}/clearDagRuns",
        Action::RunClear,
        clear_runs,
    )
}

/// The task instances that a clear would reset in one run, as they are.
pub(super) async fn planned(app: &App, run: &RunRow, order: &Clear) -> Result<Vec<TiRow>, Problem> {
    let rows = task_instance::of_run(app.store(), run.id).await?;
    let newest = order.run_on_latest_version;
    let version = if newest { app.dag(&run.dag_id).await?.version } else { run.version };
    let version = app.version(version).await?;
    let keys = plan_clear(version.dag(app)?, &rows, order)?;
    Ok(rows.into_iter().filter(|row| keys.contains(&row.id)).collect())
}

/// Clears in some runs, or says what it would do. `order` names none of them yet.
pub(super) async fn over(
    app: &App,
    runs: &[RunRow],
    order: impl FnOnce(RunId) -> Clear,
    dry_run: bool,
) -> Result<Vec<TiRow>, Problem> {
    let Some(first) = runs.first() else { return Ok(Vec::new()) };
    let mut order = order(first.run_id.clone());
    let mut found: Vec<TiRow> = Vec::new();
    let (mut touched, mut missing) = (Vec::new(), None);
    for run in runs {
        match planned(app, run, &order).await {
            Ok(tis) if tis.is_empty() && !order.selection.only_new => {}
            Ok(tis) => {
                found.extend(tis);
                touched.push(run);
            }
            Err(problem) if problem.is_not_found() && runs.len() > 1 => missing = Some(problem),
            Err(problem) => return Err(problem),
        }
    }
    match missing {
        Some(problem) if touched.is_empty() => return Err(problem),
        _ => {}
    }
    let Some((first, more)) = touched.split_first().filter(|_| !dry_run) else { return Ok(found) };
    order.run_id = first.run_id.clone();
    order.more_runs = more.iter().map(|run| run.run_id.clone()).collect();
    place(app, &Order::Clear(order), None).await?;
    let mut now = Vec::with_capacity(found.len());
    for run in touched {
        let rows = task_instance::of_run(app.store(), run.id).await?;
        now.extend(rows.into_iter().filter(|row| found.iter().any(|ti| ti.id == row.id)));
    }
    Ok(now)
}

/// Airflow: `ClearTaskInstancesBody`.
struct Wanted {
    dry_run: bool,
    run_id: Option<RunId>,
    selection: Selection,
    past: bool,
    future: bool,
    reset_dag_runs: bool,
    latest: bool,
    prevent_running: bool,
    note: Option<String>,
    dates: (Option<jiff::Timestamp>, Option<jiff::Timestamp>),
}

impl Wanted {
    fn read(mut body: Body) -> Result<Self, Problem> {
        let dry_run = body.optional("dry_run").unwrap_or(true);
        let only_failed = body.optional("only_failed").unwrap_or(true);
        let only_running = body.optional("only_running").unwrap_or(false);
        let include_upstream = body.optional("include_upstream").unwrap_or(false);
        let include_downstream = body.optional("include_downstream").unwrap_or(false);
        let past = body.optional("include_past").unwrap_or(false);
        let future = body.optional("include_future").unwrap_or(false);
        let reset_dag_runs = body.optional("reset_dag_runs").unwrap_or(true);
        let latest = body.optional("run_on_latest_version").unwrap_or(false);
        let prevent_running = body.optional("prevent_running_task").unwrap_or(false);
        let note = note_of(&mut body).value();
        let dates = (body.optional("start_date"), body.optional("end_date"));
        let run_id = body.optional::<String>("dag_run_id").and_then(|text| {
            let read = RunId::new(&text);
            if let Err(error) = &read {
                let text = format!("Value error, {error}");
                body.complain("value_error", "dag_run_id", text, Value::Null);
            }
            read.ok()
        });
        let (task_ids, items) = task_ids(&mut body);
        body.close()?;
        let selection = Selection {
            task_ids,
            items,
            include_upstream,
            include_downstream,
            only_failed,
            only_running,
            only_new: false,
        };
        Ok(Self {
            dry_run,
            run_id,
            selection,
            past,
            future,
            reset_dag_runs,
            latest,
            prevent_running,
            note,
            dates,
        })
    }
}

/// Names of tasks and groups, and pairs of a task's name and a map index.
fn task_ids(body: &mut Body) -> (Vec<TaskId>, Vec<(TaskId, i32)>) {
    let given: Vec<Value> = body.optional("task_ids").unwrap_or_default();
    let (mut names, mut items) = (Vec::new(), Vec::new());
    for entry in given {
        let pair = match entry.as_array().map(Vec::as_slice) {
            Some([name, index]) => {
                let index = index.as_i64().and_then(|index| i32::try_from(index).ok());
                name.as_str().zip(index.map(Some))
            }
            _ => entry.as_str().map(|name| (name, None)),
        };
        match pair.map(|(name, index)| (TaskId::new(name), index)) {
            Some((Ok(task_id), Some(index))) => items.push((task_id, index)),
            Some((Ok(task_id), None)) => names.push(task_id),
            Some((Err(error), _)) => {
                let text = format!("Value error, {error}");
                body.complain("value_error", "task_ids", text, Value::Null);
            }
            None => {
                let text = "Input should be a task id or a pair of a task id and a map index";
                body.complain("value_error", "task_ids", text, entry);
            }
        }
    }
    (names, items)
}

async fn clear(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    body: Body,
) -> Result<Json<TiPage>, Problem> {
    let dag_id = names.dag_id()?;
    let wanted = Wanted::read(body)?;
    app.dag(&dag_id).await?;
    let runs = runs(&app, &dag_id, &wanted).await?;
    let dry_run = wanted.dry_run;
    let order = |run_id| Clear {
        dag_id,
        run_id,
        more_runs: Vec::new(),
        selection: wanted.selection,
        prevent_running_task: wanted.prevent_running,
        note: wanted.note,
        reset_dag_run: wanted.reset_dag_runs,
        run_on_latest_version: wanted.latest,
        actor: Some(caller.name),
    };
    let cleared = over(&app, &runs, order, dry_run).await?;
    tis_of::page(&app, &cleared).await.map(Json)
}

/// The runs of a clear: one, with those before or after it if asked for, or those of a range.
async fn runs(app: &App, dag_id: &DagId, wanted: &Wanted) -> Result<Vec<RunRow>, Problem> {
    if let Some(run_id) = &wanted.run_id {
        let run = runs_of::find(app, dag_id, run_id).await?;
        return across(app, run, wanted.past, wanted.future).await;
    }
    if wanted.dates == (None, None) {
        let text = "name a run with `dag_run_id`, or a range with `start_date` and `end_date`";
        return Err(Problem::bad_request(text));
    }
    dated(app, dag_id, wanted.dates).await
}

/// A run with those before or after it by logical date.
pub(super) async fn across(
    app: &App,
    run: RunRow,
    past: bool,
    future: bool,
) -> Result<Vec<RunRow>, Problem> {
    if !past && !future {
        return Ok(vec![run]);
    }
    let Some(date) = run.logical_date else {
        let text = format!(
            "the run \"{}\" has no logical date, so no runs are before or after it",
            run.run_id
        );
        return Err(Problem::bad_request(text));
    };
    dated(app, &run.dag_id, ((!past).then_some(date), (!future).then_some(date))).await
}

async fn dated(
    app: &App,
    dag_id: &DagId,
    dates: (Option<jiff::Timestamp>, Option<jiff::Timestamp>),
) -> Result<Vec<RunRow>, Problem> {
    let most = u32::try_from(RUNS_PER_ORDER_MAX).unwrap_or(u32::MAX);
    let page = dag_run::dated(app.store(), dag_id, dates, most).await?;
    if page.total > u64::from(most) {
        return Err(too_many(page.total));
    }
    Ok(page.rows)
}

fn too_many(runs: u64) -> Problem {
    let text = format!("{runs} runs are too many at once; at most {RUNS_PER_ORDER_MAX}");
    Problem::bad_request(text)
}

/// Airflow: `BulkDAGRunClearBody`; a dry run, the default, lists what would run again.
async fn clear_runs(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    mut body: Body,
) -> Result<Response, Problem> {
    let dag_id = names.dag_id()?;
    let dry_run = body.optional("dry_run").unwrap_or(true);
    let only_failed = body.optional("only_failed").unwrap_or(false);
    let only_new: bool = body.optional("only_new").unwrap_or(false);
    let latest = body.optional("run_on_latest_version").unwrap_or(only_new);
    let note = note_of(&mut body);
    let given: Vec<Value> = body.optional("dag_runs").unwrap_or_default();
    body.close()?;
    app.dag(&dag_id).await?;
    if given.len() > RUNS_PER_ORDER_MAX {
        return Err(too_many(given.len() as u64));
    }
    let mut runs = Vec::with_capacity(given.len());
    for (at, given) in given.into_iter().enumerate() {
        let mut one = Body::of(given, vec!["body".into(), "dag_runs".into(), at.into()])?;
        let run_id: String = one.required("dag_run_id");
        let of: Option<String> = one.optional("dag_id");
        one.close()?;
        if of.is_some_and(|of| dag_id != *of) {
            let text = format!("`dag_runs` names a run of another dag than \"{dag_id}\"");
            return Err(Problem::bad_request(text));
        }
        let run_id = RunId::new(&run_id).map_err(|_| no_run(dag_id.as_str(), &run_id))?;
        runs.push(runs_of::find(&app, &dag_id, &run_id).await?);
    }
    let order = |run_id| Clear {
        dag_id: dag_id.clone(),
        run_id,
        more_runs: Vec::new(),
        selection: Selection { only_failed, only_new, ..Selection::default() },
        prevent_running_task: false,
        note: None,
        reset_dag_run: true,
        run_on_latest_version: latest,
        actor: Some(caller.name.clone()),
    };
    let tis = over(&app, &runs, order, dry_run).await?;
    if dry_run {
        return Ok(Json(cleared_page(&app, &tis).await?).into_response());
    }
    let mut rows = Vec::with_capacity(runs.len());
    for run in &runs {
        if note.is_given() {
            place(&app, &run_note(run, &note, &caller.name), None).await?;
        }
        rows.push(runs_of::find(&app, &dag_id, &run.run_id).await?);
    }
    let total = rows.len() as u64;
    Ok(Json(runs_of::shape_page(&app, Page { rows, total }).await?).into_response())
}
