//! The rows of assets: what there is, who writes and reads it, what happened to it, who waits.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::RunKey;
use crate::ids::{DagId, RunId, TaskId};

/// The number of an asset, chosen by the leader; never reused.
pub type AssetKey = i64;

/// The number of an asset event, chosen by the leader; it grows with time over all assets.
pub type AssetEventKey = i64;

/// An asset: a row of `asset`. Rows stay when no DAG names the asset any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssetRow {
    /// Its number.
    pub id: AssetKey,
    /// Its name; no two assets have the same.
    pub name: String,
    /// Where it is; its name when nothing else is said.
    pub uri: String,
    /// Its group.
    pub group: String,
    /// What DAG files say of it.
    pub extra: Map<String, Value>,
    /// When a DAG named it first.
    pub created_at: Timestamp,
    /// When a DAG file changed what is said of it.
    pub updated_at: Timestamp,
}

/// What a DAG does with an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssetRole {
    /// It starts the DAG.
    Schedule,
    /// A task reads it.
    Inlet,
    /// A task writes it.
    Outlet,
}

impl AssetRole {
    /// The word used in the database and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Inlet => "inlet",
            Self::Outlet => "outlet",
        }
    }

    /// The role of a word, if it is one.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Schedule, Self::Inlet, Self::Outlet].into_iter().find(|role| role.as_str() == word)
    }
}

/// A use of an asset by the newest version of a DAG: a row of `asset_reference`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AssetReference {
    /// The asset.
    pub asset: AssetKey,
    /// How it is used.
    pub role: AssetRole,
    /// The task; absent for the DAG's schedule.
    pub task_id: Option<TaskId>,
}

/// Something that happened to an asset: a row of `asset_event`, append-only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AssetEventRow {
    /// Its number.
    pub id: AssetEventKey,
    /// The asset.
    pub asset: AssetKey,
    /// When.
    pub at: Timestamp,
    /// What the writer says of it.
    pub extra: Map<String, Value>,
    /// The task instance that wrote the asset; absent when a person or a script reported it.
    pub source: Option<AssetSource>,
}

/// The newest event of an asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastAssetEvent {
    /// The asset.
    pub asset: AssetKey,
    /// The event.
    pub id: AssetEventKey,
    /// When it came.
    pub at: Timestamp,
}

/// The task instance that an asset event comes from, by its names: the event outlives its run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetSource {
    /// Its DAG.
    pub dag_id: DagId,
    /// Its run.
    pub run_id: RunId,
    /// Its task.
    pub task_id: TaskId,
    /// Its mapped item, -1 when the task is not mapped.
    pub map_index: i32,
}

/// How far a DAG has read the events of an asset that it waits for: a row of `asset_queue`. It
/// takes two numbers however many events there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetQueueRow {
    /// The DAG.
    pub dag_id: DagId,
    /// The asset.
    pub asset: AssetKey,
    /// Events up to this one belong to earlier runs.
    pub after_event: AssetEventKey,
    /// The newest event that waits for a run; none when nothing waits.
    pub last_event: Option<AssetEventKey>,
    /// When the first of them came (Airflow: `created_at` of a queued event).
    pub queued_at: Option<Timestamp>,
}

/// The events of an asset that a run consumed: a row of `asset_run`. They are those of the asset
/// with `after_event < id <= last_event`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetRunRow {
    /// The run.
    pub run: RunKey,
    /// Its DAG.
    pub dag_id: DagId,
    /// The asset.
    pub asset: AssetKey,
    /// The last event before them.
    pub after_event: AssetEventKey,
    /// The last of them.
    pub last_event: AssetEventKey,
}
