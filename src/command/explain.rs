//! `millrace explain`: why a task has not run, in words, by the engine's own predicates.
//!
//! An engine is made from the database as after a restart, asked, and thrown away.

use std::collections::HashMap;
use std::sync::Arc;

use clap::Args;
use jiff::Timestamp;
use millrace_core::dag::Dag;
use millrace_core::dagfile::read_version;
use millrace_core::engine::{Engine, EngineConfig, Explanation, Surroundings};
use millrace_core::ids::DagId;
use millrace_core::record::VersionKey;
use millrace_core::time::rest;
use millrace_store::{Store, worker};
use serde_json::json;

use super::one_run::OneRun;
use crate::failure::Failure;
use crate::local::{self, fault};
use crate::output::{Format, Output, print};
use crate::settings::Settings;

/// In place of a run: the one that there is not yet.
const NEXT: &str = "next";

/// Options of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  millrace explain daily_report latest publish
  millrace explain deployment next     what the next run waits for, assets among it
  millrace explain --schedule daily_report 2025-03-30         why is there (no) run for that day?
  millrace explain --schedule dags/report.yaml 2025-03-30     the same, from the file alone")]
pub(crate) struct Explain {
    /// The DAG
    #[arg(value_name = "DAG", required_unless_present = "schedule")]
    dag_id: Option<DagId>,

    /// The dag run's id; `latest` is the newest one
    #[arg(value_name = "RUN", required_unless_present = "schedule")]
    run: Option<String>,

    /// Instead of a run: why the schedule has or has not made a run for a date. A DAG file is asked
    /// without a database
    #[arg(long, num_args = 2, value_names = ["DAG", "DATE"], conflicts_with_all = ["dag_id", "run", "task"])]
    schedule: Option<Vec<String>>,

    /// The task; without one the dag run itself is explained
    #[arg(value_name = "TASK")]
    task: Option<String>,

    /// The item of a mapped task
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true, hide_default_value = true)]
    map_index: i32,

    #[command(flatten)]
    format: Format,
}

impl Explain {
    /// Says why.
    pub(crate) async fn run(self, settings: &Settings) -> Result<(), Failure> {
        if let Some([dag, date]) = self.schedule.as_deref() {
            return super::explain_schedule::explain(settings, dag, date, self.format).await;
        }
        let (Some(dag_id), Some(run)) = (self.dag_id.clone(), self.run.clone()) else {
            return Err(Failure::usage("say DAG and RUN, or --schedule DAG DATE"));
        };
        let one = OneRun { dag_id, run };
        let store = local::open(settings).await?;
        if one.run == NEXT && self.task.is_none() {
            return self.next(settings, &store, &one).await;
        }
        let (run, ti) = match &self.task {
            Some(task) => {
                let (run, ti) = one.find_ti(&store, task, self.map_index).await?;
                (run, Some(ti))
            }
            None => (one.find(&store).await?, None),
        };
        let now = local::now();
        let engine = engine(settings, &store, now).await?;
        let queue = ti.as_ref().map(|ti| ti.queue.as_str()).unwrap_or_default();
        let around = Surroundings {
            engine: Some(&engine),
            workers: worker::serving(&store, queue, now).await.map_err(fault)?,
            is_led: store.is_led().await.map_err(fault)?,
            now,
        };
        let (what, found) = match &ti {
            Some(ti) => (format!("task {}", ti.task_id), Explanation::of_ti(&run, ti, &around)),
            None => (format!("dag run {}", run.run_id), Explanation::of_run(&run, &around)),
        };
        if self.format.output == Output::Json {
            return self.format.record(&json!({
                "dag_id": run.dag_id,
                "run_id": run.run_id,
                "task_id": ti.map(|ti| ti.task_id),
                "state": found.state,
                "since": found.since.map(rest),
                "reasons": found.reasons,
            }));
        }
        print(&found.text(&what, now))
    }

    /// Says what the next run waits for.
    async fn next(&self, settings: &Settings, store: &Store, one: &OneRun) -> Result<(), Failure> {
        let now = local::now();
        let dag_id = &one.dag_id;
        let reasons = engine(settings, store, now).await?.explain_dag(dag_id, now);
        let Some(reasons) = reasons else {
            return Err(Failure::wrong(format!("there is no dag \"{dag_id}\"")));
        };
        if self.format.output == Output::Json {
            return self.format.record(&json!({ "dag_id": dag_id, "reasons": reasons }));
        }
        print(&format!("the next run of {dag_id}"))?;
        for reason in &reasons {
            print(&format!("  - {}", reason.text))?;
        }
        Ok(())
    }
}

/// The engine as a scheduler would make it now.
async fn engine(settings: &Settings, store: &Store, now: Timestamp) -> Result<Engine, Failure> {
    let zones = settings.zones()?;
    let known = settings.known(&zones);
    let snapshot = store.restore().await.map_err(fault)?;
    let dags: HashMap<VersionKey, Arc<Dag>> = snapshot
        .versions
        .iter()
        .filter_map(|version| Some((version.id, read_version(version, &known).ok()?)))
        .collect();
    Ok(Engine::restore(EngineConfig::default(), snapshot, dags, now).0)
}
