//! `millrace approvals`: what people are asked now.

use clap::Args;
use millrace_core::state::TaskState;
use millrace_core::wait::Condition;
use millrace_store::page::{Direction, Paging};
use millrace_store::task_instance::{self, TiFilter, TiOfRun, TiOrder};
use serde_json::{Value, json};

use super::runs::time;
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::output::Format;
use crate::settings::Settings;

/// The most that one call lists.
const LISTED_MAX: u32 = 100;

/// Options of `approvals`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  millrace approvals deploy_model")]
pub(crate) struct Approvals {
    /// Only of this DAG
    #[arg(value_name = "DAG")]
    dag_id: Option<String>,

    #[command(flatten)]
    format: Format,
}

impl Approvals {
    /// Lists them, the oldest first.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        let filter = TiFilter {
            dag_ids: self.dag_id.into_iter().collect(),
            states: vec![TaskState::AwaitingInput],
            ..TiFilter::default()
        };
        let paging = Paging { limit: LISTED_MAX, offset: 0 };
        let found =
            task_instance::list(&store, &filter, TiOrder::Id, Direction::Ascending, paging).await;
        let records: Vec<Value> = found.map_err(fault)?.rows.iter().filter_map(record).collect();
        let columns = ["dag_id", "run_id", "task_id", "subject", "options", "who", "until"];
        self.format.records(&records, &columns)
    }
}

fn record(found: &TiOfRun) -> Option<Value> {
    let wait = found.row.wait.as_deref()?;
    let Some(Condition::Answer(question)) = &wait.condition else { return None };
    let who = if question.assigned_users.is_empty() {
        "anybody".to_owned()
    } else {
        question.assigned_users.join(", ")
    };
    Some(json!({
        "dag_id": found.dag_id,
        "run_id": found.run_id,
        "task_id": found.row.task_id,
        "map_index": found.row.map_index,
        "subject": question.subject,
        "body": question.body,
        "options": question.options,
        "who": who,
        "since": time(Some(wait.since)),
        "until": time(wait.until),
    }))
}
