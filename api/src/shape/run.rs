//! A dag run.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use millrace_core::engine::Trigger;
use millrace_core::ids::RunId;
use millrace_core::record::{RunRow, VersionKey};
use millrace_core::state::RunState;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{At, VersionShape, seconds};
use crate::dags::Version;

/// Airflow: `DAGRunResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct RunShape {
    pub(crate) dag_run_id: String,
    dag_id: String,
    logical_date: Option<At>,
    queued_at: Option<At>,
    start_date: Option<At>,
    end_date: Option<At>,
    duration: Option<f64>,
    data_interval_start: Option<At>,
    data_interval_end: Option<At>,
    run_after: At,
    last_scheduling_decision: Option<At>,
    run_type: &'static str,
    pub(crate) state: &'static str,
    triggered_by: &'static str,
    triggering_user_name: Option<String>,
    conf: Option<Map<String, Value>>,
    pub(crate) note: Option<String>,
    dag_versions: Vec<VersionShape>,
    bundle_version: Option<String>,
    dag_display_name: String,
    partition_key: Option<String>,
    partition_date: Option<At>,
}

/// Airflow: `DAGRunCollectionResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct RunPage {
    pub(crate) dag_runs: Vec<RunShape>,
    pub(crate) total_entries: u64,
    pub(crate) total_entries_limit: Option<u64>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) previous_cursor: Option<String>,
}

impl RunShape {
    pub(crate) fn of(
        row: RunRow,
        dag_display_name: &str,
        versions: &HashMap<VersionKey, Arc<Version>>,
    ) -> Self {
        let version = versions.get(&row.version);
        let version = version.map(|version| VersionShape::of(&version.row, dag_display_name));
        Self {
            dag_run_id: row.run_id.to_string(),
            dag_id: row.dag_id.to_string(),
            logical_date: At::maybe(row.logical_date),
            queued_at: Some(At(row.queued_at)),
            start_date: At::maybe(row.start_date),
            end_date: At::maybe(row.end_date),
            duration: seconds(row.start_date, row.end_date),
            data_interval_start: At::maybe(row.data_interval_start),
            data_interval_end: At::maybe(row.data_interval_end),
            run_after: At(row.run_after),
            last_scheduling_decision: None,
            run_type: row.run_type.as_str(),
            state: row.state.as_str(),
            triggered_by: row.triggered_by.as_str(),
            triggering_user_name: row.triggering_user,
            conf: Some(row.conf.unwrap_or_default()),
            note: row.note,
            dag_versions: version.into_iter().collect(),
            bundle_version: None,
            dag_display_name: dag_display_name.to_owned(),
            partition_key: None,
            partition_date: None,
        }
    }

    /// A run that no scheduler has created yet: what its order says, and what the engine will make
    /// of it.
    pub(crate) fn waiting(
        trigger: Trigger,
        run_id: &RunId,
        at: Timestamp,
        version: &Version,
        dag_display_name: &str,
        inferred: Option<(Timestamp, Timestamp)>,
    ) -> Self {
        let interval = trigger.data_interval.or(inferred);
        Self {
            dag_run_id: run_id.to_string(),
            dag_id: trigger.dag_id.to_string(),
            logical_date: At::maybe(trigger.logical_date),
            queued_at: Some(At(at)),
            start_date: None,
            end_date: None,
            duration: None,
            data_interval_start: interval.map(|(start, _)| At(start)),
            data_interval_end: interval.map(|(_, end)| At(end)),
            run_after: At(trigger.run_after.unwrap_or(at)),
            last_scheduling_decision: None,
            run_type: trigger.run_type.as_str(),
            state: RunState::Queued.as_str(),
            triggered_by: trigger.triggered_by.as_str(),
            triggering_user_name: trigger.actor,
            conf: Some(trigger.conf.unwrap_or_default()),
            note: trigger.note,
            dag_versions: vec![VersionShape::of(&version.row, dag_display_name)],
            bundle_version: None,
            dag_display_name: dag_display_name.to_owned(),
            partition_key: None,
            partition_date: None,
        }
    }
}
