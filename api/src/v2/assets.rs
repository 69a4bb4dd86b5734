//! Assets: list, one, and runs that make one again.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use millrace_core::engine::{Order, Trigger};
use millrace_core::ids::{DagId, RunId};
use millrace_core::record::{AssetKey, AssetRole, AssetRow};
use millrace_core::state::RunType;
use millrace_store::asset::{self, AssetFilter, AssetOrder};
use millrace_store::asset_event;
use millrace_store::page::Direction;

use super::trigger::{self, answer, triggered_by};
use crate::access::{Action, Caller};
use crate::app::App;
use crate::inbox::place;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{AssetShape, RunShape, page};

page! {
    /// Airflow: `AssetCollectionResponse`.
    AssetPage { assets: AssetShape }
}

pub(super) fn routes(routes: Routes) -> Routes {
    let materialize = "/api/v2/assets/{asset_id}/materialize";
    routes
        .get("/api/v2/assets", Action::DagRead, list)
        .get("/api/v2/assets/{asset_id}", Action::DagRead, get)
        .post(materialize, Action::DagTrigger, materialize_asset)
}

/// The asset of a path.
pub(super) async fn find(app: &App, key: AssetKey) -> Result<AssetRow, Problem> {
    let missing = || Problem::not_found(format!("The Asset with ID: `{key}` was not found"));
    asset::by_keys(app.store(), &[key]).await?.remove(&key).ok_or_else(missing)
}

/// The shapes of assets: brings who uses them and what happened last.
pub(crate) async fn shapes(app: &App, rows: Vec<AssetRow>) -> Result<Vec<AssetShape>, Problem> {
    let keys: Vec<AssetKey> = rows.iter().map(|row| row.id).collect();
    let uses = asset::uses(app.store(), &keys).await?;
    let last = asset_event::last_of(app.store(), &keys).await?;
    let shape = |row: AssetRow| {
        let last = last.get(&row.id);
        AssetShape::of(row, &uses, last)
    };
    Ok(rows.into_iter().map(shape).collect())
}

async fn list(State(app): State<App>, mut params: Params) -> Result<Json<AssetPage>, Problem> {
    const ORDERS: &[(&str, AssetOrder)] = &[
        ("id", AssetOrder::Id),
        ("name", AssetOrder::Name),
        ("uri", AssetOrder::Uri),
        ("created_at", AssetOrder::CreatedAt),
        ("updated_at", AssetOrder::UpdatedAt),
    ];
    let filter = AssetFilter {
        name_pattern: params.pattern("name_pattern"),
        uri_pattern: params.pattern("uri_pattern"),
        dag_ids: params.texts("dag_ids"),
        is_active: params.flag("only_active").unwrap_or(true),
    };
    let paging = params.paging();
    let (order, direction) = params.order(ORDERS, (AssetOrder::Id, Direction::Ascending))?;
    params.close()?;
    let page = asset::list(app.store(), &filter, order, direction, paging).await?;
    let assets = shapes(&app, page.rows).await?;
    Ok(Json(AssetPage { assets, total_entries: page.total }))
}

async fn get(State(app): State<App>, names: Names) -> Result<Json<AssetShape>, Problem> {
    let row = find(&app, names.number(0)?).await?;
    let shape = shapes(&app, vec![row]).await?.pop();
    Ok(Json(shape.ok_or_else(Problem::defect)?))
}

/// Starts the DAG that writes an asset (Airflow: `materialize_asset`).
async fn materialize_asset(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    names: Names,
) -> Result<Json<RunShape>, Problem> {
    let row = find(&app, names.number(0)?).await?;
    let dag_id = producer(&app, row.id).await?;
    let dag = trigger::find_dag(&app, Ok(dag_id.clone()), dag_id.as_str()).await?;
    let kind = RunType::AssetMaterialization;
    trigger::check_run(&app, &dag, kind, None).await?;
    let now = app.unique_now();
    let name = format!("{kind}__{}", millrace_core::time::isoformat(now));
    let run_id = RunId::new(&name).map_err(|error| Problem::bad_request(error.to_string()))?;
    let order = Trigger {
        dag_id,
        run_id: Some(run_id),
        run_type: kind,
        logical_date: None,
        data_interval: None,
        run_after: Some(now),
        conf: None,
        note: None,
        triggered_by: triggered_by(&headers),
        actor: Some(caller.name.clone()),
    };
    let placed = place(&app, &Order::Trigger(order.clone()), None).await?;
    answer(&app, placed, &order, now).await.map(Json)
}

async fn producer(app: &App, asset: AssetKey) -> Result<DagId, Problem> {
    let uses = asset::uses(app.store(), &[asset]).await?;
    let mut dags: Vec<DagId> = uses
        .into_iter()
        .filter(|one| one.role == AssetRole::Outlet)
        .map(|one| one.dag_id)
        .collect();
    dags.dedup();
    match dags.as_slice() {
        [dag_id] => Ok(dag_id.clone()),
        [] => Err(Problem::not_found(format!("No DAG materializes asset with ID: {asset}"))),
        _ => {
            Err(Problem::conflict(format!("More than one DAG materializes asset with ID: {asset}")))
        }
    }
}
