//! Clearing task instances: a dry run lists them, an order runs them again.

use axum::Json;
use axum::extract::State;
use millrace_core::engine::{Clear, Order, Selection, plan_clear};
use millrace_core::ids::{RunId, TaskId};
use millrace_core::record::{RunRow, TiRow};
use millrace_store::dag_run::{self, RunFilter, RunOrder};
use millrace_store::page::Direction;
use millrace_store::{Paging, task_instance};
use serde_json::Value;

use super::{runs_of, tis_of};
use crate::access::{Action, Caller};
use crate::app::App;
use crate::body::Body;
use crate::inbox::place;
use crate::path::Names;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::shape::TiPage;

/// The most runs of one clear.
const RUNS_MAX: u32 = 100;

pub(super) fn routes(routes: Routes) -> Routes {
    routes.post("/api/v2/dags/{dag_id}/clearTaskInstances", Action::RunClear, clear)
}

/// The task instances that a clear would reset, as they are.
pub(super) async fn planned(app: &App, run: &RunRow, order: &Clear) -> Result<Vec<TiRow>, Problem> {
    let rows = task_instance::of_run(app.store(), run.id).await?;
    let newest = order.run_on_latest_version;
    let version = if newest { app.dag(&run.dag_id).await?.version } else { run.version };
    let version = app.version(version).await?;
    let keys = plan_clear(version.dag(app)?, &rows, order)?;
    Ok(rows.into_iter().filter(|row| keys.contains(&row.id)).collect())
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
        let dates = (body.optional("start_date"), body.optional("end_date"));
        let run_id = body.optional::<String>("dag_run_id").and_then(|text| {
            let read = RunId::new(&text);
            if let Err(error) = &read {
                let text = format!("Value error, {error}");
                body.complain("value_error", "dag_run_id", text, Value::Null);
            }
            read.ok()
        });
        let task_ids = task_ids(&mut body);
        body.close()?;
        let selection =
            Selection { task_ids, include_upstream, include_downstream, only_failed, only_running };
        Ok(Self { dry_run, run_id, selection, past, future, reset_dag_runs, latest, dates })
    }
}

/// Names, or pairs of a name and a map index.
fn task_ids(body: &mut Body) -> Vec<TaskId> {
    let given: Vec<Value> = body.optional("task_ids").unwrap_or_default();
    let mut found = Vec::new();
    for entry in given {
        let name = entry.as_str().or_else(|| match entry.as_array()?.as_slice() {
            [name, index] if index.is_i64() => name.as_str(),
            _ => None,
        });
        match name.map(TaskId::new) {
            Some(Ok(task_id)) => found.push(task_id),
            Some(Err(error)) => {
                let text = format!("Value error, {error}");
                body.complain("value_error", "task_ids", text, Value::Null);
            }
            None => {
                let text = "Input should be a task id or a pair of a task id and a map index";
                body.complain("value_error", "task_ids", text, entry);
            }
        }
    }
    found
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
    let runs = runs(&app, &names, &wanted).await?;
    let mut cleared: Vec<TiRow> = Vec::new();
    for run in &runs {
        let order = Clear {
            dag_id: dag_id.clone(),
            run_id: run.run_id.clone(),
            selection: wanted.selection.clone(),
            reset_dag_run: wanted.reset_dag_runs,
            run_on_latest_version: wanted.latest,
            actor: Some(caller.name.clone()),
        };
        let tis = planned(&app, run, &order).await?;
        if !wanted.dry_run && !tis.is_empty() {
            place(&app, &Order::Clear(order), None).await?;
            let keys: Vec<_> = tis.iter().map(|row| row.id).collect();
            let now = task_instance::of_run(app.store(), run.id).await?;
            cleared.extend(now.into_iter().filter(|row| keys.contains(&row.id)));
        } else {
            cleared.extend(tis);
        }
    }
    tis_of::page(&app, &cleared).await.map(Json)
}

/// The runs of a clear: one, with those before or after it if asked for, or those of a range.
async fn runs(app: &App, names: &Names, wanted: &Wanted) -> Result<Vec<RunRow>, Problem> {
    let dag_id = names.dag_id()?;
    let mut filter = RunFilter { dag_ids: vec![dag_id.to_string()], ..RunFilter::default() };
    if let Some(run_id) = &wanted.run_id {
        let run = runs_of::find(app, &dag_id, run_id).await?;
        if !wanted.past && !wanted.future {
            return Ok(vec![run]);
        }
        let Some(date) = run.logical_date else {
            let text = format!(
                "the run \"{run_id}\" has no logical date, so no runs are before or after it"
            );
            return Err(Problem::bad_request(text));
        };
        filter.logical_date_from = (!wanted.past).then_some(date);
        filter.logical_date_to = (!wanted.future).then_some(date);
    } else {
        (filter.logical_date_from, filter.logical_date_to) = wanted.dates;
        if wanted.dates == (None, None) {
            let text = "name a run with `dag_run_id`, or a range with `start_date` and `end_date`";
            return Err(Problem::bad_request(text));
        }
    }
    let paging = Paging { limit: RUNS_MAX, offset: 0 };
    let way = (RunOrder::LogicalDate, Direction::Ascending);
    let page = dag_run::list(app.store(), &filter, way.0, way.1, paging).await?;
    if page.total > u64::from(RUNS_MAX) {
        let text = format!("{} runs are too many for one clear; at most 100", page.total);
        return Err(Problem::bad_request(text));
    }
    Ok(page.rows)
}
