//! Backfills for the dashboard: a plan before anything is promised, progress, dates.

use axum::Json;
use axum::extract::State;
use millrace_core::record::{BackfillKey, BackfillRow};
use millrace_store::page::Direction;
use millrace_store::{backfill, dag};
use serde::Serialize;

use crate::access::{Action, Caller};
use crate::app::App;
use crate::backfills::{planned, read};
use crate::body::Body;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{DateShape, PlanShape, ProgressShape, page};

/// The most dates of a plan that are shown.
const DATES_SHOWN: usize = 500;

page! {
    /// The backfills of a DAG, newest first.
    ProgressPage { backfills: ProgressShape }
}

#[derive(Debug, Serialize)]
struct DatePage {
    dates: Vec<DateShape>,
    total_entries: u32,
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .post("/api/v1/backfills/plan", Action::DagRead, plan)
        .get("/api/v1/dags/{dag_id}/backfills", Action::DagRead, list)
        .get("/api/v1/backfills/{backfill_id}", Action::DagRead, get)
        .get("/api/v1/backfills/{backfill_id}/dates", Action::DagRead, dates)
}

async fn plan(
    State(app): State<App>,
    caller: Caller,
    body: Body,
) -> Result<Json<PlanShape>, Problem> {
    let new = read(&app, body, &caller.name)?;
    let (row, plan) = planned(&app, &new).await?;
    Ok(Json(PlanShape::of(&row, &plan, DATES_SHOWN)))
}

async fn list(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<ProgressPage>, Problem> {
    let paging = params.paging();
    params.close()?;
    let row = app.dag(&names.dag_id()?).await?;
    let dag_id = row.dag_id.as_str();
    let page = backfill::list(app.store(), Some(dag_id), Direction::Descending, paging).await?;
    let durations = backfill::durations(app.store(), dag_id).await?;
    let of = |backfill: &BackfillRow| ProgressShape::of(backfill, Some(&row), &durations);
    let backfills = page.rows.iter().map(of).collect();
    Ok(Json(ProgressPage { backfills, total_entries: page.total }))
}

async fn find(app: &App, names: &Names) -> Result<BackfillRow, Problem> {
    let id: BackfillKey = names.number(0)?;
    let row = backfill::get(app.store(), id).await?;
    row.ok_or_else(|| Problem::not_found("Backfill not found"))
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<ProgressShape>, Problem> {
    let row = find(&app, &names).await?;
    let dag = dag::get(app.store(), row.dag_id.as_str()).await?;
    let durations = backfill::durations(app.store(), row.dag_id.as_str()).await?;
    Ok(Json(ProgressShape::of(&row, dag.as_ref(), &durations)))
}

async fn dates(
    State(app): State<App>,
    names: Names,
    mut params: Params,
) -> Result<Json<DatePage>, Problem> {
    let paging = params.paging();
    params.close()?;
    let row = find(&app, &names).await?;
    let first = paging.offset.saturating_add(1);
    let found = backfill::dates(app.store(), row.id, first, paging.limit).await?;
    let dates = found.into_iter().map(DateShape::of).collect();
    Ok(Json(DatePage { dates, total_entries: row.dates_total }))
}
