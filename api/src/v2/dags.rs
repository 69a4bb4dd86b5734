//! DAGs: list, one, in detail; pause and unpause.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use millrace_core::engine::Order;
use millrace_core::record::DagRow;
use millrace_core::state::RunState;
use millrace_store::dag::{self, DagFilter, DagOrder};
use millrace_store::page::Direction;
use millrace_store::{Page, Paging, dag_run, import_error};
use serde_json::Value;

use crate::access::{Action, Caller};
use crate::app::App;
use crate::body::Body;
use crate::dags::asset_expression;
use crate::inbox::place;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{DagDetails, DagShape, DagView, page};

/// The most files with errors that are looked at.
const BROKEN_MAX: u32 = 1000;

page! {
    /// Airflow: `DAGCollectionResponse`.
    DagPage { dags: DagShape }
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get("/api/v2/dags", Action::DagRead, list)
        .patch("/api/v2/dags", Action::DagEdit, patch_many)
        .get("/api/v2/dags/{dag_id}", Action::DagRead, get)
        .patch("/api/v2/dags/{dag_id}", Action::DagEdit, patch)
        .get("/api/v2/dags/{dag_id}/details", Action::DagRead, details)
}

/// The files with import errors.
pub(crate) async fn broken_files(app: &App) -> Result<HashSet<String>, Problem> {
    let paging = Paging { limit: BROKEN_MAX, offset: 0 };
    let page = import_error::list(app.store(), None, paging).await?;
    Ok(page.rows.into_iter().map(|error| error.file).collect())
}

async fn shaped(app: &App, page: Page<DagRow>) -> Result<Json<DagPage>, Problem> {
    let broken = broken_files(app).await?;
    let view = DagView { folder: &app.api.dags_folder, zones: &app.api.zones, broken: &broken };
    let dags = page.rows.iter().map(|row| view.shape(row)).collect();
    Ok(Json(DagPage { dags, total_entries: page.total }))
}

async fn shaped_one(app: &App, row: &DagRow) -> Result<DagShape, Problem> {
    let broken = broken_files(app).await?;
    let view = DagView { folder: &app.api.dags_folder, zones: &app.api.zones, broken: &broken };
    Ok(view.shape(row))
}

fn wanted(params: &mut Params) -> DagFilter {
    // Airflow: DAGs whose file is gone are not listed unless asked for.
    let with_stale = params.flag("exclude_stale") == Some(false);
    DagFilter {
        is_paused: params.flag("paused"),
        is_stale: (!with_stale).then_some(false),
        tags: params.texts("tags"),
        all_tags: params.text("tags_match_mode").as_deref() == Some("all"),
        owners: params.texts("owners"),
        dag_ids: Vec::new(),
        pattern: params
            .pattern("dag_id_pattern")
            .or_else(|| params.pattern("dag_display_name_pattern")),
        last_run_state: params.words("last_dag_run_state", RunState::from_word).pop(),
    }
}

async fn list(State(app): State<App>, mut params: Params) -> Result<Json<DagPage>, Problem> {
    const ORDERS: &[(&str, DagOrder)] = &[
        ("dag_id", DagOrder::DagId),
        ("dag_display_name", DagOrder::DisplayName),
        ("next_dagrun", DagOrder::NextRunAfter),
        ("last_run_start_date", DagOrder::LastRunAfter),
        ("last_run_state", DagOrder::LastRunState),
    ];
    let filter = wanted(&mut params);
    let paging = params.paging();
    let (order, direction) = params.order(ORDERS, (DagOrder::DagId, Direction::Ascending))?;
    params.close()?;
    shaped(&app, dag::list(app.store(), &filter, order, direction, paging).await?).await
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<DagShape>, Problem> {
    let row = app.dag(&names.dag_id()?).await?;
    Ok(Json(shaped_one(&app, &row).await?))
}

async fn details(State(app): State<App>, names: Names) -> Result<Json<DagDetails>, Problem> {
    let row = app.dag(&names.dag_id()?).await?;
    let version = app.version(row.version).await?;
    let counts = dag_run::count_by_state(app.store(), Some(row.dag_id.as_str()), None).await?;
    let active = [RunState::Queued, RunState::Running];
    let active = active.iter().filter_map(|state| counts.get(state)).sum();
    let shape = shaped_one(&app, &row).await?;
    let dag = version.dag(&app)?;
    let assets = asset_expression(&app, dag).await?;
    Ok(Json(DagDetails::of(shape, &row, dag, &version.row, active, assets)))
}

/// `is_paused` is the only field that can be set, as in Airflow.
fn paused(mut body: Body, params: &mut Params) -> Result<bool, Problem> {
    let is_paused = body.required("is_paused");
    body.close()?;
    let mask = params.texts("update_mask");
    if mask.iter().any(|field| field != "is_paused") {
        return Err(Problem::bad_request(
            "Only `is_paused` field can be updated through the REST API",
        ));
    }
    Ok(is_paused)
}

async fn patch(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    mut params: Params,
    body: Body,
) -> Result<Json<DagShape>, Problem> {
    let dag_id = names.dag_id()?;
    let is_paused = paused(body, &mut params)?;
    params.close()?;
    let mut row = app.dag(&dag_id).await?;
    set_paused(&app, &caller, &mut row, is_paused).await?;
    Ok(Json(shaped_one(&app, &row).await?))
}

async fn set_paused(
    app: &App,
    caller: &Caller,
    row: &mut DagRow,
    is_paused: bool,
) -> Result<Value, Problem> {
    if row.is_paused == is_paused {
        return Ok(Value::Null);
    }
    let order =
        Order::Pause { dag_id: row.dag_id.clone(), is_paused, actor: Some(caller.name.clone()) };
    place(app, &order, None).await?;
    row.is_paused = is_paused;
    Ok(Value::Null)
}

/// Pauses or unpauses the DAGs of a filter, at most a page of them.
async fn patch_many(
    State(app): State<App>,
    caller: Caller,
    mut params: Params,
    body: Body,
) -> Result<Json<DagPage>, Problem> {
    let is_paused = paused(body, &mut params)?;
    let pattern = params.pattern("dag_id_pattern");
    if pattern.is_none() {
        let text = "name the DAGs with `dag_id_pattern`; `~` means all";
        return Err(Problem::bad_request(text));
    }
    let filter = DagFilter { pattern, ..wanted(&mut params) };
    let paging = params.paging();
    params.close()?;
    let by = (DagOrder::DagId, Direction::Ascending);
    let mut page = dag::list(app.store(), &filter, by.0, by.1, paging).await?;
    for row in &mut page.rows {
        set_paused(&app, &caller, row, is_paused).await?;
    }
    shaped(&app, page).await
}
