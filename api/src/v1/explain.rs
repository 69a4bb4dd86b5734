//! Why a task instance is where it is: asked of an engine made from the database, so the answer
//! is the scheduler's own.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use millrace_core::engine::{Engine, EngineConfig, Reason, Workers};
use millrace_core::record::TiRow;
use millrace_core::state::{RunState, TaskState};
use millrace_store::{dag_run, worker};
use serde::Serialize;
use serde_json::{Value, json};

use crate::access::Action;
use crate::app::App;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::v2::find_ti;

/// A worker that was not seen for so long serves nothing.
const WORKER_LOST_SECS: i64 = 120;

#[derive(Debug, Serialize)]
struct Explanation {
    state: Option<&'static str>,
    reasons: Vec<ReasonShape>,
}

/// One reason.
#[derive(Debug, Serialize)]
pub(crate) struct ReasonShape {
    pub(crate) code: String,
    pub(crate) text: String,
    pub(crate) operands: Value,
}

pub(super) fn routes(routes: Routes) -> Routes {
    let path = "/api/v1/dags/{dag_id}/runs/{run_id}/explain/{task_id}";
    routes.get(path, Action::DagRead, explain)
}

async fn explain(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<Explanation>, Problem> {
    let map_index = params.number("map_index").unwrap_or(-1);
    params.close()?;
    let (dag_id, run_id, task_id) = (names.dag_id()?, names.run_id()?, names.task_id()?);
    let row = find_ti(&app, &dag_id, &run_id, &task_id, map_index).await?;
    let state = (row.state != TaskState::NoStatus).then_some(row.state.as_str());
    Ok(Json(Explanation { state, reasons: reasons(&app, &row).await? }))
}

/// The reasons for the state of a task instance.
pub(crate) async fn reasons(app: &App, row: &TiRow) -> Result<Vec<ReasonShape>, Problem> {
    let run = dag_run::by_key(app.store(), row.run).await?;
    let is_over = run.is_none_or(|run| matches!(run.state, RunState::Success | RunState::Failed));
    if is_over || row.state.is_terminal() {
        return Ok(vec![of_ended(row)]);
    }
    let now = app.now();
    let workers = serving(app, &row.queue).await?;
    let engine = engine(app, now).await?;
    // It may have ended between the two looks at the database.
    let found = engine.explain(row.id, workers, now);
    let of = |found: Vec<Reason>| found.into_iter().map(ReasonShape::of).collect();
    Ok(found.map_or_else(|| vec![of_ended(row)], of))
}

/// The engine as a scheduler would make it now.
pub(super) async fn engine(app: &App, now: Timestamp) -> Result<Engine, Problem> {
    let snapshot = app.store().restore().await?;
    let mut dags = HashMap::new();
    for version in &snapshot.versions {
        let kept = app.keep(version.clone());
        if let Ok(dag) = kept.dag(app) {
            dags.insert(version.id, dag.clone());
        }
    }
    Ok(Engine::restore(EngineConfig::default(), snapshot, dags, now).0)
}

impl ReasonShape {
    /// A reason of the engine.
    pub(super) fn of(reason: Reason) -> Self {
        Self { code: reason.code.to_owned(), text: reason.text, operands: reason.operands }
    }
}

/// What the row itself says.
fn of_ended(row: &TiRow) -> ReasonShape {
    let text = match (&row.reason, row.state) {
        (Some(reason), _) => reason.clone(),
        (None, TaskState::NoStatus) => "its run ended before it was reached".to_owned(),
        (None, state) => format!("it is {state}"),
    };
    ReasonShape {
        code: row.state.as_str().to_owned(),
        text,
        operands: json!({"state": row.state.as_str(), "exit_code": row.exit_code}),
    }
}

async fn serving(app: &App, queue: &str) -> Result<Workers, Problem> {
    let now = app.now();
    let mut workers = Workers { serving: 0, free_slots: 0 };
    for worker in worker::list(app.store()).await? {
        let seen = now.duration_since(worker.last_seen_at).as_secs();
        if seen < WORKER_LOST_SECS && worker.queues.iter().any(|known| known == queue) {
            workers.serving += 1;
            workers.free_slots += worker.slots.saturating_sub(worker.running);
        }
    }
    Ok(workers)
}
