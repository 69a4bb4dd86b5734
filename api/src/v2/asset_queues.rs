//! Asset events that wait for a run: by asset, by DAG, by both; deleting has them not count.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use millrace_core::engine::Order;
use millrace_core::ids::DagId;
use millrace_core::record::{AssetKey, AssetQueueRow};
use millrace_store::asset_queue;

use super::{assets, runs_of};
use crate::access::{Action, Caller};
use crate::app::App;
use crate::inbox::place;
use crate::path::Names;
use crate::problem::Problem;
use crate::query::Params;
use crate::routes::Routes;
use crate::shape::{QueuedEventShape, page};

page! {
    /// Airflow: `QueuedEventCollectionResponse`.
    QueuedEventPage { queued_events: QueuedEventShape }
}

const OF_ASSET: &str = "/api/v2/assets/{asset_id}/queuedEvents";
const OF_DAG: &str = "/api/v2/dags/{dag_id}/assets/queuedEvents";
const OF_BOTH: &str = "/api/v2/dags/{dag_id}/assets/{asset_id}/queuedEvents";

pub(super) fn routes(routes: Routes) -> Routes {
    routes
        .get(OF_ASSET, Action::DagRead, of_asset)
        .delete(OF_ASSET, Action::DagTrigger, delete_of_asset)
        .get(OF_DAG, Action::DagRead, of_dag)
        .delete(OF_DAG, Action::DagTrigger, delete_of_dag)
        .get(OF_BOTH, Action::DagRead, of_both)
        .delete(OF_BOTH, Action::DagTrigger, delete_of_both)
}

/// Which queue a path names.
struct Wanted {
    dag_id: Option<DagId>,
    asset: Option<AssetKey>,
    before: Option<Timestamp>,
}

impl Wanted {
    async fn read(
        app: &App,
        dag_id: Option<DagId>,
        asset: Option<AssetKey>,
        mut params: Params,
    ) -> Result<Self, Problem> {
        let before = params.time("before");
        params.close()?;
        if let Some(dag_id) = &dag_id {
            app.dag(dag_id).await?;
        }
        if let Some(asset) = asset {
            assets::find(app, asset).await?;
        }
        Ok(Self { dag_id, asset, before })
    }

    /// What waits there; Airflow answers 404 when nothing does.
    async fn rows(&self, app: &App) -> Result<Vec<AssetQueueRow>, Problem> {
        let dag_id = self.dag_id.as_ref().map(DagId::as_str);
        let mut rows = asset_queue::waiting(app.store(), dag_id, self.asset).await?;
        rows.retain(|row| self.before.is_none_or(|end| row.queued_at.is_some_and(|at| at < end)));
        if rows.is_empty() {
            let mut of = Vec::new();
            of.extend(dag_id.map(|dag_id| format!("dag_id: `{dag_id}`")));
            of.extend(self.asset.map(|asset| format!("asset_id: `{asset}`")));
            let text = format!("Queue event with {} was not found", of.join(" and "));
            return Err(Problem::not_found(text));
        }
        Ok(rows)
    }

    async fn page(&self, app: &App) -> Result<Json<QueuedEventPage>, Problem> {
        let rows = self.rows(app).await?;
        let dags = rows.iter().map(|row| row.dag_id.clone()).collect();
        let names = runs_of::display_names(app, dags).await?;
        let shape = |row: &AssetQueueRow| {
            let name = names.get(&row.dag_id).cloned().unwrap_or_default();
            QueuedEventShape::of(row, name)
        };
        let queued_events: Vec<_> = rows.iter().filter_map(shape).collect();
        let total_entries = queued_events.len() as u64;
        Ok(Json(QueuedEventPage { queued_events, total_entries }))
    }

    async fn delete(self, app: &App, caller: &Caller) -> Result<StatusCode, Problem> {
        self.rows(app).await?;
        let order = Order::ClearAssetQueue {
            dag_id: self.dag_id,
            asset: self.asset,
            before: self.before,
            actor: Some(caller.name.clone()),
        };
        place(app, &order, None).await?;
        Ok(StatusCode::NO_CONTENT)
    }
}

async fn of_asset(
    State(app): State<App>,
    names: Names,
    params: Params,
) -> Result<Json<QueuedEventPage>, Problem> {
    Wanted::read(&app, None, Some(names.number(0)?), params).await?.page(&app).await
}

async fn of_dag(
    State(app): State<App>,
    names: Names,
    params: Params,
) -> Result<Json<QueuedEventPage>, Problem> {
    Wanted::read(&app, Some(names.dag_id()?), None, params).await?.page(&app).await
}

async fn of_both(
    State(app): State<App>,
    names: Names,
    params: Params,
) -> Result<Json<QueuedEventPage>, Problem> {
    let (dag_id, asset) = (Some(names.dag_id()?), Some(names.number(1)?));
    Wanted::read(&app, dag_id, asset, params).await?.page(&app).await
}

async fn delete_of_asset(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    params: Params,
) -> Result<StatusCode, Problem> {
    let wanted = Wanted::read(&app, None, Some(names.number(0)?), params).await?;
    wanted.delete(&app, &caller).await
}

async fn delete_of_dag(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    params: Params,
) -> Result<StatusCode, Problem> {
    let wanted = Wanted::read(&app, Some(names.dag_id()?), None, params).await?;
    wanted.delete(&app, &caller).await
}

async fn delete_of_both(
    State(app): State<App>,
    caller: Caller,
    names: Names,
    params: Params,
) -> Result<StatusCode, Problem> {
    let (dag_id, asset) = (Some(names.dag_id()?), Some(names.number(1)?));
    Wanted::read(&app, dag_id, asset, params).await?.delete(&app, &caller).await
}
