//! The tries of a task instance.

use axum::Json;
use axum::extract::State;

use super::tis_of;
use crate::access::Action;
use crate::app::App;
use crate::path::Names;
use crate::problem::Problem;
use crate::routes::Routes;
use crate::shape::{TryShape, page};

page! {
    /// Airflow: `TaskInstanceHistoryCollectionResponse`.
    TryPage { task_instances: TryShape }
}

const TRIES: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/tries";
const TRY: &str =
    "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/tries/{try_number}";
const MAPPED: &str =
    "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/{map_index}/tries";
const MAPPED_TRY: &str = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/taskInstances/{task_id}/\
    {map_index}/tries/{try_number}";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(TRIES, Action::DagRead, list)
        .get(TRY, Action::DagRead, get)
        .get(MAPPED, Action::DagRead, list_mapped)
        .get(MAPPED_TRY, Action::DagRead, get_mapped)
}

async fn tries(app: &App, names: &Names, map_index: i32) -> Result<Vec<TryShape>, Problem> {
    let (dag_id, run_id, task_id) = (names.dag_id()?, names.run_id()?, names.task_id()?);
    let row = tis_of::find(app, &dag_id, &run_id, &task_id, map_index).await?;
    tis_of::tries(app, &row).await
}

async fn all(app: &App, names: &Names, map_index: i32) -> Result<Json<TryPage>, Problem> {
    let task_instances = tries(app, names, map_index).await?;
    let total_entries = task_instances.len() as u64;
    Ok(Json(TryPage { task_instances, total_entries }))
}

async fn one(
    app: &App,
    names: &Names,
    map_index: i32,
    try_number: u32,
) -> Result<Json<TryShape>, Problem> {
    let found = tries(app, names, map_index).await?;
    let found = found.into_iter().find(|one| one.try_number == try_number);
    found.map(Json).ok_or_else(|| {
        Problem::not_found(format!(
            "The Task Instance with dag_id: `{}`, run_id: `{}`, task_id: `{}`, try_number: \
             `{try_number}` and map_index: `{map_index}` was not found",
            names.text(0),
            names.text(1),
            names.text(2)
        ))
    })
}

async fn list(State(app): State<App>, names: Names) -> Result<Json<TryPage>, Problem> {
    all(&app, &names, -1).await
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<TryShape>, Problem> {
    one(&app, &names, -1, names.number(3)?).await
}

async fn list_mapped(State(app): State<App>, names: Names) -> Result<Json<TryPage>, Problem> {
    all(&app, &names, names.number(3)?).await
}

async fn get_mapped(State(app): State<App>, names: Names) -> Result<Json<TryShape>, Problem> {
    one(&app, &names, names.number(3)?, names.number(4)?).await
}
