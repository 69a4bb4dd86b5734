//! Why a task instance is where it is: asked of an engine made from the database, so the answer
//! is the scheduler's own.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use millrace_core::engine::{Engine, EngineConfig, Explanation, Reason, Surroundings};
use millrace_core::record::TiRow;
use millrace_core::state::TaskState;
use millrace_core::time::rest;
use millrace_store::{dag_run, worker};
use serde::Serialize;

use crate::access::Action;
use crate::app::App;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::v2::find_ti;

#[derive(Debug, Serialize)]
struct Shape {
    state: Option<&'static str>,
    since: Option<String>,
    reasons: Vec<Reason>,
}

pub(super) fn routes(routes: Routes) -> Routes {
    let path = "/api/v1/dags/{dag_id}/runs/{run_id}/explain/{task_id}";
    routes.get(path, Action::DagRead, explain)
}

async fn explain(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<Shape>, Problem> {
    let map_index = params.number("map_index").unwrap_or(-1);
    params.close()?;
    let (dag_id, run_id, task_id) = (names.dag_id()?, names.run_id()?, names.task_id()?);
    let row = find_ti(&app, &dag_id, &run_id, &task_id, map_index).await?;
    let found = explanation(&app, &row).await?;
    let state = (row.state != TaskState::NoStatus).then_some(found.state);
    Ok(Json(Shape { state, since: found.since.map(rest), reasons: found.reasons }))
}

/// Why a task instance is in its state.
pub(crate) async fn explanation(app: &App, row: &TiRow) -> Result<Explanation, Problem> {
    let run = dag_run::by_key(app.store(), row.run).await?;
    let run = run.ok_or_else(|| Problem::not_found("the dag run is gone"))?;
    let now = app.now();
    let asks = Explanation::needs_engine(&run, Some(row));
    let engine = if asks { Some(engine(app, now).await?) } else { None };
    let around = Surroundings {
        engine: engine.as_ref(),
        workers: worker::serving(app.store(), &row.queue, now).await?,
        is_led: app.store().is_led().await?,
        now,
    };
    Ok(Explanation::of_ti(&run, row, &around))
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
