//! `millrace tasks`: the task instances of a dag run.

use clap::Args;
use millrace_core::record::TiRow;
use millrace_store::task_instance;
use serde_json::{Value, json};

use super::one_run::OneRun;
use super::runs::{duration, time};
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::output::Format;
use crate::settings::Settings;

/// Options of `tasks`.
#[derive(Debug, Args)]
pub(crate) struct Tasks {
    #[command(flatten)]
    run: OneRun,
    #[command(flatten)]
    format: Format,
}

impl Tasks {
    /// Lists them.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        let run = self.run.find(&store).await?;
        let tis = task_instance::of_run(&store, run.id).await.map_err(fault)?;
        let is_mapped = tis.iter().any(|ti| ti.map_index >= 0);
        let records: Vec<Value> = tis.iter().map(record).collect();
        let mut columns =
            vec!["task_id", "state", "try_number", "operator", "start_date", "duration", "reason"];
        if is_mapped {
            columns.insert(1, "map_index");
        }
        self.format.records(&records, &columns)
    }
}

/// A task instance as commands print it.
pub(crate) fn record(ti: &TiRow) -> Value {
    let end = ti.end_date.filter(|_| ti.state.is_terminal());
    json!({
        "task_id": ti.task_id,
        "map_index": ti.map_index,
        "state": ti.state,
        "reason": ti.reason,
        "try_number": ti.try_number,
        "max_tries": ti.max_tries,
        "operator": ti.operator,
        "queue": ti.queue,
        "pool": ti.pool,
        "pool_slots": ti.pool_slots,
        "priority_weight": ti.priority_weight,
        "worker": ti.worker,
        "exit_code": ti.exit_code,
        "queued_at": time(ti.queued_at),
        "start_date": time(ti.start_date),
        "end_date": time(end),
        "duration": duration(ti.start_date, end),
        "retry_at": time(ti.retry_at),
        "note": ti.note,
    })
}
