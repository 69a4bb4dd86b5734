//! Assets, their events, and the queues of events.

use std::collections::BTreeMap;

use millrace_core::record::{
    AssetEventKey, AssetEventRow, AssetKey, AssetQueueRow, AssetRole, AssetRow, AssetSource,
};
use millrace_store::asset::AssetUse;
use millrace_store::asset_queue::Consumer;
use serde::Serialize;
use serde_json::{Map, Value};

use super::At;

/// A DAG that an asset starts (Airflow: `DagScheduleAssetReference`).
#[derive(Debug, Serialize)]
struct ScheduledDag {
    dag_id: String,
    created_at: At,
    updated_at: At,
}

/// A task that writes or reads an asset (Airflow: `TaskOutletAssetReference`).
#[derive(Debug, Serialize)]
struct TaskUse {
    dag_id: String,
    task_id: String,
    created_at: At,
    updated_at: At,
}

#[derive(Debug, Serialize)]
struct LastEvent {
    id: AssetEventKey,
    timestamp: At,
}

/// Airflow: `AssetResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct AssetShape {
    id: AssetKey,
    name: String,
    uri: String,
    group: String,
    extra: Map<String, Value>,
    created_at: At,
    updated_at: At,
    scheduled_dags: Vec<ScheduledDag>,
    producing_tasks: Vec<TaskUse>,
    consuming_tasks: Vec<TaskUse>,
    aliases: Vec<Value>,
    watchers: Vec<Value>,
    last_asset_event: Option<LastEvent>,
}

impl AssetShape {
    pub(crate) fn of(row: AssetRow, uses: &[AssetUse], last: Option<&AssetEventRow>) -> Self {
        let of_role = |role: AssetRole| {
            let is_meant = move |one: &&AssetUse| one.asset == row.id && one.role == role;
            uses.iter().filter(is_meant)
        };
        let tasks = |role| -> Vec<TaskUse> {
            let shape = |one: &AssetUse| TaskUse {
                dag_id: one.dag_id.to_string(),
                task_id: one.task_id.as_ref().map(ToString::to_string).unwrap_or_default(),
                created_at: At(one.created_at),
                updated_at: At(one.updated_at),
            };
            of_role(role).map(shape).collect()
        };
        let scheduled = |one: &AssetUse| ScheduledDag {
            dag_id: one.dag_id.to_string(),
            created_at: At(one.created_at),
            updated_at: At(one.updated_at),
        };
        Self {
            scheduled_dags: of_role(AssetRole::Schedule).map(scheduled).collect(),
            producing_tasks: tasks(AssetRole::Outlet),
            consuming_tasks: tasks(AssetRole::Inlet),
            aliases: Vec::new(),
            watchers: Vec::new(),
            last_asset_event: last.map(|row| LastEvent { id: row.id, timestamp: At(row.at) }),
            id: row.id,
            name: row.name,
            uri: row.uri,
            group: row.group,
            extra: row.extra,
            created_at: At(row.created_at),
            updated_at: At(row.updated_at),
        }
    }
}

/// A run that consumed an event (Airflow: `DagRunAssetReference`).
#[derive(Debug, Serialize)]
struct CreatedRun {
    run_id: String,
    dag_id: String,
    logical_date: Option<At>,
    start_date: Option<At>,
    end_date: Option<At>,
    state: &'static str,
    data_interval_start: Option<At>,
    data_interval_end: Option<At>,
    partition_key: Option<String>,
    triggering: bool,
}

impl CreatedRun {
    fn of(run: &Consumer) -> Self {
        Self {
            run_id: run.run_id.to_string(),
            dag_id: run.dag_id.to_string(),
            logical_date: At::maybe(run.logical_date),
            start_date: At::maybe(run.start_date),
            end_date: At::maybe(run.end_date),
            state: run.state.as_str(),
            data_interval_start: At::maybe(run.data_interval_start),
            data_interval_end: At::maybe(run.data_interval_end),
            partition_key: None,
            triggering: run.is_triggering,
        }
    }
}

/// Airflow: `AssetEventResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct AssetEventShape {
    id: AssetEventKey,
    asset_id: AssetKey,
    uri: Option<String>,
    name: Option<String>,
    group: Option<String>,
    extra: Map<String, Value>,
    source_task_id: Option<String>,
    source_dag_id: Option<String>,
    source_run_id: Option<String>,
    source_map_index: i32,
    created_dagruns: Vec<CreatedRun>,
    timestamp: At,
    partition_key: Option<String>,
}

impl AssetEventShape {
    pub(crate) fn of(
        row: AssetEventRow,
        assets: &BTreeMap<AssetKey, AssetRow>,
        consumers: &[Consumer],
    ) -> Self {
        let asset = assets.get(&row.asset);
        let source = row.source.as_ref();
        let text = |of: fn(&AssetSource) -> String| source.map(of);
        Self {
            id: row.id,
            asset_id: row.asset,
            uri: asset.map(|asset| asset.uri.clone()),
            name: asset.map(|asset| asset.name.clone()),
            group: asset.map(|asset| asset.group.clone()),
            source_task_id: text(|source| source.task_id.to_string()),
            source_dag_id: text(|source| source.dag_id.to_string()),
            source_run_id: text(|source| source.run_id.to_string()),
            source_map_index: source.map_or(-1, |source| source.map_index),
            extra: row.extra,
            created_dagruns: consumers.iter().map(CreatedRun::of).collect(),
            timestamp: At(row.at),
            partition_key: None,
        }
    }
}

/// Airflow: `QueuedEventResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct QueuedEventShape {
    dag_id: String,
    asset_id: AssetKey,
    created_at: At,
    dag_display_name: String,
}

impl QueuedEventShape {
    pub(crate) fn of(row: &AssetQueueRow, dag_display_name: String) -> Option<Self> {
        Some(Self {
            dag_id: row.dag_id.to_string(),
            asset_id: row.asset,
            created_at: At(row.queued_at?),
            dag_display_name,
        })
    }
}
