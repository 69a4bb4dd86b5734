//! Who writes and who reads each asset, and what a DAG waits for.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use millrace_core::engine::Reason;
use millrace_core::record::{AssetEventKey, AssetEventRow, AssetKey, AssetRole, AssetRow};
use millrace_store::asset::{self, AssetFilter, AssetOrder, AssetUse};
use millrace_store::page::{Direction, LIMIT_MAX};
use millrace_store::{Paging, asset_event, asset_queue};
use serde::Serialize;
use serde_json::Value;

use super::explain::engine;
use crate::access::Action;
use crate::app::App;
use crate::path::{Names, shown};
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::At;

#[derive(Debug, Serialize)]
struct AssetGraph {
    assets: Vec<AssetNode>,
    total_entries: u64,
}

#[derive(Debug, Serialize)]
struct AssetNode {
    id: AssetKey,
    name: String,
    uri: String,
    group: String,
    /// Tasks that write it.
    producers: Vec<TaskName>,
    /// Tasks that read it.
    consumers: Vec<TaskName>,
    /// DAGs that it starts.
    starts: Vec<StartedDag>,
    last_event: Option<LastEvent>,
}

#[derive(Debug, Serialize)]
struct TaskName {
    dag_id: String,
    task_id: String,
}

#[derive(Debug, Serialize)]
struct StartedDag {
    dag_id: String,
    /// Whether an event of the asset waits for the DAG's next run.
    has_changed: bool,
}

#[derive(Debug, Serialize)]
struct LastEvent {
    id: AssetEventKey,
    timestamp: At,
    source_dag_id: Option<String>,
    source_run_id: Option<String>,
    source_task_id: Option<String>,
}

#[derive(Debug, Serialize)]
struct NextRunAssets {
    dag_id: String,
    asset_expression: Option<Value>,
    assets: Vec<AwaitedAsset>,
    reasons: Vec<Reason>,
}

#[derive(Debug, Serialize)]
struct AwaitedAsset {
    id: AssetKey,
    name: String,
    uri: String,
    has_changed: bool,
    queued_at: Option<At>,
    last_event_at: Option<At>,
}

pub(super) fn routes(routes: Routes) -> Routes {
    routes.get("/api/v1/assets/graph", Action::DagRead, graph).get(
        "/api/v1/dags/{dag_id}/next_run_assets",
        Action::DagRead,
        next_run_assets,
    )
}

async fn graph(State(app): State<App>, mut params: Params) -> Result<Json<AssetGraph>, Problem> {
    let filter = AssetFilter {
        name_pattern: params.text("q").map(|text| shown(&text)),
        is_active: true,
        ..AssetFilter::default()
    };
    let limit = params.number("limit").unwrap_or(LIMIT_MAX).min(LIMIT_MAX);
    let paging = Paging { limit, offset: params.number("offset").unwrap_or(0) };
    params.close()?;
    let by = (AssetOrder::Name, Direction::Ascending);
    let page = asset::list(app.store(), &filter, by.0, by.1, paging).await?;
    let keys: Vec<AssetKey> = page.rows.iter().map(|row| row.id).collect();
    let mut uses: BTreeMap<AssetKey, Vec<AssetUse>> = BTreeMap::new();
    for one in asset::uses(app.store(), &keys).await? {
        uses.entry(one.asset).or_default().push(one);
    }
    let waiting = asset_queue::waiting(app.store(), None, None).await?;
    let last = asset_event::last_of(app.store(), &keys).await?;
    let node = |row: AssetRow| {
        let uses = uses.get(&row.id).map(Vec::as_slice).unwrap_or_default();
        let starts = uses.iter().filter(|one| one.role == AssetRole::Schedule).map(|one| {
            let has_changed =
                waiting.iter().any(|queue| queue.asset == row.id && queue.dag_id == one.dag_id);
            StartedDag { dag_id: one.dag_id.to_string(), has_changed }
        });
        AssetNode {
            producers: tasks(uses, AssetRole::Outlet),
            consumers: tasks(uses, AssetRole::Inlet),
            starts: starts.collect(),
            last_event: last.get(&row.id).map(last_event),
            id: row.id,
            name: row.name,
            uri: row.uri,
            group: row.group,
        }
    };
    let assets = page.rows.into_iter().map(node).collect();
    Ok(Json(AssetGraph { assets, total_entries: page.total }))
}

fn tasks(uses: &[AssetUse], role: AssetRole) -> Vec<TaskName> {
    let name = |one: &AssetUse| {
        let task_id = one.task_id.as_ref()?.to_string();
        Some(TaskName { dag_id: one.dag_id.to_string(), task_id })
    };
    uses.iter().filter(|one| one.role == role).filter_map(name).collect()
}

fn last_event(row: &AssetEventRow) -> LastEvent {
    let source = row.source.as_ref();
    LastEvent {
        id: row.id,
        timestamp: At(row.at),
        source_dag_id: source.map(|source| source.dag_id.to_string()),
        source_run_id: source.map(|source| source.run_id.to_string()),
        source_task_id: source.map(|source| source.task_id.to_string()),
    }
}

/// What the next run of a DAG waits for (Airflow: `next_run_assets`), with the scheduler's own
/// reasons.
async fn next_run_assets(
    State(app): State<App>,
    names: Names,
) -> Result<Json<NextRunAssets>, Problem> {
    let row = app.dag(&names.dag_id()?).await?;
    let version = app.version(row.version).await?;
    let asset_expression = crate::dags::asset_expression(&app, version.dag(&app)?).await?;
    let now = app.now();
    let engine = engine(&app, now).await?;
    let reasons = engine.explain_dag(&row.dag_id, now).unwrap_or_default();
    let keys = engine.awaited_assets(&row.dag_id);
    let assets = asset::by_keys(app.store(), &keys).await?;
    let last = asset_event::last_of(app.store(), &keys).await?;
    let waiting = asset_queue::waiting(app.store(), Some(row.dag_id.as_str()), None).await?;
    let awaited = keys.iter().filter_map(|key| assets.get(key)).map(|asset| AwaitedAsset {
        id: asset.id,
        name: asset.name.clone(),
        uri: asset.uri.clone(),
        has_changed: engine.has_asset_changed(&row.dag_id, asset.id),
        queued_at: waiting
            .iter()
            .find(|queue| queue.asset == asset.id)
            .and_then(|queue| At::maybe(queue.queued_at)),
        last_event_at: last.get(&asset.id).map(|event| At(event.at)),
    });
    Ok(Json(NextRunAssets {
        dag_id: row.dag_id.to_string(),
        asset_expression,
        assets: awaited.collect(),
        reasons,
    }))
}
