//! Asset events: list, report one, and what a run consumed.

use axum::Json;
use axum::extract::State;
use millrace_core::asset::EXTRA_BYTES_MAX;
use millrace_core::engine::Order;
use millrace_core::record::{AssetEventRow, AssetKey};
use millrace_store::asset_event::{self, AssetEventFilter, AssetEventOrder};
use millrace_store::page::Direction;
use millrace_store::{Page, asset, asset_queue};
use serde_json::{Map, Value};

use super::{assets, runs_of};
use crate::access::{Action, Caller};
use crate::app::App;
use crate::body::Body;
use crate::inbox::{Placed, place};
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{AssetEventShape, page};

page! {
    /// Airflow: `AssetEventCollectionResponse`.
    AssetEventPage { asset_events: AssetEventShape }
}

pub(super) fn routes(routes: Routes) -> Routes {
    let of_run = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}/upstreamAssetEvents";
    routes
        .get("/api/v2/assets/events", Action::DagRead, list)
        .post("/api/v2/assets/events", Action::DagTrigger, report)
        .get(of_run, Action::DagRead, consumed)
}

async fn shapes(app: &App, page: Page<AssetEventRow>) -> Result<AssetEventPage, Problem> {
    let mut keys: Vec<AssetKey> = page.rows.iter().map(|row| row.asset).collect();
    keys.sort_unstable();
    keys.dedup();
    let assets = asset::by_keys(app.store(), &keys).await?;
    let ids: Vec<_> = page.rows.iter().map(|row| row.id).collect();
    let consumers = asset_queue::consumers(app.store(), &ids).await?;
    let shape = |row: AssetEventRow| {
        let runs = consumers.get(&row.id).map(Vec::as_slice).unwrap_or_default();
        AssetEventShape::of(row, &assets, runs)
    };
    let asset_events = page.rows.into_iter().map(shape).collect();
    Ok(AssetEventPage { asset_events, total_entries: page.total })
}

async fn list(State(app): State<App>, mut params: Params) -> Result<Json<AssetEventPage>, Problem> {
    const ORDERS: &[(&str, AssetEventOrder)] = &[
        ("timestamp", AssetEventOrder::Id),
        ("id", AssetEventOrder::Id),
        ("source_dag_id", AssetEventOrder::SourceDagId),
        ("source_task_id", AssetEventOrder::SourceTaskId),
        ("source_run_id", AssetEventOrder::SourceRunId),
    ];
    let filter = AssetEventFilter {
        asset: params.number("asset_id"),
        name_pattern: params.pattern("name_pattern"),
        source_dag_id: params.text("source_dag_id"),
        source_run_id: params.text("source_run_id"),
        source_task_id: params.text("source_task_id"),
        source_map_index: params.number("source_map_index"),
        from: params.from("timestamp"),
        to: params.to("timestamp"),
    };
    let paging = params.paging();
    let (order, direction) = params.order(ORDERS, (AssetEventOrder::Id, Direction::Ascending))?;
    params.close()?;
    let page = asset_event::list(app.store(), &filter, order, direction, paging).await?;
    Ok(Json(shapes(&app, page).await?))
}

/// Airflow: `create_asset_event`; it adds `from_rest_api` to the extra.
async fn report(
    State(app): State<App>,
    caller: Caller,
    mut body: Body,
) -> Result<Json<AssetEventShape>, Problem> {
    let key: AssetKey = body.required("asset_id");
    let mut extra: Map<String, Value> = body.optional("extra").unwrap_or_default();
    if body.optional::<Value>("partition_key").is_some() {
        let text = "partitioned events are not supported";
        body.complain("value_error", "partition_key", text, Value::Null);
    }
    if Value::Object(extra.clone()).to_string().len() > EXTRA_BYTES_MAX {
        let text = format!("extra must have at most {EXTRA_BYTES_MAX} bytes");
        body.complain("value_error", "extra", text, Value::Null);
    }
    body.close()?;
    assets::find(&app, key).await?;
    extra.insert("from_rest_api".to_owned(), true.into());
    let order = Order::AssetEvent { asset: key, extra, actor: Some(caller.name.clone()) };
    let Placed::Done(answer) = place(&app, &order, None).await? else {
        let text = "the event is safe and waits: no scheduler runs that could take it";
        return Err(Problem::unavailable(text));
    };
    let id = answer["asset_event"].as_i64().ok_or_else(Problem::defect)?;
    let row = asset_event::get(app.store(), id).await?.ok_or_else(Problem::defect)?;
    let page = shapes(&app, Page { rows: vec![row], total: 1 }).await?;
    Ok(Json(page.asset_events.into_iter().next().ok_or_else(Problem::defect)?))
}

async fn consumed(State(app): State<App>, names: Names) -> Result<Json<AssetEventPage>, Problem> {
    let run = runs_of::find(&app, &names.dag_id()?, &names.run_id()?).await?;
    let page = asset_event::consumed(app.store(), run.id).await?;
    Ok(Json(shapes(&app, page).await?))
}
