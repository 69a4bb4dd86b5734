//! Task instances, their tries and XComs.

use millrace_core::record::{AttemptRow, RunRow, TiRow, XComRow};
use millrace_core::state::TaskState;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{At, VersionShape, seconds};
use crate::uuid;

/// Airflow: `TaskInstanceResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct TiShape {
    id: String,
    #[serde(flatten)]
    about: TryShape,
    logical_date: Option<At>,
    run_after: At,
    note: Option<String>,
    rendered_map_index: Option<String>,
    rendered_fields: Map<String, Value>,
    trigger: Option<String>,
    triggerer_job: Option<String>,
}

/// Airflow: `TaskInstanceHistoryResponse`; also what it shares with the task instance.
#[derive(Debug, Serialize)]
pub(crate) struct TryShape {
    pub(crate) task_id: String,
    dag_id: String,
    dag_run_id: String,
    map_index: i32,
    start_date: Option<At>,
    end_date: Option<At>,
    duration: Option<f64>,
    pub(crate) state: Option<&'static str>,
    pub(crate) try_number: u32,
    max_tries: u32,
    task_display_name: String,
    dag_display_name: String,
    hostname: String,
    unixname: Option<String>,
    pool: String,
    pool_slots: u32,
    queue: String,
    priority_weight: i32,
    operator: String,
    operator_name: String,
    queued_when: Option<At>,
    scheduled_when: Option<At>,
    pid: Option<u32>,
    executor: Option<String>,
    executor_config: &'static str,
    dag_version: Option<VersionShape>,
}

/// Airflow: `TaskInstanceCollectionResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct TiPage {
    pub(crate) task_instances: Vec<TiShape>,
    pub(crate) total_entries: u64,
    pub(crate) total_entries_limit: Option<u64>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) previous_cursor: Option<String>,
}

impl TiPage {
    pub(crate) fn of(task_instances: Vec<TiShape>, total_entries: u64) -> Self {
        Self {
            task_instances,
            total_entries,
            total_entries_limit: None,
            next_cursor: None,
            previous_cursor: None,
        }
    }
}

/// The names that a task instance's shape has from elsewhere.
pub(crate) struct TiNames<'a> {
    pub(crate) run: &'a RunRow,
    pub(crate) dag_display_name: &'a str,
    pub(crate) task_display_name: String,
    pub(crate) version: Option<VersionShape>,
}

/// A state in Airflow's words: `null` is no state.
fn state(state: TaskState) -> Option<&'static str> {
    (state != TaskState::NoStatus).then_some(state.as_str())
}

impl TryShape {
    fn of(row: &TiRow, names: TiNames<'_>) -> Self {
        Self {
            task_id: row.task_id.to_string(),
            dag_id: names.run.dag_id.to_string(),
            dag_run_id: names.run.run_id.to_string(),
            map_index: row.map_index,
            start_date: At::maybe(row.start_date),
            end_date: At::maybe(row.end_date),
            duration: seconds(row.start_date, row.end_date),
            state: state(row.state),
            try_number: row.try_number,
            max_tries: row.max_tries,
            task_display_name: names.task_display_name,
            dag_display_name: names.dag_display_name.to_owned(),
            hostname: row.worker.clone().unwrap_or_default(),
            unixname: None,
            pool: row.pool.clone(),
            pool_slots: row.pool_slots,
            queue: row.queue.clone(),
            priority_weight: row.priority_weight,
            operator: row.operator.clone(),
            operator_name: row.operator.clone(),
            queued_when: At::maybe(row.queued_at),
            scheduled_when: At::maybe(row.scheduled_at),
            pid: None,
            executor: None,
            executor_config: "{}",
            dag_version: names.version,
        }
    }

    /// A try: the last attempt at it.
    pub(crate) fn of_attempt(row: &TiRow, attempt: &AttemptRow, names: TiNames<'_>) -> Self {
        let is_current =
            attempt.key.try_number == row.try_number && attempt.key.epoch == row.record_epoch();
        let ended = attempt.outcome.or_else(|| (!is_current).then_some(TaskState::Failed));
        let (queued, scheduled) =
            if is_current { (row.queued_at, row.scheduled_at) } else { (None, None) };
        Self {
            start_date: Some(At(attempt.start_date)),
            end_date: At::maybe(attempt.end_date),
            duration: seconds(Some(attempt.start_date), attempt.end_date),
            // Airflow keeps a try that is repeated as failed.
            state: match ended.unwrap_or(row.state) {
                TaskState::UpForRetry | TaskState::NoStatus => Some(TaskState::Failed.as_str()),
                other => state(other),
            },
            try_number: attempt.key.try_number,
            hostname: attempt.worker.clone(),
            queued_when: At::maybe(queued),
            scheduled_when: At::maybe(scheduled),
            ..Self::of(row, names)
        }
    }
}

impl TiShape {
    pub(crate) fn of(row: &TiRow, attempt: Option<&AttemptRow>, names: TiNames<'_>) -> Self {
        let rendered = attempt.and_then(|attempt| attempt.rendered.clone());
        let index = (row.map_index >= 0).then(|| row.map_index.to_string());
        let mapped = row.rendered_map_index.clone().or(index);
        Self {
            id: uuid::of("task_instance", row.id),
            logical_date: At::maybe(names.run.logical_date),
            run_after: At(names.run.run_after),
            note: row.note.clone(),
            rendered_map_index: mapped,
            rendered_fields: match rendered {
                Some(Value::Object(fields)) => fields,
                _ => Map::new(),
            },
            trigger: None,
            triggerer_job: None,
            about: TryShape::of(row, names),
        }
    }
}

/// Airflow: `XComResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct XComShape {
    key: String,
    timestamp: At,
    logical_date: Option<At>,
    map_index: i32,
    task_id: String,
    dag_id: String,
    run_id: String,
    dag_display_name: String,
    task_display_name: String,
    run_after: At,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<Value>,
}

impl XComShape {
    /// An entry without its value.
    pub(crate) fn of(row: &XComRow, run: &RunRow, dag_name: &str, task_name: String) -> Self {
        Self {
            key: row.key.clone(),
            timestamp: At(row.created_at),
            logical_date: At::maybe(run.logical_date),
            map_index: row.map_index,
            task_id: row.task_id.to_string(),
            dag_id: run.dag_id.to_string(),
            run_id: run.run_id.to_string(),
            dag_display_name: dag_name.to_owned(),
            task_display_name: task_name,
            run_after: At(run.run_after),
            value: None,
        }
    }
}
