//! `millrace runs`: dag runs, newest first.

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use millrace_core::engine::Order;
use millrace_core::ids::DagId;
use millrace_core::record::RunRow;
use millrace_core::state::RunState;
use millrace_store::dag_run::{self, RunFilter, RunOrder};
use millrace_store::page::{Direction, LIMIT_MAX, Paging};
use millrace_store::{dag_version, task_instance};
use serde_json::{Map, Value, json};

use super::one_run::{OneRun, dag_of};
use super::wait::actor;
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::orders;
use crate::output::{Format, print};
use crate::settings::Settings;

/// A run's state, as an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateWord {
    /// Not started
    Queued,
    /// Running
    Running,
    /// Ended well
    Success,
    /// Ended badly
    Failed,
}

/// What to do with dag runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// List dag runs, newest first
    List {
        /// Of this DAG [default: all]
        #[arg(value_name = "DAG")]
        dag_id: Option<DagId>,
        /// In this state
        #[arg(long, value_enum)]
        state: Option<StateWord>,
        /// How many
        #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=i64::from(LIMIT_MAX)))]
        count: u32,
        #[command(flatten)]
        format: Format,
    },
    /// Show a dag run
    Show {
        #[command(flatten)]
        run: OneRun,
        #[command(flatten)]
        format: Format,
    },
    /// Delete a dag run and everything that belongs to it
    Delete {
        #[command(flatten)]
        run: OneRun,
    },
}

impl Runs {
    /// Does it.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        match self {
            Self::List { dag_id, state, count, format } => {
                if let Some(dag_id) = &dag_id {
                    dag_of(&store, dag_id).await?;
                }
                let wanted = RunFilter {
                    dag_ids: dag_id.iter().map(ToString::to_string).collect(),
                    states: state.map(RunState::from).into_iter().collect(),
                    ..RunFilter::default()
                };
                let paging = Paging { limit: count, offset: 0 };
                let order = RunOrder::RunAfter;
                let found = dag_run::list(&store, &wanted, order, Direction::Descending, paging);
                let rows = found.await.map_err(fault)?.rows;
                let records: Vec<Value> = rows.iter().map(record).collect();
                let columns = ["dag_id", "run_id", "state", "run_type", "start_date", "duration"];
                format.records(&records, &columns)
            }
            Self::Show { run, format } => {
                let run = run.find(&store).await?;
                show(&store, &run, format).await
            }
            Self::Delete { run } => {
                let found = run.find(&store).await?;
                let RunRow { dag_id, run_id, .. } = found;
                let message = format!("dag run {run_id} of {dag_id} is gone");
                orders::send_now(&store, &Order::DeleteRun { dag_id, run_id, actor: actor() })
                    .await?;
                print(&message)
            }
        }
    }
}

impl From<StateWord> for RunState {
    fn from(word: StateWord) -> Self {
        match word {
            StateWord::Queued => Self::Queued,
            StateWord::Running => Self::Running,
            StateWord::Success => Self::Success,
            StateWord::Failed => Self::Failed,
        }
    }
}

async fn show(store: &millrace_store::Store, run: &RunRow, format: Format) -> Result<(), Failure> {
    let version = dag_version::by_key(store, run.version).await.map_err(fault)?;
    let mut tasks: Map<String, Value> = Map::new();
    for ti in task_instance::of_run(store, run.id).await.map_err(fault)? {
        let count = tasks.get(ti.state.as_str()).and_then(Value::as_u64).unwrap_or(0);
        tasks.insert(ti.state.to_string(), json!(count + 1));
    }
    let mut record = record(run);
    record["dag_version"] = json!(version.map(|version| version.version_number));
    record["tasks"] = Value::Object(tasks);
    format.record(&record)
}

/// An instant as commands print it.
pub(crate) fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(millrace_core::time::rest)
}

/// How long something took or takes, in seconds.
pub(crate) fn duration(start: Option<Timestamp>, end: Option<Timestamp>) -> Option<f64> {
    let start = start?;
    let end = end.filter(|end| *end >= start).unwrap_or_else(local::now);
    Some((end.duration_since(start).as_secs_f64() * 1000.0).round() / 1000.0)
}

/// A run as commands print it.
pub(crate) fn record(run: &RunRow) -> Value {
    let end = run.end_date.filter(|_| run.state.is_terminal());
    json!({
        "dag_id": run.dag_id,
        "run_id": run.run_id,
        "state": run.state,
        "reason": run.reason,
        "run_type": run.run_type,
        "logical_date": time(run.logical_date),
        "data_interval_start": time(run.data_interval_start),
        "data_interval_end": time(run.data_interval_end),
        "run_after": time(Some(run.run_after)),
        "queued_at": time(Some(run.queued_at)),
        "start_date": time(run.start_date),
        "end_date": time(end),
        "duration": duration(run.start_date, end),
        "conf": run.conf,
        "params": run.params,
        "triggered_by": run.triggered_by,
        "triggering_user": run.triggering_user,
        "clear_number": run.clear_number,
        "note": run.note,
    })
}
