//! The event log and import errors.

use millrace_store::event::StoredEvent;
use millrace_store::import_error::ImportError;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{At, BUNDLE};

/// Airflow: `EventLogResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct EventShape {
    event_log_id: i64,
    when: At,
    dag_id: Option<String>,
    task_id: Option<String>,
    run_id: Option<String>,
    map_index: Option<i32>,
    try_number: Option<u32>,
    event: String,
    logical_date: Option<At>,
    owner: Option<String>,
    extra: Option<String>,
    dag_display_name: Option<String>,
    task_display_name: Option<String>,
}

impl EventShape {
    pub(crate) fn of(event: StoredEvent) -> Self {
        let row = event.row;
        let mut extra = match row.detail {
            Some(Value::Object(detail)) => detail,
            Some(other) => Map::from_iter([("detail".to_owned(), other)]),
            None => Map::new(),
        };
        for (name, state) in [("from", row.from), ("to", row.to)] {
            if let Some(state) = state {
                extra.insert(name.to_owned(), state.into());
            }
        }
        let dag_id = row.dag_id.map(String::from);
        let task_id = event.task_id.map(String::from);
        Self {
            event_log_id: event.id,
            when: At(row.at),
            dag_id: dag_id.clone(),
            task_id: task_id.clone(),
            run_id: event.run_id.map(String::from),
            map_index: event.map_index,
            try_number: row.try_number,
            event: row.kind,
            logical_date: None,
            owner: row.actor,
            extra: (!extra.is_empty()).then(|| Value::Object(extra).to_string()),
            dag_display_name: dag_id,
            task_display_name: task_id,
        }
    }
}

/// Airflow: `ImportErrorResponse`.
#[derive(Debug, Serialize)]
pub(crate) struct ImportErrorShape {
    import_error_id: i64,
    timestamp: At,
    filename: String,
    bundle_name: &'static str,
    stack_trace: String,
}

impl ImportErrorShape {
    pub(crate) fn of(error: ImportError) -> Self {
        Self {
            import_error_id: error.id,
            timestamp: At(error.at),
            filename: error.file,
            bundle_name: BUNDLE,
            stack_trace: error.report,
        }
    }
}
