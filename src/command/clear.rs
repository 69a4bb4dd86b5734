//! `millrace clear`: task instances run again; their tries and logs are kept.

use std::collections::BTreeSet;

use clap::Args;
use millrace_core::engine::{Clear, Order, Selection, plan_clear};
use millrace_core::ids::TaskId;
use millrace_core::record::{RunRow, TiKey, TiRow};
use millrace_scheduler::disk::read_version;
use millrace_store::{Store, dag_version, task_instance};
use serde_json::{Value, json};

use super::one_run::{OneRun, dag_of};
use super::wait::actor;
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::orders;
use crate::output::{Format, Output, print};
use crate::settings::Settings;

/// Which task instances, relative to named tasks.
#[derive(Debug, Clone, Args)]
pub(crate) struct Selected {
    /// A task; repeat it for several [default: all tasks]
    #[arg(long = "task", short, value_name = "TASK")]
    tasks: Vec<TaskId>,

    /// Also everything upstream of the tasks
    #[arg(long, requires = "tasks")]
    upstream: bool,

    /// Also everything downstream of the tasks
    #[arg(long, requires = "tasks")]
    downstream: bool,
}

impl Selected {
    /// The engine's form.
    pub(crate) fn selection(&self, only_failed: bool) -> Selection {
        Selection {
            task_ids: self.tasks.clone(),
            include_upstream: self.upstream,
            include_downstream: self.downstream,
            only_failed,
            only_running: false,
        }
    }

    /// Whether no task is named.
    pub(crate) fn is_all(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// Options of `clear`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  millrace clear daily_report latest --only-failed\n  millrace clear daily_report latest --task extract --downstream --dry-run\n  millrace clear daily_report latest --task extract --downstream --latest-version"
)]
pub(crate) struct ClearTasks {
    #[command(flatten)]
    run: OneRun,

    #[command(flatten)]
    selected: Selected,

    /// Only what failed, or was not run since something upstream failed
    #[arg(long)]
    only_failed: bool,

    /// Run them with the newest version of the DAG; else the run keeps its own
    #[arg(long)]
    latest_version: bool,

    /// Change nothing; say what would run and what is reused
    #[arg(long, short = 'n')]
    dry_run: bool,

    #[command(flatten)]
    format: Format,
}

impl ClearTasks {
    /// Orders it, or says what it would do.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        let store = local::open(settings).await?;
        let run = self.run.find(&store).await?;
        let clear = Clear {
            dag_id: run.dag_id.clone(),
            run_id: run.run_id.clone(),
            selection: self.selected.selection(self.only_failed),
            reset_dag_run: true,
            run_on_latest_version: self.latest_version,
            actor: actor(),
        };
        if self.dry_run {
            return self.plan(settings, &store, &run, &clear).await;
        }
        let answer = orders::send_now(&store, &Order::Clear(clear)).await?;
        let count = answer.as_array().map_or(0, Vec::len);
        if self.format.output == Output::Json {
            return self.format.record(&json!({ "cleared": answer }));
        }
        if count == 0 {
            return print("nothing to clear");
        }
        print(&format!("{count} task instances of {} run again", run.run_id))?;
        let records = answer.as_array().map_or(&[][..], Vec::as_slice);
        self.format.records(records, &["task_id", "state", "try_number"])
    }

    async fn plan(
        &self,
        settings: &Settings,
        store: &Store,
        run: &RunRow,
        clear: &Clear,
    ) -> Result<(), Failure> {
        let version = if self.latest_version {
            dag_of(store, &run.dag_id).await?.version
        } else {
            run.version
        };
        let version = dag_version::by_key(store, version).await.map_err(fault)?;
        let version = version.ok_or_else(|| Failure::defect("the run's DAG version is gone"))?;
        let zones = settings.zones()?;
        let dag = read_version(&version, &settings.known(&zones)).map_err(Failure::wrong)?;
        let tis = task_instance::of_run(store, run.id).await.map_err(fault)?;
        let planned = plan_clear(&dag, &tis, clear).map_err(Failure::wrong)?;
        let planned: BTreeSet<TiKey> = planned.into_iter().collect();
        let mut records: Vec<Value> = tis.iter().map(|ti| planned_record(ti, &planned)).collect();
        let is_new = |id: &TaskId| self.latest_version && !tis.iter().any(|ti| ti.task_id == *id);
        records.extend(dag.tasks.iter().filter(|task| is_new(&task.task_id)).map(
            |task| json!({ "task_id": task.task_id, "action": "runs, new in the newest version" }),
        ));
        self.format.records(&records, &["task_id", "state", "try_number", "action"])?;
        if self.format.output == Output::Table {
            let reused = tis.len() - planned.len();
            print(&format!(
                "{} would run again, {reused} are reused; nothing was changed",
                planned.len()
            ))?;
        }
        Ok(())
    }
}

fn planned_record(ti: &TiRow, planned: &BTreeSet<TiKey>) -> Value {
    let action = if planned.contains(&ti.id) { "runs again" } else { "reused" };
    json!({
        "task_id": ti.task_id,
        "map_index": ti.map_index,
        "state": ti.state,
        "try_number": ti.try_number,
        "action": action,
    })
}
