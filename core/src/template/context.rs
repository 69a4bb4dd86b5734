//! What a template may see of its run, as plain data that travels to workers.
//!
//! Owns [`TemplateContext`] only; values that live elsewhere (XCom, variables, connections) are
//! in `lookup`. Nothing here renders.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The context of one task instance (Airflow: `get_template_context`).
///
/// A run without a logical date gives `ds`, `ts`, `data_interval_start` and the like from
/// `run_after`; Airflow leaves them undefined there, which breaks every manually triggered DAG.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TemplateContext {
    /// The DAG's id.
    pub dag_id: String,
    /// The task's id.
    pub task_id: String,
    /// The run's id.
    pub run_id: String,
    /// `scheduled`, `manual`, `backfill`, `asset_triggered`, …
    pub run_type: String,
    /// The run's state when the task started; `running` when empty.
    pub run_state: String,
    /// The logical date, where the run has one.
    pub logical_date: Option<Timestamp>,
    /// Start of the data interval.
    pub data_interval_start: Option<Timestamp>,
    /// End of the data interval.
    pub data_interval_end: Option<Timestamp>,
    /// The instant from which the run may start; stands in for a missing logical date.
    pub run_after: Timestamp,
    /// When the run started.
    pub dag_run_start_date: Option<Timestamp>,
    /// When this attempt started.
    pub ti_start_date: Option<Timestamp>,
    /// The task instance's state; `running` when empty.
    pub ti_state: String,
    /// When its attempt ended; callbacks only.
    pub ti_end_date: Option<Timestamp>,
    /// "Now" for `macros.datetime.now()` and `diff_for_humans()`: the render's instant.
    pub now: Option<Timestamp>,
    /// The run's conf; null where none was given.
    pub conf: Value,
    /// The params, defaults merged with conf and validated by the caller.
    pub params: Map<String, Value>,
    /// The current attempt, from 1.
    pub try_number: u32,
    /// Attempts allowed after the first.
    pub max_tries: u32,
    /// The index of a mapped task instance; -1 when it is not mapped.
    pub map_index: i64,
    /// The tasks of its mapped task group: `xcom('sibling')` means that of the same item.
    pub siblings: Vec<String>,
    /// The mapped instance's label.
    pub map_index_label: Option<String>,
    /// The DAG's `macros`: name → template text. One that is a single `{{ … }}` keeps its type.
    pub macros: IndexMap<String, String>,
    /// The dates of the last successful run before this one.
    pub prev_success: Option<PrevSuccess>,
    /// The partition of an asset-triggered run.
    pub partition_key: Option<String>,
    /// The date of that partition.
    pub partition_date: Option<Timestamp>,
    /// The run's note.
    pub note: Option<String>,
    /// Who triggered the run.
    pub triggering_user_name: Option<String>,
    /// The failure's text; callbacks only.
    pub exception: Option<String>,
    /// Why a callback runs; callbacks only.
    pub reason: Option<String>,
    /// Further attributes of `dag` (`description`, `owner`, `tags`, …).
    pub dag: Map<String, Value>,
    /// Further attributes of `task` (`owner`, `retries`, `pool`, `queue`, …).
    pub task: Map<String, Value>,
    /// Further attributes of `ti` (`log_url`, `hostname`, `duration`, …).
    pub ti: Map<String, Value>,
    /// Further names of the context (`templates_dict`, `response`, …).
    pub extra: Map<String, Value>,
}

/// The previous successful run (`prev_data_interval_start_success` and its siblings).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PrevSuccess {
    /// Start of its data interval.
    pub data_interval_start: Option<Timestamp>,
    /// End of its data interval.
    pub data_interval_end: Option<Timestamp>,
    /// When it started.
    pub start_date: Option<Timestamp>,
    /// When it ended.
    pub end_date: Option<Timestamp>,
}

impl TemplateContext {
    /// The date that `ds` and `ts` show: the logical date, else `run_after`.
    pub fn effective_date(&self) -> Timestamp {
        self.logical_date.unwrap_or(self.run_after)
    }

    /// Start of the data interval, else the logical date, else `run_after`.
    pub fn effective_interval_start(&self) -> Timestamp {
        self.data_interval_start.unwrap_or_else(|| self.effective_date())
    }

    /// End of the data interval, else the logical date, else `run_after`.
    pub fn effective_interval_end(&self) -> Timestamp {
        self.data_interval_end.unwrap_or_else(|| self.effective_date())
    }
}
