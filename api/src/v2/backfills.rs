//! Backfills: list, one, create, dry run, pause, unpause, cancel.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use millrace_core::engine::{BackfillOrder, Order};
use millrace_core::record::{BackfillKey, BackfillRow};
use millrace_store::page::Direction;
use millrace_store::{backfill, dag};

use crate::access::{Action, Caller};
use crate::app::App;
use crate::backfills::{planned, read};
use crate::body::Body;
use crate::inbox::{Placed, key_of, place};
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{BackfillShape, DryRunDate, page};

page! {
    /// Airflow: `BackfillCollectionResponse`.
    BackfillPage { backfills: BackfillShape }
}

page! {
    /// Airflow: `DryRunBackfillCollectionResponse`.
    DryRunPage { backfills: DryRunDate }
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/api/v2/backfills", Action::DagRead, list)
        .post("/api/v2/backfills", Action::DagTrigger, create)
        .post("/api/v2/backfills/dry_run", Action::DagRead, dry_run)
        .get("/api/v2/backfills/{backfill_id}", Action::DagRead, get)
        .put("/api/v2/backfills/{backfill_id}/pause", Action::DagTrigger, pause)
        .put("/api/v2/backfills/{backfill_id}/unpause", Action::DagTrigger, unpause)
        .put("/api/v2/backfills/{backfill_id}/cancel", Action::DagTrigger, cancel)
}

async fn list(State(app): State<App>, mut params: Params) -> Result<Json<BackfillPage>, Problem> {
    let dag_id = params.required("dag_id");
    let paging = params.paging();
    let ((), direction) = params.order(&[("id", ())], ((), Direction::Ascending))?;
    params.close()?;
    let page = backfill::list(app.store(), Some(&dag_id), direction, paging).await?;
    let name = display_name(&app, &dag_id).await?;
    let backfills = page.rows.iter().map(|row| BackfillShape::of(row, &name)).collect();
    Ok(Json(BackfillPage { backfills, total_entries: page.total }))
}

async fn display_name(app: &App, dag_id: &str) -> Result<String, Problem> {
    let row = dag::get(app.store(), dag_id).await?;
    Ok(row.map_or_else(|| dag_id.to_owned(), |row| row.about.display_name))
}

async fn shaped(app: &App, row: &BackfillRow) -> Result<Json<BackfillShape>, Problem> {
    let name = display_name(app, row.dag_id.as_str()).await?;
    Ok(Json(BackfillShape::of(row, &name)))
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<BackfillShape>, Problem> {
    let id: BackfillKey = names.number(0)?;
    let row = backfill::get(app.store(), id).await?;
    shaped(&app, &row.ok_or_else(|| Problem::not_found("Backfill not found"))?).await
}

async fn dry_run(
    State(app): State<App>,
    caller: Caller,
    body: Body,
) -> Result<Json<DryRunPage>, Problem> {
    let new = read(&app, body, &caller.name)?;
    let (_, plan) = planned(&app, &new).await?;
    let is_made = |date: &&millrace_core::backfill::PlannedDate| {
        !matches!(date.fate, millrace_core::backfill::Fate::Skip(_))
    };
    let dates: Vec<_> = plan.dates.iter().filter(is_made).map(DryRunDate::of).collect();
    Ok(Json(DryRunPage { total_entries: dates.len() as u64, backfills: dates }))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<BackfillShape>, Problem> {
    let key = key_of(&headers, &caller)?;
    let new = read(&app, body, &caller.name)?;
    planned(&app, &new).await?;
    let dag_id = new.dag_id.clone();
    if key.is_none() && backfill::open_of(app.store(), dag_id.as_str()).await?.is_some() {
        let text = format!("There is already a running backfill for dag {dag_id}");
        return Err(Problem::conflict(text));
    }
    let order = Order::Backfill(BackfillOrder::Create(new));
    match place(&app, &order, key.as_deref()).await? {
        Placed::Done(answer) => {
            let id = answer["id"].as_i64().ok_or_else(Problem::defect)?;
            let row = backfill::get(app.store(), id).await?;
            shaped(&app, &row.ok_or_else(Problem::defect)?).await
        }
        // It has no number yet that could be answered.
        Placed::Waiting(_) => Err(Problem::unavailable(
            "the backfill is safe, but no scheduler took it yet; it begins when one runs",
        )),
    }
}

/// An open backfill that has not ended.
async fn going_on(app: &App, names: &Names) -> Result<BackfillRow, Problem> {
    let id: BackfillKey = names.number(0)?;
    let row = backfill::get(app.store(), id)
        .await?
        .ok_or_else(|| Problem::not_found(format!("Could not find backfill with id {id}")))?;
    if row.completed_at.is_some() {
        return Err(Problem::conflict("Backfill is already completed."));
    }
    Ok(row)
}

async fn pause(
    State(app): State<App>,
    caller: Caller,
    names: Names,
) -> Result<Json<BackfillShape>, Problem> {
    set_paused(&app, &caller, &names, true).await
}

async fn unpause(
    State(app): State<App>,
    caller: Caller,
    names: Names,
) -> Result<Json<BackfillShape>, Problem> {
    set_paused(&app, &caller, &names, false).await
}

async fn set_paused(
    app: &App,
    caller: &Caller,
    names: &Names,
    is_paused: bool,
) -> Result<Json<BackfillShape>, Problem> {
    let row = going_on(app, names).await?;
    let actor = Some(caller.name.clone());
    let order = BackfillOrder::Pause { id: row.id, is_paused, actor };
    changed(app, row, order, |row| row.is_paused = is_paused).await
}

/// Airflow's, and `?stop_running=true`: also fails the runs that go on, even afterwards.
async fn cancel(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    mut params: Params,
) -> Result<Json<BackfillShape>, Problem> {
    let stop_running = params.flag("stop_running").unwrap_or(false);
    params.close()?;
    let row = match going_on(&app, &names).await {
        Ok(row) => row,
        Err(problem) => {
            let row = backfill::get(app.store(), names.number(0)?).await?;
            row.filter(|row| stop_running && row.is_open).ok_or(problem)?
        }
    };
    let order =
        BackfillOrder::Cancel { id: row.id, stop_running, actor: Some(caller.name.clone()) };
    changed(&app, row, order, |row| row.is_paused = true).await
}

/// Places an order; without a scheduler the answer shows the row as it will be.
async fn changed(
    app: &App,
    mut row: BackfillRow,
    order: BackfillOrder,
    change: impl FnOnce(&mut BackfillRow),
) -> Result<Json<BackfillShape>, Problem> {
    match place(app, &Order::Backfill(order), None).await? {
        Placed::Done(_) => {
            let newer = backfill::get(app.store(), row.id).await?;
            shaped(app, &newer.unwrap_or(row)).await
        }
        Placed::Waiting(_) => {
            change(&mut row);
            shaped(app, &row).await
        }
    }
}
